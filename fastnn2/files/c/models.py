"""What a model is to the C code: its network, the steps before it, and the names of its columns."""

import dataclasses
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from fastnn2.engine.layout import unpack_params
from fastnn2.estimators import DateColumns, MLPClassifier, MLPRegressor, TextColumns
from fastnn2.estimators.networks import dtype_of_run
from fastnn2.files.c.network import CNetwork
from fastnn2.files.c.preprocessing import Columns, Preprocessing
from fastnn2.files.pipelines import is_identity, network_in, parts_of
from fastnn2.functional import checks

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class CModel:
    """A model, ready to be written.

    Attributes
    ----------
    network : CNetwork
    kind : str
        What the model is, in words.
    meaning : str
        What ``y`` is, in words.
    n_inputs : int
        Length of ``x``.
    input_names, result_names : list of str
        Names of the numbers of ``x`` and of ``y``, or empty lists.
    preprocessing : Preprocessing or None
    network_input : str
        The C of the array that the network reads.
    sparse : bool
        Whether the network gets a sparse matrix from the Pipeline.
    """

    network: CNetwork
    kind: str
    meaning: str
    n_inputs: int
    input_names: list[str] = dataclasses.field(default_factory=list)
    result_names: list[str] = dataclasses.field(default_factory=list)
    preprocessing: Preprocessing | None = None
    network_input: str = "x"
    sparse: bool = False


def from_params(params: Any) -> CModel:
    """Return the tutorial's parameters as the C code needs them, in the dtype of W1.

    Raises
    ------
    TypeError, ValueError
        They are invalid.
    """
    arrays, d, h, o = checks.as_params(params)
    flat = checks.pack_finite_params(arrays, checks.choose_dtype(arrays["W1"], None))
    W1, b1, W2, b2 = unpack_params(flat, d, h, o).values()
    network = CNetwork(W1.T, b1.ravel(), W2.T, b2.ravel(), "tanh", "logistic", False)
    meaning = "the probability of each output, as from fastnn2.forward"
    return CModel(network, "parameters as from fastnn2.fit", meaning, d)


def from_estimator(model: Any) -> CModel:
    """Return a fitted MLPClassifier or MLPRegressor, or a Pipeline that ends with one, as the C code needs it.

    Raises
    ------
    NotFittedError
        The model, or a step before it, is not fitted.
    TypeError
        The model, or a step before it, is of another type.
    ValueError
        It has something that is not supported.
    """
    mlp = network_in(model, "model", also_expected=", or a dict of parameters")
    steps, where = _split(model, "the Pipeline") if mlp is not model else ([], "model")
    check_is_fitted(mlp)
    network = _network(mlp)
    fitted = [step for _, step, _ in steps if hasattr(step, "n_features_in_")]
    first = fitted[0] if fitted else mlp
    n_inputs = first.n_features_in_ if fitted else network.shape[0]
    names = [str(name) for name in getattr(first, "feature_names_in_", ())]
    _check_are_numbers(model, names or [f"x[{k}]" for k in range(n_inputs)])
    preprocessing, columns = Preprocessing(network.dtype), Columns([("x", k) for k in range(n_inputs)], network.dtype)
    for name, step, pipeline in steps:
        columns = preprocessing.step(columns, step, f"step {name!r} of {pipeline}")
    if len(columns.places) != network.shape[0]:
        raise ValueError(
            f"{where} has coefficients for {network.shape[0]} columns and gets {len(columns.places)}; fit it again"
        )
    if dtype_of_run(columns.dtype, network.dtype) != network.dtype:
        raise ValueError(
            f"{where} gets {columns.dtype}, and its coefficients are {network.dtype}; to_c supports one dtype. Set the "
            f"dtype of the steps before it to {network.dtype}, and fit again"
        )
    kind, meaning, result_names = _words(mlp)
    if steps:
        kind += f" in a Pipeline, behind {', '.join(_type_name(step) for _, step, _ in steps)}"
    network_input = preprocessing.gathered(columns.places)
    used = preprocessing if preprocessing.lines else None
    return CModel(network, kind, meaning, n_inputs, names, result_names, used, network_input, columns.sparse)


def _check_are_numbers(model: Any, names: list[str]) -> None:
    """Raise ValueError if a model takes some of its columns, which have these names, as texts or dates."""
    others = set(_others(model, names))
    if others:
        found = [name for name in names if name in others]
        listed = ", ".join(map(repr, found[:5])) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        what = f"column {listed} is not a number" if len(found) == 1 else f"columns {listed} are not numbers"
        raise ValueError(
            f"{what}; to_c supports models of numbers alone. Fit one without them, or write this one by fastnn2.to_onnx"
        )


def _others(step: Any, names: list[str]) -> list[str]:
    """Return the names of the columns that a step, which gets those of these names, takes as texts or dates."""
    if isinstance(step, TextColumns | DateColumns):
        return names
    if isinstance(step, Pipeline):
        return _others(next((part for _, part in step.steps if not is_identity(part)), None), names)
    if isinstance(step, ColumnTransformer):
        return [name for _, part, own in parts_of(step) for name in _others(part, [names[place] for place in own])]
    return []


def _split(pipeline: Pipeline, name: str) -> tuple[list[tuple[str, Any, str]], str]:
    """Return the steps before the network: name, step and words for its Pipeline; and words for the network."""
    before = [(own_name, step, name) for own_name, step in pipeline.steps[:-1]]
    last_name, last = pipeline.steps[-1]
    where = f"step {last_name!r} of {name}"
    if isinstance(last, Pipeline):
        inner, where = _split(last, where)
        return before + inner, where
    return before, where


def _network(mlp: Any) -> CNetwork:
    dtype = dtype_of_run(mlp.coefs_[0].dtype, mlp.coefs_[0].dtype)
    arrays = []
    for name in ("coefs_", "intercepts_"):
        for i, values in enumerate(getattr(mlp, name)):
            with np.errstate(over="ignore"):
                arrays.append(np.asarray(values).astype(dtype))
            if not np.isfinite(arrays[-1]).all():
                found = arrays[-1][~np.isfinite(arrays[-1])][0]
                raise ValueError(f"{name}[{i}] of the model has {found}; expected finite numbers. Fit it again")
    W1, W2, b1, b2 = arrays
    return CNetwork(W1, b1, W2, b2, mlp.activation, mlp.out_activation_, _has_both_classes(mlp))


def _has_both_classes(mlp: Any) -> bool:
    return type(mlp) is MLPClassifier and mlp.n_outputs_ == 1


def _words(mlp: Any) -> tuple[str, str, list[str]]:
    """Return what a model is, what its results are, and their names."""
    name = _type_name(mlp)
    if type(mlp) is MLPRegressor:
        return name, "what the model's predict returns", []
    multilabel = mlp.out_activation_ == "logistic" and mlp.n_outputs_ > 1
    meaning = "the probability of each label" if multilabel else "the probability of each class"
    return (
        name,
        f"{meaning}, as from predict_proba",
        [f"'{c}'" if isinstance(c, str) else repr(c) for c in mlp.classes_.tolist()],
    )


def _type_name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__
