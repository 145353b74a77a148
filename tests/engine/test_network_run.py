"""A run of one network: its samples as a kernel reads them, and what it has reached."""

import numpy as np
import pytest

from fastnn2.engine.network_run import NOT_DRAWN, NetworkRun, Samples
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.kernels.shared.record import address


def new_run(iterations=5, costs=None):
    return NetworkRun(
        0, (2, 5, 1, 40), np.dtype("float64"), 0.1, 0.0, 40.0, iterations,
        np.arange(1.0, iterations + 1) if costs is None else costs, NOT_DRAWN,
    )  # fmt: skip


def test_work_is_that_of_all_iterations():
    assert new_run(5).work == 5 * tuning.work_of_iteration(2, 40, 5, 1)
    assert new_run(0).work == 0


@pytest.mark.parametrize(
    ("completed", "outcome", "expected"),
    [
        (5, control_words.FINISHED, 5),
        (3, control_words.COST_NOT_FINITE, 3),
        (3, control_words.PARAMS_NOT_FINITE, 4),  # the cost before the update is finite
        (0, control_words.COST_NOT_FINITE, 0),
        (0, control_words.PARAMS_NOT_FINITE, 1),
    ],
)
def test_finite_costs(completed, outcome, expected):
    run = new_run()
    run.completed, run.outcome = completed, outcome
    assert run.finite_costs().tolist() == list(range(1, expected + 1))
    last = new_run(costs=np.full(1, 7.0))
    last.completed, last.outcome = completed, outcome
    assert last.finite_costs().tolist() == [7.0] * min(expected, 1)


@pytest.mark.parametrize(("iterations", "kept", "is_all"), [(5, 5, True), (5, 1, False), (1, 1, True), (0, 0, True)])
def test_which_costs_are_kept(iterations, kept, is_all):
    assert new_run(iterations, np.empty(kept)).keeps_costs == is_all


@pytest.mark.parametrize("costs", [[], [3.0], [3.0, 2.0, 1.0]])
def test_the_result_of_a_job_of_its_own_is_written(costs):
    params = {"W1": np.ones((5, 2)), "b1": np.full((5, 1), 2.0), "W2": np.full((1, 5), 3.0), "b2": np.full((1, 1), 4.0)}
    for kept in (3, 1):
        run = new_run(3, np.zeros(kept))
        run.packed = np.zeros(21)
        run.write_result(params, np.array(costs))
        assert run.packed.tolist() == [1.0] * 10 + [2.0] * 5 + [3.0] * 5 + [4.0]
        assert run.costs.tolist() == ([*costs, 0.0, 0.0, 0.0][:3] if kept == 3 else [*costs[-1:], 0.0][:1])


def test_samples_in_rows_and_in_groups():
    matrix = np.arange(24.0).reshape(4, 6)[::-1, ::2]
    rows = Samples.in_rows(matrix)
    assert (rows.stride, rows.step, rows.address) == (-6, 2, address(matrix))
    groups = Samples.in_groups(rows.groups(1))
    assert (groups.stride, groups.step) == (0, 0)
    assert groups.groups(1) is groups.array
    lanes = len(groups.array) // 4
    assert (groups.array.reshape(4, lanes)[:, :3] == matrix).all()
    assert (groups.array.reshape(4, lanes)[:, 3:] == 0).all()


def test_released_runs_keep_no_samples():
    run, groups = new_run(), Samples.in_groups(np.ones(64))
    run.X = run.Y = run.weights = groups
    run.release()
    assert (len(run.X.array), len(run.Y.array), run.weights) == (0, 0, None)
