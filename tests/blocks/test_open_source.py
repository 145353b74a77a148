"""Which source a caller's argument `blocks` is."""

import numpy as np
import pytest

from fastnn2.blocks.array_source import ArraySource
from fastnn2.blocks.iterable_source import IterableSource
from fastnn2.blocks.open_source import open_source

X, Y, WEIGHTS = np.ones((6, 3)), np.ones(6), np.ones(6)
BLOCK = (X, Y)


@pytest.mark.parametrize(
    "blocks",
    [
        (X, Y),
        (X, Y, WEIGHTS),
        (X, Y, None),
        (X.tolist(), Y.tolist()),
        (list(X), Y),  # a list of rows
        ([list(row) for row in X], Y[:, np.newaxis].tolist()),
        (tuple(map(tuple, X)), Y),
    ],
    ids=["two", "three", "no weights", "lists", "list of rows", "lists of lists", "tuples of tuples"],
)
def test_a_tuple_of_arrays(blocks):
    source = open_source(blocks)
    assert isinstance(source, ArraySource)
    assert (source.n, source.d, source.o) == (6, 3, 1)


def test_a_tuple_with_a_path(tmp_path):
    np.save(tmp_path / "X.npy", X)
    for path in (tmp_path / "X.npy", str(tmp_path / "X.npy")):
        assert isinstance(open_source((path, Y)), ArraySource)


def test_a_tuple_with_a_data_frame():
    pandas = pytest.importorskip("pandas")
    source = open_source((pandas.DataFrame(X), pandas.Series(Y)))
    assert isinstance(source, ArraySource)
    assert (source.n, source.d) == (6, 3)


class Blocks:
    def __iter__(self):
        return iter([BLOCK, BLOCK])


@pytest.mark.parametrize(
    "blocks",
    [
        [BLOCK, BLOCK],
        (BLOCK, BLOCK),
        (BLOCK, BLOCK, BLOCK),
        (BLOCK,),
        (BLOCK,) * 9,
        ([X, Y], [X, Y]),
        ((X.tolist(), Y.tolist()), BLOCK),
        Blocks(),
        {0: BLOCK}.values(),
    ],
    ids=["list", "two", "three", "one", "nine", "lists", "lists of lists", "object", "values"],
)
def test_an_iterable_of_blocks(blocks):
    source = open_source(blocks)
    assert isinstance(source, IterableSource)
    source.count("float64")
    assert source.n % 6 == 0
    assert (source.d, source.o) == (3, 1)


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        ((), "a tuple of 0"),
        ((X,), "a tuple of 1"),
        ((X, Y, WEIGHTS, X), "a tuple of 4"),
        (("X.npy",), "a tuple of 1"),
        (X, "ndarray"),
        (None, "NoneType"),
        (3, "int"),
        (b"X.npy", "bytes"),
        ({"X": X, "Y": Y}, "dict"),
        ({1, 2}, "set"),
    ],
)
def test_what_is_none_of_them(blocks, found):
    with pytest.raises(TypeError, match=rf"^blocks is {found}; expected a tuple \(X, Y\) or .* of arrays or paths of"):
        open_source(blocks)


def test_an_iterator_that_holds_blocks():
    with pytest.raises(TypeError, match=r"^blocks is generator, which can be iterated over only once"):
        open_source(block for block in [BLOCK])


def test_a_list_of_arrays_is_no_block():
    """A list is one of blocks; X and Y are passed as a tuple."""
    with pytest.raises(TypeError, match=r"^block 0 is ndarray; expected a tuple \(X, Y\) or \(X, Y, sample_weight\)"):
        open_source([X, Y])


def test_a_tuple_with_rows_of_different_lengths():
    with pytest.raises(ValueError, match=r"^X cannot be converted to an array of numbers"):
        open_source(([[1, 2], [3]], [0, 1]))


@pytest.mark.parametrize("blocks", [(X, Y), [BLOCK], ("X.npy", "Y.npy")], ids=["arrays", "iterable", "paths"])
@pytest.mark.parametrize("name", ["target", "weight"])
def test_columns_are_for_parquet_files(name, blocks):
    with pytest.raises(TypeError, match=rf"^{name} names a column of a Parquet file; blocks is \w+, not a path$"):
        open_source(blocks, **{name: "y"})


def test_what_an_iterable_raises_is_raised_as_it_is():
    class Failing:
        def __iter__(self):
            raise TypeError("of its own")

    with pytest.raises(TypeError, match=r"^of its own$"):
        open_source(Failing())
