"""Columns of files that say what their values are: Parquet, Arrow and npz."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, TEXT, UNSUPPORTED, Column
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.reading.text_kinds import KIND_NAMES
from fastnn2.tables.reading.text_values import as_texts, is_outside, without_nan


def column_of(name: str, dtype: Any) -> Column:
    """Return the column that a dtype of polars makes."""
    import polars

    if dtype.is_numeric() or dtype == polars.Null:
        return Column(name, NUMBER)
    if dtype == polars.Boolean:
        return Column(name, BOOLEAN)
    if dtype in (polars.String, polars.Categorical, polars.Enum):
        return Column(name, TEXT)
    if dtype in (polars.Date, polars.Datetime):
        return Column(name, DATE)
    return Column(name, UNSUPPORTED, str(dtype))


def describe_unsupported(form: str) -> str:
    """Return what is wrong with a column of a dtype that cannot be used, and what to do."""
    kind = form.split("(")[0]
    called = {"List": "lists", "Array": "lists", "Struct": "records of several values", "Binary": "bytes"}
    called |= {"Time": "times of the day", "Duration": "spans of time", "Object": "objects of Python"}
    what = called.get(kind, "such values")
    to_do = "convert it to numbers" if kind in ("Time", "Duration") else "make a column of each value"
    return f"found {what} ({form}), expected numbers, text, booleans or dates; {to_do}"


def check_expected(path: str, column: Column, dtype: Any) -> None:
    """Raise TableError if a column of a file has not the kind that a model expects."""
    import polars

    found = column_of(column.name, dtype)
    if found.kind == column.kind or dtype == polars.Null:
        return
    what = found.form if found.kind == UNSUPPORTED else KIND_NAMES[found.kind]
    raise TableError(
        f"{path}, column {column.name!r}: found {what} ({dtype}), and the model expects {KIND_NAMES[column.kind]}; "
        "convert the column"
    )


def convert_typed(values: Any, kind: str) -> Any:
    """Return values as those of a Batch. Infinite numbers stay."""
    import polars

    if values.dtype == polars.Null:
        dtypes = {NUMBER: polars.Float64, TEXT: polars.String, BOOLEAN: polars.Boolean, DATE: polars.Datetime("us")}
        return values.cast(dtypes[kind])
    if kind == NUMBER:
        numbers = values.cast(polars.Float64)
        return numbers if _is_finite(numbers) else without_nan(numbers)
    if kind == TEXT:
        return as_texts(values.cast(polars.String))
    if kind == DATE and values.dtype == polars.Date:
        return values.cast(polars.Datetime("us"))
    if kind == DATE:
        if values.dtype.time_zone:
            values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return values.dt.cast_time_unit("us")
    return values


def _is_finite(numbers: Any) -> bool:
    """Return whether there is neither NaN nor infinity, which a sum tells in one pass; a sum too large says no."""
    total = numbers.sum()
    return total is None or abs(total) < float("inf")


def find_infinite(numbers: Any) -> int | None:
    """Return the place of the first infinite number, or None."""
    if _is_finite(numbers):
        return None
    infinite = numbers.is_infinite().fill_null(False)
    return int(infinite.arg_max()) if infinite.any() else None


def convert_frame(frame: Any, columns: Sequence[Column], fail: Callable[[int, str, str], NoReturn]) -> Any:
    """Return the columns of a frame as those of a Batch.

    Parameters
    ----------
    frame : polars.DataFrame
        Its columns are those of `columns`, in their order; their names do not matter.
    columns : sequence of Column
    fail : function
        Is called with the place of a row, the name of the column and what is wrong, and raises TableError.
    """
    import polars

    converted = []
    for found, column in zip(frame.get_columns(), columns, strict=True):
        values = found.alias("values")  # polars takes names such as "^a$" for patterns, also of a Series
        if column.kind == DATE and values.dtype != polars.Null:
            outside = is_outside(values)
            if outside.any():
                problem = "found a date before the year 1 or after 9999; correct it, or make it null if it is missing"
                fail(int(outside.arg_max()), column.name, problem)
        values = convert_typed(values, column.kind)
        if column.kind == NUMBER:
            place = find_infinite(values)
            if place is not None:
                fail(place, column.name, "found an infinite number; expected finite numbers, or null if it is missing")
        converted.append(values.alias(column.name))
    return polars.DataFrame(converted)
