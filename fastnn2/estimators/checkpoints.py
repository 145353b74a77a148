"""The callback with which a fit writes checkpoints, and the estimator that goes on from one."""

import math
import os
import pathlib
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.multiclass import unique_labels

from fastnn2.estimators.checkpoint_contents import RANDOM_STATE, parameters_of, set_words
from fastnn2.estimators.checkpoint_run import KIND, CheckpointRun
from fastnn2.estimators.checkpoint_state import Recorded
from fastnn2.estimators.mlp import MLPClassifier, MLPRegressor
from fastnn2.storage import checkpoint_file
from fastnn2.storage.atomic import as_path
from fastnn2.storage.checkpointer import Checkpointer

ESTIMATORS = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}


class Checkpoint:
    """A callback that keeps the state of a fit in a file, so that a killed fit can go on.

    The state is that after a finished epoch. A file is whole at any time: the old checkpoint, or the new one. A fit
    that is killed loses at most `seconds` and the epoch that is running. Its end leaves a checkpoint, too: convergence,
    `max_iter`, or a callback that stops it. Ctrl-C and errors leave that of at most about a second before.

    Set it with ``set_callbacks``. The next fit overwrites the checkpoint of a fit with the same parameters and data. It
    raises ValueError, before any work, if the file has the checkpoint of another fit or is no checkpoint, or if another
    run writes it: clones of an estimator share its callbacks, as in a grid search. ``partial_fit`` calls no callbacks.

    Parameters
    ----------
    file : str or Path
        Of the checkpoint, in a folder that exists. While a fit runs, a file beside it, whose name ends with ``.lock``,
        keeps other runs away.
    seconds : float, default=60
        The time from one checkpoint to the next, 0 or more. At 0 there is one after each epoch, if the last one is
        written by then.

    Raises
    ------
    TypeError, ValueError
        `file` is not the path of a file, or `seconds` is not a finite number of 0 or more.

    Warns
    -----
    RuntimeWarning
        Once in a fit, where a checkpoint cannot be written, for example to a full disk. The fit goes on, and the last
        good checkpoint is intact.

    See Also
    --------
    Checkpoint.resume : The estimator whose fit goes on from a checkpoint.

    Notes
    -----
    Solvers "sgd" and "adam" have checkpoints; "lbfgs" has a state inside SciPy, and is refused.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastnn2 import MLPClassifier
    >>> from fastnn2.callbacks import Checkpoint
    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(500, noise=0.2, random_state=0)
    >>> file = os.path.join(tempfile.mkdtemp(), "moons.checkpoint")
    >>> model = MLPClassifier(max_iter=1000, random_state=0).set_callbacks(Checkpoint(file)).fit(X, y)

    After a kill, another process makes the estimator from the file. Its fit ends as the other one would have ended:

    >>> resumed = Checkpoint.resume(file).fit(X, y)
    >>> resumed.n_iter_ == model.n_iter_
    True
    >>> bool((resumed.predict_proba(X) == model.predict_proba(X)).all())
    True
    """

    def __init__(self, file: str | os.PathLike[str], seconds: float = 60) -> None:
        self.file: pathlib.Path = as_path(file, "file")
        if not isinstance(seconds, Real) or isinstance(seconds, bool):
            raise TypeError(f"seconds is {type(seconds).__name__}; expected a number")
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds is {seconds}; expected a finite number of 0 or more")
        self.seconds: float = float(seconds)

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.file)!r}, seconds={self.seconds:g})"

    @classmethod
    def resume(cls, file: str | os.PathLike[str]) -> MLPClassifier | MLPRegressor:
        """Return an estimator whose next ``fit`` goes on from a checkpoint.

        That fit takes the same X, y and sample_weight as the first one, and ends as that would have ended without a
        break: parameters, optimizer, curves, all attributes and the random state have the same bits. The estimator has
        the parameters and the callback of the first one, and fits after the next are ordinary. Before the next one
        `max_iter` may grow, `n_threads` and `verbose` may change, and further callbacks may be set together with
        ``Checkpoint(file)``. A finished fit returns at once, unless a larger `max_iter` lets it go on.

        With ``random_state=None``, the fit goes on with the random numbers of the first one, from a generator that it
        has for itself. With an instance, the estimator has an instance of its own.

        Parameters
        ----------
        file : str or Path
            Of the checkpoint.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Not fitted. ``fit`` raises ValueError, before any work, if parameters or data are not those of the first
            fit, and says which.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            The file is no checkpoint of an estimator, or is damaged.

        Examples
        --------
        >>> import os, tempfile
        >>> from fastnn2 import MLPRegressor
        >>> from fastnn2.callbacks import Checkpoint
        >>> X = [[x / 10] for x in range(20)]
        >>> y = [x * x for x, in X]
        >>> file = os.path.join(tempfile.mkdtemp(), "squares.checkpoint")
        >>> model = MLPRegressor(max_iter=100, tol=0.1, random_state=0).set_callbacks(Checkpoint(file)).fit(X, y)
        >>> resumed = Checkpoint.resume(file).set_params(max_iter=200).fit(X, y)
        >>> resumed.n_iter_ >= model.n_iter_
        True
        """
        path = as_path(file, "file")
        try:
            recorded = Recorded(path, *checkpoint_file.read(path, KIND))
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no checkpoint {str(path)!r}") from None
        name, parameters = recorded.fit.estimator, dict(recorded.parameters)
        if name not in ESTIMATORS or parameters.keys() != ESTIMATORS[name]().get_params().keys():
            raise ValueError(f"{str(path)!r} has the checkpoint of a {name} that this version of fastnn2 does not know")
        if parameters["random_state"] == RANDOM_STATE:
            parameters["random_state"] = np.random.RandomState()
            set_words(parameters["random_state"], recorded.arrays["initial_random_state"])
        model: MLPClassifier | MLPRegressor = ESTIMATORS[name](**parameters)
        model.set_callbacks(cls(path, recorded.seconds))
        model._resumes_from = str(path)
        return model

    # scikit-learn's protocol
    def setup(self, estimator: Any, context: Any) -> None:
        """Raise ValueError if the estimator is none that has checkpoints."""
        if type(estimator) not in ESTIMATORS.values():
            raise ValueError(
                f"Checkpoint is set on a {type(estimator).__name__}; expected fastnn2's MLPClassifier or MLPRegressor, "
                "which may be the last step of a Pipeline"
            )
        if estimator.solver == "lbfgs":
            raise ValueError(
                'solver is "lbfgs", whose state is inside SciPy; checkpoints are for "sgd" and "adam". Take one of '
                "these, or remove the callback"
            )
        if sum(isinstance(callback, Checkpoint) for callback in estimator._skl_callbacks) > 1:
            raise ValueError("more than one Checkpoint is set on an estimator; expected one")
        parameters_of(estimator)

    def on_fit_task_begin(self, estimator: Any, context: Any, *, X: Any, y: Any, metadata: Any) -> None:
        """Take the file, at the beginning of a fit; raise ValueError if the fit must not write it."""
        if context.task_name != "fit":
            return
        source = estimator._resumes_from
        if source not in (None, str(self.file)):
            raise ValueError(
                f"the estimator goes on from {source!r}, and its callback writes {str(self.file)!r}; set "
                "Checkpoint of the same file"
            )
        _check_classes(estimator, y)
        run = CheckpointRun(Checkpointer(self.file, KIND, self.seconds), context)
        try:
            run.begin(estimator, X, y, (metadata or {}).get("sample_weight"), goes_on=source is not None)
        except BaseException:
            run.close()
            raise
        estimator._checkpoint_run = run

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Do nothing: the estimator calls its CheckpointRun where several epochs are one call of the kernel."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Give the file up, where a fit ends before it begins its work."""
        run = estimator.__dict__.get("_checkpoint_run")
        if run is not None and run.context is context:
            del estimator._checkpoint_run
            run.close()


def _check_classes(model: Any, y: Any) -> None:
    """Raise ValueError if a fit with warm_start has classes that the same fit in another process would not have."""
    if model.warm_start and is_classifier(model) and hasattr(model, "classes_"):
        found, expected = unique_labels(y).dtype, model.classes_.dtype
        if found != expected:
            raise ValueError(
                f"warm_start is True, and the labels in y are {found}; a checkpoint needs them as in the last fit, "
                f"which had {expected}"
            )


# The public name, which pickles contain.
Checkpoint.__module__ = "fastnn2.callbacks"
