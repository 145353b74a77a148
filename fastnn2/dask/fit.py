"""fit on a cluster: check the arguments, lay the samples out on the workers, and train."""

import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from dask import delayed

from fastnn2.dask.collections import Collection, check_forms, check_same_rows
from fastnn2.dask.data_digest import data_digest
from fastnn2.dask.descent import ClusterDescent
from fastnn2.dask.evaluation import Evaluator
from fastnn2.dask.held_data import HeldData
from fastnn2.dask.lbfgs import ClusterLbfgs
from fastnn2.dask.requests import Cluster
from fastnn2.dask.targets import UnitInterval
from fastnn2.dask.worker_tasks import weight_of
from fastnn2.engine.objective import Objective
from fastnn2.exceptions import Params
from fastnn2.functional import checks
from fastnn2.functional.callbacks import as_caller
from fastnn2.functional.initial import initial_params, initial_source
from fastnn2.functional.observed import as_saver, run_observed
from fastnn2.functional.total_weight import SLICE
from fastnn2.kernels.shared import tuning

Array = np.ndarray[Any, Any]


def fit(
    client: Any,
    X: Any,
    Y: Any,
    learning_rate: float | None,
    hidden_size: int,
    number_of_iterations: int = 5000,
    *,
    solver: str = "gradient_descent",
    init: Any = "he",
    random_state: Any = 3,
    alpha: float = 0.0,
    sample_weight: Any = None,
    dtype: Any = None,
    progress: bool | None = None,
    callback: Callable[[int, float, Params], Any] | None = None,
    callback_every: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    resume: bool = False,
    timeout: float = 300.0,
) -> tuple[Params, Array]:
    """Train as :func:`fastnn2.fit` on a Dask cluster; costs and parameters have the same bits.

    Each worker lays its share of the samples out once, and keeps it. In each iteration the client sends the parameters
    to the workers, and gets back their sums. Neither workers nor their threads nor partitions change the result.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster; one that is not asynchronous.
    X : dask Array or DataFrame (n, d)
        Inputs, one row per sample.
    Y : dask Array, DataFrame or Series (n,) or (n, o)
        Targets from 0 to 1, one column for each yes/no question. X, Y and the weights may be partitioned in any ways;
        rows belong together by their places, not by an index.
    learning_rate : float or None
        Step size of gradient descent, above 0; None with ``solver="lbfgs"``.
    hidden_size : int
        Number of hidden units h.
    number_of_iterations : int
        Number of updates, with L-BFGS the most of them; 0 returns the initial parameters.
    solver : {"gradient_descent", "lbfgs"}
        Gradient descent as of :func:`fastnn2.fit`, or SciPy's L-BFGS-B, in float64 and on the client, for the same
        cost: it needs far fewer iterations, ends when it has converged, and has no learning rate.
    init : {"he", "small"} or dict
        How to draw the initial weights, or parameters to continue from, as for :func:`fastnn2.fit`.
    random_state : int, RandomState, Generator or None
        Source of the initial weights, as for :func:`fastnn2.fit`.
    alpha : float
        L2 penalty: ``alpha/(2n) (|W1|^2 + |W2|^2)`` is added to the cost.
    sample_weight : dask Array or Series (n,), optional
        Weights of the samples, 0 or more. The n of all formulas is then their sum.
    dtype : {None, "float32", "float64"}
        The dtype of the run; None means float32 if X is, else float64. L-BFGS has float64 only.
    progress : bool, optional
        Whether to show a progress bar, as for :func:`fastnn2.fit`.
    callback : callable, optional
        ``callback(iteration, cost, params)``, as for :func:`fastnn2.fit`; on the client, for gradient descent.
    callback_every : int, optional
        The number of iterations from one call of `callback` to the next; 1 by default.
    checkpoint : str or Path, optional
        A file of the client for the parameters and costs of the run so far, as for :func:`fastnn2.fit`; for gradient
        descent. It knows the samples by their form and about a thousand of their rows, whatever their partitions.
    checkpoint_seconds : float
        The least time from one checkpoint to the next.
    resume : bool
        Whether to go on from `checkpoint`, where there is such a file, as for :func:`fastnn2.fit`; workers and
        partitions may be others than before.
    timeout : float
        The most seconds to wait while no task of the cluster ends.

    Returns
    -------
    params : dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1) after the last update, in the dtype of the run.
    cost_ : ndarray (number_of_iterations,)
        float64; the cost of iteration j is that of the parameters before update j. It is shorter where `callback` has
        ended the run, or L-BFGS has converged.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid; a number in the samples is invalid (the message has its partition and row); or a
        partition is not what its collection says.
    ClusterError
        The cluster is gone, samples are lost for good or do not fit in the memory of the workers, or no task has ended
        within `timeout`. Once training has begun, this error, and any other, has ``(params, cost_)`` in its attribute
        ``training``.
    TrainingDiverged, TrainingInterrupted
        As for :func:`fastnn2.fit`.

    See Also
    --------
    fastnn2.fit : The same on one machine, for arrays in memory, with samples as columns.
    fastnn2.fit_blocks : The same on one machine, for samples that need not fit in memory.

    Notes
    -----
    Lengths that are not known, as those of a dataframe, are counted first: the cluster computes such partitions twice,
    unless they are persisted. Very wide hidden layers, whose threads share the hidden units of a sample in
    :func:`fastnn2.fit`, are refused with gradient descent; L-BFGS takes them. It has no state to go on from: with
    ``init=params`` it begins anew from there.

    Examples
    --------
    >>> import dask.array, fastnn2.dask, numpy as np
    >>> from dask.distributed import Client, LocalCluster
    >>> x = np.linspace(0.0, 3.0, 100_000).reshape(-1, 2)
    >>> X, Y = dask.array.from_array(x, chunks=(7_000, -1)), dask.array.from_array(x[:, 0] > 1.5, chunks=9_000)
    >>> with LocalCluster(processes=False, dashboard_address=":0") as cluster, Client(cluster) as client:
    ...     params, cost_ = fastnn2.dask.fit(client, X, Y, 1.0, 2, 20)
    ...     _, lbfgs_cost_ = fastnn2.dask.fit(client, X, Y, None, 2, 20, solver="lbfgs")
    >>> bool((cost_ == fastnn2.fit(x.T, x[:, 0] > 1.5, 1.0, 2, 20)[1]).all())
    True
    >>> bool(lbfgs_cost_[-1] < cost_[-1])
    True
    """
    is_lbfgs = _is_lbfgs(
        solver, learning_rate=learning_rate, callback=callback, callback_every=callback_every, checkpoint=checkpoint,
        resume=resume)  # fmt: skip
    rate, h, iterations, alpha, _ = checks.as_settings(
        1.0 if is_lbfgs else learning_rate, hidden_size, number_of_iterations, alpha, None, progress
    )
    caller = as_caller(callback, callback_every)
    saver = as_saver(checkpoint, checkpoint_seconds, resume, "dask.fit")
    cluster = Cluster(client, checks.as_positive_float(timeout, "timeout"))
    rows, targets = Collection(X, "X"), Collection(Y, "Y")
    weights = None if sample_weight is None else Collection(sample_weight, "sample_weight")
    check_forms(rows, targets, weights)
    d, o = rows.columns, targets.columns
    run_dtype = _choose_dtype(rows, dtype, is_lbfgs)
    if not is_lbfgs:
        _check_not_wide(d, h, o)
    source = initial_source(init, random_state, (d, h, o), run_dtype, "X, Y and hidden_size")

    with saver or contextlib.nullcontext():
        for collection in (rows, targets, weights):
            if collection is not None:
                collection.find_lengths(cluster)
        check_same_rows(rows, targets, weights)
        n = rows.n
        objective = Objective(d, h, o, n, run_dtype, weights is not None)
        initial = functools.partial(initial_params, init, source, (d, h, o), run_dtype)
        data = HeldData(cluster, objective, rows, targets, weights, UnitInterval())
        try:
            total_weight = float(n) if weights is None else sum_of_weights(cluster, weights, run_dtype)
            evaluate = Evaluator(cluster, objective, data)
            if is_lbfgs:
                return ClusterLbfgs(objective, evaluate, initial(), alpha, iterations, total_weight).run(progress)
            if saver is None:
                flat, costs_so_far = initial(), None
            else:
                flat, costs_so_far = saver.begin(
                    data_digest(cluster, objective, data), (d, h, o, n), rate, alpha, run_dtype, init, iterations,
                    initial,
                    matches_any=random_state is None and isinstance(init, str))  # fmt: skip
            job = ClusterDescent(objective, evaluate, flat, alpha, iterations, costs_so_far)
            return run_observed(job, rate, total_weight, progress, caller, saver)
        finally:
            data.release()


