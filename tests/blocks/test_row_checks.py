"""Checks of forms and numbers, each error with its place."""

import re

import numpy as np
import pytest

from fastnn2.blocks.array_source import ArraySource
from fastnn2.blocks.row_checks import check_rows, check_shapes
from fastnn2.blocks.sources import Rows


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        (((5, 3), (5,), None), (5, 3, 1)),
        (((5, 3), (5, 1), (5,)), (5, 3, 1)),
        (((5, 3), (5, 4), (5,)), (5, 3, 4)),
        (((0, 3), (0,), None), (0, 3, 1)),
    ],
)
def test_shapes(shapes, expected):
    assert check_shapes(*shapes, str) == expected


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((5,), (5,), None), "<X> has shape (5,); expected two dimensions, (samples, features)"),
        (((5, 3, 2), (5,), None), "<X> has shape (5, 3, 2); expected two dimensions, (samples, features)"),
        (((5, 3), (), None), "<Y> has shape (); expected (samples,) or (samples, outputs)"),
        (((5, 3), (5, 1, 1), None), "<Y> has shape (5, 1, 1); expected (samples,) or (samples, outputs)"),
        (((5, 0), (5,), None), "<X> has shape (5, 0); expected at least one feature"),
        (((5, 3), (5, 0), None), "<Y> has shape (5, 0); expected at least one output"),
        (
            ((5, 3), (6,), None),
            "<X> has 5 samples (rows) and <Y> has 6; expected the same number in both",
        ),
        (
            ((3, 5), (5,), None),
            "<X> has 3 samples (rows) and <Y> has 5; expected the same number in both. X of shape (3, 5) looks like "
            "one column per sample: pass X.T",
        ),
        (
            ((5, 3), (1, 5), None),
            "<X> has 5 samples (rows) and <Y> has 1; expected the same number in both. Y of shape (1, 5) looks like "
            "one column per sample: pass Y.T",
        ),
        (
            ((5, 3), (5,), (4,)),
            "<sample_weight> has shape (4,); expected (5,), one weight for each row of <X>",
        ),
        (
            ((5, 3), (5,), (5, 1)),
            "<sample_weight> has shape (5, 1); expected (5,), one weight for each row of <X>",
        ),
    ],
)
def test_wrong_shapes(shapes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_shapes(*shapes, lambda name: f"<{name}>")


def samples(n=50_000, d=7, o=1, x_dtype="float64"):
    """Return rows that are checked in several pieces, and a source that knows their places."""
    source = np.random.default_rng(0)
    rows = Rows(source.standard_normal((n, d)).astype(x_dtype), source.random((n, o)), source.random(n))
    return rows, ArraySource(tuple(rows))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("x_dtype", ["float16", "float32", "float64", "longdouble", "int8", "uint64", "bool"])
def test_valid_rows(x_dtype, dtype):
    rows, source = samples(x_dtype=x_dtype)
    check_rows(rows, source, 0, dtype)
    check_rows(rows._replace(weights=None, Y=rows.Y > 0.5), source, 0, dtype)
    check_rows(Rows(*(array[:0] for array in rows)), source, 0, dtype)
    rows.Y[:2, 0], rows.weights[:] = (0, 1), 0
    check_rows(rows, source, 0, dtype)


def test_largest_integer_is_finite():
    rows, source = samples(n=3, x_dtype="uint64")
    rows.X[:] = np.iinfo("uint64").max
    check_rows(rows, source, 0, "float32")


HINT = " (for classes -1 and 1 pass (Y + 1) / 2)"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "number", "message"),
    [
        ("X", np.nan, "X has nan at row {row}, column {column}; expected finite numbers. Remove or replace it"),
        ("X", -np.inf, "X has -inf at row {row}, column {column}; expected finite numbers. Remove or replace it"),
        ("Y", np.nan, "Y has nan at row {row}{of_Y}; expected finite numbers. Remove or replace it"),
        ("Y", -1.0, "Y has -1.0 at row {row}{of_Y}; expected targets from 0 to 1" + HINT),
        ("weights", np.inf, "sample_weight has inf at row {row}; expected finite numbers. Remove or replace it"),
        ("weights", -2.0, "sample_weight has -2.0 at row {row}; expected weights of 0 or more"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("row", [0, 20_003, 49_999])
@pytest.mark.parametrize("o", [1, 3])
def test_invalid_numbers(name, number, message, row, o, dtype, order):
    rows, source = samples(o=o)
    array = getattr(rows, name)
    column = array[0].size - 1
    array[row : row + 1].reshape(1, -1)[:, -1] = number
    if row < 40_000:
        array[row + 5 :] = number  # the first place is told
    rows = Rows(np.asarray(rows.X, order=order), np.asarray(rows.Y, order=order), rows.weights)
    expected = message.format(row=f"{row + 1000:,}", column=column, of_Y=f", column {column}" if o > 1 else "")
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        check_rows(rows, source, 1000, dtype)


@pytest.mark.parametrize("name", ["X", "weights"])
def test_too_large_for_float32(name):
    rows, source = samples()
    getattr(rows, name)[30_000] = 1e39
    check_rows(rows, source, 0, "float64")
    with pytest.raises(ValueError, match=r"has 1e\+39 at row 30,000(, column 0)?, too large for float32"):
        check_rows(rows, source, 0, "float32")


def test_a_target_is_checked_before_the_cast():
    rows, source = samples()
    rows.Y[5] = 1 + 1e-12  # 1 in float32
    with pytest.raises(ValueError, match=r"^Y has 1.000000000001 at row 5; expected targets from 0 to 1"):
        check_rows(rows, source, 0, "float32")
