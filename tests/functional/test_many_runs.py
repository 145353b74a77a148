"""The runs of fit_many: initial parameters that are drawn when they are needed, and values that are one object."""

import numpy as np
import pytest
from data import problem

from fastnn2.engine.network_run import NOT_DRAWN
from fastnn2.functional import many_runs

X, Y, INIT, WEIGHTS = problem(2, 5, 1, 60)


def as_runs(init="he", random_state=3, hidden_size=5, networks=4, sample_weight=None):
    return many_runs.as_runs(
        X, Y, [0.1] * networks, hidden_size, 3, init, random_state, 0.0, sample_weight, None, True, None
    )


@pytest.mark.parametrize(
    ("random_state", "is_drawn"),
    [
        (3, [False] * 4),
        (None, [False] * 4),
        (np.random.RandomState(1), [True] * 4),
        (np.random.default_rng(1), [True] * 4),
        ([1, np.random.RandomState(1), None, np.int64(2)], [False, True, False, False]),
    ],
)
def test_only_generators_of_the_caller_are_drawn_from_at_once(random_state, is_drawn):
    runs, prepare = as_runs(random_state=random_state)
    assert [run.packed is not NOT_DRAWN for run in runs] == is_drawn
    prepare(runs[:2])
    assert [run.packed is not NOT_DRAWN for run in runs] == [True, True, *is_drawn[2:]]


@pytest.mark.parametrize("init", ["he", INIT])
def test_parameters_are_arrays_of_their_own(init):
    runs, prepare = as_runs(init)
    prepare(runs)
    assert not any(np.shares_memory(one.packed, other.packed) for one in runs for other in runs if one is not other)
    assert all((run.packed == runs[0].packed).all() for run in runs)
    if init is INIT:
        assert not any(np.shares_memory(run.packed, array) for run in runs for array in INIT.values())


def test_one_seed_is_drawn_from_once_for_each_shape(monkeypatch):
    drawn, draw = [], many_runs.initial_params
    monkeypatch.setattr(many_runs, "initial_params", lambda *given: drawn.append(given) or draw(*given))
    runs, prepare = as_runs(hidden_size=[5, 6, 5, 6])
    prepare(runs)
    assert len(drawn) == 2
    drawn.clear()
    runs, prepare = as_runs(random_state=[3, 3, 3, 4])
    prepare(runs)
    assert len(drawn) == 4


def test_networks_of_one_shape_have_one_tuple():
    runs, _ = as_runs(hidden_size=[5, 6, 5, 6])
    assert runs[0].shape == (2, 5, 1, 60)
    assert runs[0].shape is runs[2].shape
    assert runs[1].shape is runs[3].shape


@pytest.mark.parametrize("weights", [WEIGHTS, np.stack([WEIGHTS] * 4), [WEIGHTS, None, WEIGHTS, WEIGHTS]])
def test_total_weights(weights):
    runs, prepare = as_runs(sample_weight=weights)
    prepare(runs)
    for i, run in enumerate(runs):
        is_weighted = not isinstance(weights, list) or weights[i] is not None
        assert run.total_weight == (WEIGHTS.sum() if is_weighted else 60.0)
        assert (run.weights is not None) == is_weighted
