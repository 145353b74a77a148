"""``fastnn2 predict``: predictions for the rows of a file, to a file or to the terminal."""

import argparse

from fastnn2.commands.table_files import check_extra, load_model
from fastnn2.storage.atomic import as_path, check_writable
from fastnn2.tables.open_table import open_table
from fastnn2.tables.predict import columns_of, predictions, result_names, summary_or_error
from fastnn2.tables.writers import open_writer


def run(options: argparse.Namespace) -> int:
    """Predict, and write; return the exit code."""
    check_extra("predict")
    if options.out is not None:
        check_writable(as_path(options.out, "the file"))
    model = load_model(options.model)
    summary = summary_or_error(model, options.model)
    result_names(summary, options.proba)
    model[-1].n_threads = options.threads
    table = open_table(options.file, expected=columns_of(summary))
    with open_writer(options.out) as write:
        for frame in predictions(model, summary, table, options.proba, options.keep):
            write(frame)
    return 0
