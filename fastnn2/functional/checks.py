"""Checks of the callers' arguments: ``as_*`` converts an argument, ``check_*`` only raises.

Every error says what was found, what was expected and what to do. Arrays of numbers are neither copied nor searched for
NaN here: :func:`fastnn2.engine.layout.to_groups` does both in one pass.
"""

import math
import numbers
import reprlib
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fastnn2.engine.layout import PARAM_NAMES, is_finite, pack_params, param_shapes
from fastnn2.exceptions import Params
from fastnn2.functional.total_weight import sum_weights

Array = np.ndarray[Any, Any]
Value = TypeVar("Value")
# How a message says where a number of an array is: the names of the axes, of which an array with fewer axes takes the
# last; or a function that makes the words from the indices.
Axes = tuple[str, ...] | Callable[[tuple[int, ...]], str]
# How the names of pandas' dtypes of numbers begin, and those of PyArrow, such as "double[pyarrow]".
NUMBER_DTYPES = ("int", "uint", "float", "bool", "double", "halffloat")
_thread_local = threading.local()


def is_plain_array(value: Any) -> bool:
    """Return whether a value is an array of numbers that needs no conversion."""
    return type(value) is np.ndarray and value.dtype.kind in "biuf"


def as_real_array(value: Any, name: str, remedy: str | None = None) -> Array:
    """Return an array of booleans, integers or floats: `value` itself if it is one, else a converted copy.

    `remedy` is the code that would make numbers of it, for the message; by default NumPy's.
    """
    if is_plain_array(value):
        array: Array = value
        return array
    _check_not_sparse(value, name)
    masked = sys.modules.get("numpy.ma")  # to import it takes 6 ms; without it there is no masked array
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, which fastnn2 does not support; fill it first, for example {name}.filled(0), "
            "or select the samples without a mask"
        )
    if value is None:
        raise TypeError(f"{name} is None; expected an array of numbers")
    try:
        array = np.asarray(value)
        if array.dtype == object and _has_pandas_number_columns(value):
            array = value.to_numpy(dtype=float, na_value=np.nan)  # missing values become NaN
    except ValueError as error:
        raise ValueError(
            f"{name} cannot be converted to an array of numbers ({error}); pass rows of equal length"
        ) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} has dtype {array.dtype}; expected real numbers (float, integer or boolean). "
            f"Convert it first, for example {remedy or f'np.asarray({name}, dtype=float)'}"
        )
    return array


def _column_dtypes(value: Any) -> list[str]:
    """Return the dtype names of a data frame's columns, or of a series; an empty list for anything else."""
    dtypes = getattr(value, "dtypes", ())
    return [str(dtype) for dtype in (dtypes if hasattr(dtypes, "__iter__") else (dtypes,))]


def _has_pandas_number_columns(value: Any) -> bool:
    """Return whether a value is a pandas object whose columns are all numeric, such as pandas' own Int64."""
    columns = [name.lower() for name in _column_dtypes(value)]
    return bool(columns) and all(name.startswith(NUMBER_DTYPES) for name in columns)


def _check_not_sparse(value: Any, name: str) -> None:
    if hasattr(value, "tocoo") or any(dtype.startswith("Sparse") for dtype in _column_dtypes(value)):
        dense = "toarray()" if hasattr(value, "tocoo") else "sparse.to_dense()"
        raise TypeError(
            f"{name} is sparse ({type(value).__name__}), which this function does not support; pass a dense array, for "
            f"example {name}.{dense}"
        )


def choose_dtype(X: Any, dtype: Any) -> np.dtype[Any]:
    """Return the dtype of a run: `dtype` if given, else float32 if X, which has a dtype, is, else float64."""
    if dtype is None:
        return np.dtype(np.float32 if X.dtype.kind == "f" and X.dtype.itemsize == 4 else np.float64)
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError as error:
        raise TypeError(f"dtype is {dtype!r}; expected float32, float64 or None") from error
    native: np.dtype[Any] = found.newbyteorder("=")
    if native not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {found}; expected float32, float64 or None")
    return native


