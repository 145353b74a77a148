"""``fastnn2 show``: what a model in a file is."""

import argparse

from fastnn2.commands.summary_text import summary_lines
from fastnn2.commands.table_files import load_model
from fastnn2.tables.predict import summary_or_error


def run(options: argparse.Namespace) -> int:
    """Print what a model is; return the exit code."""
    summary = summary_or_error(load_model(options.model), options.model)
    print(summary.to_json(indent=2) if options.json else "\n".join(summary_lines(summary)))
    return 0
