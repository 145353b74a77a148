"""What a column of a table can be."""

import dataclasses
from collections.abc import Iterable, Sequence

NUMBER, TEXT, BOOLEAN, DATE = "number", "text", "boolean", "date"
UNSUPPORTED = "unsupported"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    kind : str
        NUMBER, TEXT (also categories), BOOLEAN or DATE (also with a time). UNSUPPORTED has values that cannot be used,
        such as lists, or text among numbers: `Table.check` says what they are.
    form : str or None
        How a text file writes its values, where there is more than one way: the format of its dates, as strptime has
        it, or "," for numbers with a decimal comma. For UNSUPPORTED, what the values are.
    """

    name: str
    kind: str
    form: str | None = None


def named(columns: Iterable[Column], names: Sequence[str]) -> list[Column]:
    """Return the columns of these names, in the order of the names."""
    by_name = {column.name: column for column in columns}
    return [by_name[name] for name in names]
