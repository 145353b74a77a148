"""Conversion between the callers' arrays and the kernels' layout.

The kernels read a matrix over samples, (rows, n), as groups: (groups, rows, G), with zeros after the last sample, on
128-byte boundaries. The caller's array may have any strides, byte order and number type. It is converted block by
block, so only the result takes memory. Several threads convert a large array, as NumPy copies without the GIL.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastnn2.exceptions import Params
from fastnn2.kernels.shared.record import address
from fastnn2.kernels.shared.tuning import (
    ALIGNMENT,
    UPDATE_WIDTH,
    count_groups,
    count_params,
    first_unit,
    group_size,
)
from fastnn2.threads.cores import usable_cores
from fastnn2.threads.parallel_for import parallel_for

Array = np.ndarray[Any, Any]

PARAM_NAMES = ("W1", "b1", "W2", "b2")  # in the order in which they are packed
BLOCK_BYTES = 1 << 20  # of a copy: a block is still in the cache when it is checked
MOST_KEPT_POSITIONS = 1 << 14  # 128 kB of them, which take 50 microseconds to make
PARALLEL_BYTES = 1 << 24  # a copy of this size or more pays for the start of threads


def aligned_zeros(count: int, dtype: Any) -> Array:
    """Return a flat array of zeros, aligned and padded to 128 bytes."""
    return _aligned(count, dtype, np.zeros)  # the system gives zeroed pages, and only once they are written


def aligned_empty(count: int, dtype: Any) -> Array:
    """Return such an array that is not cleared: what is in it, its user writes first."""
    return _aligned(count, dtype, np.empty)


def _aligned(count: int, dtype: Any, allocate: Callable[..., Array]) -> Array:
    itemsize = np.dtype(dtype).itemsize
    size = -(-count * itemsize // ALIGNMENT) * ALIGNMENT
    memory = allocate(size + ALIGNMENT, dtype=np.uint8)
    start = -address(memory) % ALIGNMENT
    array: Array = memory[start : start + size].view(dtype)[:count]
    return array


def padded_length(count: int, dtype: Any) -> int:
    """Return `count` rounded up to whole lines of 128 bytes."""
    per_line: int = ALIGNMENT // np.dtype(dtype).itemsize
    return -(-count // per_line) * per_line


def gradient_length(params: int) -> int:
    """Return the numbers of a chunk's gradient: those of `params` parameters, and the cost of the chunk as the last.

    Kernels add 4 gradients and update UPDATE_WIDTH parameters at a time.
    """
    updated = -(-params // UPDATE_WIDTH) * UPDATE_WIDTH
    return padded_length(max(params + 4, updated) + 1, np.float64)


def is_finite(array: Array) -> bool:
    """Return whether all numbers of an array are finite."""
    return bool(np.count_nonzero(np.isfinite(array)) == array.size)  # `all` takes three times as long for few numbers


def to_groups(
    matrix: Array, dtype: Any, n_threads: int | None = 1, is_valid: Callable[[Array], bool] | None = None
) -> tuple[Array, bool]:
    """Convert a matrix (rows, n) to (groups, rows, G) in `dtype`, a large one on several threads.

    Parameters
    ----------
    matrix : ndarray (rows, n)
    dtype : dtype
    n_threads : int, optional
        Maximum number of threads; None uses all available cores.
    is_valid : callable, optional
        Tells whether a block of the matrix is valid, before the cast. By default a block is valid if all of it is
        finite after the cast.

    Returns
    -------
    groups : ndarray
        Flat; zeros after the last sample.
    valid : bool
        Whether all blocks are valid; if one is not, the copy may be incomplete.
    """
    rows, n = matrix.shape
    lanes = group_size(dtype)
    # Not zeroed first: this may be memory that an earlier fit has freed, and all of it is written below.
    flat = aligned_empty(count_groups(n, dtype) * rows * lanes, dtype)
    groups = flat.reshape(-1, rows, lanes)
    step = max(1, BLOCK_BYTES // (rows * lanes * flat.itemsize))

    def copy(start: int) -> bool:
        block = groups[start : start + step]
        part = matrix[:, start * lanes : (start + len(block)) * lanes]
        if is_valid is not None and not is_valid(part):
            return False
        if matrix.dtype == dtype:
            _write_groups(part, block)
        else:
            with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite and is found below
                _write_groups(part, block)
        return is_valid is not None or is_finite(block)

    invalid: list[int] = []

    def body(_: int, start: int) -> None:
        if not invalid and not copy(start):
            invalid.append(start)

    cores = usable_cores() if flat.nbytes >= PARALLEL_BYTES else 1
    parallel_for(body, range(0, len(groups), step), min(n_threads or cores, cores))
    return flat, not invalid


def _write_groups(part: Array, groups: Array) -> None:
    """Write samples (rows, n) to their groups in place, and zeros after them."""
    rows, lanes = groups.shape[1:]
    full = part.shape[1] // lanes
    groups[:full] = part[:, : full * lanes].reshape(rows, full, lanes).swapaxes(0, 1)
    if full < len(groups):
        rest = part.shape[1] - full * lanes
        groups[full, :, :rest] = part[:, full * lanes :]
        groups[full, :, rest:] = 0.0


def from_groups(flat: Array, rows: int, out: Array) -> None:
    """Write groups (flat) to a matrix (rows, n) in place."""
    lanes = group_size(flat.dtype)
    n = out.shape[1]
    if n <= lanes:
        out[...] = flat[: rows * lanes].reshape(rows, lanes)[:, :n]
        return
    groups = flat.reshape(-1, rows, lanes)[: count_groups(n, flat.dtype)]
    full = n // lanes
    out[:, : full * lanes] = groups[:full].swapaxes(0, 1).reshape(rows, full * lanes)
    if full < len(groups):
        out[:, full * lanes :] = groups[full][:, : n - full * lanes]


def pack_params(params: Params, dtype: Any) -> Array:
    """Return W1 (h, d), b1 (h, 1), W2 (o, h) and b2 (o, 1) concatenated in one flat array of `dtype`."""
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite; callers check
        return np.concatenate([params[name] for name in PARAM_NAMES], axis=None, dtype=dtype, casting="unsafe")


def param_shapes(d: int, h: int, o: int) -> dict[str, tuple[int, int]]:
    """Return the shape of each parameter, in the order in which they are packed."""
    return {"W1": (h, d), "b1": (h, 1), "W2": (o, h), "b2": (o, 1)}


def unpack_params(flat: Array, d: int, h: int, o: int, prefix: str = "") -> Params:
    """Return packed parameters as a dict of new arrays; `prefix` comes before each name."""
    return {prefix + name: view.copy() for name, view in param_views(flat, d, h, o).items()}


def param_views(flat: Array, d: int, h: int, o: int) -> Params:
    """Return packed parameters as a dict of views."""
    assert len(flat) == count_params(d, h, o)
    params, start = {}, 0
    for name, shape in param_shapes(d, h, o).items():
        size = shape[0] * shape[1]
        params[name] = flat[start : start + size].reshape(shape)
        start += size
    return params


def views_by_part(
    flat: Array, parted: Array, d: int, h: int, o: int, parts: int, stride: int
) -> Iterator[tuple[Array, Array]]:
    """Yield pairs of views of the same parameters: one into packed parameters, one into parameters stored by part.

    A part has some of the hidden units, packed like the parameters of a smaller network; parts start `stride` numbers
    apart. The biases of the outputs belong to the first part.
    """
    W1, b1, W2, b2 = np.split(flat, [h * d, h * (d + 1), h * (d + 1 + o)])
    W1, W2 = W1.reshape(h, d), W2.reshape(o, h)
    for part in range(parts):
        first, last = first_unit(part, parts, h), first_unit(part + 1, parts, h)
        units, own = last - first, parted[part * stride : (part + 1) * stride]
        own_W1, own_b1, own_W2, rest = np.split(own, [units * d, units * (d + 1), units * (d + 1 + o)])
        yield W1[first:last], own_W1.reshape(units, d)
        yield b1[first:last], own_b1
        yield W2[:, first:last], own_W2.reshape(o, units)
        if part == 0:
            yield b2, rest[:o]


def param_positions(d: int, h: int, o: int, parts: int, stride: int) -> Array:
    """Return the position of each packed parameter in parameters stored by part (see :func:`views_by_part`).

    The array is read-only; a short one is kept for further networks of the same shape.
    """
    if count_params(d, h, o) > MOST_KEPT_POSITIONS:
        return _new_positions(d, h, o, parts, stride)
    return _kept_positions(d, h, o, parts, stride)


def _new_positions(d: int, h: int, o: int, parts: int, stride: int) -> Array:
    positions = np.empty(count_params(d, h, o), dtype=np.int64)
    for flat_view, part_view in views_by_part(positions, np.arange(parts * stride), d, h, o, parts, stride):
        flat_view[...] = part_view
    positions.flags.writeable = False
    return positions


_kept_positions = functools.lru_cache(maxsize=64)(_new_positions)
