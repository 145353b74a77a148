"""What the steps of a model write their part of an ONNX graph with: tensors of known types, and nodes.

skl2onnx converts in two passes: it declares the tensors of each step, and then each step writes its nodes. Here a step
does both at once. It declares its results with their types, and leaves a function that writes the nodes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Dtype = np.dtype[Any]

# The types of skl2onnx by NumPy's names; "object" is for strings.
TYPES = {
    "bool": "BooleanTensorType",
    "float32": "FloatTensorType",
    "float64": "DoubleTensorType",
    "object": "StringTensorType",
    **{f"int{bits}": f"Int{bits}TensorType" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"UInt{bits}TensorType" for bits in (8, 16, 32, 64)},
}
STRINGS = np.dtype(object)


def tensor_type(dtype: Dtype, width: int | None) -> Any:
    """Return skl2onnx's type of a tensor (samples, width), or (samples,) if `width` is None."""
    from skl2onnx.common import data_types

    return getattr(data_types, TYPES[dtype.name])([None] if width is None else [None, width])


def dtype_of(tensor: Any) -> Dtype:
    """Return the dtype of a tensor; that of strings is object."""
    name = type(tensor.type).__name__
    return np.dtype(next(dtype for dtype, type_name in TYPES.items() if type_name == name))


def width_of(tensor: Any) -> int:
    """Return the number of columns of a tensor."""
    return int(tensor.type.shape[1])


def as_float(dtype: Dtype) -> Dtype:
    """Return the dtype in which scikit-learn computes with numbers of `dtype`."""
    return dtype if dtype == np.float32 else np.dtype(np.float64)


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN or pandas' NA, which is neither equal to itself nor different."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


class Nodes:
    """Writes the nodes of one step; tensors are names here."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self._scope, self._container = scope, container
        self.inputs = [tensor.full_name for tensor in operator.inputs]
        self.outputs = [tensor.full_name for tensor in operator.outputs]

    def constant(self, values: Any) -> str:
        """Return a tensor of these values; strings have the dtype object."""
        from onnx import TensorProto, numpy_helper

        array = np.asarray(values)
        name: str = self._scope.get_unique_variable_name("constant")
        if array.dtype == STRINGS:
            content = [text.encode("utf-8") for text in array.ravel()]
            self._container.add_initializer(name, TensorProto.STRING, array.shape, content)
        else:
            tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape))
            self._container.add_initializer(name, tensor.data_type, array.shape, tensor)
        return name

    def node(self, kind: str, *inputs: str, result: str | None = None, **attributes: Any) -> str:
        """Write a node with one result and return the result, which is a new tensor if it is not given."""
        name = result or self._scope.get_unique_variable_name(kind.lower())
        self._container.add_node(
            kind, list(inputs), name, name=self._scope.get_unique_operator_name(kind), **attributes
        )
        return name

    def cast(self, tensor: str, source: Dtype, target: Dtype) -> str:
        """Return a tensor as one of another dtype."""
        from onnx import helper

        if source == target:
            return tensor
        return self.node("Cast", tensor, to=helper.np_dtype_to_tensor_dtype(target))

    def end(self, tensor: str, number: int = 0) -> None:
        """Make a tensor the result of the step with that number."""
        self.node("Identity", tensor, result=self.outputs[number])


class Operator:
    """A step as skl2onnx keeps it: the function that writes its nodes."""

    def __init__(self, write: Callable[[Nodes], None]) -> None:
        self.write = write


def write_operator(scope: Any, operator: Any, container: Any) -> None:
    """Write the nodes of an :class:`Operator`: a converter of skl2onnx."""
    operator.raw_operator.write(Nodes(scope, operator, container))


def keep_types(operator: Any) -> None:
    """Leave the types of the results as they are declared: a shape calculator of skl2onnx."""


class Graph:
    """The graph of a model as steps declare it; tensors are skl2onnx's variables."""

    def __init__(self, scope: Any) -> None:
        self._scope = scope

    def add(
        self,
        name: str,
        inputs: Sequence[Any],
        results: Sequence[tuple[str, Dtype, int | None]],
        write: Callable[[Nodes], None],
    ) -> list[Any]:
        """Add a step with this name, and return its results, of which each has a name, a dtype and a width."""
        operator = self._scope.declare_local_operator(f"Fastnn2{name}", Operator(write))
        operator.inputs.extend(inputs)
        for result, dtype, width in results:
            operator.outputs.append(self._scope.declare_local_variable(result, tensor_type(dtype, width)))
        return list(operator.outputs)

    def columns(self, tensors: Sequence[Any], indices: Sequence[int]) -> list[Any]:
        """Return some columns of a table, which is one tensor, or one for each column."""
        if len(tensors) > 1:
            return [tensors[index] for index in indices]
        if list(indices) == list(range(width_of(tensors[0]))):
            return list(tensors)
        dtype = dtype_of(tensors[0])

        def write(nodes: Nodes) -> None:
            places = nodes.constant(np.array(indices, np.int64))
            nodes.node("Gather", nodes.inputs[0], places, result=nodes.outputs[0], axis=1)

        return self.add("Columns", tensors, [("columns", dtype, len(indices))], write)

    def joined(self, tensors: Sequence[Any], what: str) -> Any:
        """Return tensors side by side as one, of the dtype that NumPy gives them together."""
        dtypes = [dtype_of(tensor) for tensor in tensors]
        if len(tensors) == 1:
            return tensors[0]
        if len(set(dtypes)) > 1 and STRINGS in dtypes:
            raise ValueError(
                f"to_onnx cannot convert {what}: it takes strings and numbers together, for which ONNX has no tensor; "
                "give them to different transformers of a ColumnTransformer"
            )
        numbers = [np.dtype(np.int64) if dtype == np.bool_ else dtype for dtype in dtypes]
        common = dtypes[0] if len(set(dtypes)) == 1 else np.dtype(np.result_type(*numbers))

        def write(nodes: Nodes) -> None:
            same = [nodes.cast(name, dtype, common) for name, dtype in zip(nodes.inputs, dtypes, strict=True)]
            nodes.node("Concat", *same, result=nodes.outputs[0], axis=1)

        return self.add("Joined", tensors, [("joined", common, sum(map(width_of, tensors)))], write)[0]

    def numbers(self, tensors: Sequence[Any], what: str) -> Any:
        """Return tensors side by side as one of numbers."""
        tensor = self.joined(tensors, what)
        if dtype_of(tensor) == STRINGS:
            raise ValueError(f"to_onnx cannot convert {what}: it computes with numbers, and its columns are strings")
        return tensor

    def floats(self, tensors: Sequence[Any], what: str) -> Any:
        """Return tensors side by side as one of float32 or float64, as transformers convert what they take."""
        tensor = self.numbers(tensors, what)
        return self.cast(tensor, as_float(dtype_of(tensor)))

    def cast(self, tensor: Any, dtype: Dtype) -> Any:
        """Return a tensor as one of another dtype."""
        source = dtype_of(tensor)
        if source == dtype:
            return tensor

        def write(nodes: Nodes) -> None:
            nodes.end(nodes.cast(nodes.inputs[0], source, dtype))

        return self.add("Cast", [tensor], [("cast", dtype, width_of(tensor))], write)[0]
