"""fit: check the arguments, bring them into the kernels' layout, and train."""

import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.engine.full_batch import job_class
from fastnn2.engine.layout import to_groups
from fastnn2.exceptions import Params
from fastnn2.functional import checks
from fastnn2.functional.callbacks import as_caller
from fastnn2.functional.initial import initial_params, initial_source
from fastnn2.functional.observed import as_saver, run_observed

Array = np.ndarray[Any, Any]


def fit(
    X: Any,
    Y: Any,
    learning_rate: float,
    hidden_size: int,
    number_of_iterations: int = 5000,
    *,
    init: Any = "he",
    random_state: Any = 3,
    alpha: float = 0.0,
    sample_weight: Any = None,
    dtype: Any = None,
    n_threads: int | None = None,
    progress: bool | None = None,
    callback: Callable[[int, float, Params], Any] | None = None,
    callback_every: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    resume: bool = False,
) -> tuple[Params, Array]:
    """Train a two-layer network (tanh, then sigmoid) by gradient descent over all samples.

    Parameters
    ----------
    X : array_like (d, n)
        Inputs, one column per sample.
    Y : array_like (o, n) or (n,)
        Targets from 0 to 1, one row for each yes/no question.
    learning_rate : float
        Step size of gradient descent, above 0.
    hidden_size : int
        Number of hidden units h.
    number_of_iterations : int
        Number of updates; 0 returns the initial parameters.
    init : {"he", "small"} or dict
        How to draw the initial weights (see :func:`init_params`), or parameters to continue from, which are cast to
        the dtype of the run. 2,000 iterations and then 3,000 from their result equal 5,000 at once, bit for bit.
    random_state : int, RandomState, Generator or None
        Source of the initial weights. None uses fresh entropy; the global state is neither read nor changed.
    alpha : float
        L2 penalty: ``alpha/(2n) (|W1|^2 + |W2|^2)`` is added to the cost.
    sample_weight : array_like (n,), optional
        Weights of the samples, 0 or more. The n of all formulas is then their sum.
    dtype : {None, "float32", "float64"}
        The dtype of the run; None means float32 if X is, else float64.
    n_threads : int, optional
        Maximum number of threads; None uses as many of the available cores as pay off. It does not change the result.
    progress : bool, optional
        Whether to show a progress bar; None shows one on a terminal if training takes over a second.
    callback : callable, optional
        ``callback(iteration, cost, params)`` is called after iterations k, 2k, ..., where k is `callback_every`. It
        gets the number of completed iterations, the last cost, ``cost_[iteration - 1]``, and copies of the parameters.
        If it returns a true value, the run ends and returns what it has. What it raises is raised as it is, with
        ``(params, cost_)`` in its attribute ``training``; KeyboardInterrupt becomes TrainingInterrupted.
    callback_every : int, optional
        The number of iterations from one call of `callback` to the next; 1 by default, each iteration.
    checkpoint : str or Path, optional
        A file for the parameters and costs of the run so far, which is written while training goes on, and at the end,
        also after Ctrl-C and where `callback` ends the run or fails. It is never half written. One run at a time has
        the file. A file of another run (of other data, hidden_size, learning_rate, alpha, dtype or initial parameters)
        is refused. If the file cannot be written, there is one warning, and training goes on.
    checkpoint_seconds : float
        The least time from one checkpoint to the next.
    resume : bool
        Whether to go on from `checkpoint`, where there is such a file; the result is that of a run that was never
        stopped, bit for bit. `number_of_iterations`, which counts all iterations, may grow. With random_state=None the
        initial parameters are those of the file.

    Returns
    -------
    params : dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1) after the last update, in the dtype of the run.
    cost_ : ndarray (number_of_iterations,)
        float64; the cost of iteration j is that of the parameters before update j. It is shorter where `callback` has
        ended the run.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid; the message says what was found, what was expected and what to do.
    TrainingDiverged
        A cost or a parameter is no longer finite. The error has the last finite ``params`` and ``cost_``.
    TrainingInterrupted
        Ctrl-C was pressed. The error has ``params`` and ``cost_`` up to then.

    Notes
    -----
    One compiled loop computes the formulas of :mod:`fastnn2.reference`; see ``fastnn2.kernels.loops.train``.
    Results are the same, bit for bit, for any number of threads and on any processor.

    Examples
    --------
    >>> import fastnn2
    >>> X, Y = [[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1]
    >>> params, cost_ = fastnn2.fit(X, Y, 1.0, 2, 200)
    >>> fastnn2.predict(X, params)
    array([[0, 0, 1, 1]])

    A callback prints how it goes, and ends the run early:

    >>> def watch(iteration, cost, params):
    ...     print(f"{iteration}: {cost:.2f}")
    ...     return cost < 0.1
    >>> params, cost_ = fastnn2.fit(X, Y, 1.0, 2, 200, callback=watch, callback_every=20)
    20: 0.12
    40: 0.05
    >>> len(cost_)
    40

    A run in parts, each of which may be in another process, after a crash for example, ends as the run at once:

    >>> import os, tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "run.checkpoint")
    >>> _ = fastnn2.fit(X, Y, 1.0, 2, 150, checkpoint=file, resume=True)
    >>> params, cost_ = fastnn2.fit(X, Y, 1.0, 2, 200, checkpoint=file, resume=True)
    >>> bool((cost_ == fastnn2.fit(X, Y, 1.0, 2, 200)[1]).all())
    True
    """
    learning_rate, h, iterations, alpha, n_threads = checks.as_settings(
        learning_rate, hidden_size, number_of_iterations, alpha, n_threads, progress
    )
    caller = as_caller(callback, callback_every)
    saver = as_saver(checkpoint, checkpoint_seconds, resume)
    X = checks.as_matrix(X, "X")
    d, n = X.shape
    Y = checks.as_targets(Y, "Y", n, X)
    o = len(Y)
    run_dtype = checks.choose_dtype(X, dtype)
    weights = checks.as_weights(sample_weight, n, run_dtype)
    source = initial_source(init, random_state, (d, h, o), run_dtype, "X, hidden_size and Y")

    with saver or contextlib.nullcontext():
        X_groups, X_is_finite = to_groups(X, run_dtype, n_threads)
        if not X_is_finite:
            checks.check_finite(X, "X", run_dtype)
        Y_groups, Y_is_valid = to_groups(Y, run_dtype, n_threads, checks.is_in_unit_interval)
        if not Y_is_valid:
            checks.check_in_unit_interval(Y, "Y")
        weight_groups = None if weights is None else to_groups(weights[np.newaxis], run_dtype, n_threads)[0]
        total_weight = checks.total_weight(weights, n)

        initial = functools.partial(initial_params, init, source, (d, h, o), run_dtype)
        if saver is None:
            flat, costs_so_far = initial(), None
        else:
            flat, costs_so_far = saver.begin(
                saver.digest(X_groups, Y_groups, weight_groups), (d, h, o, n), learning_rate, alpha, run_dtype, init,
                iterations, initial,
                matches_any=random_state is None and isinstance(init, str))  # fmt: skip
        job = job_class(d, h, o)(
            X_groups, Y_groups, weight_groups, flat, (d, h, o, n), alpha, iterations, n_threads, costs_so_far
        )
        return run_observed(job, learning_rate, total_weight, progress, caller, saver)
