"""The blocks of partial_fit_blocks: samples as rows, with whatever y the estimator takes.

:mod:`fastnn2.blocks.sources` is for fit_blocks, whose targets are numbers from 0 to 1, and which takes rows wherever
they are cut. Here the blocks matter, and y may be labels, numbers to predict, or several of them for a sample.
"""

import abc
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastnn2.estimators.checkpoint_contents import digest_of
from fastnn2.estimators.partial_fit_state import rows_of

Array = np.ndarray[Any, Any]

BLOCK_ROWS = 65_536  # of a block of arrays and files; the last one has fewer
MOST_SAMPLED = 1024  # rows of which a fingerprint is made
FORM = "(X, y) or (X, y, sample_weight)"
SAME = "expected the same blocks each time"


class Block(NamedTuple):
    """Some samples, as ``partial_fit`` takes them."""

    X: Any
    y: Any
    weights: Any  # or None

    @property
    def rows(self) -> int:
        """Return the number of samples."""
        return count_rows(self.X)


class LabelledBlocks(abc.ABC):
    """Blocks that can be read again and again.

    Attributes
    ----------
    sizes : list of int or None
        The rows of each block, where they are known; a pass that comes to its end finds them.
    count : int or None
        The number of blocks, where it is known.
    has_any_order : bool
        Whether any block can be read at any time; else all come in one order.
    """

    sizes: list[int] | None = None
    count: int | None = None
    has_any_order = True

    @abc.abstractmethod
    def read(self, order: Array | None, first: int) -> Iterator[tuple[int, Block]]:
        """Yield blocks with their numbers, in an order, or as they come if it is None; leave out the first `first`."""

    def targets(self) -> Iterator[tuple[int, Any]]:
        """Yield the number and the y of all blocks, but for those without rows."""
        for index, block in self.read(None, 0):
            if block.rows:
                yield index, block.y

    @abc.abstractmethod
    def samples(self) -> Iterator[tuple[str, Block]]:
        """Yield some rows, by which a checkpoint knows the data, and words that say which rows they are."""

    def where(self, index: int) -> str:
        """Return the place of a block for a message."""
        return f"block {index}"

    def where_row(self, index: int, row: int, name: str) -> str:
        """Return the place of a row of X, y or sample_weight of a block for a message."""
        return f"row {row:,} of {'' if name == 'X' else f'{name} of '}block {index}"


class IndexedBlocks(LabelledBlocks):
    """Blocks of which any can be read."""

    count: int

    @abc.abstractmethod
    def block(self, index: int) -> Block:
        """Return a block."""

    def read(self, order: Array | None, first: int) -> Iterator[tuple[int, Block]]:
        """Yield blocks with their numbers; see the base class."""
        for index in range(first, self.count) if order is None else order[first:].tolist():
            yield index, self.block(index)


class SequenceBlocks(IndexedBlocks):
    """A sequence of tuples."""

    def __init__(self, blocks: Sequence[Any]) -> None:
        self._blocks, self.count = blocks, len(blocks)
        self._form, self._rows = BlockForm(), dict[int, int]()
        if self.count == 0:
            raise ValueError(f"blocks has no block; expected at least one tuple {FORM}")

    def block(self, index: int) -> Block:
        """Return a block."""
        try:
            item = self._blocks[index]
        except IndexError as error:
            raise ValueError(
                f"blocks had {self.count} blocks at the beginning, and now has no block {index}; they must stay as "
                "they are while training"
            ) from error
        block = self._form.checked(item, index)
        expected = self._rows.setdefault(index, block.rows)
        if block.rows != expected:
            raise ValueError(f"block {index} has {block.rows} rows, and had {expected} before; {SAME}")
        if self.sizes is None and len(self._rows) == self.count:
            self.sizes = [self._rows[each] for each in range(self.count)]
        return block

    def samples(self) -> Iterator[tuple[str, Block]]:
        """Yield some rows of the first and the last block."""
        for index in sorted({0, self.count - 1}):
            yield f"block {index} of {self.count}", self.block(index)


