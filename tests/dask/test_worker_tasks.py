"""How rows of partitions become blocks, and their sums; here without a cluster."""

import numpy as np
import pandas as pd
import pytest
from data import DTYPES, assert_same_bits, extra, problem

from fastnn2.engine.layout import pack_params
from fastnn2.engine.layout import to_groups as columns_to_groups
from fastnn2.engine.objective import Objective
from fastnn2.functional import checks

extra("distributed", "dask")
worker_tasks = extra("fastnn2.dask.worker_tasks", "dask")
targets = extra("fastnn2.dask.targets", "dask")

D, H, O, N = 5, 6, 3, 4500


def parts_of(rows, sizes, first_row=0):
    """Return rows as parts of partitions 0, 1, ...; the first begins amid its partition."""
    found, begin = [], 0
    for partition, size in enumerate(sizes):
        found.append((partition, 0 if partition else first_row, rows[begin : begin + size]))
        begin += size
    assert begin == len(rows)
    return found


def sizes_of(n, seed):
    source = np.random.default_rng(seed)
    return np.diff(np.sort(source.integers(0, n + 1, 6)), prepend=0, append=n).tolist()


def first_and_last(objective, first, end):
    """Return the range of the rows of the chunks [first, end)."""
    lanes = worker_tasks.tuning.group_size(objective.dtype)
    last = objective.cut.chunk(end - 1).last * lanes
    return objective.cut.chunk(first).first * lanes, min(last, objective.n)


