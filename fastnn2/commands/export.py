"""``fastnn2 export``: a model as ONNX or as C."""

import argparse

from fastnn2.commands.table_files import load_model
from fastnn2.files.c.to_c import to_c
from fastnn2.files.onnx.to_onnx import to_onnx
from fastnn2.tables.columns import NUMBER
from fastnn2.tables.predict import columns_of, summary_or_error
from fastnn2.tables.table_error import TableError


def run(options: argparse.Namespace) -> int:
    """Write the model in another format; return the exit code."""
    model = load_model(options.model)
    summary = summary_or_error(model, options.model)
    columns = columns_of(summary)
    if options.c is not None:
        others = [column.name for column in columns if column.kind != NUMBER]
        if others:
            raise TableError(
                f"C takes numbers alone, and these columns have none: {', '.join(map(repr, others))}; use --onnx"
            )
        print(to_c(model, options.c))
        return 0
    to_onnx(model, options.onnx)
    return 0
