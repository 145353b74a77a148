"""Addresses in the memory that a kernel is given: of records, of their arrays, and of other kernels.

On another machine, all of that is elsewhere. :class:`Links` says where such addresses are, so that driver.c can write
its own. `note_record`, `note_pool` and `kernels` collect what an address may be of, while jobs.py records.
"""

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.kernels.shared.record import Record, address
from fastnn2.kernels.shared.records import NetworkJobRecord, NetworksRecord
from fastnn2.kernels.shared.tabular_records import JobsRecord

Array = np.ndarray[Any, Any]

kernels: dict[int, str] = {}  # address -> the name that a library exports
_records: "weakref.WeakValueDictionary[int, Record]" = weakref.WeakValueDictionary()
_pools: "weakref.WeakValueDictionary[int, Any]" = weakref.WeakValueDictionary()  # by the address of their records


def note_record(record: Record) -> None:
    """Let the record be found by its address, while it is there."""
    _records[record.address] = record


def note_pool(pool: Any) -> None:
    """Let a NetworkPool be found by the address of its records, while it is there."""
    _pools[address(pool.table.words)] = pool


class Links:
    """The addresses in the memory that a record leads to.

    Attributes
    ----------
    arrays : list of (str, ndarray)
        What the record leads to, with names; not the arrays of its own fields.
    words : list of (ndarray, int)
        Arrays of 64-bit words, and the indices of words which are addresses, or will be.
    """

    def __init__(self, record: Record) -> None:
        self.arrays: list[tuple[str, Array]] = []
        self.words: list[tuple[Array, int]] = []
        if isinstance(record, JobsRecord):
            self._add_jobs(record)
        elif isinstance(record, NetworksRecord):
            self._add_networks(record)

    def _add_jobs(self, record: Any) -> None:
        addresses = record.seen["addresses"]
        for i, place in enumerate(addresses.tolist()):
            job: Any = _records[place]
            words = np.frombuffer(job._memory, dtype=np.int64)
            self.arrays.append((f"job {i}", words))
            self.arrays += [(f"job {i} {name}", array) for name, array in job.seen.items()]
            self.words.append((addresses, i))
            self.words += [(words, word) for word in _pointers(job.kinds)]

    def _add_networks(self, record: Any) -> None:
        pool = _pools[address(record.seen["networks"])]
        for i, run in enumerate(pool.runs):
            samples = {name: getattr(run, name) for name in ("X", "Y", "weights")}
            arrays = {"packed": run.packed, "costs": run.costs}
            arrays |= {name: one.array for name, one in samples.items() if one is not None}
            self.arrays += [(f"network {i} {name}", array) for name, array in arrays.items()]
        words, kinds = pool.table.words, NetworkJobRecord.kinds
        columns = [*_pointers(kinds), list(kinds).index("entry")]
        self.words += [(words, row + column) for row in range(0, words.size, len(kinds)) for column in columns]


def _pointers(kinds: dict[str, str]) -> Iterator[int]:
    return (word for word, kind in enumerate(kinds.values()) if kind.endswith("*"))