def check_has_no_mini_batches(solver: Any) -> None:
    """Raise ValueError for the solvers "sgd" and "adam"."""
    if solver in ("sgd", "adam"):
        raise ValueError(
            f"solver is {solver!r}, whose mini-batches come one after the other, which workers cannot share; expected "
            "'gradient_descent' or 'lbfgs'. For mini-batches of any number of samples on one machine, pass an "
            "MLPClassifier or MLPRegressor to fastnn2.partial_fit_blocks"
        )


def _is_lbfgs(solver: Any, **settings: Any) -> bool:
    """Return whether the solver is L-BFGS; raise ValueError if there is no such solver or it has no such setting."""
    check_has_no_mini_batches(solver)
    if solver not in ("gradient_descent", "lbfgs"):
        raise ValueError(f"solver is {solver!r}; expected 'gradient_descent' or 'lbfgs'")
    if solver == "gradient_descent":
        return False
    for name, value in settings.items():
        if value is not None and value is not False:
            reason = "which finds the length of its steps" if name == "learning_rate" else "whose state is inside SciPy"
            raise ValueError(
                f"{name} is {value!r} with solver='lbfgs', {reason}; pass {'False' if name == 'resume' else 'None'}, "
                "or solver='gradient_descent'"
            )
    return True


def _choose_dtype(rows: Collection, dtype: Any, is_lbfgs: bool) -> np.dtype[Any]:
    """Return the dtype of the run: that of fit, or for L-BFGS float64."""
    if not is_lbfgs:
        return checks.choose_dtype(rows, dtype)
    found = checks.choose_dtype(rows, np.float64 if dtype is None else dtype)
    if found != np.float64:
        raise ValueError(
            f"dtype is {found} with solver='lbfgs', which has float64 only; pass None, or solver='gradient_descent'"
        )
    return found


def _check_not_wide(d: int, h: int, o: int) -> None:
    """Raise ValueError for a network that fit trains by hidden units, not by samples."""
    if tuning.train_kernel(d, h, o) == "train_wide":
        raise ValueError(
            f"hidden_size is {h} and the network has {tuning.count_params(d, h, o):,} parameters; from hidden_size "
            f"{tuning.WIDE_UNITS} and {tuning.WIDE_PARAMS:,} parameters on, threads of fit share the hidden units, not "
            "the samples, and workers cannot have its bits. Pass solver='lbfgs', which has no such limit, take fewer "
            "hidden units, or train on one machine with fastnn2.fit"
        )


def sum_of_weights(cluster: Cluster, weights: Collection, dtype: Any) -> float:
    """Return the sum of all weights as fit adds them, or raise ValueError if it is of no use."""
    tasks = [
        delayed(weight_of, pure=False)(weights.parts(first, min(first + SLICE, weights.n)), dtype)
        for first in range(0, weights.n, SLICE)
    ]
    total = 0.0
    for part in cluster.compute(tasks):
        total += part
    checks.check_total_weight(total)
    return total
