"""What a user meets in fit_blocks where samples are not right, or not any more as they were."""

import os
import re
import threading
import time

import numpy as np
import pytest
from data import assert_same_bits, extra
from fit_blocks_data import Blocks, fit, fit_blocks, samples, smallest_limit

import fastnn2

N = 20_000
ARRAYS = samples("layers", N, weighted=True)
X, Y, WEIGHTS = ARRAYS
SIZE = 1000
ENDED = "fastnn2 reader"


@pytest.fixture(autouse=True)
def no_reader_is_left():
    """Assert that the thread that reads ends after each test."""
    yield
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(thread.name == ENDED for thread in threading.enumerate()):
        time.sleep(0.005)
    assert all(thread.name != ENDED for thread in threading.enumerate())


class Changing:
    """Blocks of SIZE rows of which `change(blocks)` makes others from pass number `begin` on.

    Pass 0 asks for the form, pass 1 counts the rows; so number 2 is the first iteration.
    """

    def __init__(self, begin, change):
        self.begin, self.change, self.passes = begin, change, -1

    def __iter__(self):
        self.passes += 1
        blocks = [tuple(array[k : k + SIZE] for array in ARRAYS) for k in range(0, N, SIZE)]
        yield from self.change(blocks) if self.passes >= self.begin else blocks


def small_limit(blocks=None):
    return smallest_limit(Blocks(ARRAYS, range(SIZE, N, SIZE)) if blocks is None else blocks, "layers", iterations=9)


def fails(blocks, error, message, done, limit=None, iterations=9, **options):
    """Assert that a run fails, and that the error has what was trained; None if training has not begun."""
    limit = small_limit() if limit is None else limit
    with pytest.raises(error, match=message) as caught:
        fit_blocks(blocks, "layers", iterations, memory_limit=limit, n_threads=2, **options)
    if done is None:
        assert not hasattr(caught.value, "training")
    else:
        assert_same_bits(caught.value.training, fit(ARRAYS, "layers", done))
    return caught.value


def replaced(index, **changes):
    """Return a change of a block; `changes` are functions of X, Y and sample_weight."""

    def change(blocks):
        members = dict(zip(("X", "Y", "sample_weight"), blocks[index], strict=True))
        blocks[index] = tuple(changes[name](value) if name in changes else value for name, value in members.items())
        return blocks

    return change


def with_number(number):
    """Return a change of one number of an array, in row 7."""

    def change(array):
        array = array.copy()
        array[7, ...] = number
        return array

    return change


