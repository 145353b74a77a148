"""The networks of MLPClassifier and MLPRegressor as nodes of ONNX.

skl2onnx has converters of scikit-learn's two classes, which do not fit all models: they flatten several outputs of a
regressor, take a multilabel problem with two labels for a binary one, do not know Poisson's exp, and cut integer labels
to 32 bits.
"""

from typing import Any

import numpy as np

from fastnn2.estimators import MLPClassifier
from fastnn2.estimators.networks import dtype_of_run
from fastnn2.files.onnx.graph import Array, Dtype, Graph, Nodes, dtype_of

ACTIVATIONS = {"identity": "Identity", "logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}
OUT_ACTIVATIONS = {"logistic": "Sigmoid", "identity": "Identity", "exp": "Exp"}
BOOLEANS, INTEGERS = np.dtype(bool), np.dtype(np.int64)


def class_labels(model: Any) -> Array:
    """Return the classes of a classifier as an array that ONNX can have.

    Raises
    ------
    ValueError
        They are neither integers of 64 bits, floats, booleans nor strings.
    """
    classes = np.asarray(model.classes_)
    if classes.dtype.kind == "U" or (classes.dtype.kind in "OT" and all(isinstance(label, str) for label in classes)):
        return classes.astype(object)
    if classes.dtype.kind in "iu" and np.array_equal(classes, classes.astype(np.int64)):
        return classes.astype(np.int64)
    if classes.dtype.name in ("bool", "float32", "float64"):
        return classes
    raise ValueError(
        f"to_onnx cannot convert the classes {classes.tolist()[:5]} of the model ({classes.dtype.name}): labels of "
        "ONNX are integers of 64 bits, floats, booleans or strings; fit the model to such labels"
    )


def add_network(graph: Graph, model: Any, tensors: list[Any], what: str) -> list[Any]:
    """Add the network of a model and return its results: labels and probabilities, or what a regressor predicts."""
    tensor = graph.numbers(tensors, what)
    dtype = dtype_of_run(dtype_of(tensor), model.coefs_[0].dtype)
    tensor = graph.cast(tensor, dtype)
    if isinstance(model, MLPClassifier):
        return _add_classifier(graph, model, tensor, dtype)

    def write(nodes: Nodes) -> None:
        nodes.end(_outputs(nodes, model, dtype))

    return graph.add("MLPRegressor", [tensor], [("variable", dtype, model.n_outputs_)], write)


def _add_classifier(graph: Graph, model: Any, tensor: Any, dtype: Dtype) -> list[Any]:
    n_outputs, half = model.n_outputs_, dtype.type(0.5)
    if n_outputs > 1 and model.out_activation_ == "logistic":  # one yes or no for each label

        def write_labels(nodes: Nodes) -> None:
            probabilities = _outputs(nodes, model, dtype)
            is_set = nodes.node("Greater", probabilities, nodes.constant(half))
            nodes.end(nodes.cast(is_set, BOOLEANS, INTEGERS))
            nodes.end(probabilities, 1)

        results = [("label", INTEGERS, n_outputs), ("probabilities", dtype, n_outputs)]
        return graph.add("MLPClassifier", [tensor], results, write_labels)

    classes = class_labels(model)

    def write(nodes: Nodes) -> None:
        probabilities = _outputs(nodes, model, dtype)
        if n_outputs > 1:
            numbers = nodes.node("ArgMax", probabilities, axis=1, keepdims=1)
        else:
            # A single class is the first of two, whatever its probability is.
            threshold = half if len(classes) > 1 else dtype.type(2)
            numbers = nodes.cast(nodes.node("Greater", probabilities, nodes.constant(threshold)), BOOLEANS, INTEGERS)
            of_first = nodes.node("Sub", nodes.constant(dtype.type(1)), probabilities)
            probabilities = nodes.node("Concat", of_first, probabilities, axis=1)
        numbers = nodes.node("Reshape", numbers, nodes.constant(np.array([-1])))
        nodes.end(nodes.node("Gather", nodes.constant(classes), numbers, axis=0))
        nodes.end(probabilities, 1)

    scores = "probabilities", dtype, max(2, n_outputs)
    return graph.add("MLPClassifier", [tensor], [("label", classes.dtype, None), scores], write)


def _outputs(nodes: Nodes, model: Any, dtype: Dtype) -> str:
    """Write the two layers, and return what the output units give (samples, outputs)."""
    tensor = nodes.inputs[0]
    for number, (coefs, intercepts) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        product = nodes.node("MatMul", tensor, nodes.constant(coefs.astype(dtype)))
        tensor = nodes.node("Add", product, nodes.constant(intercepts.astype(dtype)))
        if number == 0:
            tensor = nodes.node(ACTIVATIONS[model.activation], tensor)
    if model.out_activation_ == "softmax":
        return nodes.node("Softmax", tensor, axis=1)
    return nodes.node(OUT_ACTIVATIONS[model.out_activation_], tensor)