class IterableBlocks(LabelledBlocks):
    """An iterable of tuples, which begins anew in each pass."""

    has_any_order = False

    def __init__(self, blocks: Iterable[Any]) -> None:
        self._blocks = blocks
        self._form = BlockForm()

    def read(self, order: Array | None, first: int) -> Iterator[tuple[int, Block]]:
        """Yield all blocks but the `first` ones; raise ValueError where they are others than in the pass before."""
        sizes: list[int] = []
        for index, item in enumerate(self._blocks):
            block = self._form.checked(item, index)
            sizes.append(block.rows)
            before = None if self.sizes is None else self.sizes[index : index + 1]
            if before is not None and before != [block.rows]:
                expected = f"had {before[0]} before" if before else f"blocks ended after {index} blocks before"
                raise ValueError(f"block {index} has {block.rows} rows, and {expected}; {SAME}")
            if index >= first:
                yield index, block
        if self.sizes is not None and len(sizes) < len(self.sizes):
            raise ValueError(f"blocks ended after {len(sizes)} blocks, and had {len(self.sizes)} before; {SAME}")
        self.sizes, self.count = sizes, len(sizes)

    def samples(self) -> Iterator[tuple[str, Block]]:
        """Yield some rows of the first block."""
        for _, item in zip(range(1), self._blocks, strict=False):
            yield "block 0", self._form.checked(item, 0)


class BlockForm:
    """The check that blocks are tuples, all with weights or none."""

    def __init__(self) -> None:
        self._first: tuple[int, bool] | None = None  # number, and whether it has weights

    def checked(self, item: Any, index: int) -> Block:
        """Return an item as a block; raise TypeError or ValueError if it is not one."""
        if not isinstance(item, tuple | list):
            raise TypeError(f"block {index} is {type(item).__name__}; expected a tuple {FORM}")
        if len(item) not in (2, 3):
            raise ValueError(f"block {index} has {len(item)} members; expected a tuple {FORM}")
        block = Block(*item, *[None] * (3 - len(item)))
        has_weights = block.weights is not None
        first, expected = self._first or (index, has_weights)
        if self._first is None:
            self._first = index, has_weights
        if has_weights != expected:
            words = ("no sample_weight", "sample_weight")
            raise ValueError(
                f"block {index} has {words[has_weights]}, and block {first} has {words[expected]}; expected weights in "
                "all blocks or in none"
            )
        return block


def count_rows(X: Any) -> int:
    """Return the number of rows of what is like an array; 1 for anything else, which ``partial_fit`` refuses."""
    shape = getattr(X, "shape", None)
    if isinstance(shape, tuple):
        return int(shape[0]) if shape else 1
    return len(X) if hasattr(X, "__len__") else 1


def fingerprints(blocks: LabelledBlocks) -> dict[str, str]:
    """Return digests of X, y and weights: of forms, and of every k-th row of some blocks, at most MOST_SAMPLED each."""
    found: dict[str, list[str]] = {"X": [], "y": [], "sample_weight": []}
    for words, block in blocks.samples():
        for name, values in zip(found, block, strict=True):
            if values is not None:  # weights that neither run has do not differ, whatever the words
                found[name].append(f"{words if name == 'X' else ''} {_form_of(values)} {digest_of(_thinned(values))}")
    return {name: digest_of(np.array(texts, dtype=np.str_)) for name, texts in found.items()}


def _form_of(values: Any) -> str:
    return f"{getattr(values, 'shape', None)} {getattr(values, 'dtype', None)}"


def _thinned(values: Any) -> Any:
    n = 0 if values is None else count_rows(values)
    if n <= MOST_SAMPLED:
        return values
    return rows_of(values, np.arange(0, n, -(-n // MOST_SAMPLED)))
