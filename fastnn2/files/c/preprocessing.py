"""The steps of a scikit-learn Pipeline before the network as C: scaling, imputing, one-hot encoding, choice of columns.

Each column of a matrix is a place: a number in the caller's ``x`` or in the array ``v``. A step reads places and writes
new ones; to choose or reorder columns takes no code.
"""

import dataclasses
import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from fastnn2.estimators import NumberColumns
from fastnn2.files.c.functions import C_TYPES, constant, numbers, table
from fastnn2.files.pipelines import is_identity, parts_of

Array = np.ndarray[Any, Any]
Place = tuple[str, int]  # the array, "x" or "v", and the index

SUPPORTED = (
    "StandardScaler, SimpleImputer, OneHotEncoder of numbers, NumberColumns, and ColumnTransformer and Pipeline of "
    "these, with 'passthrough' and 'drop'"
)

_DENSE = "set sparse_output=False of the encoder, or sparse_threshold=0 of the ColumnTransformer, and fit again"


@dataclasses.dataclass(frozen=True)
class Columns:
    """A matrix as the code sees it.

    Attributes
    ----------
    places : list of (str, int)
    dtype : dtype
        What scikit-learn has at this step.
    sparse : bool
        Whether scikit-learn has a sparse matrix here.
    """

    places: list[Place]
    dtype: np.dtype[Any]
    sparse: bool = False


