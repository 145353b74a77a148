"""How a run ends: the outcome that the kernels leave, and what the caller gets for it."""

import numpy as np
import pytest
from data import assert_same_bits

import fastnn2
from fastnn2.engine.training_run import TrainingRun
from fastnn2.kernels.shared import control_words


class Run(TrainingRun):
    """A run of five iterations of a network with one unit, whose parameters are the number of iterations."""

    def run(self, learning_rate, total_weight, progress, observer=None):
        raise NotImplementedError

    def _params_after(self, iterations):
        return np.full(4, float(iterations))


def ended(outcome, done=3, costs_so_far=None):
    run = Run((1, 1, 1, 10), 5, 1, costs_so_far)
    run.costs[:] = np.arange(5) + 0.5
    run.control[control_words.COMPLETED] = done
    run.control[control_words.OUTCOME] = outcome
    return run


def params(value):
    return {name: np.full((1, 1), float(value)) for name in ("W1", "b1", "W2", "b2")}


def test_the_end():
    run = ended(control_words.FINISHED, 5)
    assert_same_bits(run._finished(False, False), (params(5), np.arange(5) + 0.5))


def test_an_observer_ends_it():
    result = ended(control_words.INTERRUPTED)._finished(False, may_end_early=True)
    assert_same_bits(result, (params(3), np.arange(3) + 0.5))


@pytest.mark.parametrize(
    ("outcome", "interrupted", "may_end_early", "done"),
    [
        (control_words.INTERRUPTED, True, True, 3),
        (control_words.INTERRUPTED, True, False, 3),
        (control_words.INTERRUPTED, False, False, 3),
        (control_words.FINISHED, True, False, 5),
    ],
)
def test_an_interrupt(outcome, interrupted, may_end_early, done):
    with pytest.raises(
        fastnn2.TrainingInterrupted, match=rf"^stopped after {done} of 5 iterations; .* fit\("
    ) as caught:
        ended(outcome, done)._finished(interrupted, may_end_early)
    assert_same_bits((caught.value.params, caught.value.cost_), (params(done), np.arange(done) + 0.5))


@pytest.mark.parametrize(
    ("outcome", "done", "costs", "message"),
    [
        (control_words.COST_NOT_FINITE, 0, 0, "at iteration 0 the cost is not finite; there was no finite cost before"),
        (control_words.COST_NOT_FINITE, 2, 2, "at iteration 2 the cost is not finite; the last finite cost was 1.5"),
        (control_words.PARAMS_NOT_FINITE, 0, 1, "at iteration 0 the parameters after the update are not finite"),
    ],
)
def test_divergence(outcome, done, costs, message):
    with pytest.raises(fastnn2.TrainingDiverged, match=message) as caught:
        ended(outcome, done)._finished(False, False)
    assert_same_bits((caught.value.params, caught.value.cost_), (params(done), np.arange(costs) + 0.5))
    remedy = "smaller initial parameters" if (done, costs) == (0, 0) else "a smaller learning rate"
    assert f"Try {remedy}" in str(caught.value)


def test_a_run_that_goes_on_has_the_costs_so_far():
    run = Run((1, 1, 1, 10), 5, 1, np.array([0.25, 0.125]))
    assert run.first_iteration == run.control[control_words.COMPLETED] == 2
    assert_same_bits(run.snapshot(), (params(2), np.array([0.25, 0.125])))
