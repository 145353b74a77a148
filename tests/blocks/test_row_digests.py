"""The digest of some rows: independent of cuts, and another one for other samples."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn2.blocks.row_digests import RowDigests, row_digest
from fastnn2.blocks.sources import Rows
from fastnn2.storage.digest import MOST_ROWS, join_digests, sampled_rows


def rows_of(n, weighted=True):
    source = np.random.default_rng(n)
    return Rows(source.random((n, 3)), source.random((n, 2)), source.random(n) if weighted else None)


def part(rows, first, last):
    return Rows(*(None if array is None else array[first:last] for array in rows))


def whole(rows, dtype="float32"):
    n = len(rows.X)
    return join_digests((row_digest(rows, row, dtype) for row in sampled_rows(n)), n, dtype)


@pytest.mark.parametrize("n", [1, 2, 1023, 1024, 1025, 2048, 2049, 10**6, 10**9])
def test_sampled_rows(n):
    """Every k-th row, k the smallest power of two such that n / k is at most 1024."""
    rows = sampled_rows(n)
    assert rows.step & (rows.step - 1) == 0
    assert n / rows.step <= MOST_ROWS
    assert rows.step == 1 or 2 * n / rows.step > MOST_ROWS
    assert (rows.start, rows.stop) == (0, n)


@given(st.data(), st.integers(1, 6000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_cuts_have_the_same_digest(data, n, weighted):
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, n), max_size=12))), n]
    rows = rows_of(n, weighted)
    digests = RowDigests("float32")
    for first, last in itertools.pairwise(cuts):
        digests.add(part(rows, first, last))
    assert digests.value() == whole(rows)


def test_single_rows():
    rows = rows_of(2500)
    digests = RowDigests("float32")
    for row in range(2500):
        digests.add(part(rows, row, row + 1))
    assert digests.value() == whole(rows)
    assert len(digests._found) <= MOST_ROWS


def test_order_in_memory_and_dtype_before_the_cast_do_not_matter():
    rows = rows_of(50)
    as_float32 = Rows(*(array.astype("float32") for array in rows))
    in_columns = Rows(np.asfortranarray(rows.X), np.asfortranarray(rows.Y), np.repeat(rows.weights, 2)[::2])
    assert whole(rows) == whole(as_float32) == whole(in_columns)
    assert whole(rows, "float64") != whole(as_float32, "float64")


@pytest.mark.parametrize("change", ["X", "Y", "weights", "no weights", "n", "dtype"])
def test_other_samples_have_another_digest(change):
    rows = rows_of(50)
    before, dtype = whole(rows), "float32"
    if change == "no weights":
        rows = rows._replace(weights=None)
    elif change == "n":
        rows = part(rows, 0, 49)
    elif change == "dtype":
        dtype = "float64"
    else:
        getattr(rows, change)[7] += 0.5
    assert whole(rows, dtype) != before
