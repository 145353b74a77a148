"""A run over blocks that are made by hand: any pieces, kept or not, and what happens where blocks fail."""

import numpy as np
import pytest
from data import DTYPES, assert_same_bits, problem

import fastnn2
from fastnn2.engine.block_job import Block, BlockJob, Samples, bytes_needed
from fastnn2.kernels.shared import control_words, tuning

D, H, O, N = 3, 7, 2, 5000
RATE = 0.5


def blocks_of(X, Y, passes, dtype):
    """Yield each chunk as a block, again and again."""
    lanes, groups = tuning.group_size(dtype), tuning.count_groups(N, dtype)
    chunks = tuning.count_chunks(N, D, H, O, dtype)
    for _ in range(passes):
        for c in range(chunks):
            first, last = c * groups // chunks, (c + 1) * groups // chunks
            part = slice(first * lanes, min(last * lanes, N))
            rows = [np.ascontiguousarray(array[:, part].T) for array in (X, Y)]
            calls = [np.array([[c, first, last, 0]], dtype=np.int64)]
            yield Block(Samples(*rows, rows[0]), None, calls, part.stop - part.start)


def make(dtype, blocks=None, iterations=5, threads=2, costs=None, params=None):
    X, Y, init, _ = problem(D, H, O, N, dtype)
    chunks = tuning.count_chunks(N, D, H, O, dtype)
    flat = np.concatenate([np.ravel((params or init)[name]) for name in ("W1", "b1", "W2", "b2")])
    left = iterations - (0 if costs is None else len(costs))
    blocks = blocks_of(X, Y, left, dtype) if blocks is None else blocks
    return BlockJob(blocks, chunks, lambda: 0.0, flat, (D, H, O, N), False, 0.0, iterations, threads, costs)


def expected(dtype, iterations):
    X, Y, init, _ = problem(D, H, O, N, dtype)
    return fastnn2.fit(X, Y, RATE, H, iterations, init=init)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_result_is_that_of_fit(dtype, threads):
    job = make(dtype, threads=threads)
    assert_same_bits(job.run(RATE, N, False), expected(dtype, 5))
    assert job.is_intact
    assert job.control[control_words.OUTCOME] == control_words.FINISHED


@pytest.mark.parametrize("before", [1, 2])
def test_a_run_that_goes_on(before):
    params, costs = expected("float64", before)
    job = make("float64", costs=costs, params=params)
    assert_same_bits(job.run(RATE, N, False), expected("float64", 5))


@pytest.mark.parametrize("done", [0, 1, 2])
def test_blocks_that_fail_leave_what_was_trained(done):
    error = OSError("no disk")
    X, Y, _, _ = problem(D, H, O, N)

    def blocks():
        yield from list(blocks_of(X, Y, done + 1, "float64"))[:-1]
        raise error

    job = make("float64", blocks())
    with pytest.raises(OSError, match="no disk") as caught:
        job.run(RATE, N, False)
    assert caught.value is error
    assert_same_bits(error.training, expected("float64", done))
    assert job.is_intact  # a checkpoint may be written
    assert_same_bits(job.snapshot(), expected("float64", done))


def test_an_interrupt_leaves_whole_iterations():
    X, Y, _, _ = problem(D, H, O, N)

    def blocks():
        yield from list(blocks_of(X, Y, 3, "float64"))[:-1]
        raise KeyboardInterrupt

    with pytest.raises(fastnn2.TrainingInterrupted, match=r"2 of 5 iterations; .* fit_blocks\(\.\.\., init=") as caught:
        make("float64", blocks()).run(RATE, N, False)
    assert_same_bits((caught.value.params, caught.value.cost_), expected("float64", 2))


def test_bytes_needed_are_about_those_of_the_buffers():
    for dtype in DTYPES:
        job = make(dtype)
        arrays = [job.gradients, job.params, job.l2, *(array for tile in job._tiles for array in tile)]
        for thread in range(2):
            record = job._record(thread, 2)
            arrays += [record._arrays[name] for name in ("A1", "dZ2", "scratch")]
        held = sum(array.nbytes for array in arrays)
        assert 0.9 * held < bytes_needed(job.shape, dtype, 2) < 1.1 * held
