"""From the caller's arrays to the kernels' layout, and back.

The kernels want matrices over samples as (groups, rows, G), zeros behind the last sample, on 128-byte boundaries.
The caller's array may have any strides, byte order and number type; it is read block by block, so nothing but the
result takes memory, and large ones are read by several threads (NumPy copies without the GIL).
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastnn2.exceptions import Params
from fastnn2.kernels.shared.tuning import ALIGNMENT, count_groups, count_params, first_unit, group_size
from fastnn2.threads.cores import usable_cores
from fastnn2.threads.parallel_for import parallel_for

Array = np.ndarray[Any, Any]

PARAM_NAMES = ("W1", "b1", "W2", "b2")  # in the order in which they are packed
BLOCK_BYTES = 1 << 20  # one block of the copy: it stays in the cache for the check that follows
PARALLEL_BYTES = 1 << 24  # from this size on, threads are worth their start


def aligned_zeros(count: int, dtype: Any) -> Array:
    """Return a flat array of zeros that starts and ends on a boundary of its own."""
    return _aligned(count, dtype, np.zeros)  # the system's pages are zero: no memory until it is used


def _aligned(count: int, dtype: Any, allocate: Callable[..., Array]) -> Array:
    itemsize = np.dtype(dtype).itemsize
    size = -(-count * itemsize // ALIGNMENT) * ALIGNMENT
    memory = allocate(size + ALIGNMENT, dtype=np.uint8)
    start = -address(memory) % ALIGNMENT
    numbers: Array = memory[start : start + size].view(dtype)[:count]
    return numbers


def padded(count: int, dtype: Any) -> int:
    """Return `count` rounded up so that a row of so many numbers ends on a boundary."""
    numbers: int = ALIGNMENT // np.dtype(dtype).itemsize
    return -(-count // numbers) * numbers


def address(array: Array) -> int:
    """Return where an array begins, for a kernel; whoever calls keeps the array."""
    where: int = array.__array_interface__["data"][0]  # array.ctypes is Python code: a twentieth of a short fit's
    return where


def to_groups(
    matrix: Array, dtype: Any, n_threads: int | None = 1, accepted: Callable[[Array], bool] | None = None
) -> tuple[Array, bool]:
    """Lay out a matrix (rows, n) as (groups, rows, G) in `dtype`, a large one on several threads.

    Parameters
    ----------
    matrix : ndarray (rows, n)
    dtype : dtype
    n_threads : int, optional
        At most so many threads; None takes as many as may be used.
    accepted : callable, optional
        Says of a block of the matrix, before the cast, whether it can be used; without it, what is finite after the
        cast can.

    Returns
    -------
    groups : ndarray
        Flat; zeros behind the last sample.
    accepted : bool
        Whether all blocks can be used; where one cannot, the copy may stop early.
    """
    rows, n = matrix.shape
    lanes = group_size(dtype)
    # Memory that an earlier fit gave back may be handed out again: it need not be cleared only to be written.
    flat = _aligned(count_groups(n, dtype) * rows * lanes, dtype, np.empty)
    groups = flat.reshape(-1, rows, lanes)
    step = max(1, BLOCK_BYTES // (rows * lanes * flat.itemsize))

    def copy(start: int) -> bool:
        block = groups[start : start + step]
        part = matrix[:, start * lanes : (start + len(block)) * lanes]
        if accepted is not None and not accepted(part):
            return False
        if matrix.dtype == dtype:
            _write_groups(part, block)
        else:
            with np.errstate(over="ignore"):  # a float64 too large for float32 becomes infinite and is found below
                _write_groups(part, block)
        return accepted is not None or bool(np.isfinite(block).all())

    refused: list[int] = []

    def work(_: int, start: int) -> None:
        if not refused and not copy(start):
            refused.append(start)

    cores = usable_cores() if flat.nbytes >= PARALLEL_BYTES else 1
    parallel_for(work, range(0, len(groups), step), min(n_threads or cores, cores))
    return flat, not refused


def _write_groups(part: Array, groups: Array) -> None:
    """Write samples of a matrix (rows, n) to their groups in place, and zeros behind them."""
    rows, lanes = groups.shape[1:]
    whole = part.shape[1] // lanes
    groups[:whole] = part[:, : whole * lanes].reshape(rows, whole, lanes).swapaxes(0, 1)
    if whole < len(groups):
        left = part.shape[1] - whole * lanes
        groups[whole, :, :left] = part[:, whole * lanes :]
        groups[whole, :, left:] = 0.0


def from_groups(flat: Array, rows: int, out: Array) -> None:
    """Write groups (flat) to a matrix (rows, n) in place."""
    lanes = group_size(flat.dtype)
    n = out.shape[1]
    groups = flat.reshape(-1, rows, lanes)[: count_groups(n, flat.dtype)]
    whole = n // lanes
    out[:, : whole * lanes] = groups[:whole].swapaxes(0, 1).reshape(rows, whole * lanes)
    if whole < len(groups):
        out[:, whole * lanes :] = groups[whole][:, : n - whole * lanes]


def pack_params(params: Params, dtype: Any) -> Array:
    """Return W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1) one after the other, flat, in `dtype`."""
    with np.errstate(over="ignore"):  # a float64 too large for float32 becomes infinite; callers check
        return np.concatenate([params[name].astype(dtype).ravel() for name in PARAM_NAMES])


def unpack_params(flat: Array, d: int, h: int, o: int, prefix: str = "") -> Params:
    """Return the dict of packed parameters, in arrays of its own; `prefix` comes before each name."""
    assert len(flat) == count_params(d, h, o)
    shapes = {"W1": (h, d), "b1": (h, 1), "W2": (o, h), "b2": (o, 1)}
    params, start = {}, 0
    for name, shape in shapes.items():
        size = shape[0] * shape[1]
        params[prefix + name] = flat[start : start + size].reshape(shape).copy()
        start += size
    return params


def views_of_parts(
    flat: Array, cut: Array, d: int, h: int, o: int, parts: int, stride: int
) -> Iterator[tuple[Array, Array]]:
    """Yield views of the same parameters in a flat set and in one whose hidden units are cut into parts.

    The parts begin `stride` apart. Each is laid out as a small network of its own; the biases of the outputs are in the
    first.
    """
    W1, b1, W2, b2 = np.split(flat, [h * d, h * (d + 1), h * (d + 1 + o)])
    W1, W2 = W1.reshape(h, d), W2.reshape(o, h)
    for part in range(parts):
        first, last = first_unit(part, parts, h), first_unit(part + 1, parts, h)
        units, own = last - first, cut[part * stride : (part + 1) * stride]
        own_W1, own_b1, own_W2, rest = np.split(own, [units * d, units * (d + 1), units * (d + 1 + o)])
        yield W1[first:last], own_W1.reshape(units, d)
        yield b1[first:last], own_b1
        yield W2[:, first:last], own_W2.reshape(o, units)
        if part == 0:
            yield b2, rest[:o]


def places_of_params(d: int, h: int, o: int, parts: int, stride: int) -> Array:
    """Return where each parameter of a flat set stands in one that is cut into parts (see :func:`views_of_parts`)."""
    places = np.empty(count_params(d, h, o), dtype=np.int64)
    for of_flat, of_cut in views_of_parts(places, np.arange(parts * stride), d, h, o, parts, stride):
        of_flat[...] = of_cut
    return places