def as_matrix(value: Any, name: str) -> Array:
    """Return a non-empty array with two dimensions."""
    array = as_real_array(value, name)
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; expected two dimensions, (features, samples)")
    _check_not_empty(array, name)
    return array


def _check_not_empty(array: Array, name: str) -> None:
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, which is empty; expected at least one row and one sample")


def as_targets(value: Any, name: str, n: int | None, X: Array | None = None) -> Array:
    """Return Y as (o, n); (n,) becomes (1, n)."""
    array = as_real_array(value, name)
    if array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; expected (outputs, samples) or (samples,)")
    _check_not_empty(array, name)
    if n is not None:
        check_sample_count(array, name, n, X)
    return array


def check_sample_count(array: Array, name: str, n: int, X: Array | None, X_name: str = "X") -> None:
    """Raise ValueError unless targets (o, n) have as many samples as X."""
    if array.shape[1] == n:
        return
    message = f"{X_name} has {n} samples (columns) and {name} has {array.shape[1]}; expected the same number in both"
    if array.shape[0] == n:
        message += f". {name} of shape {array.shape} looks like one row per sample: pass {name}.T"
    elif X is not None and X.shape[0] == array.shape[1]:
        message += f". {X_name} of shape {X.shape} looks like one row per sample: pass {X_name}.T"
    elif X is not None and X.shape[0] == array.shape[0]:
        message += f". {X_name} and {name} look like one row per sample: pass {X_name}.T and {name}.T"
    raise ValueError(message)


def is_in_unit_interval(array: Array) -> bool:
    """Return whether all numbers are from 0 to 1; False if one is NaN."""
    return array.dtype.kind == "b" or bool(array.min() >= 0 and array.max() <= 1)


def check_in_unit_interval(array: Array, name: str, what: str = "targets", axes: Axes = ("row", "sample")) -> None:
    """Raise ValueError if a number is outside [0, 1]; `what` is the word for such numbers in the message."""
    if not is_in_unit_interval(array):
        check_finite(array, name, axes=axes)  # NaN gets this message instead
        at = np.unravel_index(np.argmax((array < 0) | (array > 1)), array.shape)
        remedy = f" (for classes -1 and 1 pass ({name} + 1) / 2)" if what == "targets" else ""
        raise ValueError(f"{name} has {array[at]} at {_format_position(at, axes)}; expected {what} from 0 to 1{remedy}")


def check_finite(array: Array, name: str, dtype: Any = None, axes: Axes = ("row", "sample")) -> None:
    """Raise ValueError with the first position where the array, cast to `dtype`, is NaN or infinite."""
    with np.errstate(over="ignore"):  # a number too large for the dtype becomes infinite and is found
        cast = array if dtype is None else array.astype(dtype)
    bad = ~np.isfinite(cast)
    if bad.any():
        at = np.unravel_index(np.argmax(bad), array.shape)
        number, position = array[at], _format_position(at, axes)
        if np.isfinite(number):
            remedy = "scale it or use float64" if dtype == np.float32 else "scale it"
            raise ValueError(f"{name} has {number} at {position}, too large for {dtype}; {remedy}")
        raise ValueError(f"{name} has {number} at {position}; expected finite numbers. Remove or replace it")


def _format_position(at: tuple[Any, ...], axes: Axes) -> str:
    if callable(axes):
        return axes(tuple(int(i) for i in at))
    return ", ".join(f"{axis} {int(i)}" for axis, i in zip(axes[-len(at) :], at, strict=True))


def as_weights(value: Any, n: int, dtype: Any, name: str = "sample_weight", of: str = "") -> Array | None:
    """Return sample weights (n,) in the dtype of the run; for a message, `of` says which X has n samples."""
    if value is None:
        return None
    array = as_real_array(value, name)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}; expected ({n},), one weight for each sample{of}")
    cast = cast_weights(array, dtype, name=name)
    check_total_weight(total_weight(cast, n), name)
    return cast


