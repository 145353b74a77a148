"""The names of the columns of a file, which have to be there and to be different."""

from collections.abc import Container, Sequence
from typing import NoReturn

from fastnn2.tables.reading.columns import Column
from fastnn2.tables.reading.messages import listed, near_names
from fastnn2.tables.reading.table_error import TableError

# What pandas calls a column without a name.
UNNAMED = "Unnamed: 0"


def check_names(where: str, names: Sequence[str], left_out: Container[int] = ()) -> None:
    """Raise TableError if names are empty, or the same.

    Parameters
    ----------
    where : str
        What a message calls the place of the names.
    names : sequence of str
    left_out : container of int
        The numbers of columns that do not count, from 0 on.
    """
    if not names:
        raise TableError(f"{where} has no columns")
    places: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if place - 1 in left_out:
            continue
        if not name:
            before = f", after {names[place - 2]!r}," if place > 1 else ""
            raise TableError(f"{where}: column {place}{before} has no name; give it one, or remove the column")
        if name in places:
            raise TableError(f"{where}: columns {places[name]} and {place} have the same name, {name!r}; rename one")
        places[name] = place


def check_no_numbers(where: str, names: Sequence[str]) -> None:
    """Raise TableError if all names are numbers, which are values; 0, 1, 2, … are names that pandas gives."""
    if list(names) == [str(k) for k in range(len(names))]:
        return
    if all(_is_number(name) for name in names):
        raise TableError(
            f"{where} has numbers, such as {names[0]!r}, where the names of the columns are expected; add a first row "
            "with names"
        )


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def find_expected(path: str, names: Sequence[str], expected: Sequence[Column]) -> list[int]:
    """Return the place of each expected column among the names of a file; raise TableError if one is not there once."""
    places: dict[str, int] = {}
    repeated = set()
    for place, name in enumerate(names):
        if places.setdefault(name, place) != place:
            repeated.add(name)
    missing = [column.name for column in expected if column.name not in places]
    if missing:
        _fail_missing(path, names, missing)
    for column in expected:
        if column.name in repeated:
            raise TableError(f"{path} has {column.name!r} as the name of more than one column; rename the others")
    return [places[column.name] for column in expected]


def find_kept(path: str, names: Sequence[str], kept: Sequence[str]) -> list[int]:
    """Return the place of each column to copy among the names of a file; raise TableError if one is not there once."""
    for name in kept:
        if name not in names:
            raise TableError(
                f"{path} has no column {name!r} to keep{near_names(name, names) or f'; it has {listed(names)}'}"
            )
        if list(names).count(name) > 1:
            raise TableError(f"{path} has {name!r} as the name of more than one column; rename the others")
    return [list(names).index(name) for name in kept]


def _fail_missing(path: str, names: Sequence[str], missing: list[str]) -> NoReturn:
    if len(missing) == 1:
        near = near_names(missing[0], names)
        raise TableError(f"{path} has no column {missing[0]!r}, which the model expects{near}")
    raise TableError(
        f"{path} lacks {len(missing):,} columns that the model expects: {listed(missing)}; it has {listed(names)}"
    )