class Preprocessing:
    """The code of all steps before the network.

    Parameters
    ----------
    dtype : dtype
        Of the network: the steps compute in it, as they do in scikit-learn for an X of this dtype.

    Attributes
    ----------
    tables : list of str
        Definitions of constant arrays.
    lines : list of str
        Statements, which use the variables of :meth:`declarations`.
    size : int
        Length of the array ``v``.
    may_be_unknown : bool
        Whether a category may be one that makes scikit-learn raise an error.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype, self.size = dtype, 0
        self.tables: list[str] = []
        self.lines: list[str] = []
        self.may_be_unknown = self._has_value = False

    def declarations(self) -> list[str]:
        """Return the variables of the code: ``v``, and those that some steps need."""
        t = C_TYPES[self.dtype.name]
        declared = [f"{t} v[{self.size}];", "long i;"] if self.size else []
        declared += [f"{t} value;"] if self._has_value else []
        return declared + (["int known, unknown = 0;"] if self.may_be_unknown else [])

    def step(self, columns: Columns, step: Any, name: str) -> Columns:
        """Return the columns after a fitted step; `name` is its name in messages.

        Raises
        ------
        NotFittedError
            The step is not fitted.
        TypeError
            It is of a type that is not supported.
        ValueError
            It is used in a way that is not supported.
        """
        if is_identity(step):
            return columns
        convert = _STEPS.get(type(step))
        if convert is None:
            kind = "a FunctionTransformer with a function" if type(step) is FunctionTransformer else type(step).__name__
            raise TypeError(f"{name} is {kind}, which to_c does not support; it supports {SUPPORTED}")
        check_is_fitted(step)
        expected = getattr(step, "n_features_in_", len(columns.places))
        if expected != len(columns.places):
            raise ValueError(f"{name} was fitted on {expected} columns and gets {len(columns.places)}; fit it again")
        return convert(self, columns, step, name)

    # Steps
    def _pipeline(self, columns: Columns, pipeline: Pipeline, name: str) -> Columns:
        for own_name, step in pipeline.steps:
            columns = self.step(columns, step, f"step {own_name!r} of {name}")
        return columns

    def _take_numbers(self, columns: Columns, step: NumberColumns, name: str) -> Columns:
        return dataclasses.replace(columns, dtype=np.dtype(step.dtype))

    def _scale(self, columns: Columns, scaler: StandardScaler, name: str) -> Columns:
        self._check_computes(columns, scaler, name)
        if not scaler.with_mean and not scaler.with_std:
            return columns
        expression = self._read(columns.places)
        if scaler.with_mean:
            expression += f" - {self._table('mean', scaler.mean_)}[i]"
        if scaler.with_std:
            expression = f"({expression})" if scaler.with_mean else expression
            expression += f" / {self._table('scale', scaler.scale_)}[i]"
        return Columns(self._write(len(columns.places), expression), self.dtype)

    def _impute(self, columns: Columns, imputer: SimpleImputer, name: str) -> Columns:
        self._check_computes(columns, imputer, name)
        if imputer._fill_dtype.kind not in "iuf":
            raise ValueError(f"{name} (SimpleImputer) was fitted on dtype {imputer._fill_dtype}; to_c supports numbers")
        is_missing = self._missing(imputer.missing_values, name)
        kept = np.arange(len(columns.places))
        if not imputer.keep_empty_features:
            kept = np.flatnonzero(~np.isnan(imputer.statistics_.astype(np.float64)))
        places: list[Place] = []
        if len(kept):
            source = self._read([columns.places[k] for k in kept])
            fill = self._table("fill", imputer.statistics_[kept].astype(imputer._fill_dtype)) + "[i]"
            places = self._write(len(kept), f"{is_missing.format(source)} ? {fill} : {source}")
        indicated = imputer.indicator_.features_ if imputer.add_indicator else ()
        if len(indicated):
            source = self._read([columns.places[k] for k in indicated])
            places += self._write(len(indicated), is_missing.format(source))
        return Columns(places, self.dtype)

    def _missing(self, value: Any, name: str) -> str:
        """Return the C of the test for a missing value; the number to test goes where ``{0}`` is."""
        if not isinstance(value, int | float | np.integer | np.floating):
            raise ValueError(f"{name} (SimpleImputer) has missing_values {value!r}; to_c supports NaN and numbers")
        if value != value:
            return "{0} != {0}"
        found = self._equal_number(value)
        return "0 != 0" if found is None else f"{{0}} == {constant(found, self.dtype)}"

    def _encode(self, columns: Columns, encoder: OneHotEncoder, name: str) -> Columns:
        name += " (OneHotEncoder)"
        if columns.sparse:
            raise ValueError(f"{name} gets a sparse matrix; {_DENSE}")
        if any(found is not None for found in getattr(encoder, "infrequent_categories_", ())):
            raise ValueError(f"{name} has infrequent categories, which to_c does not support")
        drop = [None] * len(encoder.categories_) if encoder.drop_idx_ is None else encoder.drop_idx_
        raises = encoder.handle_unknown == "error"
        self._has_value, self.may_be_unknown = True, self.may_be_unknown or raises
        places: list[Place] = []
        for place, categories, dropped in zip(columns.places, encoder.categories_, drop, strict=True):
            places += self._encode_one(place, self._as_numbers(categories, name), dropped, raises)
        return Columns(places, np.dtype(encoder.dtype), encoder.sparse_output)

    def _as_numbers(self, categories: Array, name: str) -> Array:
        """Return categories in the dtype of the network, in which they must be the same; NaN may be the last one."""
        if categories.dtype.kind not in "iuf":
            raise ValueError(
                f"{name} has categories of dtype {categories.dtype}; to_c supports numbers. Number the categories first"
            )
        found = [self._equal_number(value) if value == value else np.nan for value in categories]
        if None in found or len(set(found)) < len(found):
            raise ValueError(
                f"{name} has the categories {reprlib.repr(categories.tolist())}; to_c supports different, finite "
                f"numbers in {self.dtype}, as the network is, and NaN"
            )
        return np.array(found, dtype=self.dtype)

    def _encode_one(self, place: Place, categories: Array, dropped: int | None, raises: bool) -> list[Place]:
        """Write the code for one column; return the places of its categories but for the one that is dropped."""
        kept = np.delete(categories, [] if dropped is None else [dropped])
        values = kept[~np.isnan(kept)]
        first, self.size = self.size, self.size + len(kept)
        lines, tests = [f"value = {place[0]}[{place[1]}];"], []  # tests of single categories
        if len(values):
            test = f"value == {self._table('categories', values)}[i]"
            known = [f"    known |= {test};"] if raises else []
            lines += [f"for (i = 0; i < {len(values)}; i++) {{", f"    v[{first} + i] = {test};", *known, "}"]
        if len(values) < len(kept):
            lines.append(f"v[{first + len(values)}] = value != value;")
            tests.append("value != value")
        if raises:
            if dropped is not None:
                gone = categories[dropped]
                tests.append("value != value" if np.isnan(gone) else f"value == {constant(gone, self.dtype)}")
            lines = ["known = 0;", *lines, *(f"known |= {test};" for test in tests), "unknown |= !known;"]
        self.lines += lines
        return [("v", first + i) for i in range(len(kept))]

    def _choose(self, columns: Columns, chooser: ColumnTransformer, name: str) -> Columns:
        if chooser.transformer_weights:
            raise ValueError(f"{name} (ColumnTransformer) has transformer_weights, which to_c does not support")
        pieces = []
        for own_name, step, indices in parts_of(chooser):
            piece = dataclasses.replace(columns, places=[columns.places[k] for k in indices])
            pieces.append(self.step(piece, step, f"transformer {own_name!r} of {name}"))
        if not pieces:
            raise ValueError(f"{name} (ColumnTransformer) has no columns left; expected at least one")
        places = [place for piece in pieces for place in piece.places]
        return Columns(places, np.result_type(*(piece.dtype for piece in pieces)), bool(chooser.sparse_output_))

    # Help for the steps
    def _check_computes(self, columns: Columns, step: Any, name: str) -> None:
        """Raise ValueError if a step does not compute in the dtype of the network, or on a sparse matrix."""
        name = f"{name} ({type(step).__name__})"
        if columns.sparse:
            raise ValueError(f"{name} gets a sparse matrix, on which it computes otherwise; {_DENSE}")
        if columns.dtype != self.dtype:
            raise ValueError(
                f"{name} gets {columns.dtype}, and the network is {self.dtype}; to_c supports one dtype. Set the dtype "
                f"of the steps before it to {self.dtype}, and fit again"
            )

    def _equal_number(self, value: Any) -> Any:
        """Return the number of the dtype that NumPy takes as equal to a value, or None if there is none."""
        with np.errstate(over="ignore"):
            probe = np.array([value]).astype(self.dtype)
            return probe[0] if bool((probe == value)[0]) and np.isfinite(probe[0]) else None

    def _table(self, kind: str, values: Array) -> str:
        """Define a constant array and return its name."""
        with np.errstate(over="ignore"):
            values = values.astype(self.dtype)
        if not np.isfinite(values).all():
            raise ValueError(f"the Pipeline has {kind} {values[~np.isfinite(values)][0]}; expected finite numbers")
        name = f"NAME_{kind}_{len(self.tables)}"
        self.tables.append(numbers(name, values, self.dtype))
        return name

    def _read(self, places: list[Place]) -> str:
        """Return the C of the number at place i, after copies to ``v`` if they are in two arrays."""
        if len({array for array, _ in places}) > 1:
            here = [k for k, (array, _) in enumerate(places) if array == "x"]
            copies = iter(self._write(len(here), self._read([places[k] for k in here])))
            places = [next(copies) if array == "x" else (array, index) for array, index in places]
        array, first = places[0]
        if all(place == (array, first + i) for i, place in enumerate(places)):
            return f"{array}[{first} + i]" if first else f"{array}[i]"
        name = f"NAME_columns_{len(self.tables)}"
        self.tables.append(table(name, (str(index) for _, index in places), "long"))
        return f"{array}[{name}[i]]"

    def _write(self, count: int, expression: str) -> list[Place]:
        """Write `count` new places of ``v``; return them."""
        first, self.size = self.size, self.size + count
        target = f"v[{first} + i]" if first else "v[i]"
        self.lines += [f"for (i = 0; i < {count}; i++)", f"    {target} = {expression};"]
        return [("v", first + i) for i in range(count)]

    def gathered(self, places: list[Place]) -> str:
        """Return the C of an array that has these places side by side, after a copy where they are not."""
        array, first = places[0]
        if any(place != (array, first + i) for i, place in enumerate(places)):
            array, first = self._write(len(places), self._read(places))[0]
        return f"({array} + {first})" if first else array


_STEPS: dict[type, Callable[..., Columns]] = {
    Pipeline: Preprocessing._pipeline,
    NumberColumns: Preprocessing._take_numbers,
    StandardScaler: Preprocessing._scale,
    SimpleImputer: Preprocessing._impute,
    OneHotEncoder: Preprocessing._encode,
    ColumnTransformer: Preprocessing._choose,
}
