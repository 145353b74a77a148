"""What runs on the workers. These functions are sent by name; their arguments and results travel."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from distributed import Status, get_worker

from fastnn2.engine.block_job import Samples
from fastnn2.engine.chunk_sums import ChunkSums
from fastnn2.engine.held_sums import HeldBlock, held_sums
from fastnn2.engine.layout import aligned_zeros, is_finite
from fastnn2.engine.objective import Objective
from fastnn2.engine.rows_to_groups import RowsToGroups
from fastnn2.functional import checks
from fastnn2.functional.total_weight import sum_weights
from fastnn2.kernels.shared import tuning

Array = np.ndarray[Any, Any]
Place = Callable[[tuple[int, ...]], str]

WINDOW_BYTES = 1 << 24  # of the rows that are laid out at once


def form_of(partition: Any) -> tuple[int, int]:
    """Return the numbers of rows and columns of a partition."""
    shape = np.shape(partition)
    return int(shape[0]), int(shape[1]) if len(shape) == 2 else 1


def rows_of(partition: Any, first: int, last: int, length: int) -> Any:
    """Return the rows [first, last) of a partition that is to have `length` rows."""
    if len(partition) != length:
        raise ValueError(
            f"a partition has {len(partition)} rows, and {length} when its rows were counted; the collection must not "
            "change between two computations"
        )
    rows = partition.iloc[first:last] if hasattr(partition, "iloc") else partition[first:last]
    return rows.copy()  # a view would keep the whole partition in memory


def place_in(partition: int, first_row: int, has_columns: bool = True) -> Place:
    """Return what says where a number is."""

    def place(at: tuple[int, ...]) -> str:
        column = f", column {at[1]}" if has_columns and len(at) == 2 else ""
        return f"row {first_row + at[0]} of partition {partition}{column}"

    return place


def lay_out(
    objective: Objective, first: int, end: int, X: Sequence[Any], Y: Sequence[Any], weights: Sequence[Any], targets: Any
) -> HeldBlock:
    """Return the block of the chunks [first, end), in groups.

    Parameters
    ----------
    objective : Objective
    X, Y, weights : list of (partition, first row in it, rows)
        Which together are the rows of the block; no weights if there are none.
    targets : callable
        One of :mod:`targets`.
    """
    lanes, cut, dtype = tuning.group_size(objective.dtype), objective.cut, objective.dtype
    groups = cut.chunk(end - 1).last - cut.chunk(first).first
    count = min(cut.chunk(end - 1).last * lanes, objective.n) - cut.chunk(first).first * lanes

    def checked_X(rows: Any, place: Place) -> Array:
        array = checks.as_real_array(rows, "X")
        with np.errstate(over="ignore"):
            cast = array.astype(dtype, copy=False)
        if not is_finite(cast):
            checks.check_finite(array, "X", dtype, place)
        return cast

    def checked_weights(rows: Any, place: Place) -> Array:
        array = checks.as_real_array(rows, checks_name)
        return checks.cast_weights(array.reshape(len(array)), dtype, place)

    checks_name = "sample_weight"
    laid_out = []
    for parts, columns, checked in (
        (X, objective.d, checked_X),
        (Y, objective.o, targets),
        (weights, 1, checked_weights),
    ):
        if not parts:
            laid_out.append(aligned_zeros(0, dtype))
            continue
        flat = aligned_zeros(groups * columns * lanes, dtype)
        to_groups = RowsToGroups(columns, dtype)
        group = 0
        size = max(1, WINDOW_BYTES // (columns * lanes * dtype.itemsize)) * lanes
        for window in _windows(parts, columns, checked, size, dtype):
            to_groups(window, flat, group)
            group += -(-len(window) // lanes)
        if group != groups:
            raise ValueError(f"the partitions of a block of {count} rows have another number of rows")
        laid_out.append(flat)
    return HeldBlock(first, end, Samples(*laid_out))


def _windows(
    parts: Sequence[Any], columns: int, checked: Callable[[Any, Place], Array], size: int, dtype: Any
) -> Iterator[Array]:
    """Yield the rows of parts, checked and in `dtype`, `size` of them at a time, and the rest."""
    window, filled = np.empty((size, columns), dtype), 0
    for partition, first_row, rows in parts:
        for begin in range(0, len(rows), size):
            piece = rows.iloc[begin : begin + size] if hasattr(rows, "iloc") else rows[begin : begin + size]
            array = checked(piece, place_in(partition, first_row + begin, columns > 1 or np.ndim(piece) == 2))
            array = array.reshape(len(array), -1)
            if array.shape[1] != columns:
                raise ValueError(f"partition {partition} has {array.shape[1]} columns; expected {columns}")
            while len(array):
                taken = array[: size - filled]
                window[filled : filled + len(taken)] = taken
                filled += len(taken)
                array = array[len(taken) :]
                if filled == size:
                    yield window
                    filled = 0
    if filled:
        yield window[:filled]


def evaluate(objective: Objective, blocks: Sequence[HeldBlock], params: Array) -> ChunkSums:
    """Return the sums over blocks that this worker holds, on the threads that Dask gave it."""
    worker = get_worker()
    return held_sums(objective, blocks, params, worker.state.nthreads, _is_cancelled(worker))


def _is_cancelled(worker: Any) -> Callable[[], bool]:
    """Return what says whether nobody waits for the task that this thread runs. Dask ends no task that runs."""
    task = worker.state.tasks.get(worker.get_current_task())
    ended = (Status.closing, Status.closed, Status.failed)
    return lambda: task is None or task.state == "cancelled" or worker.status in ended


def weight_of(parts: Sequence[Any], dtype: Any) -> float:
    """Return the sum of the weights of some rows, as fit adds them; they are one slice (see total_weight)."""
    arrays = [
        checks.cast_weights(
            checks.as_real_array(rows, "sample_weight").reshape(len(rows)), np.dtype(dtype),
            place_in(partition, first_row))
        for partition, first_row, rows in parts
    ]  # fmt: skip
    return sum_weights(np.concatenate(arrays))
