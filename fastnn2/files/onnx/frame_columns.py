"""Columns of a frame as NumberColumns, TextColumns and DateColumns take them, as nodes of ONNX."""

from typing import Any

import numpy as np

from fastnn2.estimators import DateColumns, NumberColumns, TextColumns
from fastnn2.estimators.date_columns import PERIODS, periods_of
from fastnn2.files.onnx.graph import STRINGS, Graph, Nodes, dtype_of, width_of
from fastnn2.files.onnx.transformers import refusal

DAYS = np.dtype(np.float64)  # of an input that is a date: days since 1970-01-01, NaN where it is missing


def add_number_columns(graph: Graph, step: NumberColumns, tensors: list[Any], what: str) -> Any:
    """Add numbers and booleans as numbers of the step's dtype; return them as one tensor."""
    dtype = np.dtype(step.dtype)
    return graph.joined([graph.cast(graph.numbers([tensor], what), dtype) for tensor in tensors], what)


def add_text_columns(graph: Graph, step: TextColumns, tensors: list[Any], what: str) -> Any:
    """Add texts, which are as they are, booleans and integers as texts; return them as one tensor."""
    texts = graph.joined([_as_texts(graph, tensor, what) for tensor in tensors], what)
    # ONNX has no operator for blanks: they have to be as they are in these texts, without.
    meant = {"": tuple(text for text in step.missing_texts if text)}
    if step.booleans:
        meant |= {"true": ("True", "TRUE"), "false": ("False", "FALSE")}
    if not any(meant.values()):
        return texts

    def write(nodes: Nodes) -> None:
        result = nodes.inputs[0]
        for text, others in meant.items():
            found = ""
            for other in others:
                is_other = nodes.node("Equal", nodes.inputs[0], nodes.constant(np.array([other], dtype=object)))
                found = nodes.node("Or", found, is_other) if found else is_other
            if found:
                result = nodes.node("Where", found, nodes.constant(np.array([text], dtype=object)), result)
        nodes.end(result)

    return graph.add("MeantTexts", [texts], [("texts", STRINGS, width_of(texts))], write)[0]


def _as_texts(graph: Graph, tensor: Any, what: str) -> Any:
    dtype = dtype_of(tensor)
    if dtype == STRINGS:
        return tensor
    if dtype.kind == "f":
        raise refusal(
            what,
            f"its column is {dtype.name}, which ONNX writes otherwise than Python; pass X with texts in this column, "
            'such as "3" and "0.5", and "" where a value is missing',
        )

    def write(nodes: Nodes) -> None:
        if dtype.kind == "b":
            both = [nodes.constant(np.array([text], dtype=object)) for text in ("true", "false")]
            nodes.end(nodes.node("Where", nodes.inputs[0], *both))
        else:
            nodes.end(nodes.cast(nodes.inputs[0], dtype, STRINGS))

    return graph.add("TextColumns", [tensor], [("texts", STRINGS, width_of(tensor))], write)[0]


def add_date_columns(graph: Graph, step: DateColumns, tensors: list[Any], what: str) -> Any:
    """Add the days of dates, and their sines and cosines; return them as one tensor."""
    days = graph.cast(graph.numbers(tensors, what), DAYS)
    count, dtype = len(step.has_time_), np.dtype(step.dtype)
    # The place of each number of the result in the days, sines and cosines of all columns, side by side.
    places = [
        block * count + column
        for column, has_time in enumerate(step.has_time_)
        for block in range(1 + 2 * len(periods_of(has_time)))
    ]

    def write(nodes: Nodes) -> None:
        missing, zero = nodes.node("IsNaN", nodes.inputs[0]), nodes.constant(np.zeros(1))
        blocks = [nodes.inputs[0]]
        for name in periods_of(bool(step.has_time_.any())):
            turns = nodes.node("Div", nodes.inputs[0], nodes.constant(np.array([PERIODS[name]])))
            turns = nodes.node("Sub", turns, nodes.node("Floor", turns))
            # The cosine is the sine a quarter of a turn later: not every runtime has Cos for float64.
            for part in (turns, nodes.node("Add", turns, nodes.constant(np.array([0.25])))):
                wave = nodes.node("Sin", nodes.node("Mul", part, nodes.constant(np.array([2 * np.pi]))))
                blocks.append(nodes.node("Where", missing, zero, wave))
        joined = nodes.node("Concat", *blocks, axis=1)
        nodes.end(nodes.cast(nodes.node("Gather", joined, nodes.constant(np.array(places)), axis=1), DAYS, dtype))

    return graph.add("DateColumns", [days], [("dates", dtype, len(places))], write)[0]