def cast_weights(array: Array, dtype: Any, axes: Axes = ("sample",), name: str = "sample_weight") -> Array:
    """Return weights (n,) in the dtype of the run, or raise ValueError if one is not finite or below 0.

    It is the array itself where it is one in memory that NumPy sums as it sums a copy.
    """
    check_finite(array, name, dtype, axes)
    cast: Array = np.require(array, dtype, ["C", "A"])
    if (cast < 0).any():
        at = (np.argmax(cast < 0),)
        raise ValueError(f"{name} has {array[at]} at {_format_position(at, axes)}; expected weights of 0 or more")
    return cast


def check_total_weight(total: float, name: str = "sample_weight") -> None:
    """Raise ValueError if the sum of valid weights is zero, subnormal or infinite: nothing can be divided by it."""
    if total == 0:
        raise ValueError(f"{name} is zero for all samples; expected at least one weight above 0")
    if not np.finfo(np.float64).tiny <= total < np.inf:
        raise ValueError(
            f"{name} sums to {total}; expected a normal floating-point number. Divide the weights by their mean"
        )


def total_weight(weights: Array | None, n: int) -> float:
    """Return the n of all formulas: the number of samples, or the sum of their weights."""
    return float(n) if weights is None else sum_weights(weights)


def as_settings(
    learning_rate: Any, hidden_size: Any, iterations: Any, alpha: Any, n_threads: Any, progress: Any
) -> tuple[float, int, int, float, int | None]:
    """Return the settings of a run as numbers, or raise an error; `progress` is only checked."""
    settings = (
        as_positive_float(learning_rate, "learning_rate"),
        as_hidden_size(hidden_size),
        as_iterations(iterations),
        as_non_negative_float(alpha, "alpha"),
        as_thread_count(n_threads),
    )
    check_progress(progress)
    return settings


def as_hidden_size(value: Any, name: str = "hidden_size") -> int:
    """Return a number of hidden units."""
    return as_integer(value, name, 1, 10**8)


def as_iterations(value: Any, name: str = "number_of_iterations") -> int:
    """Return a number of iterations."""
    return as_integer(value, name, 0, 10**15)


def as_thread_count(value: Any) -> int | None:
    """Return `n_threads`."""
    return None if value is None else as_integer(value, "n_threads", 1)


def check_progress(value: Any) -> None:
    """Raise ValueError if `progress` is not True, False or None."""
    if not (value is None or isinstance(value, bool)):
        raise ValueError(f"progress is {value!r}; expected True, False or None")


