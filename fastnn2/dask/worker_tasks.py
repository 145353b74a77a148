"""What runs on the workers. These functions are sent by name; their arguments and results travel."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from distributed import Status, get_worker

from fastnn2.dask.partitions import cut, labels_of
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
# Makes rows of an array or a dataframe numbers (m, columns); raises ValueError, with the place of what is not valid.
Conversion = Callable[[Any, Place], Array]

WINDOW_BYTES = 1 << 24  # of the rows that are converted and laid out at once


def place_in(partition: int, first_row: int, labels: Sequence[Any] | None = None) -> Place:
    """Return what says where a number is of the rows from `first_row` on; `labels` are the names of the columns."""

    def place(at: tuple[int, ...]) -> str:
        row = f"row {first_row + at[0]} of partition {partition}"
        if len(at) == 1:
            return row
        return f"{row}, column {at[1] if labels is None else repr(labels[at[1]])}"

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
    groups = objective.cut.chunk(end - 1).last - objective.cut.chunk(first).first
    dtype = objective.dtype
    samples = Samples(
        _in_groups(X, objective.d, groups, dtype, lambda rows, place: as_features(rows, dtype, place)),
        _in_groups(Y, objective.o, groups, dtype, targets),
        _in_groups(weights, 1, groups, dtype, lambda rows, place: as_weights(rows, dtype, place)[:, np.newaxis])
        if objective.has_weights
        else aligned_zeros(0, dtype),
    )
    return HeldBlock(first, end, samples)


def as_features(rows: Any, dtype: Any, place: Place) -> Array:
    """Return rows of X (m, d) in `dtype`, or raise ValueError if a number is not finite."""
    array = checks.as_real_array(rows, "X")
    with np.errstate(over="ignore"):  # a number too large for the dtype becomes infinite and is found
        cast = array.astype(dtype, copy=False)
    if not is_finite(cast):
        checks.check_finite(array, "X", dtype, place)
    return cast


def as_weights(rows: Any, dtype: Any, place: Place) -> Array:
    """Return weights (m,) in `dtype`, or raise ValueError if one is not finite or below 0."""
    array = checks.as_real_array(rows, "sample_weight")
    return checks.cast_weights(array.reshape(len(array)), np.dtype(dtype), place)


def joined(parts: Sequence[Any], convert: Conversion) -> Array:
    """Return the numbers of all rows of parts, (partition, first row in it, rows), as one array."""
    return np.concatenate([convert(rows, place_in(partition, first_row)) for partition, first_row, rows in parts])


def joined_weights(parts: Sequence[Any], dtype: Any) -> Array:
    """Return the weights of all rows of parts, as :func:`as_weights`."""
    return joined(parts, lambda rows, place: as_weights(rows, dtype, place))


def _in_groups(parts: Sequence[Any], columns: int, groups: int, dtype: Any, convert: Conversion) -> Array:
    """Return the rows of parts in groups, with zeros at the end of the last."""
    lanes = tuning.group_size(dtype)
    laid_out = aligned_zeros(groups * columns * lanes, dtype)
    to_groups, group = RowsToGroups(columns, dtype), 0
    size = lanes * min(groups, max(1, WINDOW_BYTES // (columns * lanes * dtype.itemsize)))
    for window in _windows(_converted(parts, size, convert), columns, size, dtype):
        to_groups(window, laid_out, group)
        group += -(-len(window) // lanes)
    if group != groups:
        raise RuntimeError(f"the rows of a block fill {group} groups; expected {groups}")
    return laid_out


def _converted(parts: Sequence[Any], size: int, convert: Conversion) -> Iterator[Array]:
    """Yield the numbers of the rows of parts, of at most `size` rows at a time."""
    for partition, first_row, rows in parts:
        labels = labels_of(rows)
        for begin in range(0, len(rows), size):
            yield convert(cut(rows, begin, begin + size), place_in(partition, first_row + begin, labels))


def _windows(pieces: Iterator[Array], columns: int, size: int, dtype: Any) -> Iterator[Array]:
    """Yield the rows of pieces, `size` of them at a time, and then the rest; the next window overwrites the last."""
    window, filled = np.empty((size, columns), dtype), 0
    for piece in pieces:
        while len(piece):
            taken, piece = piece[: size - filled], piece[size - filled :]
            window[filled : filled + len(taken)] = taken
            filled += len(taken)
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
    return sum_weights(joined_weights(parts, dtype))
