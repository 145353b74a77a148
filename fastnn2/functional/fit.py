"""fit: check what was handed in, lay it out, and train."""

from typing import Any

import numpy as np

from fastnn2.engine.full_batch import SampleParallelJob, UnitParallelJob
from fastnn2.engine.layout import to_groups
from fastnn2.exceptions import Params
from fastnn2.functional import checks
from fastnn2.kernels.shared import tuning
from fastnn2.reference import init_params

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
) -> tuple[Params, Array]:
    """Train a two-layer network (tanh, then sigmoid) by gradient descent over all samples.

    Parameters
    ----------
    X : array_like (d, n)
        Inputs, one column a sample.
    Y : array_like (o, n) or (n,)
        Targets from 0 to 1, one row for each yes/no question.
    learning_rate : float
        Step of the descent, above 0.
    hidden_size : int
        Number of hidden units h.
    number_of_iterations : int
        Steps; 0 returns the initial parameters.
    init : {"he", "small"} or dict
        How to draw the initial weights (see :func:`init_params`), or parameters to go on from, which are cast to the
        dtype of the run. 2,000 iterations and then 3,000 from their parameters are 5,000 in one go, bit for bit.
    random_state : int, RandomState, Generator or None
        For the initial weights. None takes fresh entropy; the global state is neither read nor changed.
    alpha : float
        L2 penalty: alpha/(2n) (|W1|^2 + |W2|^2) is added to the cost.
    sample_weight : array_like (n,), optional
        Weights of the samples, 0 or more. The n of all formulas is then their sum.
    dtype : {None, "float32", "float64"}
        None: float32 where X is, else float64.
    n_threads : int, optional
        At most so many threads; None takes as many as may be used and are worth it. The result does not depend on it.
    progress : bool, optional
        Whether to show a bar; None shows one on a terminal when the job takes over a second.

    Returns
    -------
    params : dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1) after the last step, in the dtype of the run.
    cost_ : ndarray (number_of_iterations,)
        float64; the cost of iteration j is that of the parameters before update j.

    Raises
    ------
    TypeError, ValueError
        What was handed in cannot be used; the message says what was found, what was expected and what to do.
    TrainingDiverged
        A cost or parameter is no longer finite. Carries the last finite ``params`` and ``cost_``.
    TrainingInterrupted
        Ctrl-C. Carries ``params`` and ``cost_`` up to there.

    Notes
    -----
    The tutorial's formulas, as :mod:`fastnn2.reference` writes them out, in one compiled loop: see
    :mod:`fastnn2.kernels.loops.train`. Results are the same, bit for bit, for any number of threads and on any
    processor.

    Examples
    --------
    >>> import fastnn2
    >>> X, Y = [[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1]
    >>> params, cost_ = fastnn2.fit(X, Y, 1.0, 2, 200)
    >>> fastnn2.predict(X, params)
    array([[0, 0, 1, 1]])
    """
    learning_rate = checks.positive_float(learning_rate, "learning_rate")
    h = checks.integer(hidden_size, "hidden_size", 1, 10**8)
    iterations = checks.integer(number_of_iterations, "number_of_iterations", 0, 10**15)
    alpha = checks.non_negative_float(alpha, "alpha")
    if n_threads is not None:
        n_threads = checks.integer(n_threads, "n_threads", 1)
    if not (progress is None or isinstance(progress, bool)):
        raise ValueError(f"progress is {progress!r}; expected True, False or None")
    X = checks.matrix(X, "X")
    d, n = X.shape
    Y = checks.targets(Y, "Y", n, X)
    o = len(Y)
    run_dtype = checks.run_dtype(X, dtype)
    weights = checks.weights(sample_weight, n, run_dtype)
    source = _check_initial(init, random_state, X, h, Y, run_dtype)

    X_groups, X_finite = to_groups(X, run_dtype, n_threads)
    if not X_finite:
        checks.check_finite(X, "X", run_dtype)
    Y_groups, Y_inside = to_groups(Y, run_dtype, n_threads, checks.inside_unit)
    if not Y_inside:
        checks.check_inside_unit(Y, "Y")
    weight_groups = None if weights is None else to_groups(weights[np.newaxis], run_dtype, n_threads)[0]
    total_weight = checks.total_weight(weights, n)

    flat = source
    if not isinstance(init, dict):
        flat = checks.packed_params(init_params(X, Y, h, init=init, random_state=source), run_dtype, "init[{!r}]")
    job_of = UnitParallelJob if tuning.train_kernel(d, h, o) == "train_wide" else SampleParallelJob
    job = job_of(X_groups, Y_groups, weight_groups, flat, (d, h, o, n), alpha, iterations, n_threads)
    return job.run(learning_rate, total_weight, progress)


def _check_initial(init: Any, random_state: Any, X: Array, h: int, Y: Array, dtype: Any) -> Any:
    """Return parameters, flat and in `dtype`, where `init` is a dict, else where to draw from; nothing is drawn yet."""
    if isinstance(init, str):
        if init not in ("he", "small"):
            raise ValueError(f"init is {init!r}; expected 'he', 'small' or a dict of parameters")
        return checks.random_source(random_state)
    if not isinstance(init, dict):
        raise TypeError(f"init is {type(init).__name__}; expected 'he', 'small' or a dict of parameters")
    params, d, units, o = checks.params_of(init, "init")
    if (d, units, o) != (len(X), h, len(Y)):
        raise ValueError(
            f"init is for {d} features, {units} hidden units and {o} outputs; expected {len(X)}, {h} and {len(Y)}, as "
            "X, hidden_size and Y have them"
        )
    return checks.packed_params(params, dtype, "init[{!r}]")