@pytest.mark.parametrize("window", [1, 3 * 16 * D * 8, 1 << 24], ids=["group", "groups", "all"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_block_is_what_fit_lays_out(dtype, weighted, window, monkeypatch):
    monkeypatch.setattr(worker_tasks, "WINDOW_BYTES", window)
    X, Y, _, weights = problem(D, H, O, N, dtype)
    objective = Objective(D, H, O, N, np.dtype(dtype), weighted)
    chunks = objective.cut.chunks
    assert chunks >= 8
    for first, end in ((0, chunks), (0, 3), (3, chunks - 1), (chunks - 1, chunks)):
        begin, last = first_and_last(objective, first, end)
        arrays = [matrix[:, begin:last] for matrix in (X, Y, weights[np.newaxis])][: 2 + weighted]
        parts = [parts_of(array.T, sizes_of(last - begin, seed)) for seed, array in enumerate(arrays)]
        if weighted:
            parts[2] = [(*place, rows[:, 0]) for *place, rows in parts[2]]
        else:
            parts.append([])
        block = worker_tasks.lay_out(objective, first, end, *parts, targets.UnitInterval())
        assert (block.first, block.end) == (first, end)
        for found, array in zip(block.samples, arrays, strict=False):
            assert_same_bits(found, columns_to_groups(array, dtype)[0])
            assert found.ctypes.data % 128 == 0
        if not weighted:
            assert block.samples[2].size == 0


@pytest.mark.parametrize(
    "kind", ["int8", "uint64", "bool", "float16", "longdouble", ">f8", "Int64", "Float32", "boolean", "frame", "mixed"]
)
def test_rows_are_cast_as_fit_casts_them(kind):
    n = 300
    source = np.random.default_rng(0)
    X = source.integers(0, 2, (n, D)).astype(float)
    if kind in ("float16", "longdouble", ">f8", "frame"):
        X = (X + 0.3).astype(float if kind == "frame" else kind)
    elif kind in ("int8", "uint64", "bool"):
        X = X.astype(kind)
    rows = X
    if kind in ("Int64", "Float32", "boolean"):
        rows = pd.DataFrame(X).astype(kind)
    elif kind == "frame":
        rows = pd.DataFrame(np.asfortranarray(X))
    elif kind == "mixed":
        rows = pd.DataFrame(X).astype({0: "bool", 1: "int16", 2: "float32", 3: "Int8"})
    Y = source.integers(0, 2, n)
    objective = Objective(D, H, 1, n, np.dtype(np.float64), False)
    block = worker_tasks.lay_out(
        objective, 0, objective.cut.chunks, parts_of(rows, [100, 200]), parts_of(Y, [n]), [], targets.UnitInterval()
    )
    assert_same_bits(block.samples[0], columns_to_groups(checks.as_real_array(X, "X").T, np.float64)[0])


def test_sums_are_those_of_all_chunks_at_once():
    """Blocks of parts of the chunks give what one block gives."""
    from fastnn2.engine import chunk_sums
    from fastnn2.engine.held_sums import held_sums

    X, Y, params, weights = problem(D, H, O, N)
    objective = Objective(D, H, O, N, np.dtype(np.float64), True)

    def sums(first, end):
        begin, last = first_and_last(objective, first, end)
        parts = [[(0, 0, array[begin:last])] for array in (X.T, Y.T, weights)]
        block = worker_tasks.lay_out(objective, first, end, *parts, targets.UnitInterval())
        return held_sums(objective, [block], pack_params(params, np.float64), 1)

    chunks = objective.cut.chunks
    whole = sums(0, chunks)
    merged = chunk_sums.merged([sums(5, chunks), sums(0, 2), sums(2, 5)])
    assert_same_bits(merged.total(chunks), whole.total(chunks))
    assert merged.sums_in_order() == whole.sums_in_order()


def small_block(X, Y, weights=None):
    n = len(Y)
    objective = Objective(np.shape(X)[1], H, 1, n, np.dtype(np.float32), weights is not None)
    halves = [n // 2, n - n // 2]
    parts = [parts_of(array, halves, 10) for array in (X, Y)]
    parts.append([] if weights is None else parts_of(weights, halves, 10))
    return worker_tasks.lay_out(objective, 0, objective.cut.chunks, *parts, targets.UnitInterval())


@pytest.mark.parametrize("window", [1, 1 << 24])
@pytest.mark.parametrize("is_frame", [False, True])
@pytest.mark.parametrize(("row", "place"), [(2, "row 12 of partition 0"), (39, "row 19 of partition 1")])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("X", np.nan, "X has nan at {}, column {}; expected finite numbers"),
        ("X", np.inf, "X has inf at {}, column {}; expected finite numbers"),
        ("X", 1e39, r"X has 1e\+39 at {}, column {}, too large for float32; scale it or use float64"),
        ("Y", 1.5, "Y has 1.5 at {}; expected targets from 0 to 1"),
        ("Y", np.nan, "Y has nan at {}; expected finite numbers"),
        ("sample_weight", -1.0, "sample_weight has -1.0 at {}; expected weights of 0 or more"),
        ("sample_weight", np.nan, "sample_weight has nan at {}; expected finite numbers"),
    ],
)
def test_errors_have_a_place(name, value, message, row, place, is_frame, window, monkeypatch):
    monkeypatch.setattr(worker_tasks, "WINDOW_BYTES", window)
    arrays = {"X": np.zeros((40, 3)), "Y": np.zeros(40), "sample_weight": np.ones(40)}
    arrays[name][(row, 1) if name == "X" else row] = value
    column = "'height'" if is_frame else "1"
    if is_frame:
        arrays["X"] = pd.DataFrame(arrays["X"], columns=["age", "height", "mass"])
        arrays["Y"], arrays["sample_weight"] = pd.Series(arrays["Y"]), pd.Series(arrays["sample_weight"])
    with pytest.raises(ValueError, match=message.format(place, column)):
        small_block(*arrays.values())


@pytest.mark.parametrize("dtype", ["Int64", "Float32", "boolean", "int64[pyarrow]", "double[pyarrow]", "bool[pyarrow]"])
def test_missing_values_of_pandas(dtype):
    if "pyarrow" in dtype:
        extra("pyarrow", "dask")
    frame = pd.DataFrame({"age": pd.Series([1] * 30, dtype=dtype), "height": pd.Series([1] * 29 + [None], dtype=dtype)})
    with pytest.raises(ValueError, match="X has nan at row 14 of partition 1, column 'height'; expected finite"):
        small_block(frame, np.zeros(30))


def test_rows_that_are_not_there():
    objective = Objective(D, H, 1, 300, np.dtype(np.float64), False)
    X, Y = np.zeros((200, D)), np.zeros(300)
    with pytest.raises(RuntimeError, match="the rows of a block fill"):
        worker_tasks.lay_out(
            objective, 0, objective.cut.chunks, [(0, 0, X)], [(0, 0, Y)], [], targets.UnitInterval()
        )  # fmt: skip


@pytest.mark.parametrize("sizes", [[1000], [1, 998, 1], [300] * 3 + [100]])
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_are_added_as_fit_adds_them(dtype, sizes):
    weights = np.random.default_rng(0).uniform(0, 1, 1000)
    expected = checks.total_weight(weights.astype(dtype), 1000)
    assert worker_tasks.weight_of(parts_of(weights, sizes), dtype) == expected
    assert worker_tasks.weight_of(parts_of(pd.Series(weights), sizes), dtype) == expected
