"""Conversion between the callers' arrays and the kernels' layout."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from data import PATIENCE
from numpy.testing import assert_array_equal

from fastnn2.engine import layout
from fastnn2.functional import checks
from fastnn2.kernels.shared import tuning

DTYPES = [np.float64, np.float32]
LANES = {dtype: tuning.group_size(dtype) for dtype in DTYPES}


def to_groups_by_loops(matrix, dtype):
    """Convert a matrix to groups, number by number."""
    rows, n = matrix.shape
    lanes = tuning.group_size(dtype)
    groups = np.zeros((-(-n // lanes), rows, lanes), dtype=dtype)
    for i in range(rows):
        for j in range(n):
            groups[j // lanes, i, j % lanes] = matrix[i, j]
    return groups.ravel()


def sizes(dtype):
    lanes = tuning.group_size(dtype)
    return [1, 2, lanes - 1, lanes, lanes + 1, 3 * lanes, 3 * lanes + 5]


CASES = [(dtype, n) for dtype in DTYPES for n in sizes(dtype)]


@pytest.mark.parametrize(("dtype", "n"), CASES)
@pytest.mark.parametrize("rows", [1, 3])
def test_to_groups_and_back(dtype, n, rows):
    matrix = np.random.RandomState(n).standard_normal((rows, n))
    flat, is_finite = layout.to_groups(matrix, dtype)
    assert is_finite is True
    assert flat.dtype == dtype
    assert_array_equal(flat, to_groups_by_loops(matrix, dtype))
    back = np.full((rows, n), np.nan, dtype=dtype)
    layout.from_groups(flat, rows, back)
    assert_array_equal(back, matrix.astype(dtype))


def test_from_groups_into_a_part_of_a_matrix():
    flat, _ = layout.to_groups(np.arange(6.0).reshape(2, 3), np.float64)
    out = np.full((2, 5), 9.0)
    layout.from_groups(flat, 2, out[:, 1:4])
    assert_array_equal(out, [[9, 0, 1, 2, 9], [9, 3, 4, 5, 9]])


def test_from_groups_into_another_dtype():
    flat, _ = layout.to_groups(np.array([[0.2, 0.7, 0.5]]), np.float32)
    labels = np.empty((1, 3), dtype=int)
    layout.from_groups((flat > 0.5).astype(np.float32), 1, labels)
    assert_array_equal(labels, [[0, 1, 0]])


@pytest.mark.parametrize(("dtype", "n"), CASES)
def test_padding_is_zero(dtype, n):
    flat, _ = layout.to_groups(np.ones((2, n)), dtype)
    assert flat.sum() == 2 * n
    assert flat.size == tuning.count_groups(n, dtype) * 2 * LANES[dtype]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("count", [1, 15, 16, 17, 1000])
def test_aligned_zeros_are_aligned(dtype, count):
    for _ in range(5):  # NumPy aligns to 16 bytes, some of which are multiples of 128 by chance
        array = layout.aligned_zeros(count, dtype)
        assert array.ctypes.data % tuning.ALIGNMENT == 0
        assert layout.address(array) == array.ctypes.data
        assert array.shape == (count,)
        assert array.dtype == dtype
        assert not array.any()
        assert array.flags.writeable


@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_are_aligned(dtype):
    flat, _ = layout.to_groups(np.ones((3, 100)), dtype)
    assert flat.ctypes.data % tuning.ALIGNMENT == 0
    assert flat.nbytes % tuning.ALIGNMENT == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_padded_length_is_whole_lines(dtype):
    line = tuning.ALIGNMENT // np.dtype(dtype).itemsize
    found = [layout.padded_length(count, dtype) for count in (1, line - 1, line, line + 1)]
    assert found == [line, line, line, 2 * line]


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(layout, "usable_cores", lambda: 4)


# Samples of 3 rows in float64: more than PARALLEL_BYTES, with an incomplete last block.
LARGE = layout.PARALLEL_BYTES // 8 // 3 + 12_345


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F", "strided", "big-endian"])
def test_several_threads_give_the_copy_of_one(dtype, order, four_cores, monkeypatch):
    n = LARGE * 8 // np.dtype(dtype).itemsize
    matrix = np.random.RandomState(1).standard_normal((3, n)).astype(dtype)
    matrix = {
        "C": lambda: matrix,
        "F": lambda: np.asfortranarray(matrix),
        "strided": lambda: np.repeat(matrix, 2, axis=1)[:, ::2],
        "big-endian": lambda: matrix.astype(matrix.dtype.newbyteorder(">")),
    }[order]()
    pools = []
    executor = concurrent.futures.ThreadPoolExecutor
    monkeypatch.setattr(
        concurrent.futures, "ThreadPoolExecutor", lambda threads: pools.append(threads) or executor(threads)
    )
    serial, _ = layout.to_groups(matrix, dtype, 1)
    assert pools == []
    parallel, is_finite = layout.to_groups(matrix, dtype, None)
    assert pools == [3]  # and the calling thread
    assert serial.nbytes >= layout.PARALLEL_BYTES
    assert is_finite is True
    assert_array_equal(parallel, serial)
    assert_array_equal(parallel[: 3 * LANES[dtype]].reshape(3, -1), matrix[:, : LANES[dtype]])
    back = np.empty(matrix.shape, dtype=dtype)
    layout.from_groups(parallel, 3, back)
    assert_array_equal(back, matrix)


def test_small_copy_starts_no_thread(four_cores, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", None)
    assert layout.to_groups(np.zeros((3, LARGE // 4)), np.float64, None)[1] is True


def test_copy_stops_at_the_first_invalid_block():
    checked = []

    def is_valid(block):
        checked.append(block.shape)
        return len(checked) < 3

    assert layout.to_groups(np.zeros((3, LARGE)), np.float64, 1, is_valid)[1] is False
    assert len(checked) == 3


@pytest.mark.parametrize("threads", [1, None])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, LARGE // 2, LARGE - 1])
def test_number_that_is_not_finite_is_found(threads, value, at, four_cores):
    matrix = np.zeros((3, LARGE))
    matrix[2, at] = value
    assert layout.to_groups(matrix, np.float64, threads)[1] is False
    matrix[2, at] = 1e308
    assert layout.to_groups(matrix, np.float64, threads)[1] is True


def test_numbers_are_checked_after_the_cast():
    matrix = np.array([[1.0, 1e39]])
    assert layout.to_groups(matrix, np.float64)[1] is True
    assert layout.to_groups(matrix, np.float32)[1] is False


@pytest.mark.parametrize("threads", [1, None])
@pytest.mark.parametrize("at", [0, LARGE // 2, LARGE - 1])
def test_is_valid_is_called_before_the_cast(threads, at, four_cores):
    matrix = np.zeros((3, LARGE))
    matrix[1, at] = 1 + 1e-12  # 1 in float32
    is_valid = checks.is_in_unit_interval
    assert layout.to_groups(matrix, np.float32, threads, is_valid)[1] is False
    matrix[1, at] = 1
    flat, valid = layout.to_groups(matrix, np.float32, threads, is_valid)
    assert valid is True
    assert flat.sum() == 1


def test_broadcast_matrix_is_copied():
    matrix = np.broadcast_to(np.array([[1.0], [2.0]]), (2, 70))
    assert_array_equal(layout.to_groups(matrix, np.float64)[0], to_groups_by_loops(matrix, np.float64))


# A process in which every buffer that layout allocates begins after a protected page, or ends before one, so that an
# access outside the buffer ends the process. (A buffer may hold the arrays of several threads or chunks: an access from
# one of them into the next is not detected.)
GUARDED = """
import ctypes, mmap, resource, sys
import numpy as np
import fastnn2
from fastnn2.engine import layout
from data import DTYPES, problem

