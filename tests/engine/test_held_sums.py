"""Sums of some chunks on some threads: however samples are shared, steps are those of fit, bit for bit."""

import dataclasses
import functools
import itertools
import threading

import numpy as np
import pytest
from data import DTYPES, RATE, assert_same_bits
from fit_blocks_data import ITERATIONS, SHAPES, fit, samples
from held_data import Shares, hold, in_pairs, sharings
from hypothesis import given
from hypothesis import strategies as st

from fastnn2.engine import block_job, chunk_sums, held_sums
from fastnn2.engine.descent import Descent
from fastnn2.engine.held_sums import Stopped
from fastnn2.engine.layout import aligned_zeros, pack_params
from fastnn2.engine.objective import Objective
from fastnn2.kernels.shared import choices, tuning

ALPHA = 0.5


@functools.cache
def case(shape, n, dtype, weighted):
    """Return the objective, X, Y, weights or None, the initial parameters, and what fit makes of them."""
    X, Y, *weights = samples(shape, n, dtype, weighted)
    init = fit((X, Y), shape, 0)[0]
    objective = Objective(*SHAPES[shape], n, np.dtype(dtype), weighted)
    arrays = X, Y, weights[0] if weighted else None
    return objective, arrays, pack_params(init, dtype), fit((X, Y, *weights), shape, alpha=ALPHA)


class Shared(Descent):
    """Descent whose sums come from parts that have shared the chunks."""

    def run(self, learning_rate, total_weight, progress, observer=None):
        raise NotImplementedError

    def train(self, shares, total_weight):
        def take_step():
            params = shares.objective.params
            sums = chunk_sums.merged(shares.sums(self.current()[:params]))
            gradient = aligned_zeros(self.gradients_stride, np.float64)
            gradient[:] = sums.total(shares.objective.cut.chunks)
            if params >= tuning.SHARED_PARAMS:
                gradient[-1] = sums.sums_in_order()[1]
            return self.step(gradient, 1, RATE, total_weight)

        self.iterate(take_step, lambda: None, None)
        return self._finished(False, False)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@given(st.sampled_from([1, 65, 700, 3001, 9001]), st.booleans(), st.integers(1, 5), st.data())
def test_any_sharing_gives_the_bits_of_fit(shape, dtype, n, weighted, threads, data):
    objective, arrays, flat, expected = case(shape, n, dtype, weighted)
    shares = Shares(objective, arrays, data.draw(sharings(objective.cut.chunks)), threads)
    total_weight = float(n) if arrays[2] is None else float(arrays[2].sum(dtype=np.float64))
    run = Shared(flat, (*SHAPES[shape], n), ALPHA, ITERATIONS, 1)
    assert_same_bits(run.train(shares, total_weight), expected)


def test_the_cases_have_chunks_to_share():
    counts = {
        (shape, dtype): case(shape, 9001, dtype, False)[0].cut.chunks
        for shape, dtype in itertools.product(SHAPES, DTYPES)
    }
    assert min(counts.values()) >= 4
    assert max(counts.values()) == 32
    assert {case(shape, 9001, "float64", False)[0].kernel for shape in SHAPES} == {"narrow_sums", "block_sums"}
    assert case("shared", 9001, "float64", False)[0].params >= tuning.SHARED_PARAMS


@pytest.fixture(params=["fit", "estimators"])
def problem(request):
    """Samples with weights in 32 chunks of two tiles, their objective and parameters."""
    objective, arrays, flat, _ = case("shared", 9001, "float64", True)
    if request.param == "estimators":
        objective = dataclasses.replace(objective, activation=choices.TANH, loss=choices.LOG_LOSS)
    return objective, arrays, flat


def blocks_at(problem, ends):
    objective, arrays, _ = problem
    return [hold(objective, *arrays, first, end) for first, end in itertools.pairwise(ends)]


