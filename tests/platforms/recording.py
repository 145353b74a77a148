"""One job: what a kernel is given in some calls, and what comes out; see jobs.py, which makes them, and driver.c.

A job has the memory that a kernel is given, as blocks, and the words of its records. A block is a whole buffer of
NumPy's, of which fields have parts; addresses in it are links (:mod:`links`). After a call, all blocks that it was
given are compared whole, what is only read included; what is left out is in LEFT_OUT, LEFT_OUT_OF_TEAMS and
OWN_OF_THREADS. (Those of an earlier call may have changed: the thread that reads for fit_blocks writes to them
meanwhile.)
"""

import ctypes
import pathlib
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from platforms import links

from fastnn2.kernels.shared import control_words
from fastnn2.kernels.shared.record import Record, address

NAME_BYTES = 64  # of the name of the entry, with which a job begins
ALIGNMENT = 128  # modulo which blocks have the addresses that they had
# Between two calls, the workers of these kernels only wait. Those of the others work on, up to the next barrier.
QUIET = ("block_sums", "narrow_sums", "loss_sums", "epochs", "unit_epochs")
# Before the first call of thread 0, the driver waits until this control word is 1 or more for each worker: so workers
# have their share of the work, where a short job would be done before they are there.
WAIT_FOR = {
    "train": "READY", "train_narrow": "READY", "train_wide": "READY",
    "infer": "NEXT_BLOCK", "tabular_outputs": "NEXT_BLOCK", "jobs": "NEXT_BLOCK", "networks": "NEXT_BLOCK",
}  # fmt: skip

BLOCK_OF_NONE, BLOCK_OF_KERNEL = -1, -2  # instead of a block: the word is no address, or that of a kernel

# What is no result, beside addresses. A thread measures in control words how long it works, in cycles of the processor,
# and where there are two, how long and how often it waits.
LEFT_OUT = ("ELAPSED",)
LEFT_OUT_OF_TEAMS = (*LEFT_OUT, "WAITED", "YIELDS")
# The memory that each thread of a team has to work in, where it is chance which thread has which chunk, block or piece.
# (X, Y and weights are those of samples that are not kept, where each thread has its own.)
OWN_OF_THREADS = {
    "train": ("A1", "dZ2", "scratch"),
    "train_narrow": ("A1", "dZ2", "scratch"),
    "train_wide": ("scratch",),
    "block_sums": ("A1", "dZ2", "scratch", "X", "Y", "weights"),
    "narrow_sums": ("A1", "dZ2", "scratch", "X", "Y", "weights"),
    "infer": ("X_tile", "A1", "y"),
    "tabular_outputs": ("batch_X", "batch_rows", "batch_fractions", "batch_categories", "A", "Z2"),
    "networks": (
        "own_control", "params", "l2", "gradients", "A1", "dZ2", "scratch", "costs", "X_groups", "Y_groups",
        "weight_groups",
    ),
}  # fmt: skip
# In fit it is so only where threads steal chunks; then the words behind the control words, which count these, are left
# out as well.
STEALING = ("train", "train_narrow", "train_wide")


class Block:
    """The whole buffer of an array, which is kept alive."""

    def __init__(self, array: Any) -> None:
        while isinstance(array.base, np.ndarray):
            array = array.base
        assert array.flags.c_contiguous or array.flags.f_contiguous
        self._array, self.start, self.size = array, address(array), array.nbytes

    @property
    def end(self) -> int:
        return self.start + self.size

    def content(self) -> bytes:
        return ctypes.string_at(self.start, self.size)


