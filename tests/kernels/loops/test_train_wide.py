"""The kernel for very wide hidden layers, called by fit: on networks that need it, and on small ones in small parts."""

import _thread
import re
import time

import numpy as np
import pytest
from data import (
    DTYPES,
    PATIENCE,
    RATE,
    as_double,
    assert_ended,
    assert_iteration_equals_the_reference,
    assert_nearly,
    assert_same_bits,
    fail_before_kernel,
    problem,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastnn2
from fastnn2 import reference
from fastnn2.engine import full_batch
from fastnn2.engine.layout import to_groups
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.threads import team

# d, h, o, n: parts of one size and of two; one batch, and several of two sizes; whole groups, and a few samples.
LARGE = [(220, 600, 1, 700), (130, 1030, 3, 300), (400, 640, 2, 5)]
# d, h, o, n of small networks: parts of a few units or one; layers in blocks or not; many outputs.
SMALL = [(3, 1, 1, 40), (1, 4, 2, 90), (3, 10, 1, 600), (9, 31, 3, 333), (70, 64, 1, 257), (17, 85, 11, 500)]


@pytest.fixture
def all_are_wide(monkeypatch):
    """Let train_wide train every network of more than two inputs or one output, in small parts and batches."""
    for name, number in {"WIDE_UNITS": 1, "WIDE_PARAMS": 1, "WIDE_PART_UNITS": 5, "WIDE_GROUPS": 2}.items():
        monkeypatch.setattr(tuning, name, number)


def assert_wide_iteration_equals_the_reference(shape, dtype, weighted, alpha, n_threads):
    d, h, o, n = shape
    assert tuning.train_kernel(d, h, o) == "train_wide"
    assert_iteration_equals_the_reference((d, h, o), n, dtype, weighted, alpha, n_threads)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("weighted", "alpha"), [(False, 0.0), (True, 0.75)])
@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_one_iteration_equals_the_reference(shape, weighted, alpha, dtype):
    assert_wide_iteration_equals_the_reference(shape, dtype, weighted, alpha, n_threads=2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("weighted", "alpha"), [(False, 0.0), (True, 0.75)])
@pytest.mark.parametrize("shape", SMALL, ids=str)
def test_one_iteration_of_a_small_network_equals_the_reference(shape, weighted, alpha, dtype, all_are_wide):
    assert_wide_iteration_equals_the_reference(shape, dtype, weighted, alpha, n_threads=2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the fixture does the same for all examples
@given(
    d=st.integers(3, 40),
    h=st.integers(1, 120),
    o=st.integers(1, 6),
    n=st.integers(1, 900),
    dtype=st.sampled_from(DTYPES),
    weighted=st.booleans(),
    alpha=st.sampled_from([0.0, 0.01, 10.0]),
    n_threads=st.integers(1, 5),
)
def test_one_iteration_of_any_shape_equals_the_reference(d, h, o, n, dtype, weighted, alpha, n_threads, all_are_wide):
    assert_wide_iteration_equals_the_reference((d, h, o, n), dtype, weighted, alpha, n_threads)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("weighted", "alpha"), [(False, 0.0), (True, 0.75)])
@pytest.mark.parametrize("shape", SMALL, ids=str)
def test_tens_of_iterations_equal_the_reference(shape, weighted, alpha, dtype, all_are_wide):
    d, h, o, n = shape
    X, Y, init, weights = problem(d, h, o, n, dtype)
    rate = RATE if d < 50 else RATE / 30  # see tests/functional/test_fit.py
    keywords = {"alpha": alpha, "init": init, "sample_weight": weights if weighted else None}
    result = fastnn2.fit(X, Y, rate, h, 50, n_threads=2, **keywords)
    X, Y, keywords["init"], keywords["sample_weight"] = as_double(X, Y, init, keywords["sample_weight"])
    assert_nearly(result, reference.fit(X, Y, rate, h, 50, **keywords), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SMALL, ids=str)
def test_threads_and_split_runs_do_not_change_a_bit(shape, dtype, all_are_wide):
    d, h, o, n = shape
    X, Y, init, weights = problem(d, h, o, n, dtype)
    keywords = {"alpha": 0.5, "sample_weight": weights}
    expected = fastnn2.fit(X, Y, RATE, h, 20, init=init, n_threads=1, **keywords)
    for n_threads in (2, 3, 4, 7, 16):
        assert_same_bits(fastnn2.fit(X, Y, RATE, h, 20, init=init, n_threads=n_threads, **keywords), expected)
    costs, params = [], init
    for iterations in (0, 1, 12, 7):
        params, cost_ = fastnn2.fit(X, Y, RATE, h, iterations, init=params, n_threads=2, **keywords)
        costs.append(cost_)
    assert_same_bits((params, np.concatenate(costs)), expected)


def test_the_networks_above_cover_several_numbers_of_parts_and_batches(all_are_wide):
    parts = {tuning.count_wide_parts(h) for _, h, _, _ in SMALL}
    assert parts >= {1, 2, 12, 16}
    batches = {tuning.count_batches(n, h, o, dtype) for _, h, o, n in SMALL for dtype in DTYPES}
    assert {1, 2} < batches
    assert max(batches) > 5