def test_short_calls_change_no_bit(problem, monkeypatch):
    """A chunk has more than one call then, as a long one has."""
    objective, _, flat = problem
    blocks = blocks_at(problem, [0, 16, 17, 32])
    expected = held_sums.held_sums(objective, blocks, flat, 1)
    cuts, split_into_calls = [], held_sums.split_into_calls

    def split(pieces, cut, call_groups):
        cuts.append(split_into_calls(pieces, cut, call_groups))
        return cuts[-1]

    monkeypatch.setattr(block_job, "CALL_WORK", 1)
    monkeypatch.setattr(held_sums, "split_into_calls", split)
    for threads in (1, 2, 7):
        found = held_sums.held_sums(objective, blocks, flat, threads)
        assert found.branches == expected.branches == ((0, 32),)
        assert_same_bits((found.gradients, found.terms), (expected.gradients, expected.terms))
    assert min(map(len, cuts)) > 1


def test_a_part_has_the_sums_of_its_chunks_alone(problem):
    """Each block and each chunk by itself, as by another machine."""
    objective, _, flat = problem
    every = [held_sums.held_sums(objective, [block], flat, 1) for block in blocks_at(problem, range(33))]
    assert [one.branches for one in every] == [((c, 1),) for c in range(32)]
    some = held_sums.held_sums(objective, blocks_at(problem, [3, 4, 9]), flat, 2)
    assert some.branches == ((3, 1), (4, 4), (8, 1))
    rows = np.array([one.gradients[0] for one in every])
    assert_same_bits(some.gradients, np.array([rows[3], in_pairs(rows[4:8]), rows[8]]))
    assert_same_bits(some.terms, np.concatenate([one.terms for one in every[3:9]]))


def test_without_blocks_there_are_no_chunks(problem):
    objective, _, flat = problem
    assert held_sums.held_sums(objective, [], flat, 2).branches == ()


def test_the_parameters_may_change_after_the_call_began(problem, monkeypatch):
    """They are copied, so a caller may write the next ones over them, and none of its arrays needs a boundary."""
    objective, _, flat = problem
    blocks = blocks_at(problem, [0, 8, 16, 24, 32])
    expected = held_sums.held_sums(objective, blocks, flat, 1)
    odd = np.zeros(len(flat) + 1)[1:]
    odd[:] = flat

    def change():
        odd[:] = np.nan
        return False

    found = held_sums.held_sums(objective, blocks, odd, 1, change)
    assert np.isnan(odd).all()
    assert_same_bits(found.gradients, expected.gradients)


# An end before the end


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("asked", [1, 2, 9])
def test_a_stop_is_seen_before_the_next_call(problem, threads, asked, monkeypatch):
    """It is asked for before each call, and after it each thread ends."""
    monkeypatch.setattr(block_job, "CALL_WORK", 1)
    objective, _, flat = problem
    blocks = blocks_at(problem, range(0, 33, 4))
    lock, answers = threading.Lock(), []

    def is_stopped():
        with lock:
            answers.append(len(answers) + 1 >= asked)
            return answers[-1]

    with pytest.raises(Stopped):
        held_sums.held_sums(objective, blocks, flat, threads, is_stopped)
    assert answers.count(False) == asked - 1
    assert 1 <= answers.count(True) <= threads


def test_a_call_takes_tens_of_milliseconds(problem):
    """A call has at most so many multiplications that a thread asks often enough."""
    d, h, o, n = 30, 100, 1, 30_000
    objective = dataclasses.replace(problem[0], d=d, h=h, o=o, n=n, has_weights=False)
    source, asked = np.random.default_rng(0), []
    X, Y = source.standard_normal((n, d)), source.integers(0, 2, (n, o)).astype(float)
    blocks = [hold(objective, X, Y, None, 0, objective.cut.chunks)]
    params = source.standard_normal(objective.params) / 10
    held_sums.held_sums(objective, blocks, params, 1, lambda: bool(asked.append(1)))
    assert len(asked) >= tuning.work_of_iteration(d, n, h, o) / block_job.call_work()


def test_an_error_in_a_thread_is_raised(problem):
    objective, _, flat = problem
    caller = threading.current_thread()
    blocks = blocks_at(problem, range(33))

    def fail():
        if threading.current_thread() is not caller:
            raise OSError("gone")
        return False

    def run():
        for _ in range(100):  # the other thread may come too late for a block
            held_sums.held_sums(objective, blocks, flat, 2, fail)

    with pytest.raises(OSError, match="gone"):
        run()
