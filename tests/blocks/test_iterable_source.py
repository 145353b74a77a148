"""Samples from an iterable: counted in a first pass, compared with it in each later one."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn2.blocks.array_source import ArraySource
from fastnn2.blocks.iterable_source import IterableSource
from fastnn2.functional import total_weight

N, D = 2500, 3


class Passes:
    """Yields other blocks in each pass, the last ones again and again."""

    def __init__(self, *passes):
        self.passes, self.count = passes, 0

    def __iter__(self):
        blocks = self.passes[min(self.count, len(self.passes) - 1)]
        self.count += 1
        for block in blocks:
            if isinstance(block, Exception):
                raise block
            yield block


def samples(n=N, o=2, seed=0):
    source = np.random.default_rng(seed)
    return source.standard_normal((n, D)).astype("f4"), source.random((n, o)), source.random(n).astype("f8")


def cut(arrays, cuts):
    return list(zip(*(np.split(array, cuts) for array in arrays), strict=True))


def opened(blocks, dtype="float32"):
    source = IterableSource(blocks)
    source.count(dtype)
    return source


def joined(source):
    blocks = list(source.blocks())
    weights = np.concatenate([rows.weights for rows in blocks]) if source.has_weights else None
    return np.concatenate([rows.X for rows in blocks]), np.concatenate([rows.Y for rows in blocks]), weights


@given(
    st.lists(st.integers(0, N), max_size=12),
    st.booleans(),
    st.sampled_from([1, 2]),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from([1000, 10**7]),
)
@settings(max_examples=60, deadline=None)
def test_any_cuts_are_the_same_samples(cuts, weighted, o, dtype, size):
    """Empty blocks, too: all is as if the rows were in arrays, bit for bit."""
    arrays = samples(o=o)[: 3 if weighted else 2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(total_weight, "SLICE", size)
        source = opened(cut(arrays, sorted(cuts)), dtype)
        whole = ArraySource(arrays)
        whole.count(dtype)
    for name in ("n", "d", "o", "dtype", "has_weights", "total_weight"):
        assert getattr(source, name) == getattr(whole, name), name
    assert source.fingerprint(dtype) == whole.fingerprint(dtype)
    for _ in range(2):
        for found, expected in zip(joined(source), whole.read(0, N), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_single_rows():
    source = opened(cut(samples(60), range(1, 60)))
    assert [len(rows.X) for rows in source.blocks()] == [1] * 60


def test_forms_that_blocks_may_have():
    X, Y, weights = samples(10, o=1)
    blocks = [
        (X[:2], Y[:2], weights[:2]),
        [X[2:4], Y[2:4, 0], weights[2:4].tolist()],
        (X[4:4], Y[4:4], weights[4:4]),
        (X[4:10].astype(">f4"), Y[4:10] > 0.5, weights[4:10].astype("i4") + 1),
    ]
    source = opened(blocks)
    assert (source.n, source.o) == (10, 1)
    assert all(rows.X.dtype.isnative and rows.Y.shape[1] == 1 for rows in source.blocks())
    assert source.largest_bytes == X[4:].nbytes + 6 + 6 * 4
    assert not opened([(X, Y, None), (X, Y)]).has_weights


def test_an_object_with_getitem_is_an_iterable():
    class Blocks:
        def __getitem__(self, index):
            return cut(samples(10), [3, 5])[index]

    assert opened(Blocks()).n == 10


def test_the_first_block_is_asked_for_at_once_and_no_more():
    blocks = Passes([(np.ones((2, 3), "f4"), np.ones(2)), ValueError("not asked for")])
    source = IterableSource(blocks)
    assert (source.d, source.o, source.dtype, source.has_weights) == (3, 1, np.float32, False)
    assert blocks.count == 1


@pytest.mark.parametrize("make", [iter, lambda blocks: (block for block in blocks), lambda blocks: map(tuple, blocks)])
def test_iterators_are_refused(make):
    blocks = make(cut(samples(10), [5]))
    with pytest.raises(
        TypeError, match=r"^blocks is \w+, which can be iterated over only once; .* Pass a list of them"
    ):
        IterableSource(blocks)
    assert len(list(blocks)) == 2  # nothing is used up


def test_nothing():
    with pytest.raises(ValueError, match=r"^blocks yields nothing; expected at least one block, \(X, Y\) or"):
        IterableSource([])
    X, Y, _ = samples(10)
    with pytest.raises(ValueError, match=r"^blocks has no samples; expected at least one$"):
        opened([(X[:0], Y[:0])])


@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        (np.ones((2, 3)), TypeError, "block {at} is ndarray; expected a tuple (X, Y) or (X, Y, sample_weight)"),
        ("X.npy", TypeError, "block {at} is str; expected a tuple (X, Y) or (X, Y, sample_weight)"),
        ((np.ones((2, 3)),), TypeError, "block {at} has 1 members; expected a tuple (X, Y) or (X, Y, sample_weight)"),
        ((np.ones((2, 3)), ["a", "b"]), TypeError, "Y of block {at} has dtype <U1; expected real numbers"),
        ((np.ones(2), np.ones(2)), ValueError, "X of block {at} has shape (2,); expected two dimensions, (samples,"),
        ((np.ones((2, 3)), np.ones(3)), ValueError, "X of block {at} has 2 samples (rows) and Y of block {at} has 3"),
        (
            (np.ones((2, 3)), np.ones(2), np.ones(3)),
            ValueError,
            "sample_weight of block {at} has shape (3,); expected (2,), one weight for each row of X of block {at}",
        ),
    ],
)
def test_what_is_no_block(block, error, message, at):
    blocks = [(np.ones((2, 3)), np.ones(2))] * 2
    blocks.insert(at, block)
    with pytest.raises(error, match="^" + re.escape(message.format(at=at))):
        opened(blocks)


@pytest.mark.parametrize("first_pass", [True, False])
@pytest.mark.parametrize(
    ("block", "message"),
    [
        ((np.ones((2, 4)), np.ones(2)), "block 1 has 4 features; expected 3 features, as in block 0"),
        ((np.ones((0, 4)), np.ones(0)), "block 1 has 4 features; expected 3 features, as in block 0"),
        ((np.ones((2, 3)), np.ones((2, 2))), "block 1 has 2 outputs; expected 1 outputs, as in block 0"),
        ((np.ones((2, 3), "f4"), np.ones(2)), "block 1 has X of float32; expected X of float64, as in block 0"),
        ((np.ones((2, 3)), np.ones(2), np.ones(2)), "block 1 has weights; expected no weights, as in block 0"),
    ],
)
def test_blocks_of_different_forms(block, message, first_pass):
    good = (np.ones((2, 3)), np.ones(2))
    bad = [good, block, good]
    source = IterableSource(bad if first_pass else Passes([good], [good] * 3, bad))
    if not first_pass:
        source.count("float64")
    with pytest.raises(ValueError, match=f"^{message}$"):
        source.count("float64") if first_pass else list(source.blocks())


def test_blocks_without_weights_after_some_with():
    good = (np.ones((2, 3)), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match=r"^block 1 has no weights; expected weights, as in block 0$"):
        opened([good, good[:2]])


BLOCKS = cut(samples(10), [4, 4, 7])  # of 4, 0, 3 and 3 rows


@pytest.mark.parametrize(
    ("later", "yielded", "message"),
    [
        (BLOCKS[:3], 3, "blocks ends before block 3; expected 4 blocks, as in the first pass"),
        ([], 0, "blocks ends before block 0; expected 4 blocks, as in the first pass"),
        ([*BLOCKS, BLOCKS[1]], 4, "blocks goes on after block 3, the last of the first pass"),
        ([BLOCKS[0], *BLOCKS[2:]], 1, "block 1 has 3 rows; expected 0, as in the first pass"),
        ([*BLOCKS[:3], BLOCKS[0]], 3, "block 3 has 4 rows; expected 3, as in the first pass"),
    ],
)
def test_a_later_pass_with_other_counts(later, yielded, message):
    source = opened(Passes(BLOCKS[:1], BLOCKS, BLOCKS, later, BLOCKS))
    assert len(list(source.blocks())) == 4
    found = []
    with pytest.raises(ValueError, match=f"^{message}$"):
        found.extend(source.blocks())
    assert len(list(source.blocks())) == 4  # the caller may try again


def with_number(number, name, row):
    X, Y, weights = (array.copy() for array in samples(10))
    {"X": X, "Y": Y, "weights": weights}[name][row, ...] = number
    return cut((X, Y, weights), [4, 4, 7])


@pytest.mark.parametrize("first_pass", [True, False])
@pytest.mark.parametrize(
    ("number", "name", "message"),
    [
        (np.nan, "X", "X has nan at row 1 of block 2 (row 5 of all), column 0; expected finite numbers"),
        (2.0, "Y", "Y has 2.0 at row 1 of block 2 (row 5 of all), column 0; expected targets from 0 to 1"),
        (-1.0, "weights", "sample_weight has -1.0 at row 1 of block 2 (row 5 of all); expected weights of 0 or more"),
    ],
)
def test_numbers_that_are_not_valid(number, name, message, first_pass):
    bad = with_number(number, name, 5)
    source = IterableSource(bad if first_pass else Passes(BLOCKS, BLOCKS, bad))
    if not first_pass:
        source.count("float32")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        source.count("float32") if first_pass else list(source.blocks())


def test_places_after_empty_blocks():
    X, Y, _ = samples(3000)
    source = opened(cut((X, Y), [0, 0, 2000, 2000, 2000]))
    assert source.where("X", 0, 1) == "row 0 of block 2 (row 0 of all), column 1"
    assert source.where("Y", 1999) == "row 1,999 of block 2 (row 1,999 of all)"
    assert source.where("Y", 2005) == "row 5 of block 5 (row 2,005 of all)"


def test_weights_that_are_zero_in_some_blocks():
    X, Y, _ = samples(10)
    assert opened([(X, Y, np.zeros(10)), (X, Y, np.ones(10))]).total_weight == 10
    with pytest.raises(ValueError, match=r"^sample_weight is zero for all samples"):
        opened([(X, Y, np.zeros(10))] * 2)


@pytest.mark.parametrize("when", ["open", "count", "later"])
def test_errors_of_the_iterable_come_as_they_are(when):
    bad = [*BLOCKS[: 0 if when == "open" else 2], error := LookupError("of the iterable")]
    blocks = {"open": Passes(bad), "count": Passes(BLOCKS, bad), "later": Passes(BLOCKS, BLOCKS, bad)}[when]
    with pytest.raises(LookupError) as caught:
        list(opened(blocks).blocks())
    assert caught.value is error


def test_a_generator_behind_the_iterable_is_closed():
    closed = []

    class Blocks:
        def __iter__(self):
            try:
                yield from BLOCKS
            finally:
                closed.append(True)

    source = IterableSource(Blocks())
    assert len(closed) == 1
    source.count("float32")
    blocks = source.blocks()
    next(blocks)
    blocks.close()
    assert len(closed) == 3
