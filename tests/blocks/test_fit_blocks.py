"""fit_blocks has the bits of fit: however rows are cut, wherever they come from, within any limit of memory."""

import importlib
import weakref

import numpy as np
import pytest
from data import DTYPES, RATE, assert_same_bits, extra, problem
from fit_blocks_data import SHAPES, Blocks, assert_equals_fit, fit, fit_blocks, samples, smallest_limit

import fastnn2
from fastnn2.blocks import block_reader
from fastnn2.engine import block_job
from fastnn2.engine.pieces import split_into_calls
from fastnn2.kernels.shared import tuning

CUTS = 30
LIMITS = ("smallest", "half", "all fit")


@pytest.fixture
def budgets(monkeypatch):
    """The budgets of all runs so far."""
    module = importlib.import_module("fastnn2.blocks.fit_blocks")  # the package has the function under this name
    seen, make = [], module.make_budget

    def record(*arguments):
        seen.append(make(*arguments))
        return seen[-1]

    monkeypatch.setattr(module, "make_budget", record)
    return seen


def limit_of(kind, blocks, shape, arrays, **options):
    """Return a limit of a kind, for data that take more than the buffers."""
    smallest = smallest_limit(blocks, shape, **options)
    return {
        "smallest": smallest,
        "half": smallest + sum(array.nbytes for array in arrays) // 2,
        "most": smallest + sum(array.nbytes for array in arrays) * 4 // 5,
        "all fit": "1GB",
    }[kind]


