"""The transformers in front of a network as nodes of ONNX.

They are converted here, as skl2onnx does some of them in float32 in a model of float64, and leaves out some of their
options.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from fastnn2.files.onnx.graph import (
    STRINGS,
    TYPES,
    Array,
    Dtype,
    Graph,
    Nodes,
    as_float,
    dtype_of,
    is_missing,
    width_of,
)

PROJECTIONS = (PCA, IncrementalPCA, TruncatedSVD)
SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)
SELECTORS = (
    *(GenericUnivariateSelect, RFE, RFECV, SelectFdr, SelectFpr, SelectFromModel, SelectFwe, SelectKBest),
    *(SelectPercentile, SequentialFeatureSelector, VarianceThreshold),
)


def refusal(what: str, why: str) -> ValueError:
    """Return the error for a step that cannot be converted."""
    return ValueError(f"to_onnx cannot convert {what}: {why}")


def _add_scaler(graph: Graph, step: Any, tensors: list[Any], what: str) -> Any:
    tensor = graph.floats(tensors, what)
    dtype = dtype_of(tensor)
    changes, bounds = _scaling(step, dtype)

    def write(nodes: Nodes) -> None:
        name = nodes.inputs[0]
        for kind, operand in changes:
            # As ``X *= operand`` of NumPy: in the wider dtype, and then in that of X.
            wider = np.dtype(np.result_type(dtype, operand.dtype))
            result = nodes.node(kind, nodes.cast(name, dtype, wider), nodes.constant(operand.astype(wider)))
            name = nodes.cast(result, wider, dtype)
        if bounds is not None:
            name = nodes.node("Clip", name, *(nodes.constant(dtype.type(bound)) for bound in bounds))
        nodes.end(name)

    return graph.add(type(step).__name__, [tensor], [("variable", dtype, width_of(tensor))], write)[0]


def _scaling(step: Any, dtype: Dtype) -> tuple[list[tuple[str, Array]], Any]:
    """Return the operators and operands of a fitted scaler, in their order, and the bounds of its results."""
    if isinstance(step, StandardScaler):
        both = ("Sub", step.mean_ if step.with_mean else None), ("Div", step.scale_ if step.with_std else None)
        # It rounds its numbers to the dtype of X first.
        return [(kind, operand.astype(dtype)) for kind, operand in both if operand is not None], None
    if isinstance(step, RobustScaler):
        both = (
            ("Sub", step.center_ if step.with_centering else None),
            ("Div", step.scale_ if step.with_scaling else None),
        )
        return [(kind, operand) for kind, operand in both if operand is not None], None
    if isinstance(step, MaxAbsScaler):
        return [("Div", step.scale_)], (-1, 1) if getattr(step, "clip", False) else None
    return [("Mul", step.scale_), ("Add", step.min_)], step.feature_range if step.clip else None


def _add_selector(graph: Graph, step: Any, tensors: list[Any], what: str) -> Any:
    return graph.columns([graph.joined(tensors, what)], step.get_support(indices=True).tolist())[0]


def _add_projection(graph: Graph, step: Any, tensors: list[Any], what: str) -> Any:
    tensor = graph.floats(tensors, what)
    dtype, components = dtype_of(tensor), step.components_
    wider = np.dtype(np.result_type(dtype, components.dtype))

    def write(nodes: Nodes) -> None:
        samples = nodes.cast(nodes.inputs[0], dtype, wider)
        name = nodes.node("MatMul", samples, nodes.constant(components.T.astype(wider)))
        if not isinstance(step, TruncatedSVD):
            offset = step.mean_.reshape(1, -1) @ components.T  # in the dtype of the fit, as scikit-learn computes it
            name = nodes.node("Sub", name, nodes.constant(offset.astype(wider)))
            if step.whiten:
                scale = np.sqrt(step.explained_variance_)
                scale = np.maximum(scale, np.finfo(scale.dtype).eps)
                name = nodes.node("Div", name, nodes.constant(scale.astype(wider)))
        nodes.end(name)

    return graph.add(type(step).__name__, [tensor], [("variable", wider, len(components))], write)[0]


def _add_normalizer(graph: Graph, step: Normalizer, tensors: list[Any], what: str) -> Any:
    tensor = graph.floats(tensors, what)
    dtype = dtype_of(tensor)

    def write(nodes: Nodes) -> None:
        magnitudes, axis = nodes.node("Abs", nodes.inputs[0]), nodes.constant(np.array([1]))
        kind = {"l1": "ReduceL1", "l2": "ReduceL2", "max": "ReduceMax"}[step.norm]
        norms = nodes.node(kind, magnitudes, axis, keepdims=1)
        is_zero = nodes.node("Equal", norms, nodes.constant(dtype.type(0)))
        norms = nodes.node("Where", is_zero, nodes.constant(dtype.type(1)), norms)
        nodes.end(nodes.node("Div", nodes.inputs[0], norms))

    return graph.add("Normalizer", [tensor], [("variable", dtype, width_of(tensor))], write)[0]


def _add_polynomial(graph: Graph, step: PolynomialFeatures, tensors: list[Any], what: str) -> Any:
    tensor = graph.floats(tensors, what)
    dtype, d = dtype_of(tensor), width_of(tensor)
    n_results = len(step.powers_)
    # The columns whose product each result is, filled up with column d, of ones.
    factors = np.full((n_results, max(1, int(step.powers_.sum(axis=1).max()))), d)
    for row, powers in zip(factors, step.powers_, strict=True):
        columns = np.repeat(np.arange(d), powers)
        row[: len(columns)] = columns

    def write(nodes: Nodes) -> None:
        first = nodes.node("Gather", nodes.inputs[0], nodes.constant(np.array([0])), axis=1)
        ones = nodes.node("Pow", first, nodes.constant(dtype.type(0)))
        table = nodes.node("Concat", nodes.inputs[0], ones, axis=1)
        product = ""
        for column in factors.T:
            factor = nodes.node("Gather", table, nodes.constant(column.astype(np.int64)), axis=1)
            product = nodes.node("Mul", product, factor) if product else factor
        nodes.end(product)

    return graph.add("PolynomialFeatures", [tensor], [("variable", dtype, n_results)], write)[0]


def _add_imputer(graph: Graph, step: SimpleImputer, tensors: list[Any], what: str) -> Any:
    tensor = graph.joined(tensors, what)
    if dtype_of(tensor) == STRINGS:
        if not isinstance(step.missing_values, str):
            raise refusal(
                what,
                f"its columns are strings, and strings of ONNX are never missing ({step.missing_values!r}); write "
                'missing ones as "", and fit with SimpleImputer(missing_values="")',
            )
    elif any(isinstance(value, str) for value in (step.missing_values, *step.statistics_)):
        raise refusal(what, f"it imputes strings, and its columns are {dtype_of(tensor).name}")
    else:
        tensor = graph.floats([tensor], what)
    dtype = dtype_of(tensor)
    statistics = np.asarray(step.statistics_, dtype=dtype)
    # A column without values in the fit has no statistic, or one that is not missing with keep_empty_features.
    kept = np.array([place for place, value in enumerate(step.statistics_) if not is_missing(value)], np.int64)
    marked = step.indicator_.features_ if step.add_indicator else np.arange(0)

    def write(nodes: Nodes) -> None:
        if is_missing(step.missing_values):
            missing = nodes.node("IsNaN", nodes.inputs[0])
        else:
            missing = nodes.node("Equal", nodes.inputs[0], nodes.constant(np.array(step.missing_values, dtype)))
        filled = nodes.node("Where", missing, nodes.constant(statistics), nodes.inputs[0])
        filled = nodes.node("Gather", filled, nodes.constant(kept), axis=1)
        if len(marked):
            marks = nodes.node("Gather", missing, nodes.constant(marked.astype(np.int64)), axis=1)
            filled = nodes.node("Concat", filled, nodes.cast(marks, np.dtype(bool), dtype), axis=1)
        nodes.end(filled)

    if len(marked) and dtype == STRINGS:
        raise refusal(what, "it has add_indicator=True for strings; fit without it")
    return graph.add("SimpleImputer", [tensor], [("variable", dtype, len(kept) + len(marked))], write)[0]


def _add_encoder(graph: Graph, step: OneHotEncoder, tensors: list[Any], what: str) -> Any:
    dtype = np.dtype(step.dtype)
    if dtype.name not in TYPES or dtype == STRINGS:
        raise refusal(what, f"its dtype is {dtype.name}; expected float32 or float64")
    columns = [(tensor, place) for tensor in tensors for place in range(width_of(tensor))]
    codes = [_Codes(step, number, dtype_of(tensor), what) for number, (tensor, _) in enumerate(columns)]
    width = sum(code.width for code in codes)
    if not width:
        raise refusal(what, "it makes no columns; leave it out")

    def write(nodes: Nodes) -> None:
        parts = []
        for name, (tensor, place), code in zip(nodes.inputs, columns, codes, strict=True):
            if code.width:
                if width_of(tensor) > 1:
                    name = nodes.node("Gather", name, nodes.constant(np.array([place])), axis=1)
                parts.append(code.write(nodes, nodes.cast(name, dtype_of(tensor), code.input_dtype)))
        nodes.end(nodes.cast(nodes.node("Concat", *parts, axis=1), as_float(dtype), dtype))

    inputs = [tensor for tensor, _ in columns]
    return graph.add("OneHotEncoder", inputs, [("variable", dtype, width)], write)[0]


class _Codes:
    """The columns that a OneHotEncoder makes of one: one for each frequent category, and one for all rare ones."""

    def __init__(self, step: OneHotEncoder, number: int, dtype: Dtype, what: str) -> None:
        categories = step.categories_[number]
        self.categories, self.input_dtype = _comparable(categories, dtype, what)
        self.dtype = as_float(np.dtype(step.dtype))
        is_rare = _is_infrequent(step, number)
        is_kept = np.ones(len(categories), bool)
        if step.drop_idx_ is not None and step.drop_idx_[number] is not None:
            dropped = int(step.drop_idx_[number])
            is_kept[is_rare if is_rare[dropped] else dropped] = False
        self.frequent, self.rare = np.flatnonzero(is_kept & ~is_rare), np.flatnonzero(is_kept & is_rare)
        self.width = len(self.frequent) + (len(self.rare) > 0)
        self.fails = step.handle_unknown == "error"
        self.unknown_is_rare = step.handle_unknown in ("infrequent_if_exist", "warn")

    def write(self, nodes: Nodes, name: str) -> str:
        """Write the nodes for one column, and return its codes (samples, width)."""
        is_category = nodes.node("Equal", name, nodes.constant(self.categories[np.newaxis]))
        if self.categories.dtype.kind == "f" and np.isnan(self.categories).any():
            is_nan = nodes.node("And", nodes.node("IsNaN", name), nodes.constant(np.isnan(self.categories)[np.newaxis]))
            is_category = nodes.node("Or", is_category, is_nan)
        matches = nodes.cast(is_category, np.dtype(bool), self.dtype)
        codes = [nodes.node("Gather", matches, nodes.constant(self.frequent), axis=1)] if len(self.frequent) else []
        if len(self.rare):
            rare = _sum_of_row(nodes, nodes.node("Gather", matches, nodes.constant(self.rare), axis=1))
            codes.append(nodes.node("Add", rare, self._unknown(nodes, matches)) if self.unknown_is_rare else rare)
        result = codes[0] if len(codes) == 1 else nodes.node("Concat", *codes, axis=1)
        if not self.fails:
            return result
        # ONNX has no errors but those of its operators: the second of one number does not exist.
        number = nodes.cast(self._unknown(nodes, matches), self.dtype, np.dtype(np.int64))
        return nodes.node("Mul", result, nodes.node("Gather", nodes.constant(np.ones(1, self.dtype)), number))

    def _unknown(self, nodes: Nodes, matches: str) -> str:
        """Return 1 where a sample has none of the categories, and 0 elsewhere (samples, 1)."""
        return nodes.node("Sub", nodes.constant(np.ones(1, self.dtype)), _sum_of_row(nodes, matches))


def _is_infrequent(step: OneHotEncoder, number: int) -> Array:
    """Return which categories of a column share one of the encoder's columns."""
    of_columns = getattr(step, "infrequent_categories_", None)
    infrequent = [] if of_columns is None or of_columns[number] is None else of_columns[number]
    has_nan = any(category != category for category in infrequent)
    return np.array([has_nan if name != name else name in infrequent for name in step.categories_[number]], bool)


