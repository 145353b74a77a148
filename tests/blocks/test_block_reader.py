"""Rows that a source has in one way come in blocks of another; numbers are checked once; buffers are used in turn."""

import itertools

import numpy as np
import pytest
from fit_blocks_data import Blocks

from fastnn2.blocks import budget, plan
from fastnn2.blocks.block_reader import OrderedReader, RandomAccessReader, part_of, read_all, read_blocks, room_for_rows
from fastnn2.blocks.open_source import open_source
from fastnn2.engine.layout import to_groups
from fastnn2.engine.pieces import Cut, count_groups_of
from fastnn2.kernels.shared import tuning

N, D = 300, 3
SOURCE = np.random.default_rng(0)
X, Y, WEIGHTS = SOURCE.standard_normal((N, D)), SOURCE.random((N, 2)), SOURCE.random(N)
ARRAYS = X, Y, WEIGHTS


def open_counted(arrays=ARRAYS, cuts=None, dtype="float64"):
    source = open_source(arrays if cuts is None else Blocks(arrays, cuts))
    source.count(dtype)
    return source


def assert_rows(rows, first, last, dtype="float64"):
    for array, expected in zip(rows, ARRAYS, strict=True):
        assert array.tobytes() == expected[first:last].astype(dtype).tobytes()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("cuts", [[], [0, 1, 1, 2, 299], [100, 200], list(range(N))])
@pytest.mark.parametrize("sizes", [[300], [1, 99, 200], [50] * 6, [7] * 42])
def test_rows_in_their_order(sizes, cuts, dtype):
    reader = OrderedReader(open_counted(cuts=cuts, dtype=dtype))
    for _ in range(2):
        reader.begin_pass()
        first = 0
        for k, size in enumerate(sizes):
            last = first + size
            if k % 3 == 1:
                reader.skip(first, last)
            else:
                rows = room_for_rows(reader._source, size, dtype)
                reader.read(first, last, rows)
                assert_rows(rows, first, last, dtype)
            first = last
        if first < N:
            reader.skip(first, N)
        reader.end_pass()


def test_the_end_of_a_pass_is_looked_for():
    blocks = [(X, Y, WEIGHTS)]
    source = open_source(blocks)
    source.count("float64")
    reader = OrderedReader(source)
    blocks.append(blocks[0])
    reader.begin_pass()
    reader.skip(0, N)
    with pytest.raises(ValueError, match="goes on after block 0"):
        reader.end_pass()


def test_any_rows_are_checked_in_the_first_pass_only():
    x = X.copy()
    reader = RandomAccessReader(open_counted((x, Y, WEIGHTS)), "float64", read_rows=32)
    rows = room_for_rows(open_counted(), 100, "float64")
    reader.begin_pass()
    x[250] = np.nan
    reader.read(100, 200, rows)
    with pytest.raises(ValueError, match="nan at row 250, column 0"):
        reader.read(200, 300, rows)
    reader.end_pass()
    reader.begin_pass()
    reader.read(200, 300, rows)  # arrays of the caller may change; nobody looks any more
    assert np.isnan(rows.X[50]).all()


@pytest.mark.parametrize("stored", ["float64", "float32"])
def test_rows_that_are_cast_are_read_in_small_parts(stored, tmp_path, monkeypatch):
    """Others are read to where they are needed, at once."""
    for name, array in zip("XYW", ARRAYS, strict=True):
        np.save(tmp_path / f"{name}.npy", array.astype(stored))
    source = open_counted(tuple(tmp_path / f"{name}.npy" for name in "XYW"), dtype="float32")
    reader, rows, sizes = RandomAccessReader(source, "float32", read_rows=64), room_for_rows(source, N, "float32"), []
    read, read_into = source.read, source.read_into

    def counted(first, last, *out):
        sizes.append(last - first)
        return read_into(first, last, *out) if out else read(first, last)

    monkeypatch.setattr(source, "read", counted)
    monkeypatch.setattr(source, "read_into", counted)
    for _ in range(2):
        reader.begin_pass()
        reader.read(0, N, rows)
        assert_rows(rows, 0, N, "float32")
        reader.end_pass()
    parts = [64, 64, 64, 64, 44]
    assert sizes == parts + (parts if stored == "float64" else [N])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("cuts", [None, [7, 150, 150]])
def test_all_rows_in_groups(cuts, dtype):
    source = open_counted(cuts=cuts, dtype=dtype)
    lanes = tuning.group_size(dtype)
    cut = Cut(tuning.count_groups(N, dtype), 1, 4)
    found = read_all(source, budget.Budget(True, 2 * lanes, cut), dtype)
    for groups, array in zip(found, (X, Y, WEIGHTS[:, np.newaxis]), strict=True):
        assert groups.tobytes() == to_groups(array.T, dtype)[0].tobytes()


@pytest.mark.parametrize("cuts", [None, [7, 150, 150]])
@pytest.mark.parametrize("kept", [set(), {1}, {0, 2}])
def test_blocks(kept, cuts):
    """Those that stay come with room, which the team fills, and without rows from then on."""
    source, lanes = open_counted(cuts=cuts), 32
    groups = tuning.count_groups(N, "float64")
    cut = Cut(groups, 2, 1)
    planned = list(plan.blocks_in_order(cut, 3) if cuts else plan.blocks_of_streams(cut, 2, 4))
    found = read_blocks(source, budget.Budget(False, lanes, cut, 100, planned, kept), "float64", passes=3)
    rooms = {}
    for number in range(3):
        buffers = []
        for index, pieces in enumerate(planned):
            block = next(found)
            ranges = [(first * lanes, min(last * lanes, N)) for _, first, last in pieces]
            assert block.count == sum(last - first for first, last in ranges)
            assert sum((call[:, 2] - call[:, 1]).sum() for call in block.calls) == count_groups_of(pieces)
            if index in kept:
                rooms.setdefault(index, block.groups)
                assert block.groups is rooms[index]
                assert block.groups.X.size == count_groups_of(pieces) * D * lanes
            else:
                assert block.groups is None
            if index in kept and number:
                assert block.rows is None
                continue
            buffers.append(block.rows.X)
            place = 0
            for first, last in ranges:
                assert_rows([array[place : place + last - first] for array in block.rows], first, last)
                place += last - first
        for one, other in itertools.pairwise(buffers):
            assert not np.shares_memory(one, other)
        assert len({array.ctypes.data for array in buffers}) == min(budget.BUFFERS, len(buffers))
    with pytest.raises(StopIteration):
        next(found)


def test_parts_are_views():
    rows = room_for_rows(open_counted(), 10, "float64")
    part = part_of(rows, 3, 5)
    assert all(np.shares_memory(one, other) and len(one) == 2 for one, other in zip(part, rows, strict=True))
    without = room_for_rows(open_counted((np.ones((4, 2)), np.ones(4))), 10, "float32")
    assert (without.X.shape, without.Y.shape, without.weights) == ((10, 2), (10, 1), None)
