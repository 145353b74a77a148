"""Runs of networks as the engine is given them, and what they must reach."""

import numpy as np
from data import assert_same_bits, problem

import fastnn2
from fastnn2.engine.layout import pack_params, param_views
from fastnn2.engine.network_run import NOT_DRAWN, NetworkRun, Samples
from fastnn2.kernels.shared import control_words

RATE = 0.1


def new_run(i, n=40, iterations=3, shape=(2, 5, 1), dtype="float64"):
    """Return a run whose samples and parameters are not given yet."""
    return NetworkRun(
        i, (*shape, n), np.dtype(dtype), RATE, 0.5, float(n), iterations, np.empty(iterations), NOT_DRAWN
    )  # fmt: skip


def data_of(run):
    d, h, o, n = run.shape
    return problem(d, h, o, n, run.dtype.name, seed=run.index)


def prepare(runs):
    for run in runs:
        X, Y, params, _ = data_of(run)
        assert run.packed is NOT_DRAWN
        run.packed, run.X, run.Y = pack_params(params, run.dtype), Samples.in_rows(X), Samples.in_rows(Y)


def assert_right(run):
    X, Y, params, _ = data_of(run)
    d, h, o, _ = run.shape
    expected = fastnn2.fit(X, Y, RATE, h, run.iterations, init=params, alpha=0.5)
    assert_same_bits((param_views(run.packed, d, h, o), run.finite_costs()), expected)
    assert run.outcome == control_words.FINISHED
    assert run.completed == run.iterations
