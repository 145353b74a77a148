"""The forward pass of the tutorial's functions, for samples as columns, in blocks, so that it takes little memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.layout import is_finite, to_groups
from fastnn2.engine.samples import allocate_tiles
from fastnn2.engine.workspaces import Workspaces, most_groups
from fastnn2.kernels.shared import tuning
from fastnn2.kernels.shared.records import ForwardRecord

Array = np.ndarray[Any, Any]

BLOCK_ELEMENTS = 1 << 20  # about how many numbers a block has, in all of its arrays

_workspaces = Workspaces()


def sample_blocks(n: int, rows: int, dtype: Any) -> Iterator[slice]:
    """Yield slices that cut n samples into blocks of whole groups; the arrays of a block have `rows` rows in all."""
    lanes = tuning.group_size(dtype)
    step = max(1, BLOCK_ELEMENTS // (rows * lanes)) * lanes
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def forward_blocks(
    X: Array, flat: Array, d: int, h: int, o: int, finite: bool = True
) -> Iterator[tuple[slice, list[Array] | None]]:
    """Return an iterator over blocks: the slice of the samples, and their Z1, A1, Z2 and y in groups.

    Parameters
    ----------
    X : ndarray (d, n)
    flat : ndarray
        Packed parameters, in the dtype of the run.
    d, h, o : int
    finite : bool
        Whether None comes in place of the results of a block with NaN or infinity.

    Returns
    -------
    iterator over (slice, list of ndarray)
        The arrays are overwritten once the next item has been asked for.
    """
    dtype, n = flat.dtype, X.shape[1]
    if n <= tuning.group_size(dtype) and most_groups(d + 2 * h + 2 * o):
        return _forward_group(X, flat, (d, h, h, o, o), finite)
    return _forward_blocks(X, flat, (d, h, h, o, o), finite)


def _forward_blocks(
    X: Array, flat: Array, rows: tuple[int, ...], finite: bool
) -> Iterator[tuple[slice, list[Array] | None]]:
    kernel, dtype, (d, h, _, o, _) = provider.kernel("forward", flat.dtype), flat.dtype, rows
    for block in sample_blocks(X.shape[1], sum(rows), dtype):
        X_groups, is_valid = to_groups(X[:, block], dtype, is_valid=None if finite else lambda _: True)
        if not is_valid:
            yield block, None
            continue
        groups = X_groups.size // (d * tuning.group_size(dtype))
        Z1, A1, Z2, y = results = allocate_tiles(rows[1:], groups, dtype)
        kernel(ForwardRecord(d=d, h=h, o=o, groups=groups, params=flat, X=X_groups, Z1=Z1, A1=A1, Z2=Z2, y=y))
        yield block, results


def _forward_group(
    X: Array, flat: Array, rows: tuple[int, ...], finite: bool
) -> Iterator[tuple[slice, list[Array] | None]]:
    """Do as :func:`forward_blocks` for one group or less, in a workspace that is kept."""
    n, network = X.shape[1], (rows, flat.dtype)
    workspace = _workspaces.take()
    if workspace.network != network:
        workspace.tiles = X_group, Z1, A1, Z2, y = allocate_tiles(rows, 1, flat.dtype)
        workspace.record = ForwardRecord(
            d=rows[0], h=rows[1], o=rows[3], groups=1, params=flat, X=X_group, Z1=Z1, A1=A1, Z2=Z2, y=y
        )
        workspace.record.release()
        workspace.network = network
    else:
        workspace.record.point(params=flat)
    # Lanes behind the samples hold zeros, or samples of an earlier call; what they become is not read.
    samples = workspace.tiles[0].reshape(rows[0], -1)[:, :n]
    if X.dtype == flat.dtype:
        samples[...] = X
    else:
        with np.errstate(over="ignore"):  # as in to_groups
            samples[...] = X
    if finite and not is_finite(samples):
        yield slice(0, n), None
    else:
        provider.kernel("forward", flat.dtype)(workspace.record)
        yield slice(0, n), workspace.tiles[1:]
    _workspaces.put(workspace)