class Recording:
    """One job: what a kernel is given in some calls, and what comes out.

    Attributes
    ----------
    results : list of list of bytes
        The blocks, for each time that they are compared. Those that come with a later call are not among them yet.
    left_out : list of list of (start, end)
        The bytes that are not compared, for each of the results.
    """

    def __init__(self, entry: str, dtype: str, records: list[Record]) -> None:
        self.entry, self.dtype, self.records = entry, dtype, records
        self.blocks: list[Block] = []
        self.initial: list[bytes] = []
        self.calls: list[bytes] = []
        self.results: list[list[bytes]] = []
        self.left_out: list[list[tuple[int, int]]] = []
        self.parts: list[dict[str, tuple[int, int]]] = []
        self._last: list[bytes] = []
        self._links = links.Links(records[0])
        self._kernels: list[str] = []  # those whose addresses the kernel is given
        self._find_blocks()

    @property
    def is_quiet(self) -> bool:
        """Return whether results are compared after each call."""
        return len(self.records) == 1 or self.entry in QUIET

    def begin_call(self) -> None:
        """Add a call as the records are now."""
        if not self.calls and self.is_quiet:  # its caller may have written to its memory since its workers started
            self.blocks, self.initial = [], []
        patches = self._changes() if self.calls else []
        self._find_blocks()
        words = [word for record in self.records for word in self._words(record)]
        self.calls.append(
            struct.pack("<q", len(patches))
            + b"".join(struct.pack("<3q", number, at, len(new)) + new for number, at, new in patches)
            + b"".join(struct.pack("<2q", *word) for word in words)
        )

    def end_call(self) -> None:
        """Keep the results of a call."""
        self._last = [block.content() for block in self.blocks]
        if self.is_quiet:
            self._add_results()

    def end(self) -> None:
        """Keep the results of all calls, once the workers have left the kernel."""
        if not self.is_quiet:
            self._last = [block.content() for block in self.blocks]
            self._add_results()

    def _add_results(self) -> None:
        self.results.append(list(self._last))
        self.parts.append({f"{name} at {start}": (start, end) for name, start, end in self._fields()})
        self.left_out.append(sorted(self._left_out()))

    def _fields(self) -> Iterator[tuple[str, int, int]]:
        """Yield the arrays of all records as (field, start, end) in the bytes of all blocks."""
        for name, array in self._arrays():
            start = self._place(array)
            yield name, start, start + array.nbytes

    def _arrays(self) -> Iterator[tuple[str, Any]]:
        """Yield the arrays of all records, and those that they lead to, with their names."""
        for record in self.records:
            yield from record.seen.items()
        yield from self._links.arrays

    def _left_out(self) -> set[tuple[int, int]]:
        """Return what is not compared: (start, end) in the bytes of all blocks."""
        given = {self._block_of(array) for _, array in self._arrays()}
        ends = [(self._offset(number), self._offset(number + 1)) for number in range(len(self.blocks))]
        found = {ends[number] for number in range(len(self.blocks)) if number not in given}
        is_team = len(self.records) > 1
        is_by_chance = is_team and self._is_by_chance()
        for array, index in self._links.words:
            found.add((self._place(array) + 8 * index, self._place(array) + 8 * index + 8))
        for name, start, end in self._fields():
            if is_by_chance and name in OWN_OF_THREADS.get(self.entry, ()) and self._is_own(name):
                found.add((start, end))
            elif name.endswith("control"):
                for word in LEFT_OUT_OF_TEAMS if is_team else LEFT_OUT:
                    at = start + 8 * getattr(control_words, word)
                    found.add((at, at + 8))
                if is_by_chance and self.entry in STEALING:
                    found.add((start + 8 * control_words.NEXT_CHUNKS, end))
        return found

    def _is_own(self, name: str) -> bool:
        """Return whether each thread has an array of its own as this field."""
        return len({address(record.seen[name]) for record in self.records}) == len(self.records)

    def _is_by_chance(self) -> bool:
        """Return whether it is chance which thread of a team does what, unless all have the same share."""
        if "stealing" in self.records[0].kinds:
            at = 8 * list(self.records[0].kinds).index("stealing")
            return bool(struct.unpack_from("<q", self.records[0]._memory.raw, at)[0])
        return True

    def _changes(self) -> list[tuple[int, int, bytes]]:
        """Return what Python has changed since the last call, as (block, offset, bytes).

        Where workers work on, it is the iteration of the next pause at most.
        """
        changes = []
        control = self.records[0].seen.get("control")
        for number, (block, before) in enumerate(zip(self.blocks, self._last, strict=True)):
            now = block.content()
            if not self.is_quiet:
                if number != self._block_of(control):
                    continue
                at = address(control) - block.start + 8 * control_words.PAUSE_AT
                changes.append((number, at, now[at : at + 8]))
            elif now != before:
                differ = np.flatnonzero(np.frombuffer(now, np.uint8) != np.frombuffer(before, np.uint8))
                for run in np.split(differ, np.flatnonzero(np.diff(differ) > 1) + 1):
                    changes.append((number, int(run[0]), now[run[0] : run[-1] + 1]))
        return changes

    def _find_blocks(self) -> None:
        """Add the blocks that are not known yet, with what is in them now."""
        for _, array in self._arrays():
            block = Block(array)
            if any(old.start <= block.start and block.end <= old.end for old in self.blocks):
                continue
            if any(old.start < block.end and block.start < old.end for old in self.blocks):
                raise NotImplementedError("a buffer that overlaps another is not inside it")
            self.blocks.append(block)
            self.initial.append(block.content())

    def _block_of(self, array: Any) -> int:
        whole = Block(array)
        numbers = (n for n, block in enumerate(self.blocks) if block.start <= whole.start and whole.end <= block.end)
        return next(numbers)

    def _offset(self, number: int) -> int:
        return sum(block.size for block in self.blocks[:number])

    def _place(self, array: Any) -> int:
        """Return where an array begins in the bytes of all blocks."""
        number = self._block_of(array)
        return self._offset(number) + address(array) - self.blocks[number].start

    def _target(self, place: int) -> tuple[int, int]:
        """Return what is at an address: a block and an offset in it, or a kernel in their list."""
        name = links.kernels.get(place)
        if name is not None:
            self._kernels += [name] * (name not in self._kernels)
            return BLOCK_OF_KERNEL, self._kernels.index(name)
        number = next(n for n, block in enumerate(self.blocks) if block.start <= place < block.end)
        return number, place - self.blocks[number].start

    def _linked(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield the addresses in blocks before the first call: a block, an offset in it, and what is there."""
        for array, index in self._links.words:
            number = self._block_of(array)
            offset = address(array) + 8 * index - self.blocks[number].start
            (place,) = struct.unpack_from("<q", self.initial[number], offset)
            if place:
                yield number, offset, *self._target(place)

    def _words(self, record: Record) -> list[tuple[int, int]]:
        """Return the words of a record for the driver."""
        values = struct.unpack(f"<{len(record.kinds)}q", record._memory.raw)
        words = []
        for (name, kind), value in zip(record.kinds.items(), values, strict=True):
            if kind.endswith("*"):
                assert address(record.seen[name]) == value, name
            words.append(self._target(value) if kind.endswith("*") or name == "entry" else (BLOCK_OF_NONE, value))
        return words

    def write(self, folder: pathlib.Path, name: str) -> dict[str, Any]:
        """Write the job and its results; return what the list has of it."""
        control, first = (-1, 0), self.records[0]
        if "control" in first.seen:
            number = self._block_of(first.seen["control"])
            control = number, address(first.seen["control"]) - self.blocks[number].start
        workers = len(self.records) - 1
        wait = getattr(control_words, WAIT_FOR[self.entry]) if workers and self.entry in WAIT_FOR else -1
        blocks = [(block.size, block.start % ALIGNMENT) for block in self.blocks]
        numbers = [
            *control, wait, workers, control_words.ENTERED, control_words.SHUT_DOWN, len(self.calls), self.is_quiet
        ]  # fmt: skip
        linked = list(self._linked())
        content = [
            _name(f"{self.entry}_{self.dtype}"),
            struct.pack("<q", len(blocks)),
            *(struct.pack("<2q", *block) for block in blocks),
            *self.initial,
            struct.pack("<q", len(self._kernels)),
            *map(_name, self._kernels),
            struct.pack("<q", len(linked)),
            *(struct.pack("<4q", *link) for link in linked),
            struct.pack("<2q", len(self.records), len(first.kinds)),
            struct.pack(f"<{len(numbers)}q", *numbers),
            *self.calls,
        ]
        (folder / f"{name}.job").write_bytes(b"".join(content))
        results = [b"".join(result + self.initial[len(result) :]) for result in self.results]
        (folder / f"{name}.expected").write_bytes(b"".join(results))
        return {
            "name": name, "entry": self.entry, "dtype": self.dtype, "threads": len(self.records),
            "calls": len(self.calls), "bytes": [len(result) for result in results], "left out": self.left_out,
            "parts": self.parts,
        }  # fmt: skip


def _name(text: str) -> bytes:
    return text.encode().ljust(NAME_BYTES, b"\0")
