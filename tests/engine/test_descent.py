"""Gradient descent whose sums come from elsewhere: the steps of fit, and how observers and divergence end it."""

import numpy as np
import pytest
from data import DTYPES, RATE, assert_same_bits
from fit_blocks_data import SHAPES, fit, samples
from held_data import sum_all

import fastnn2
from fastnn2.engine.descent import Descent
from fastnn2.engine.layout import aligned_zeros, pack_params
from fastnn2.engine.objective import Objective
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.threads.pauses import Observer

ITERATIONS = 4
N = 3001


class Run(Descent):
    """Descent over samples in memory, whose chunks are summed as one branch."""

    def __init__(self, shape, dtype, costs_so_far=None, params=None, alpha=0.0, iterations=ITERATIONS, scale=1.0):
        d, h, o = SHAPES[shape]
        self.X, self.Y = samples(shape, N, dtype)
        init = fit((self.X, self.Y), shape, 0)[0] if params is None else params
        flat = pack_params({name: value * scale for name, value in init.items()}, dtype)
        super().__init__(flat, (d, h, o, N), alpha, iterations, 1, costs_so_far)
        self.objective = Objective(d, h, o, N, np.dtype(dtype), has_weights=False)
        self.log = []

    def run(self, learning_rate, total_weight, progress, observer=None):
        self.iterate(lambda: self.take_step(learning_rate, total_weight), lambda: self.log.append("end"), observer)
        return self._finished(False, observer is not None)

    def take_step(self, learning_rate, total_weight):
        self.log.append("step")
        params = self.objective.params
        sums = sum_all(self.objective, (self.X, self.Y, None), self.current()[:params])
        gradient = aligned_zeros(self.gradients_stride, np.float64)
        gradient[:] = sums.total(self.objective.cut.chunks)
        if params >= tuning.SHARED_PARAMS:
            gradient[-1] = sums.sums_in_order()[1]
        return self.step(gradient, 1, learning_rate, total_weight)


class Watching(Observer):
    """Looks after every second iteration, and after those for which `due` says so."""

    def __init__(self, run, ends_at=None, due=()):
        self.run, self.ends_at, self.due, self.seen = run, ends_at, due, []

    def next_pause(self, completed):
        return completed // 2 * 2 + 2

    def is_due(self):
        return self.run.completed in self.due

    def look(self, completed):
        assert completed == self.run.completed
        self.run.log.append("look")
        self.seen.append((completed, self.run.snapshot()[0]))
        return completed == self.ends_at


@pytest.mark.parametrize("alpha", [0.0, 0.7])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", ["narrow", "outputs", "shared"])
def test_the_steps_are_those_of_fit(shape, dtype, alpha):
    run = Run(shape, dtype, alpha=alpha)
    assert_same_bits(run.run(RATE, N, False), fit((run.X, run.Y), shape, ITERATIONS, alpha=alpha))
    assert run.control[control_words.OUTCOME] == control_words.FINISHED
    assert run.log == ["step", "end"] * ITERATIONS


@pytest.mark.parametrize("before", [1, 2, ITERATIONS])
def test_a_run_that_goes_on(before):
    arrays = samples("outputs", N)
    params, costs = fit(arrays, "outputs", before)
    run = Run("outputs", "float64", costs, params)
    assert_same_bits(run.snapshot(), (params, costs))
    assert run.completed == before
    assert_same_bits(run.run(RATE, N, False), fit(arrays, "outputs", ITERATIONS))


@pytest.mark.parametrize("shape", ["narrow", "shared"])
def test_the_parameters_before_a_step_stay(shape):
    """Workers may still read them while the step is taken, and errors give them away."""
    run = Run(shape, "float64")
    before = run.current()
    expected = before.copy()
    assert run.take_step(RATE, N)
    assert_same_bits(before, expected)
    after = run.current()
    assert not np.array_equal(after, before)
    assert (after[run.objective.params :] == 0).all()
    assert_same_bits(run.snapshot(), fit((run.X, run.Y), shape, 1))


def test_an_observer_sees_whole_iterations():
    run = Run("outputs", "float64", iterations=5)
    observer = Watching(run, due=(3,))
    result = run.run(RATE, N, False, observer)
    assert [completed for completed, _ in observer.seen] == [2, 3, 4, 5]
    assert run.log == ["step", "end", *["step", "look", "end"] * 4]
    for completed, params in observer.seen:
        assert_same_bits(params, fit((run.X, run.Y), "outputs", completed)[0])
    assert_same_bits(result, fit((run.X, run.Y), "outputs", 5))


def test_an_observer_ends_a_run():
    run = Run("outputs", "float64", iterations=5)
    result = run.run(RATE, N, False, Watching(run, ends_at=2))
    assert_same_bits(result, fit((run.X, run.Y), "outputs", 2))
    assert run.control[control_words.OUTCOME] == control_words.INTERRUPTED
    assert run.log == ["step", "end", "step", "look", "end"]


def test_an_observer_that_ends_after_the_last_iteration_changes_nothing():
    run = Run("outputs", "float64", iterations=4)
    assert_same_bits(run.run(RATE, N, False, Watching(run, ends_at=4)), fit((run.X, run.Y), "outputs", 4))
    assert run.control[control_words.OUTCOME] == control_words.FINISHED


def test_what_an_observer_raises_ends_a_run_at_a_whole_iteration():
    run = Run("outputs", "float64")
    observer = Watching(run)
    observer.look = lambda completed: 1 / 0
    with pytest.raises(ZeroDivisionError):
        run.run(RATE, N, False, observer)
    assert_same_bits(run.snapshot(), fit((run.X, run.Y), "outputs", 2))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("rate", "alpha", "outcome"),
    [
        (1e306, 0.0, control_words.COST_NOT_FINITE),
        (1e308, 0.0, control_words.COST_NOT_FINITE),
        (1e308, 1e10, control_words.PARAMS_NOT_FINITE),
    ],
)
def test_divergence_is_that_of_fit(rate, alpha, outcome):
    """Sums that overflow do so without a warning, as in kernels."""
    run = Run("outputs", "float64", iterations=9, alpha=alpha)
    with pytest.raises(fastnn2.TrainingDiverged) as ours:
        run.run(rate, N, False)
    with pytest.raises(fastnn2.TrainingDiverged) as theirs:
        fastnn2.fit(run.X.T, run.Y.T, rate, run.shape[1], 9, alpha=alpha)
    assert run.control[control_words.OUTCOME] == outcome
    assert str(ours.value) == str(theirs.value)
    assert_same_bits((ours.value.params, ours.value.cost_), (theirs.value.params, theirs.value.cost_))


def test_a_cost_that_is_not_finite_leaves_nothing():
    run = Run("outputs", "float64", scale=1e308)
    with pytest.raises(fastnn2.TrainingDiverged, match="at iteration 0 the cost is not finite"):
        run.run(RATE, N, False)
    assert run.control[control_words.OUTCOME] == control_words.COST_NOT_FINITE
    assert run.completed == 0


def test_a_step_changes_the_sums_and_not_the_samples():
    """Any number of chunks: their gradients may come unsummed."""
    run = Run("outputs", "float64")
    gradients = np.zeros((4, run.gradients_stride))
    gradients[:, -1] = [1.0, 2.0, 3.0, 4.0]
    gradients[:, 0] = [4.0, 3.0, 2.0, 1.0]
    before = run.current()[0]
    assert run.step(gradients.ravel(), 4, 0.5, 5.0)
    assert run.costs[0] == 2.0
    assert run.current()[0] == before - 0.5 / 5.0 * 10.0