OTHER_FORMS = {
    "features": (replaced(3, X=lambda X: X[:, 1:]), ValueError, r"^block 3 has 4 features; expected 5 features"),
    "outputs": (
        replaced(3, Y=lambda Y: np.hstack([Y, Y])), ValueError, r"^block 3 has 2 outputs; expected 1 outputs"
    ),
    "dtype": (
        replaced(3, X=lambda X: X.astype("float32")), ValueError, r"^block 3 has X of float32; expected X of float64"
    ),
    "no weights": (
        lambda blocks: [*blocks[:3], blocks[3][:2], *blocks[4:]], ValueError,
        r"^block 3 has no weights; expected weights, as in block 0",
    ),
    "fewer targets": (
        replaced(3, Y=lambda Y: Y[1:]), ValueError, r"^X of block 3 has 1000 samples \(rows\) and Y of block 3 has 999"
    ),
    "fewer weights": (replaced(3, sample_weight=lambda w: w[1:]), ValueError, r"^sample_weight of block 3 has shape"),
    "one dimension": (replaced(3, X=lambda X: X[:, 0]), ValueError, r"^X of block 3 has shape \(1000,\); expected two"),
    "text": (replaced(3, X=lambda X: X.astype(str)), TypeError, r"^X of block 3 has dtype"),
    "no tuple": (lambda blocks: [*blocks[:3], blocks[3][0]], TypeError, r"^block 3 is ndarray; expected a tuple"),
    "four": (lambda blocks: [*blocks[:3], (*blocks[3], 1)], TypeError, r"^block 3 has 4 members; expected a tuple"),
}  # fmt: skip
NUMBERS = {
    "nan in X": (replaced(3, X=with_number(np.nan)), r"nan at row 7 of block 3 \(row 3,007 of all\), column 0"),
    "inf in X": (replaced(3, X=with_number(np.inf)), r"inf at row 7 of block 3 \(row 3,007 of all\), column 0"),
    "nan in Y": (replaced(3, Y=with_number(np.nan)), r"row 7 of block 3 \(row 3,007 of all\)"),
    "2 in Y": (replaced(3, Y=with_number(2.0)), r"row 7 of block 3 \(row 3,007 of all\)"),
    "nan in the weights": (replaced(3, sample_weight=with_number(np.nan)), r"row 7 of block 3 \(row 3,007 of all\)"),
    "-1 in the weights": (replaced(3, sample_weight=with_number(-1.0)), r"row 7 of block 3 \(row 3,007 of all\)"),
}
OTHER_COUNTS = {
    "early": (
        lambda blocks: blocks[:-3], r"^blocks ends before block 17; expected 20 blocks, as in the first pass$"
    ),
    "nothing": (lambda blocks: [], r"^blocks ends before block 0; expected 20 blocks"),
    "on": (lambda blocks: [*blocks, blocks[0]], r"^blocks goes on after block 19, the last of the first pass$"),
    "fewer rows": (
        lambda blocks: [*blocks[:4], tuple(array[1:] for array in blocks[4]), *blocks[5:]],
        r"^block 4 has 999 rows; expected 1,000, as in the first pass$",
    ),
    "another block": (lambda blocks: [blocks[0], *blocks[2:]], r"^blocks ends before block 19"),
}  # fmt: skip


@pytest.mark.parametrize("begin", [1, 2, 4])
@pytest.mark.parametrize("case", OTHER_FORMS)
def test_blocks_of_another_form(case, begin):
    change, error, message = OTHER_FORMS[case]
    fails(Changing(begin, change), error, message, None if begin == 1 else begin - 2)


@pytest.mark.parametrize("begin", [1, 2, 4])
@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_that_are_not_valid(case, begin):
    change, message = NUMBERS[case]
    fails(Changing(begin, change), ValueError, message, None if begin == 1 else begin - 2)


@pytest.mark.parametrize("begin", [2, 4, 10])  # 10 is the last of nine iterations
@pytest.mark.parametrize("case", OTHER_COUNTS)
def test_other_blocks_than_in_the_first_pass(case, begin):
    change, message = OTHER_COUNTS[case]
    fails(Changing(begin, change), ValueError, message, begin - 2)


@pytest.mark.parametrize("case", OTHER_COUNTS)
def test_other_blocks_where_all_fit_in_memory(case):
    change, message = OTHER_COUNTS[case]
    fails(Changing(2, change), ValueError, message, None, limit="1GB")


@pytest.mark.parametrize("begin", [1, 2, 5])
def test_an_error_of_the_iterable_is_raised_as_it_is(begin, tmp_path):
    class Mine(Exception):
        pass

    mine = Mine("the network is down")

    def change(blocks):
        yield from blocks[:7]
        raise mine

    file = tmp_path / "run.checkpoint"
    done = None if begin == 1 else begin - 2
    blocks = Changing(begin, change)
    assert fails(blocks, Mine, "the network is down", done, checkpoint=file) is mine
    assert file.exists() == bool(done)
    blocks.begin, small = 99, small_limit()
    result = fit_blocks(blocks, "layers", 9, memory_limit=small, checkpoint=file, resume=True)
    assert_same_bits(result, fit(ARRAYS, "layers", 9))


