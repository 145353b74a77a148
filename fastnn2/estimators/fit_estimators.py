"""The function that fits many estimators in one call."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.utils._param_validation import validate_parameter_constraints

from fastnn2.estimators.hook_signatures import warn_of_changed_signatures
from fastnn2.estimators.many_fits import Job, check, raise_first, run
from fastnn2.estimators.mlp import N_THREADS, MLPClassifier, MLPRegressor

OURS = "fastnn2's MLPClassifier or MLPRegressor"


def fit_estimators(estimators: Any, X: Any, y: Any, sample_weight: Any = None, *, n_threads: int | None = None) -> Any:
    """Fit many estimators side by side, each on one thread; the models are those of their own ``fit``, bit by bit.

    Small networks come in crowds: seeds for an error bar, a sweep, the bootstrap, one network a group. Python around
    the training of each takes as long as the training; here parameters and shared data are checked once, and each
    thread takes the next estimator.

    Parameters
    ----------
    estimators : list
        :class:`MLPClassifier` and :class:`MLPRegressor` of fastnn2, mixed as you like; they are fitted in place. The
        same object twice is an error. Of estimators that share a RandomState, or draw from NumPy's global one
        (``random_state=None``), each draws what it would in a loop, so they are fitted one after the other. Estimators
        with callbacks, ``verbose``, or of a subclass are fitted in the calling thread, after the others.
    X : array_like or sparse (n_samples, n_features), or a list or tuple of them
        As ``fit`` takes it. A list or tuple has one entry for each estimator, and anything else, such as an array or a
        frame, is one value for all: pass ``np.asarray(rows)`` for a list of rows.
    y : array_like (n_samples,) or (n_samples, n_outputs), or a list or tuple of them
        The same.
    sample_weight : array_like (n_samples,), or a list or tuple of them, optional
        The same, or an array of shape (estimators, n_samples). An entry may be None.
    n_threads : int or None, default=None
        The most threads. None takes the usable cores, and 1 inside a worker of joblib. The models do not depend on it.

    Returns
    -------
    list
        `estimators` itself if it is a list.

    Raises
    ------
    TypeError, ValueError
        Arguments, parameters or data are wrong. The message names the estimator, and none has been fitted.
    Exception
        A fit has failed: the others are finished, and the error of the first one in the list is raised, with its
        number.
    KeyboardInterrupt
        Ctrl-C was pressed. All threads have ended. Estimators whose fit was finished are fitted; the others are as
        before the call.

    Warns
    -----
    ConvergenceWarning
        And all other warnings of the fits, in the order of the list, each with the number of its estimator, when all
        have ended. Those about data that estimators share come once.

    Examples
    --------
    >>> import fastnn2
    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> def new(seed):
    ...     return fastnn2.MLPClassifier(30, solver="lbfgs", alpha=0.1, max_iter=1000, random_state=seed)
    >>> models = fastnn2.fit_estimators([new(seed) for seed in range(5)], X, y)
    >>> [model.score(X, y) > 0.9 for model in models]
    [True, True, True, True, True]

    Each with rows of its own, here those of the bootstrap:

    >>> import numpy as np
    >>> source = np.random.default_rng(0)
    >>> rows = [source.integers(0, len(X), len(X)) for _ in range(5)]
    >>> models = fastnn2.fit_estimators([new(0) for _ in rows], [X[each] for each in rows], [y[each] for each in rows])
    >>> spread = np.std([model.predict_proba(X) for model in models], axis=0)
    >>> spread.shape
    (200, 2)
    """
    warn_of_changed_signatures()
    validate_parameter_constraints({"n_threads": N_THREADS}, {"n_threads": n_threads}, "fit_estimators")
    models = _checked_models(estimators)
    inputs = (
        _entries("X", X, len(models)),
        _entries("y", y, len(models)),
        _entries("sample_weight", _as_rows(sample_weight, len(models)), len(models)),
    )
    jobs = [Job(number, *each) for number, each in enumerate(zip(models, zip(*inputs, strict=True), strict=True))]
    interrupt = None
    try:
        check(jobs)
        run(jobs, n_threads)
    except KeyboardInterrupt:
        done = sum(job.is_done for job in jobs)
        interrupt = KeyboardInterrupt(
            f"stopped after {done} of {len(jobs)} fits; the other estimators are as before the call"
        )
    try:
        for job in jobs:
            for category, text in job.warnings:
                # Not by its __init__, which may take other arguments than a text.
                warnings.warn(category.__new__(category, f"{job.name}: {text}"), stacklevel=2)
    finally:  # an error comes before a warning that a filter turns into one
        if interrupt is not None:
            raise interrupt
        raise_first(jobs)
    return models


def _checked_models(estimators: Any) -> list[Any]:
    """Return the estimators as a list, the same one if it is one."""
    if not isinstance(estimators, Iterable):
        raise TypeError(f"estimators is {type(estimators).__name__}; expected a list of {OURS}. For one, call its fit")
    models = estimators if isinstance(estimators, list) else list(estimators)
    first: dict[int, int] = {}
    for number, model in enumerate(models):
        if not isinstance(model, MLPClassifier | MLPRegressor):
            kind = f"{type(model).__module__}.{type(model).__qualname__}".removeprefix("builtins.")
            raise TypeError(
                f"estimators[{number}] is {kind}; expected {OURS}. Convert scikit-learn's own with from_sklearn, and "
                "fit others, such as a pipeline or a search, by their own fit"
            )
        if first.setdefault(id(model), number) != number:
            raise ValueError(
                f"estimators[{first[id(model)]}] and estimators[{number}] are the same object, which can be fitted "
                "once; pass a copy of it, as sklearn.base.clone makes one"
            )
    return models


def _entries(name: str, value: Any, count: int) -> list[Any]:
    """Return one value for each estimator."""
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} is a {type(value).__name__} of {len(value)} entries, and there are {count} estimators; expected "
            f"one entry for each, or an array or frame for all: np.asarray({name}) makes one of a list of samples"
        )
    return list(value)


def _as_rows(sample_weight: Any, count: int) -> Any:
    """Return the rows of weights of shape (estimators, n_samples), and anything else as it is."""
    if not isinstance(sample_weight, np.ndarray) or sample_weight.ndim != 2:
        return sample_weight
    if len(sample_weight) != count:
        raise ValueError(
            f"sample_weight has shape {sample_weight.shape}, and there are {count} estimators; expected (n_samples,), "
            f"or ({count}, n_samples)"
        )
    return list(sample_weight)
