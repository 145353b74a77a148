"""``fastnn2 predict``: predictions for the rows of a file, to a file or to the terminal."""

import argparse
import contextlib
import pathlib
import sys
from typing import Any

from fastnn2.codegen.terminal import is_terminal
from fastnn2.commands.output import one_line, printable
from fastnn2.commands.table_files import check_extra, check_output, load_model
from fastnn2.tables.models.predict import columns_of, predictions, result_names
from fastnn2.tables.models.writers import check_ending, open_writer, text_writer
from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.reading.table_error import TableError


def run(options: argparse.Namespace) -> int:
    """Predict, and write; return the exit code."""
    check_extra("predict")
    if options.out is not None:
        check_ending(options.out)
        check_output(options.out, options.model, options.file)
    model, summary = load_model(options.model)
    if summary is None:
        raise TableError(_describe_other(model, options.model))
    result_names(summary, options.proba, options.keep)
    model[-1].n_threads = options.threads
    table = open_table(options.file, expected=columns_of(summary), kept=options.keep)
    to_stdout = contextlib.nullcontext(text_writer(_print))
    count = 0
    with to_stdout if options.out is None else open_writer(options.out) as write:
        for frame in predictions(model, summary, table, options.proba):
            write(frame)
            count += len(frame)
    if options.out is not None:
        print(f"{count:,} predictions in {one_line(options.out)}")
    return 0


def _print(text: str) -> None:
    """Write CSV to standard output, as UTF-8; on a terminal, a text of a stranger's file must not control it."""
    if sys.stdout is not None:
        if is_terminal(sys.stdout):
            text = printable(text, also="\n")
        sys.stdout.buffer.write(text.encode())


def _describe_other(model: Any, path: pathlib.Path) -> str:
    """Return why there are no predictions by a model that fastnn2 train did not make, and what to do."""
    what = "parameters as from fastnn2.fit" if isinstance(model, dict) else f"a {type(model).__name__}"
    load = f"fastnn2.load({str(path)!r})"
    python = f"fastnn2.predict(X, {load})" if isinstance(model, dict) else f"{load}.predict(X)"
    return (
        f"{str(path)!r} has {what} that fastnn2 train did not make, so the columns it needs are not known; predict in "
        f"Python: {python}"
    )