libc, page = ctypes.CDLL(None), mmap.PAGESIZE
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

def guarded(count, dtype, allocate):
    size = count * np.dtype(dtype).itemsize
    pages = -(-size // page) * page
    memory = mmap.mmap(-1, pages + 2 * page)
    first = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (first, first + page + pages):
        assert libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 0) == 0
    begin = page if sys.argv[1] == "front" else page + pages - size
    return np.frombuffer(memory, dtype, count, begin) if count else np.empty(0, dtype)

layout._aligned = guarded
if sys.argv[1] == "crash":
    ctypes.c_char.from_address(layout.address(layout.aligned_zeros(4, "float64")) + 32).value
shapes = [(1, 1, 1), (2, 5, 1), (2, 11, 1), (3, 2, 2), (9, 8, 4), (9, 13, 11), (33, 34, 1), (65, 37, 16), (270, 45, 6)]
shapes += [(230, 601, 2)]  # the hidden units are divided among the threads
for shape in shapes:
    for dtype in DTYPES:
        for n in (1, 70, 530):
            X, Y, params, weights = problem(*shape, n, dtype)
            for threads in (1, 2):
                fastnn2.fit(X, Y, 0.01, shape[1], 2, init=params, n_threads=threads, sample_weight=weights)
                given = [layout.aligned_zeros(X.size, dtype).reshape(X.shape) for _ in range(3)]
                for matrix in given:
                    matrix[...] = X
                options = {"init": params, "n_threads": threads, "sample_weight": weights, "costs": "last"}
                for inputs in (X, given):
                    fastnn2.fit_many(inputs, Y, [0.01, 0.02, 0.03], shape[1], 2, **options)
            y, cache = fastnn2.forward(X, params)
            fastnn2.backward(X, Y, params, cache)
            model = fastnn2.MLPRegressor(hidden_layer_sizes=(shape[1],), max_iter=1, batch_size=min(n, 40))
            model.fit(X.T, Y.T).predict(X.T)
            if n > 1:  # a classifier needs two classes
                labels = Y.T.round().astype(int).squeeze()
                for solver in ("adam", "lbfgs"):
                    model = fastnn2.MLPClassifier(hidden_layer_sizes=(shape[1],), max_iter=1, solver=solver)
                    model.fit(X.T, labels).predict_proba(X.T)
print("done")
"""


def run_guarded(side):
    command = [sys.executable, "-W", "ignore", "-c", GUARDED, side]
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": paths}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


needs_mprotect = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mprotect")


@needs_mprotect
@pytest.mark.parametrize("side", ["front", "back"])
def test_kernels_stay_inside_their_buffers(side):
    done = run_guarded(side)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@needs_mprotect
def test_access_outside_a_buffer_ends_the_process():
    """Else the test above would pass for any kernel."""
    done = run_guarded("crash")
    assert done.returncode in (-signal.SIGSEGV, -signal.SIGBUS), done.stderr
