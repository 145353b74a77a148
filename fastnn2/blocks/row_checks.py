"""Checks of samples as rows: their forms, and their numbers with the place of the first that is not valid."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.blocks.sources import Array, Rows, Source
from fastnn2.engine.layout import BLOCK_BYTES, is_finite
from fastnn2.functional import checks

WEIGHT = "sample_weight"


def check_shapes(
    X: tuple[int, ...], Y: tuple[int, ...], weights: tuple[int, ...] | None, of: Callable[[str], str]
) -> tuple[int, int, int]:
    """Return the numbers of samples, features and outputs, or raise ValueError.

    Parameters
    ----------
    X, Y, weights : tuple of int
        Shapes; None without weights.
    of : callable
        Makes of "X", "Y" or "sample_weight" what a message calls it.
    """
    if len(X) != 2:
        raise ValueError(f"{of('X')} has shape {X}; expected two dimensions, (samples, features)")
    if len(Y) not in (1, 2):
        raise ValueError(f"{of('Y')} has shape {Y}; expected (samples,) or (samples, outputs)")
    n, d, o = X[0], X[1], 1 if len(Y) == 1 else Y[1]
    if d == 0 or o == 0:
        name, shape, what = ("X", X, "feature") if d == 0 else ("Y", Y, "output")
        raise ValueError(f"{of(name)} has shape {shape}; expected at least one {what}")
    if Y[0] != n:
        message = f"{of('X')} has {n} samples (rows) and {of('Y')} has {Y[0]}; expected the same number in both"
        for name, shape, other in (("X", X, Y[0]), ("Y", Y, n)):
            if len(shape) == 2 and shape[1] == other:
                message += f". {name} of shape {shape} looks like one column per sample: pass {name}.T"
                break
        raise ValueError(message)
    if weights is not None and weights != (n,):
        raise ValueError(f"{of(WEIGHT)} has shape {weights}; expected ({n},), one weight for each row of {of('X')}")
    return n, d, o


def check_rows(rows: Rows, source: Source, first_row: int, dtype: Any) -> None:
    """Raise ValueError if the numbers of some rows are not valid, with the place of the first in X, Y or the weights.

    Parameters
    ----------
    rows : Rows
    source : Source
    first_row : int
        The number of the first of them among all rows of the source.
    dtype : dtype
        Of the run. X and the weights must be finite after the cast, Y from 0 to 1 before it.
    """
    dtype = np.dtype(dtype)
    if not all(_is_finite_in(part, dtype) for part in _slices(rows.X)):
        checks.check_finite(rows.X, "X", dtype, _places(source, "X", first_row))
    if not all(checks.is_in_unit_interval(part) for part in _slices(rows.Y)):
        checks.check_in_unit_interval(rows.Y, "Y", axes=_places(source, "Y", first_row))
    if rows.weights is not None:
        cast_weights(rows.weights, source, first_row, dtype)


def cast_weights(weights: Array, source: Source, first_row: int, dtype: Any) -> Array:
    """Return weights in the dtype of the run, or raise ValueError if one is not finite or below 0."""
    return checks.cast_weights(weights, np.dtype(dtype), _places(source, WEIGHT, first_row))


def _slices(matrix: Array) -> "list[Array]":
    """Return views of a matrix that stay in the cache while several passes go over them."""
    step = max(1, BLOCK_BYTES // max(1, matrix[:1].nbytes))
    return [matrix[first : first + step] for first in range(0, len(matrix), step)]


def _is_finite_in(array: Array, dtype: Any) -> bool:
    if array.dtype.kind != "f":
        return True  # the largest integer, a uint64, is finite in float32
    if array.dtype.itemsize <= dtype.itemsize:
        return is_finite(array)
    with np.errstate(over="ignore"):  # a number too large for the dtype becomes infinite
        return is_finite(array.astype(dtype))


def _places(source: Source, name: str, first_row: int) -> Callable[[tuple[int, ...]], str]:
    def place(at: tuple[int, ...]) -> str:
        column = at[1] if len(at) == 2 and (name == "X" or source.o > 1) else None
        return source.where(name, first_row + at[0], column)

    return place