@pytest.mark.parametrize("h", [600, 601, 767, 768, 1000, 1024, 2048, 5000])
def test_two_threads_and_four_share_the_units_evenly(h):
    parts = tuning.count_wide_parts(h)
    assert parts % 4 == 0
    assert parts <= tuning.MAX_PARTS
    sizes = np.diff([tuning.first_unit(part, parts, h) for part in range(parts + 1)])
    assert sizes.min() > tuning.WIDE_PART_UNITS - tuning.PART_UNITS
    assert np.ptp(sizes) <= tuning.PART_UNITS


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("o", [1, 100, 1000])
@pytest.mark.parametrize("h", [600, 5000, 10**6])
def test_memory_for_a_batch_is_bounded(h, o, dtype):
    n = 10**6
    groups = -(-tuning.count_groups(n, dtype) // tuning.count_batches(n, h, o, dtype))
    for rows in (h, tuning.count_wide_parts(h) * o):
        assert groups == 1 or groups * rows * tuning.group_size(dtype) * np.dtype(dtype).itemsize <= tuning.WIDE_BYTES


@pytest.mark.parametrize("n_threads", [None, 1, 2, 100])
def test_no_more_threads_than_parts(n_threads):
    threads = full_batch.count_threads(784, 5000, 1024, 1, 20, "float32", n_threads)
    parts = tuning.count_wide_parts(1024)
    assert 1 <= threads <= parts
    assert n_threads is None or threads == min(n_threads, parts)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("h", "part_units"), [(81, 20), (7, 5), (64, 16), (33, 33)])
def test_behind_the_parameters_of_a_part_there_is_room_for_whole_vectors(
    h, part_units, dtype, all_are_wide, monkeypatch
):
    """Sums are added in fours and parameters updated in eights; numbers behind the last one are 0 and stay 0."""
    monkeypatch.setattr(tuning, "WIDE_PART_UNITS", part_units)
    d, o, n = 3, 2, 100
    X, Y, init, _ = problem(d, h, o, n, dtype)
    flat = np.concatenate([init[name].ravel() for name in ("W1", "b1", "W2", "b2")])
    X_groups, Y_groups = (to_groups(matrix, dtype)[0] for matrix in (X, Y))
    job = full_batch.UnitParallelJob(X_groups, Y_groups, None, flat, (d, h, o, n), 0.5, 3, 2)
    sizes = np.diff([tuning.first_unit(part, job.parts, h) for part in range(job.parts + 1)])
    counts = [tuning.count_params(d, units, o) for units in sizes]
    assert job.stride >= max(counts) + tuning.UPDATE_WIDTH
    job.run(RATE, float(n), False)
    for part, count in enumerate(counts):
        for array in (*job.params, job.gradients, job.l2):
            behind = array[part * job.stride : (part + 1) * job.stride][count:]
            assert_same_bits(behind, np.zeros_like(behind))


# Divergence, Ctrl-C, failing threads


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize(
    ("rate", "alpha", "message"), [(1e307, 0.0, "cost is"), (1.0, 1e40, "cost is"), (1e308, 1e10, "parameters after")]
)
def test_divergence_returns_the_last_finite_iteration(rate, alpha, message, n_threads, all_are_wide):
    X, Y, init, _ = problem(3, 40, 2, 400)
    with pytest.raises(fastnn2.TrainingDiverged, match=message) as caught:
        fastnn2.fit(X, Y, rate, 40, 50, init=init, alpha=alpha, n_threads=n_threads)
    done = int(re.search(r"at iteration (\d+)", str(caught.value))[1])
    params, cost_ = fastnn2.fit(X, Y, rate, 40, done, init=init, alpha=alpha)
    assert_same_bits(caught.value.params, params)
    assert_same_bits(caught.value.cost_[:done], cost_)
    assert len(caught.value.cost_) == done + (message != "cost is")
    assert np.isfinite(caught.value.cost_).all()


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("least", [0, 1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_interrupt_returns_whole_iterations(dtype, least, n_threads, monkeypatch):
    before = _thread._count()
    X, Y, init, _ = problem(220, 600, 1, 700, dtype)
    fastnn2.fit(X, Y, 0.01, 600, 1, init=init)  # compiles the kernel

    def interrupted(team, *_):
        deadline = time.monotonic() + PATIENCE
        while team.control[control_words.COMPLETED] < least:
            assert time.monotonic() < deadline
            time.sleep(0.0001)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(team, "monitor", interrupted)
        with pytest.raises(fastnn2.TrainingInterrupted) as caught:
            fastnn2.fit(X, Y, 0.01, 600, 100_000, init=init, alpha=0.1, n_threads=n_threads)
    done = len(caught.value.cost_)
    assert done >= least
    expected = fastnn2.fit(X, Y, 0.01, 600, done, init=init, alpha=0.1)
    assert_same_bits((caught.value.params, caught.value.cost_), expected)
    assert_ended(before)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interrupt_stops_within_an_iteration(n_threads, monkeypatch):
    h, n, controls = 600, 40_000, []
    X, Y, init, _ = problem(220, h, 1, n, "float32")
    fastnn2.fit(X[:, :100], Y[:, :100], 0.01, h, 1, init=init)  # compiles the kernel

    def interrupted(watched, *_):
        controls.append(watched.control)
        raise KeyboardInterrupt

    monkeypatch.setattr(team, "monitor", interrupted)
    with pytest.raises(fastnn2.TrainingInterrupted, match="after 0 of 100 iterations"):
        fastnn2.fit(X, Y, 0.01, h, 100, init=init, n_threads=n_threads)
    rounds = controls[0][control_words.ARRIVED] // n_threads  # an iteration takes at least 0.1 s
    assert rounds < tuning.count_batches(n, h, 1, "float32") - 1


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_no_thread_waits_for_one_that_failed(failing, monkeypatch):
    before = _thread._count()
    X, Y, init, _ = problem(220, 600, 1, 300)
    fail_before_kernel(failing, monkeypatch)
    with pytest.raises(RuntimeError, match="no way into the kernel"):
        fastnn2.fit(X, Y, 0.01, 600, 1000, init=init, n_threads=3)
    assert_ended(before)
