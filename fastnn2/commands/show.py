"""``fastnn2 show``: what a model in a file is."""

import argparse
import json

from fastnn2.commands.model_text import describe, description_lines
from fastnn2.commands.output import printable
from fastnn2.commands.summary_text import summary_lines
from fastnn2.commands.table_files import load_model


def run(options: argparse.Namespace) -> int:
    """Print what a model is; return the exit code."""
    model, summary = load_model(options.model)
    if options.json:
        print(summary.to_json(indent=2) if summary else json.dumps(describe(model), indent=2))
    else:
        lines = summary_lines(summary) if summary else description_lines(describe(model))
        print("\n".join(map(printable, lines)))  # names may be a stranger's
    return 0