def test_a_stop_iteration_of_the_iterable_is_no_end():
    """As in any generator, it becomes a RuntimeError."""

    def change(blocks):
        yield blocks[0]
        next(iter(()))

    fails(Changing(3, change), RuntimeError, "generator raised StopIteration", 1)


def test_keyboard_interrupt_in_the_iterable_is_that_of_the_run():
    """Whatever raises it, it ends the run as Ctrl-C does."""

    def change(blocks):
        yield blocks[0]
        raise KeyboardInterrupt

    with pytest.raises(fastnn2.TrainingInterrupted) as caught:
        fit_blocks(Changing(4, change), "layers", 9, memory_limit=small_limit(), n_threads=2)
    assert_same_bits((caught.value.params, caught.value.cost_), fit(ARRAYS, "layers", 2))


@pytest.fixture
def files(tmp_path):
    found = tuple(tmp_path / f"{name}.npy" for name in ("X", "Y", "weights"))
    for file, array in zip(found, ARRAYS, strict=True):
        np.save(file, array)
    return found


@pytest.mark.parametrize(("index", "name"), [(0, "X"), (1, "Y"), (2, "sample_weight")])
@pytest.mark.parametrize("number", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("limit", ["small", "1GB"])
def test_a_number_in_a_file(index, name, number, limit, files):
    if name == "X" and number == -1.0:
        return
    limit = small_limit(files) if limit == "small" else limit
    array = ARRAYS[index].copy()
    array[12_345, ...] = number
    np.save(files[index], array)
    place = re.escape(f"row 12,345 of {str(files[index])!r}") + (", column 0" if name == "X" else "")
    done = None if limit == "1GB" or name == "sample_weight" else 0
    fails(files, ValueError, f"^{name} .*{place}", done, limit=limit)


def overwritten(file):
    with open(file, "r+b") as opened:
        opened.seek(500)
        opened.write(b"12345678")


def cut_short(file):
    os.truncate(file, file.stat().st_size // 2)


def grown(file):
    with open(file, "ab") as opened:
        opened.write(b"more")


def replaced_by_another(file):
    new = file.with_suffix(".new")
    new.write_bytes(file.read_bytes())
    os.replace(new, file)


FILE_CHANGES = {
    "vanishes": (os.remove, "has vanished while its samples were in use"),
    "is overwritten": (overwritten, "has changed while its samples were in use"),
    "is cut short": (cut_short, "has changed while its samples were in use"),
    "is replaced": (replaced_by_another, "has changed while its samples were in use"),
    "grows": (grown, "has changed while its samples were in use"),
}


@pytest.mark.skipif(os.name != "posix", reason="Windows lets nobody change an open file")
@pytest.mark.parametrize(("kind", "index"), [("npy", 0), ("npy", 1), ("npy", 2), ("memmap", 0)])
@pytest.mark.parametrize("case", FILE_CHANGES)
def test_a_file_that_changes_while_training(case, index, kind, files, tmp_path):
    change, message = FILE_CHANGES[case]
    blocks = tuple(np.load(file, mmap_mode="r") for file in files) if kind == "memmap" else files

    def callback(iteration, cost, params):
        if iteration == 3:
            change(files[index])

    file = tmp_path / "run.checkpoint"
    limit = small_limit(files)
    error = r"^" + re.escape(f"{str(files[index])!r} ") + message
    with pytest.raises(ValueError, match=error) as caught:
        fit_blocks(blocks, "layers", 9, memory_limit=limit, n_threads=2, callback=callback, checkpoint=file)
    params, costs = caught.value.training
    # Blocks that were read ahead are used; which iteration the error is in is open.
    assert len(costs) >= 3
    assert_same_bits((params, costs), fit(ARRAYS, "layers", len(costs)))
    assert len(costs) < 9
    np.save(files[index], ARRAYS[index])
    result = fit_blocks(files, "layers", 9, memory_limit=limit, checkpoint=file, resume=True)
    assert_same_bits(result, fit(ARRAYS, "layers", 9))


@pytest.mark.skipif(os.name != "posix", reason="Windows lets nobody change an open file")
@pytest.mark.parametrize("case", ["vanishes", "is cut short", "is replaced"])
def test_a_parquet_file_that_changes_while_training(case, tmp_path, monkeypatch):
    polars = extra("polars", "tables")
    change, message = FILE_CHANGES[case]
    file = tmp_path / "rows.parquet"
    columns = {f"x{k}": X[:, k] for k in range(5)}
    polars.DataFrame({**columns, "y": Y[:, 0], "w": WEIGHTS}).write_parquet(file)
    monkeypatch.setattr("fastnn2.blocks.parquet_source.SLICE_BYTES", 50_000)
    options = {"target": "y", "weight": "w", "n_threads": 2}
    limit = smallest_limit(file, "layers", iterations=9, **options)

    def callback(iteration, cost, params):
        if iteration == 3:
            change(file)

    with pytest.raises(ValueError, match=message) as caught:
        fit_blocks(file, "layers", 9, memory_limit=limit, callback=callback, **options)
    assert 3 <= len(caught.value.training[1]) < 9
    assert_same_bits(caught.value.training, fit(ARRAYS, "layers", len(caught.value.training[1])))


def test_samples_that_are_in_memory_do_not_need_their_files(files):
    def remove(*_):
        for file in files:
            file.unlink(missing_ok=True)

    result = fit_blocks(files, "layers", 9, memory_limit="1GB", callback=remove)
    assert_same_bits(result, fit(ARRAYS, "layers", 9))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"memory_limit": 0}, ValueError, "^memory_limit is 0; expected"),
        ({"memory_limit": "much"}, ValueError, "^memory_limit is 'much'; expected"),
        ({"memory_limit": 1.5}, TypeError, "^memory_limit is 1.5; expected"),
        ({"learning_rate": -1}, ValueError, "^learning_rate is -1"),
        ({"hidden_size": 0}, ValueError, "^hidden_size is 0"),
        ({"number_of_iterations": -1}, ValueError, "^number_of_iterations is -1"),
        ({"alpha": -1}, ValueError, "^alpha is -1"),
        ({"n_threads": 0}, ValueError, "^n_threads is 0"),
        ({"dtype": "int32"}, ValueError, "^dtype is int32"),
        ({"init": "his"}, ValueError, "^init is 'his'"),
        ({"init": 3}, TypeError, "^init is int"),
        ({"random_state": "x"}, ValueError, "^random_state is 'x'"),
        ({"progress": 3}, ValueError, "^progress is 3"),
        ({"callback": 3}, TypeError, "^callback is int"),
        ({"callback_every": 3}, ValueError, "^callback_every is 3, but callback is None"),
        ({"resume": True}, ValueError, "^resume is True, but checkpoint is None"),
        ({"target": "y"}, TypeError, "^target names a column of a Parquet file"),
        ({"init": fastnn2.init_params(X.T[:3], Y.T, 9)}, ValueError, "^init is for 3 features, 9 hidden .*blocks"),
    ],
)  # fmt: skip
def test_wrong_arguments(options, error, message):
    """They are found before any sample is asked for."""

    class Unread:
        def __iter__(self):
            yield X[:5], Y[:5]
            raise AssertionError("not yet")

    options = {"learning_rate": 0.5, "hidden_size": 9, "number_of_iterations": 3, **options}
    with pytest.raises(error, match=message):
        fastnn2.fit_blocks(Unread(), **options)


@pytest.mark.parametrize("members", [(X, Y[1:]), (X, Y, WEIGHTS[1:]), (X.T, Y), (X[:0], Y[:0])])
def test_arrays_that_do_not_fit_each_other(members):
    fails(members, ValueError, "expected", None)


def test_weights_that_are_all_zero():
    for blocks in ((X, Y, 0 * WEIGHTS), Blocks((X, Y, 0 * WEIGHTS), [5])):
        fails(blocks, ValueError, "sample_weight", None)