def check_choice(value: Any, name: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError if a value is none of `choices`."""
    if not (isinstance(value, str) and value in choices):
        expected = " or ".join(map(repr, choices))
        raise ValueError(f"{name} is {value!r}; expected {expected}")


def as_positive_float(value: Any, name: str) -> float:
    """Return a finite number above 0."""
    if not _is_finite(value) or value <= 0:
        raise _number_error(value, name, "a finite number above 0")
    return float(value)


def as_non_negative_float(value: Any, name: str) -> float:
    """Return a finite number of 0 or more."""
    if not _is_finite(value) or value < 0:
        raise _number_error(value, name, "a finite number of 0 or more")
    return float(value)


def as_integer(value: Any, name: str, minimum: int, maximum: int | None = None) -> int:
    """Return an integer of `minimum` or more and, if `maximum` is given, at most that."""
    if not _is_integer(value) or value < minimum:
        raise _number_error(value, name, f"an integer of {minimum} or more")
    if maximum is not None and value > maximum:
        raise _number_error(value, name, f"an integer from {minimum} to {maximum}")
    return int(value)


def _is_integer(value: Any) -> bool:
    return type(value) is int or (isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_))


def _is_real(value: Any) -> bool:
    # isinstance(value, numbers.Real) takes 20 microseconds while its cache is cold, so plain floats skip it.
    return type(value) is float or (isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_))


def _is_finite(value: Any) -> bool:
    try:
        return _is_real(value) and math.isfinite(float(value))
    except OverflowError:  # an integer too large for a float
        return False


def _number_error(value: Any, name: str, expected: str) -> Exception:
    kind = ValueError if _is_real(value) else TypeError
    return kind(f"{name} is {reprlib.repr(value)}; expected {expected}")


def draw_from(value: Any, draw: Callable[[Any], Value]) -> Value:
    """Return ``draw(source)``, where an integer seeds the source.

    That is one that this thread keeps: creating it takes 110 microseconds, seeding it again takes 2. While it is in use
    it is not among those kept, as the handler of a signal may draw, too.
    """
    check_random_state(value)
    if value is None or isinstance(value, np.random.RandomState | np.random.Generator):
        return draw(value)
    kept: list[np.random.RandomState] = _thread_local.__dict__.setdefault("random_states", [])
    source = kept.pop() if kept else np.random.RandomState(0)
    source.seed(int(value))
    drawn = draw(source)
    kept.append(source)
    return drawn


def check_random_state(value: Any, name: str = "random_state") -> None:
    """Raise ValueError if a value is no source of random numbers."""
    if type(value) is int and 0 <= value < 2**32:  # the most frequent, of which fit_many may have many
        return
    if value is None or isinstance(value, np.random.RandomState | np.random.Generator):
        return
    if not _is_integer(value) or not 0 <= int(value) < 2**32:
        raise ValueError(
            f"{name} is {value!r}; expected an integer from 0 to 2**32 - 1, a RandomState, a Generator or None"
        )


def check_keys(value: Any, name: str, prefix: str = "") -> None:
    """Raise ValueError if `value` is not a dict with exactly the names of the parameters, each after `prefix`."""
    if not isinstance(value, dict) or value.keys() != {prefix + key for key in PARAM_NAMES}:
        expected = [prefix + key for key in PARAM_NAMES]
        found = f"has the keys {sorted(map(str, value))}" if isinstance(value, dict) else f"is {type(value).__name__}"
        raise ValueError(f"{name} {found}; expected a dict with {', '.join(expected[:-1])} and {expected[-1]}")


def as_params(value: Any, name: str = "params") -> tuple[Params, int, int, int]:
    """Return arrays of matching shapes, and d, h and o; :func:`pack_finite_params` checks that they are finite."""
    check_keys(value, name)
    arrays = {key: value[key] for key in PARAM_NAMES}
    if not all(is_plain_array(array) for array in arrays.values()):
        arrays = {key: as_real_array(array, f"{name}[{key!r}]") for key, array in arrays.items()}
    shapes = {key: array.shape for key, array in arrays.items()}
    for key, shape in shapes.items():
        if len(shape) != 2 or 0 in shape:
            raise ValueError(f"{name}[{key!r}] has shape {shape}; expected two dimensions, none of them 0")
    (h, d), o = shapes["W1"], shapes["W2"][0]
    for key, shape in param_shapes(d, h, o).items():
        if shapes[key] != shape:
            raise ValueError(
                f"{name}[{key!r}] has shape {shapes[key]}; expected {shape} with W1 of shape {(h, d)}"
                + ("" if key in ("b1", "W2") else f" and W2 of shape {(o, h)}")
            )
    return arrays, d, h, o


def check_features(X: Array, d: int) -> None:
    """Raise ValueError if X does not have d rows, one for each input of the network."""
    if X.shape[0] != d:
        hint = f". X of shape {X.shape} looks like one row per sample: pass X.T" if X.shape[1] == d else ""
        raise ValueError(f"X has {X.shape[0]} features (rows); expected {d}, as W1 has {d} columns{hint}")


def pack_finite_params(params: Params, dtype: Any, name: str = "params[{!r}]") -> Array:
    """Return the parameters flat in `dtype`, or raise ValueError; `name` is formatted with the key in messages."""
    flat = pack_params(params, dtype)
    if not is_finite(flat):
        check_params_finite(params, name, dtype)
    return flat


def check_params_finite(params: Params, name: str = "params[{!r}]", dtype: Any = None) -> None:
    """Call :func:`check_finite` for each parameter; `name` is formatted with the key in messages."""
    for key in PARAM_NAMES:
        check_finite(params[key], name.format(key), dtype, ("row", "column"))
