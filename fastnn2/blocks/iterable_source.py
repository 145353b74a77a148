"""Samples from an iterable that yields blocks of them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fastnn2.blocks.counted_source import CountedSource
from fastnn2.blocks.row_checks import check_shapes
from fastnn2.blocks.sources import Array, Rows
from fastnn2.functional import checks

FORM = "(X, Y) or (X, Y, sample_weight)"
# How a message says what is the same for all blocks.
FORM_TEXTS: tuple[Callable[[Any], str], ...] = (
    lambda features: f"{features} features",
    lambda outputs: f"{outputs} outputs",
    lambda dtype: f"X of {dtype}",
    lambda has_weights: "weights" if has_weights else "no weights",
)


class IterableSource(CountedSource):
    """Blocks from an iterable, of which the first is asked for at once: it has the form of all.

    Parameters
    ----------
    iterable : iterable
        Yields tuples (X, Y) or (X, Y, sample_weight). X has shape (m, d), and m may be 0.

    Raises
    ------
    TypeError
        It can be iterated over only once, or yields something else.
    ValueError
        It yields nothing, or arrays of another form.
    """

    def __init__(self, iterable: Iterable[Any]) -> None:
        iterator = iter(iterable)
        if iterator is iterable:
            raise TypeError(
                f"blocks is {type(iterable).__name__}, which can be iterated over only once; training reads the blocks "
                "again and again. Pass a list of them, or an object whose __iter__ begins anew each time"
            )
        self._iterable = iterable
        try:
            first = next(iterator)
        except StopIteration:
            raise ValueError("blocks yields nothing; expected at least one block, " + FORM) from None
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        rows = _as_rows(first, 0)
        self._form = _form(rows)
        super().__init__(*self._form)

    def unchecked_blocks(self) -> Iterator[Rows]:
        """Yield all blocks once; raise ValueError where one has another form than the first."""
        for index, block in enumerate(self._iterable):
            rows = _as_rows(block, index)
            for found, expected, text in zip(_form(rows), self._form, FORM_TEXTS, strict=True):
                if found != expected:
                    raise ValueError(f"block {index} has {text(found)}; expected {text(expected)}, as in block 0")
            yield rows

    def describe(self) -> str:
        """Return what a message calls all blocks."""
        return "blocks"

    def describe_block(self, index: int) -> str:
        """Return what a message calls one of the blocks."""
        return f"block {index}"

    def where(self, name: str, row: int, column: int | None = None) -> str:
        """Return where a number is, for a message."""
        index, own_row = self.find(row)
        place = f"row {own_row:,} of block {index} (row {row:,} of all)"
        return place if column is None else f"{place}, column {column}"


def _form(rows: Rows) -> tuple[int, int, Any, bool]:
    """Return what is the same for all blocks."""
    return rows.X.shape[1], rows.Y.shape[1], rows.X.dtype, rows.weights is not None


def _as_rows(block: Any, index: int) -> Rows:
    """Return a block's arrays, or raise an error that names the block."""
    if not isinstance(block, tuple | list) or len(block) not in (2, 3):
        found = f"has {len(block)} members" if isinstance(block, tuple | list) else f"is {type(block).__name__}"
        raise TypeError(f"block {index} {found}; expected a tuple {FORM}")

    def of(name: str) -> str:
        return f"{name} of block {index}"

    X, Y = (_as_array(value, of(name)) for value, name in zip(block, ("X", "Y"), strict=False))
    weights = None if len(block) == 2 or block[2] is None else _as_array(block[2], of("sample_weight"))
    m, _, o = check_shapes(X.shape, Y.shape, None if weights is None else weights.shape, of)
    return Rows(X, Y.reshape(m, o), weights)


def _as_array(value: Any, name: str) -> Array:
    array = checks.as_real_array(value, name)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
