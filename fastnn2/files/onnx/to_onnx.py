"""Models in the format ONNX, which other programs and languages run."""

import json
import os
from typing import Any

from sklearn.utils.validation import check_is_fitted

from fastnn2._version import __version__
from fastnn2.estimators import MLPClassifier
from fastnn2.files.onnx.graph import Graph, Operator, keep_types, tensor_type, write_operator
from fastnn2.files.onnx.inputs import Inputs, inputs_of
from fastnn2.files.onnx.steps import add_model, check_steps
from fastnn2.files.pipelines import network_in
from fastnn2.storage.atomic import as_path, check_writable, write_file

# The first one whose Equal takes strings; an older opset is read by more programs than a newer one.
OPSET = {"": 19, "ai.onnx.ml": 3}
MOST_BYTES = 2**31 - 1  # of a file, as protobuf has it


def to_onnx(model: Any, file: str | os.PathLike[str], X: Any = None) -> None:
    """Write a fitted model to a file in the format ONNX.

    The model that the file has computes in the dtype that `model` would compute in, and gives the same numbers within
    1e-5 (float32) or 1e-12 (float64) times the larger of 1 and the output's magnitude. A classifier has the outputs
    ``label`` and ``probabilities``, whose columns are in the order of ``classes_``, and a regressor has ``variable``
    (samples, outputs).

    A Pipeline may have these steps, in ColumnTransformer and FeatureUnion too: StandardScaler, MinMaxScaler,
    MaxAbsScaler, RobustScaler, Normalizer, SimpleImputer, OneHotEncoder, PolynomialFeatures, PCA, IncrementalPCA,
    TruncatedSVD, the selectors of :mod:`sklearn.feature_selection`, FunctionTransformer without a function, and
    NumberColumns, TextColumns and DateColumns of :mod:`fastnn2.estimators`. Others are refused.

    It needs the extra ``onnx``: ``pip install 'fastnn2[onnx]'``.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor or Pipeline
        A fitted model of fastnn2, or a Pipeline of scikit-learn that ends with one.
    file : str or Path
        An existing file is replaced.
    X : array_like, pandas or polars frame, optional
        Samples of shape (n_samples, n_features), of which only the types are read; a few are enough. An array makes one
        input, ``X``, and a frame makes one input (samples, 1) for each column that the model uses; that of a date is
        float64, days since 1970-01-01. By default, a model that was fitted to a frame has one input for each column and
        another model has ``X``. Their type is then that of the model's parameters, or that of the categories of a
        OneHotEncoder; integers and columns of another precision need X to keep their type.

    Returns
    -------
    None

    Raises
    ------
    ValueError
        A step of the model, or one of its options, cannot be converted; the types of the columns do not follow from the
        model; or the file cannot be written. The file is as it was.
    TypeError
        The model is of another class, or X has values that ONNX cannot have.
    NotFittedError
        The model is not fitted.
    ImportError
        The extra ``onnx`` is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import fastnn2
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), fastnn2.MLPClassifier(10, solver="lbfgs", random_state=0)).fit(X, y)
    >>> file = os.path.join(tempfile.mkdtemp(), "iris.onnx")
    >>> fastnn2.to_onnx(model, file)

    Any program with ONNX Runtime can run the file; here it is ONNX's own interpreter:

    >>> from onnx.reference import ReferenceEvaluator
    >>> label, probabilities = ReferenceEvaluator(file).run(None, {"X": X[:2]})
    >>> label
    array([0, 0])
    >>> np.allclose(probabilities, model.predict_proba(X[:2]), rtol=0, atol=1e-12)
    True
    """
    path = as_path(file, "file")
    network = network_in(model, "model")
    check_is_fitted(network)
    check_writable(path)
    try:
        import onnx
        import skl2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError("fastnn2.to_onnx needs onnx and skl2onnx: pip install 'fastnn2[onnx]'") from error
    if sum(array.nbytes for array in (*network.coefs_, *network.intercepts_)) > MOST_BYTES:
        raise ValueError("to_onnx cannot convert the model: its parameters have more than 2 GB, which no ONNX file has")
    check_steps(model, "the model")
    inputs = inputs_of(model, network, X)
    converted = _converted(model, inputs)
    _rename(converted, inputs.names)
    _describe(converted, model, network)
    onnx.checker.check_model(converted, full_check=True)
    write_file(path, converted.SerializeToString())


def _converted(model: Any, inputs: Inputs) -> Any:
    """Return the model in ONNX, whose inputs have numbers for names."""
    from skl2onnx import convert_sklearn

    def parse(scope: Any, model: Any, tensors: list[Any], custom_parsers: Any = None) -> list[Any]:
        table = tensors
        if inputs.places is not None:
            table = [tensors[inputs.places.get(place, 0)] for place in range(max(inputs.places) + 1)]
        return add_model(Graph(scope), model, table)

    types = [
        (f"input{number}", tensor_type(dtype, width))
        for number, (dtype, width) in enumerate(zip(inputs.dtypes, inputs.widths, strict=True))
    ]
    return convert_sklearn(
        model,
        name="fastnn2",
        initial_types=types,
        target_opset=OPSET,
        custom_parsers={type(model): parse},
        custom_shape_calculators={Operator: keep_types},
        custom_conversion_functions={Operator: write_operator},
    )


def _rename(converted: Any, input_names: list[str]) -> None:
    """Give the inputs the names of the columns; skl2onnx changes names with spaces or parentheses."""
    outputs = [output.name for output in converted.graph.output]
    if "" in input_names:
        raise ValueError("to_onnx cannot convert the model: a column has the name '', which no input has; rename it")
    taken = sorted(set(input_names) & set(outputs))
    if taken:
        raise ValueError(f"to_onnx cannot convert the model: the columns {taken} have names of outputs; rename them")
    names = dict(zip((value.name for value in converted.graph.input), input_names, strict=True))
    kept = {*input_names, *outputs}
    others = [tensor.name for tensor in converted.graph.initializer]
    others += [name for node in converted.graph.node for name in node.output]
    for name in others:
        if name not in outputs:
            new = name
            while new in kept:
                new += "_"
            names[name] = new
            kept.add(new)
    for value in (*converted.graph.input, *converted.graph.initializer):
        value.name = names[value.name]
    for node in converted.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    del converted.graph.value_info[:]


def _describe(converted: Any, model: Any, network: Any) -> None:
    """Write into the model which program made it, and what it is."""
    d, h = network.coefs_[0].shape
    converted.producer_name, converted.producer_version = "fastnn2", __version__
    steps = [type(model).__name__] if network is model else [type(step).__name__ for _, step in model.steps]
    converted.doc_string = (
        f"{', '.join(steps)}: a network of {d} inputs, {h} hidden units ({network.activation}) and "
        f"{network.n_outputs_} outputs ({network.out_activation_}), made by fastnn2 {__version__}"
    )
    converted.graph.doc_string = converted.doc_string
    if isinstance(network, MLPClassifier):
        entry = converted.metadata_props.add()
        entry.key, entry.value = "classes", json.dumps(network.classes_.tolist())