def _sum_of_row(nodes: Nodes, name: str) -> str:
    return nodes.node("ReduceSum", name, nodes.constant(np.array([1])), keepdims=1)


def _comparable(categories: Array, dtype: Dtype, what: str) -> tuple[Array, Dtype]:
    """Return categories as a column of `dtype` can be compared with them, and the dtype to compare in."""
    if dtype == STRINGS:
        if all(isinstance(category, str) for category in categories):
            return categories.astype(object), STRINGS
        other = next(category for category in categories if not isinstance(category, str))
        raise refusal(
            what,
            f"its column has strings and the category {other}, and a column of ONNX has strings alone; write it as a "
            'string, such as "", and fit again',
        )
    if categories.dtype.kind in "OUST" and any(isinstance(category, str) for category in categories):
        raise refusal(what, f"its categories {list(categories[:3])} are strings, and its column is {dtype.name}")
    target = np.dtype(np.int64 if categories.dtype.kind in "biu" and dtype.kind in "biu" else np.float64)
    return categories.astype(target), target


# By class, what adds a fitted transformer, whose name in errors comes last, to a graph and returns its result.
TRANSFORMERS: dict[Any, Callable[[Graph, Any, list[Any], str], Any]] = {
    OneHotEncoder: _add_encoder,
    SimpleImputer: _add_imputer,
    Normalizer: _add_normalizer,
    PolynomialFeatures: _add_polynomial,
    **dict.fromkeys(PROJECTIONS, _add_projection),
    **dict.fromkeys(SCALERS, _add_scaler),
    **dict.fromkeys(SELECTORS, _add_selector),
}