def random_cuts(source, n, shape, dtype):
    """Return some places to cut n rows at: any, the same twice, neighbours, and ends of chunks, tiles and groups."""
    d, h, o = SHAPES[shape]
    lanes, groups = tuning.group_size(dtype), tuning.count_groups(n, dtype)
    chunks, tile = tuning.count_chunks(n, d, h, o, dtype), tuning.count_tile_groups(d, h, o)
    cuts = source.randint(0, n + 1, source.randint(0, 20)).tolist()
    for cut in (
        [source.randint(chunks + 1) * groups // chunks * lanes for _ in range(2)]
        + [source.randint(groups // tile + 1) * tile * lanes]
        + [source.randint(groups + 1) * lanes, 0, n]
        + cuts[:3]
    ):
        cuts += [cut + change for change in (0, 0, 1, -1)[: source.randint(5)]]
    return sorted(cut for cut in cuts if 0 <= cut <= n)


@pytest.mark.parametrize("number", range(CUTS))
def test_rows_may_be_cut_anywhere(number, budgets):
    source = np.random.RandomState(number)
    shape, dtype = list(SHAPES)[number % len(SHAPES)], DTYPES[number // 5 % 2]
    n = int(source.choice([1, 70, 900, 4000, 9001]))
    arrays = samples(shape, n, dtype, weighted=number % 2 == 1, seed=number)
    blocks = Blocks(arrays, random_cuts(source, n, shape, dtype))
    options = {"alpha": 0.5 * (number % 3), "n_threads": 1 + number % 7}
    for kind in LIMITS:
        limit = limit_of(kind, blocks, shape, arrays, **options)
        assert_equals_fit(blocks, arrays, shape, memory_limit=limit, **options)
    assert n < 4000 or [budget.fits for budget in budgets[-3:]] == [False, False, True]


def stored(kind, arrays, folder):
    """Return blocks that hold rows in some way."""
    if kind == "iterable":
        return Blocks(arrays, [7, 7, 1000, 1001])
    if kind == "Fortran order":
        return tuple(map(np.asfortranarray, arrays))
    if kind == "strided":
        return tuple(np.repeat(array, 2, axis=0)[::2] for array in arrays)
    if kind in ("npy", "memmap", "npy in Fortran order"):
        files = [folder / f"{name}.npy" for name in "XYW"[: len(arrays)]]
        for file, array in zip(files, arrays, strict=True):
            np.save(file, np.asfortranarray(array) if "Fortran" in kind else array)
        return tuple(np.load(file, mmap_mode="r") if kind == "memmap" else str(file) for file in files)
    return arrays


@pytest.mark.parametrize("kind", ["arrays", "Fortran order", "strided", "npy", "npy in Fortran order", "memmap"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", ["narrow", "outputs"])
def test_rows_may_be_anywhere(kind, dtype, weighted, shape, tmp_path, budgets):
    arrays = samples(shape, 4000, dtype, weighted)
    blocks = stored(kind, arrays, tmp_path)
    for limit in LIMITS:
        limit = limit_of(limit, blocks, shape, arrays, n_threads=2)
        assert_equals_fit(blocks, arrays, shape, memory_limit=limit, n_threads=2, alpha=0.5)
    assert [budget.fits for budget in budgets[-3:]] == [False, False, True]


@pytest.mark.parametrize("kind", ["arrays", "npy", "npy in Fortran order", "memmap", "iterable"])
@pytest.mark.parametrize(
    ("stored_dtype", "dtype"),
    [("float64", "float32"), ("float32", "float64"), ("float16", None), (">f8", "float64"), ("int32", "float32")],
)
def test_numbers_are_cast(kind, dtype, stored_dtype, tmp_path, budgets):
    X, Y, weights = samples("layers", 4000, weighted=True)
    arrays = tuple(array.astype(stored_dtype) for array in (3 * X, Y, 3 * weights))
    blocks = stored(kind, arrays, tmp_path)
    for limit in ("smallest", "all fit"):
        limit = limit_of(limit, blocks, "layers", arrays, dtype=dtype)
        assert_equals_fit(blocks, arrays, "layers", memory_limit=limit, dtype=dtype)
    assert [budget.fits for budget in budgets[-2:]] == [False, True]


@pytest.mark.parametrize("kind", ["arrays", "npy", "memmap", "iterable"])
@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (0, 1e300, r"^X has 1e\+300 at .*row 1,234.*, column 0, too large for float32; scale it or use float64$"),
        (1, 1 + 1e-9, r"^Y has 1\.000000001 at .*row 1,234.*; expected targets from 0 to 1"),
        (1, -1e-60, r"^Y has -1e-60 at .*row 1,234.*; expected targets from 0 to 1"),
        (2, 1e300, r"^sample_weight has 1e\+300 at .*row 1,234.*, too large for float32; scale it or use float64$"),
    ],
)
def test_numbers_are_checked_before_they_are_cast(kind, index, value, message, tmp_path):
    arrays = samples("layers", 4000, weighted=True)
    limit = smallest_limit(stored(kind, arrays, tmp_path), "layers", dtype="float32")
    arrays[index].reshape(4000, -1)[1234, 0] = value
    blocks = stored(kind, arrays, tmp_path)
    for memory_limit in (limit, "1GB"):
        with pytest.raises(ValueError, match=message):
            fit_blocks(blocks, "layers", dtype="float32", memory_limit=memory_limit)


def test_dtypes_of_their_own(tmp_path):
    X, Y, weights = samples("layers", 4000, "float32", weighted=True)
    arrays = X, (Y > 0.5), (10 * weights).astype(np.int64)
    for kind in ("arrays", "npy", "memmap", "iterable"):
        blocks = stored(kind, arrays, tmp_path)
        for dtype in (None, *DTYPES):
            limit = smallest_limit(blocks, "layers", dtype=dtype)
            assert_equals_fit(blocks, arrays, "layers", memory_limit=limit, dtype=dtype)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_parquet(weighted, dtype, tmp_path, budgets):
    polars = extra("polars", "tables")
    arrays = samples("outputs", 6000, dtype, weighted)
    columns = np.hstack([array.reshape(6000, -1) for array in arrays])
    names = ["a", "b", "c", "y", "z", "t", *(["w"] if weighted else [])]
    frame = polars.DataFrame({name: columns[:, k] for k, name in enumerate(names)})
    folder = tmp_path / "files"
    folder.mkdir()
    frame[:2501].write_parquet(folder / "0.parquet", row_group_size=700)
    frame[2501:].write_parquet(folder / "1.parquet")
    options = {"target": ["y", "z", "t"], "weight": "w" if weighted else None, "n_threads": 2}
    for limit in LIMITS:
        limit = limit_of(limit, folder, "outputs", arrays, **options)
        result = fit_blocks(folder, "outputs", memory_limit=limit, **options)
        assert_same_bits(result, fit(arrays, "outputs"))
    assert [budget.fits for budget in budgets[-3:]] == [False, False, True]


@pytest.mark.parametrize("n_threads", range(1, 8))
@pytest.mark.parametrize("shape", ["narrow", "layers", "shared"])
def test_any_number_of_threads(shape, n_threads):
    arrays = samples(shape, 5000, DTYPES[n_threads % 2], weighted=True)
    for blocks in (arrays, Blocks(arrays, [2000])):
        limit = limit_of("half", blocks, shape, arrays, n_threads=n_threads)
        assert_equals_fit(blocks, arrays, shape, memory_limit=limit, n_threads=n_threads)


@pytest.mark.parametrize("n", [1, 65, 9001])
@pytest.mark.parametrize("shape", ["narrow", "layers", "shared"])
@pytest.mark.parametrize("kind", ["arrays", "npy", "iterable"])
def test_the_limit_that_an_error_names_is_the_smallest(kind, shape, n, tmp_path):
    arrays = samples(shape, n, "float32")
    blocks = arrays if kind != "iterable" else Blocks(arrays, [n // 2])
    blocks = stored("npy", arrays, tmp_path) if kind == "npy" else blocks
    for dtype in DTYPES:
        limit = smallest_limit(blocks, shape, dtype=dtype)
        text = rf"^memory_limit is {limit - 1:,} bytes, too small for 3 blocks of the smallest size, .*pass {limit} or"
        with pytest.raises(ValueError, match=text):
            fit_blocks(blocks, shape, memory_limit=limit - 1, dtype=dtype)
        assert_equals_fit(blocks, arrays, shape, memory_limit=limit, dtype=dtype)


@pytest.mark.parametrize(("kind", "n_threads"), [("arrays", 1), ("arrays", 2), ("iterable", 1)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", ["narrow", "outputs", "shared"])
def test_blocks_that_stay_in_memory(shape, dtype, kind, n_threads, budgets, monkeypatch):
    """Blocks are small here, as for a limit of hundreds of megabytes; some of them stay."""
    monkeypatch.setattr(block_job, "CALL_WORK", 1)
    arrays = samples(shape, 30_000, dtype, weighted=True)
    blocks = Blocks(arrays, range(99, 29_000, 999)) if kind == "iterable" else arrays
    limit = limit_of("most", blocks, shape, arrays, n_threads=n_threads)
    assert_equals_fit(blocks, arrays, shape, memory_limit=limit, n_threads=n_threads)
    assert not budgets[-1].fits
    assert 0 < len(budgets[-1].kept) < len(budgets[-1].blocks)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("shape", ["narrow", "outputs", "shared"])
def test_blocks_of_several_calls(shape, n_threads, monkeypatch):
    calls = []

    def small_calls(pieces, cut, call_groups):
        calls.append(split_into_calls(pieces, cut, cut.tile_groups))
        return calls[-1]

    monkeypatch.setattr(block_reader, "split_into_calls", small_calls)
    arrays = samples(shape, 60_000 if shape == "shared" else 130_000, weighted=True)  # chunks of several tiles
    for blocks in (arrays, Blocks(arrays, [17_001])):
        limit = limit_of("half", blocks, shape, arrays, n_threads=n_threads)
        assert_equals_fit(blocks, arrays, shape, memory_limit=limit, n_threads=n_threads)
        assert max(map(len, calls)) > 1
        calls.clear()


def wide(dtype):
    d, h, o, n = 220, 600, 3, 400
    assert tuning.train_kernel(d, h, o) == "train_wide"
    X, Y, init, weights = problem(d, h, o, n, dtype)
    return X, Y, init, weights, h


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_very_wide_layer_needs_all_samples_in_memory(dtype):
    X, Y, init, weights, h = wide(dtype)
    rows = X.T.copy(), Y.T.copy(), weights
    expected = fastnn2.fit(X, Y, RATE, h, 2, init=init, sample_weight=weights)
    for blocks in (rows, Blocks(rows, [11, 300])):
        assert_same_bits(fastnn2.fit_blocks(blocks, RATE, h, 2, init=init, memory_limit="1GB"), expected)
        with pytest.raises(ValueError, match="threads share hidden units, which needs all samples in memory") as caught:
            fastnn2.fit_blocks(blocks, RATE, h, 2, init=init, memory_limit="1MB")
        assert "hidden_size 600 and 220 features" in str(caught.value)
        limit = int(str(caught.value).partition("Pass a memory_limit of ")[2].split()[0])
        assert_same_bits(fastnn2.fit_blocks(blocks, RATE, h, 2, init=init, memory_limit=limit), expected)
        with pytest.raises(ValueError, match=f"all samples take {limit:,}"):
            fastnn2.fit_blocks(blocks, RATE, h, 2, init=init, memory_limit=limit - 1)


@pytest.mark.parametrize(
    "options",
    [{"init": "small"}, {"random_state": 7}, {"init": problem(5, 9, 1, 1)[2]}, {"progress": False}],
    ids=["small", "random_state", "parameters", "no progress"],
)
def test_options_of_fit(options):
    arrays = samples("layers", 3000)
    limit = smallest_limit(arrays, "layers")
    assert_equals_fit(arrays, arrays, "layers", memory_limit=limit, **options)


def test_random_states_are_drawn_from_as_in_fit():
    arrays = samples("layers", 3000)
    limit = smallest_limit(arrays, "layers")
    ours, theirs = np.random.RandomState(1), np.random.RandomState(1)
    result = fit_blocks(arrays, "layers", memory_limit=limit, random_state=ours)
    assert_same_bits(result, fit(arrays, "layers", random_state=theirs))
    assert ours.randint(1 << 30) == theirs.randint(1 << 30)


def test_blocks_that_draw_change_no_initial_parameters():
    """They are seeded and drawn in one go, not before the rows are counted and after."""

    class Drawing(Blocks):
        def __iter__(self):
            fastnn2.init_params([[0.0, 1.0]], [0, 1], 5, random_state=9)
            yield from super().__iter__()

    arrays = samples("layers", 300)
    found = fit_blocks(Drawing(arrays, [100]), "layers", random_state=1)
    assert_same_bits(found, fit(arrays, "layers", random_state=1))


def test_no_iterations():
    arrays = samples("layers", 3000)
    for blocks in (arrays, Blocks(arrays, [5])):
        for limit in (smallest_limit(blocks, "layers", iterations=0), "1GB"):
            result = fit_blocks(blocks, "layers", 0, memory_limit=limit)
            assert_same_bits(result, fit(arrays, "layers", 0))


def test_rows_that_stay_in_memory_are_read_once():
    """An iterable gives its first block once for its form, and all of them once to be counted."""
    arrays = samples("layers", 3000)
    blocks = Blocks(arrays, [100, 2000])
    fit_blocks(blocks, "layers", 7)
    assert blocks.passes == 3
    limit = smallest_limit(blocks, "layers")
    blocks.passes = 0
    fit_blocks(blocks, "layers", 7, memory_limit=limit)
    assert blocks.passes == 2 + 7


class Changing(Blocks):
    """Yields one block more, or raises at the end, from the pass after that which counts."""

    def __init__(self, arrays, cuts, error=None):
        super().__init__(arrays, cuts)
        self.error = error

    def __iter__(self):
        yield from super().__iter__()
        if self.passes > 2 and self.error is not None:
            raise self.error
        if self.passes > 2:
            yield tuple(array[:1] for array in self.arrays)


@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize("kind", ["smallest", "most", "all fit"])
def test_the_end_of_each_pass_is_seen(kind, iterations):
    """Also that of the last one: what is wrong with it comes before its iteration is complete."""
    arrays = samples("layers", 3000)
    limit = limit_of(kind, Blocks(arrays, [1000]), "layers", arrays, iterations=iterations)
    for error, message in [(None, "^blocks goes on after block 1, the last of"), (ValueError("the end"), "^the end$")]:
        with pytest.raises(ValueError, match=message) as raised:
            fit_blocks(Changing(arrays, [1000], error), "layers", iterations, memory_limit=limit)
        assert kind == "all fit" or len(raised.value.training[1]) == 0


def test_a_block_is_gone_before_the_next_one_is_made():
    """The memory of one block is that of the limit, whatever an iterable does to make another."""
    arrays = samples("layers", 3000, weighted=True)
    found = []

    class Fresh(Blocks):
        def __iter__(self):
            made = []

            def copied(array):
                made.append(weakref.ref(copy := array.copy()))
                return copy

            for first in range(0, 3000, 700):
                found.append(sum(reference() is not None for reference in made))
                yield tuple(copied(array[first : first + 700]) for array in self.arrays)
            found.append(sum(reference() is not None for reference in made))

    blocks = Fresh(arrays, [])
    for limit in (smallest_limit(blocks, "layers"), "1GB"):
        assert_equals_fit(blocks, arrays, "layers", memory_limit=limit)
    assert len(found) > 6 * 4
    assert set(found) == {0}
