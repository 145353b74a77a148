"""Buffers and records of short jobs, kept from one call to the next.

To make them anew takes several times as long as the kernel for one sample.
"""

from typing import Any

import numpy as np

from fastnn2.engine.layout import aligned_zeros
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.kernels.shared.record import Record

Array = np.ndarray[Any, Any]

# Larger buffers are made for each call: the time of that call pays for them, and they would take memory for good.
MOST_BYTES = 1 << 20
MOST_KEPT = 16  # workspaces of a kernel; more are in use only while more threads call at once


class Workspace:
    """What one call of a kernel works with.

    Attributes
    ----------
    network : object
        What the record and the tiles are made for, for the caller to compare; None before the first use.
    groups : int
        Of the tiles.
    tiles : list of ndarray
        Buffers of samples in groups, zeroed when they are made.
    rows : tuple of ndarray
        Buffers of samples as rows, and of their outputs, for a kernel that takes rows.
    n : int
        The number of samples that the record is for.
    record : Record
        It keeps no array alive; a caller points it to its own before each call.
    control : ndarray of int64
        Control words, for a kernel that has them.
    """

    record: Record
    tiles: list[Array]
    rows: tuple[Array, Array]
    n: int

    def __init__(self) -> None:
        self.network: Any = None
        self.groups = 0
        self.control = aligned_zeros(control_words.CONTROL_SIZE, np.int64)


class Workspaces:
    """The workspaces of one kernel that no call uses at present.

    A call takes one out, or makes one, and puts it back when it is done. So neither calls of several threads nor a call
    in the handler of a signal share one, no call waits for another, and a forked child may go on at once: what a thread
    of its parent has taken out is lost to the child, no more.
    """

    def __init__(self) -> None:
        self._free: list[Workspace] = []

    def take(self) -> Workspace:
        """Return a workspace that nobody else has."""
        try:
            return self._free.pop()
        except IndexError:
            return Workspace()

    def put(self, workspace: Workspace) -> None:
        """Keep a workspace for the next call."""
        if len(self._free) < MOST_KEPT:
            self._free.append(workspace)


def most_groups(rows: int) -> int:
    """Return how many groups of samples the buffers of a workspace may have, if they have `rows` rows in all."""
    return MOST_BYTES // (rows * tuning.GROUP_VECTORS * tuning.VECTOR_BYTES)
