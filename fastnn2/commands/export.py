"""``fastnn2 export``: a model as ONNX or as C, and how to call what was written."""

import argparse
import copy
import pathlib
from typing import Any

import numpy as np

from fastnn2.commands.model_text import describe
from fastnn2.commands.output import printable
from fastnn2.commands.table_files import check_extra, check_output, load_model
from fastnn2.commands.text_lines import labelled_lines, labelled_list
from fastnn2.files.c.to_c import to_c
from fastnn2.files.onnx.to_onnx import to_onnx
from fastnn2.files.pipelines import network_in
from fastnn2.tables.models.example_row import example_row
from fastnn2.tables.models.predict import columns_of, label_text
from fastnn2.tables.reading.columns import NUMBER
from fastnn2.tables.reading.messages import listed
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.summary import Summary

ENDINGS = {"onnx": ".onnx", "c": ".c"}
RESULTS = {"label": "the class", "probabilities": "one column for each class", "variable": "the predictions"}


def run(options: argparse.Namespace) -> int:
    """Write the model in another format, and print how to call it; return the exit code."""
    form = "onnx" if options.onnx is not None else "c"
    path: pathlib.Path = getattr(options, form)
    if path.suffix.lower() != ENDINGS[form]:
        raise TableError(f"--{form} {str(path)!r}: expected a name that ends with {ENDINGS[form]}")
    check_output(path, options.model)
    model, summary = load_model(options.model)
    if not describe(model).get("fitted", True):
        raise TableError(f"{str(options.model)!r} has a model that is not fitted; fit it before it is exported")
    if not isinstance(model, dict):
        try:
            network_in(model, f"the model in {str(options.model)!r}")
        except TypeError as error:
            raise TableError(str(error)) from None
    lines = _export_onnx(model, summary, path) if form == "onnx" else _export_c(model, summary, path)
    print("\n".join(map(printable, [*labelled_lines("written", str(path)), *lines])))
    return 0


def _export_onnx(model: Any, summary: Summary | None, path: pathlib.Path) -> list[str]:
    """Write ONNX; return lines that say which inputs and outputs it has."""
    if isinstance(model, dict):
        raise TableError("ONNX takes models of classes, and these are parameters as from fastnn2.fit; use --c")
    sample = None
    if summary is not None:
        check_extra("export")
        sample = example_row(model, summary)
    to_onnx(model, path, sample)
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    shape = "each with the shape (rows, 1)" if sample is not None else None
    inputs = [f"{each.name} ({_type_of(each)})" for each in graph.input]
    outputs = [f"{each.name} ({_type_of(each)}): {RESULTS[each.name]}" for each in graph.output]
    lines = labelled_list("inputs", inputs, "; ", "in the file")
    if shape:
        lines += labelled_lines("", shape)
    lines += labelled_lines("outputs", "; ".join(outputs))
    classes = describe(model).get("classes")
    if classes is not None:
        lines += labelled_list("classes", [label_text(each) for each in classes], rest="in the metadata of the file")
    name = graph.input[0].name
    return lines + labelled_lines(
        "call",
        f"onnxruntime.InferenceSession({str(path)!r}).run(None, {{{name!r}: ...{', ...' * (len(inputs) > 1)}}})",
    )


def _type_of(value: Any) -> str:
    import onnx

    return str(onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)).lower()


def _export_c(model: Any, summary: Summary | None, path: pathlib.Path) -> list[str]:
    """Write C; return lines that say how to call the function."""
    if summary is not None:
        others = [column.name for column in columns_of(summary) if column.kind != NUMBER]
        if others:
            raise TableError(
                f"C takes numbers only, and these columns of the model are not: {listed(others)}; use --onnx, or "
                "train without them (--drop)"
            )
        model = _in_float64(model)
    declaration = to_c(model, path)
    found = describe(model)
    lines = labelled_lines("function", declaration)
    lines += _elements("x", found.get("features"), found["inputs"], "")
    is_number = found.get("output") == "identity"
    lines += _elements("y", found.get("classes"), found["outputs"], "predictions" if is_number else "probabilities")
    return lines + labelled_lines("compile", f"cc -std=c99 -O3 -ffp-contract=off -c {path}")


def _in_float64(model: Any) -> Any:
    """Return a copy of a model of a table whose network is float64, as its columns are: predictions are the same."""
    model = copy.deepcopy(model)
    network = model[-1]
    network.coefs_ = [array.astype(np.float64) for array in network.coefs_]
    network.intercepts_ = [array.astype(np.float64) for array in network.intercepts_]
    return model


def _elements(array: str, names: list[Any] | None, count: int, what: str) -> list[str]:
    """Return lines that say what the elements of an array are."""
    if names is None:
        return labelled_lines(array, f"{count:,} number{'' if count == 1 else 's'}{what and ': '}{what}")
    elements = [f"{array}[{place}] {label_text(name)}" for place, name in enumerate(names)]
    return labelled_list(array, elements, rest="in the comment at the beginning of the file") + (
        labelled_lines("", what) if what else []
    )
