"""Columns of each library as numbers and texts, and which are categories by their type."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from fastnn2.tabular import table_columns as tc

DAY = datetime.date(2024, 2, 29)
OBJECTS = {
    "texts": ["a", None, float("nan")],
    "numbers": [1, 2.5, None],
    "decimals": [decimal.Decimal(1), float("nan")],
    "booleans": [True, None],
    "mixed": ["a", 1],
    "missing": [None, float("nan"), pd.NA, pd.NaT],
    "bytes": [b"a", b"b"],
}
KINDS = {
    "texts": {tc.TEXTS},
    "numbers": {tc.NUMBERS},
    "decimals": {tc.NUMBERS},
    "booleans": {tc.BOOLEANS},
    "mixed": {tc.TEXTS, tc.NUMBERS},
    "missing": set(),
    "bytes": {tc.OTHERS},
}


def as_objects(values):
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("make", [as_objects, lambda values: pd.Series(values, dtype=object)], ids=["numpy", "pandas"])
def test_objects_are_looked_at(name, make):
    column = make(OBJECTS[name])
    assert tc.value_kinds(column, "a") == KINDS[name]
    assert tc.is_categorical(column, "a") == bool(KINDS[name] - {tc.NUMBERS})


TYPES = [
    (pd.Series([1, 2], dtype=kind), {tc.NUMBERS}, False)
    for kind in ("float64", "float32", "int8", "Int64", "Float32", "uint64", "Sparse[float64]")
]
TYPES += [(pl.Series([1, 2], dtype=kind), {tc.NUMBERS}, False) for kind in (pl.Float32, pl.Int8, pl.UInt64, pl.Int128)]
TYPES += [(np.array([1, 2], dtype=kind), {tc.NUMBERS}, False) for kind in ("f2", "f4", "f8", "g", "i1", "u8")]
TYPES += [(pd.Series(["a", None], dtype=kind), {tc.TEXTS}, True) for kind in ("str", "string", "category")]
TYPES += [
    (pl.Series(["a", None], dtype=kind), {tc.TEXTS}, True) for kind in (pl.String, pl.Categorical, pl.Enum(["a"]))
]
TYPES += [(np.array(["a", "b"]), {tc.TEXTS}, True)]
TYPES += [(pd.Series([True, False], dtype=kind), {tc.BOOLEANS}, True) for kind in ("bool", "boolean")]
TYPES += [(pl.Series([True, None]), {tc.BOOLEANS}, True), (np.array([True, False]), {tc.BOOLEANS}, True)]
TYPES += [
    (pd.Series([1, 2], dtype="category"), {tc.NUMBERS}, True),
    (pd.Series(pd.to_datetime(["2024-01-01"])).astype("category"), {tc.DATES}, True),
    (pl.Series([None, None]), {tc.NUMBERS}, False),
    (pl.Series([decimal.Decimal("1.5")]), {tc.NUMBERS}, False),
    (pd.Series(pd.cut([1, 2, 3], 2)), {tc.OTHERS}, True),
]


if hasattr(np.dtypes, "StringDType"):
    TYPES.append((np.array(["a"], dtype=np.dtypes.StringDType()), {tc.TEXTS}, True))


def test_types_of_arrow():
    pytest.importorskip("pyarrow")
    for dtype, values, kind, expected in (
        ("int64", [3, None], tc.NUMBERS, ["3", None]),
        ("string", ["a", ""], tc.TEXTS, ["a", ""]),
        ("bool", [True, None], tc.BOOLEANS, ["true", None]),
    ):
        column = pd.Series(values, dtype=f"{dtype}[pyarrow]")
        assert tc.value_kinds(column, "a") == {kind}
        assert tc.texts_in(column, "a") == expected
    np.testing.assert_array_equal(tc.numbers_in(pd.Series([3, None], dtype="int64[pyarrow]"), "a"), [3, np.nan])


@pytest.mark.parametrize(("column", "kinds", "expected"), TYPES, ids=lambda value: str(getattr(value, "dtype", "")))
def test_types(column, kinds, expected):
    assert tc.value_kinds(column, "a") == kinds
    assert tc.is_categorical(column, "a") == expected


DATES = [
    pd.Series(pd.to_datetime(["2024-01-01", None])),
    pd.Series(pd.to_datetime(["2024-01-01"]).tz_localize("UTC")),
    pd.Series(pd.to_timedelta(["1 day"])),
    pd.Series([DAY, None], dtype=object),
    pl.Series([DAY]),
    pl.Series([datetime.time(1)]),
    pl.Series([datetime.timedelta(1)]),
    np.array(["2024-01-01"], dtype="datetime64[D]"),
]


@pytest.mark.parametrize("column", DATES, ids=lambda column: str(column.dtype))
def test_dates_are_refused_with_what_to_do(column):
    with pytest.raises(ValueError, match=r"column 'day' has dates or times .* convert it with .*DateColumns"):
        tc.is_categorical(column, "day")
    with pytest.raises(ValueError, match=r"column 'day' has (dates or times|datetime.date\(2024, 2, 29\) in row 0)"):
        tc.numbers_in(column, "day")


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([[1], [2]]),
        pl.Series([{"b": 1}]),
        pd.Series([[1], [2]]),
        pd.Series([{1}, "a"]),
        pd.Series([object()]),
        pd.Series([len, tc.texts_in], dtype=object),
    ],
    ids=["List", "Struct", "list", "set", "object", "function"],
)
def test_values_that_are_no_categories_are_refused(column):
    with pytest.raises(ValueError, match=r"column 'a' has a \w+ in row [01] .*: make a column of each value"):
        tc.is_categorical(column, "a")


TEXT_COLUMNS = {
    "texts": (
        [pd.Series(["a", "", None], dtype=kind) for kind in ("str", "string", object, "category")]
        + [pl.Series(["a", "", None], dtype=kind) for kind in (pl.String, pl.Categorical, pl.Enum(["a", ""]))]
        + [as_objects(["a", "", None]), as_objects(["a", "", float("nan")])],
        ["a", "", None],
    ),
    "booleans": (
        [pd.Series([True, False, None], dtype=kind) for kind in ("boolean", object, "category")]
        + [pl.Series([True, False, None]), as_objects([True, False, None])],
        ["true", "false", None],
    ),
    "integers": (
        [pd.Series([3, 10, None], dtype=kind) for kind in ("Int64", float, object, "category", "float32")]
        + [pl.Series([3, 10, None], dtype=kind) for kind in (pl.Int64, pl.Float64, pl.Float32)]
        + [np.array([3, 10, np.nan], dtype=kind) for kind in ("f4", "f8", "f2")],
        ["3", "10", None],
    ),
    "single precision": (
        [pd.Series([0.1, None], dtype=kind) for kind in ("float32", "Float32")]
        + [pl.Series([0.1, None], dtype=pl.Float32), np.array([0.1, np.nan], dtype="f4")],
        ["0.10000000149011612", None],
    ),
}


@pytest.mark.parametrize("name", TEXT_COLUMNS)
def test_texts_of_categories(name):
    """An empty text is one, and not missing."""
    columns, expected = TEXT_COLUMNS[name]
    for column in columns:
        assert tc.texts_in(column, "a") == expected, column.dtype


@pytest.mark.parametrize("first_row", [0, 70])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused_with_its_place(first_row, value):
    with pytest.raises(ValueError, match=rf"column 'price' has {value} in row {first_row + 2} \(the first row is 0\)"):
        tc.finite_float64(np.array([np.nan, 1.0, value, value], dtype=np.float32), "price", first_row)


@pytest.mark.skipif(np.finfo("g").max <= np.finfo("f8").max, reason="long double is float64 here")
def test_a_long_double_that_float64_cannot_hold_is_infinite():
    with pytest.raises(ValueError, match="column 'a' has inf in row 0"):
        tc.finite_float64(np.array([np.finfo("g").max]), "a")


def test_texts_among_numbers():
    with pytest.raises(ValueError, match=r"column 'a' has 'x' in row 1 .* texts may be named in categorical_features"):
        tc.numbers_in(pd.Series([1, "x"], dtype=object), "a")


def test_an_integer_too_large_for_float64():
    column = pd.Series([1, 10**400], dtype=object)
    with pytest.raises(ValueError, match=r"column 'a' has a int in row 1 .* that float64 cannot hold"):
        tc.numbers_in(column, "a")


def test_an_integer_too_long_for_a_text():
    with pytest.raises(ValueError, match=r"column 'a' has a value that is no text: .*; expected categories"):
        tc.texts_in(pd.Series(["b", 10**5000], dtype=object), "a")


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.coo_array, sparse.lil_array])
def test_sparse_tables_are_refused(make):
    with pytest.raises(TypeError, match=r"X is a sparse \w+ of shape \(2, 2\); .*: pass X.toarray\(\)"):
        tc.table_columns(make(np.eye(2)), None, reset=True)


def test_masked_arrays_are_refused():
    with pytest.raises(TypeError, match="X is a masked array, whose mask would be lost"):
        tc.table_columns(np.ma.array([[1.0]], mask=True), None, reset=True)
