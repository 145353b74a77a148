"""fit on a cluster: check the arguments, lay the samples out on the workers, and train."""

import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from dask import delayed

from fastnn2.dask.collections import Collection, check_same_rows
from fastnn2.dask.descent import ClusterDescent
from fastnn2.dask.evaluation import Evaluator
from fastnn2.dask.held_data import HeldData
from fastnn2.dask.requests import Cluster
from fastnn2.dask.targets import UnitInterval
from fastnn2.dask.worker_tasks import weight_of
from fastnn2.engine.objective import Objective
from fastnn2.exceptions import Params
from fastnn2.functional import checks
from fastnn2.functional.callbacks import as_caller
from fastnn2.functional.initial import check_init, initial_params
from fastnn2.functional.observed import as_saver, run_observed
from fastnn2.functional.total_weight import SLICE
from fastnn2.kernels.shared import tuning

Array = np.ndarray[Any, Any]


def fit(
    client: Any,
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
    progress: bool | None = None,
    callback: Callable[[int, float, Params], Any] | None = None,
    callback_every: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    resume: bool = False,
    timeout: float = 300.0,
) -> tuple[Params, Array]:
    """Train as :func:`fastnn2.fit` on a Dask cluster; costs and parameters have the same bits."""
    learning_rate, h, iterations, alpha, _ = checks.as_settings(
        learning_rate, hidden_size, number_of_iterations, alpha, None, progress
    )
    caller = as_caller(callback, callback_every)
    saver = as_saver(checkpoint, checkpoint_seconds, resume, "dask.fit")
    cluster = Cluster(client, checks.as_positive_float(timeout, "timeout"))
    rows, targets = Collection(X, "X"), Collection(Y, "Y")
    weights = None if sample_weight is None else Collection(sample_weight, "sample_weight")
    d, o = rows.columns, targets.columns
    run_dtype = checks.choose_dtype(rows, dtype)
    if tuning.train_kernel(d, h, o) == "train_wide":
        raise ValueError("")
    initial_source = check_init(init, random_state, (d, h, o), run_dtype, "X, Y and hidden_size")

    with saver or contextlib.nullcontext():
        for collection in (rows, targets, weights):
            if collection is not None:
                collection.find_lengths(cluster)
        check_same_rows(rows, targets, weights)
        n = rows.n
        objective = Objective(d, h, o, n, run_dtype, weights is not None)
        initial = functools.partial(initial_params, init, initial_source, (d, h, o), run_dtype)
        data = HeldData(cluster, objective, rows, targets, weights, UnitInterval())
        try:
            total_weight = float(n) if weights is None else sum_of_weights(cluster, weights, run_dtype)
            flat, costs_so_far = initial(), None
            job = ClusterDescent(objective, Evaluator(cluster, objective, data), flat, alpha, iterations, costs_so_far)
            return run_observed(job, learning_rate, total_weight, progress, caller, saver)
        finally:
            data.release()


def sum_of_weights(cluster: Cluster, weights: Collection, dtype: Any) -> float:
    """Return the sum of all weights as fit adds them, or raise ValueError if it is of no use."""
    tasks = [
        delayed(weight_of, pure=False)(
            [tuple(part) for part in weights.rows(first, min(first + SLICE, weights.n))], dtype
        )
        for first in range(0, weights.n, SLICE)
    ]
    total = 0.0
    for part in cluster.compute(tasks):
        total += part
    checks.check_total_weight(total)
    return total
