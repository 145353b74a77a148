"""``fastnn2 show``: what a model in a file is."""

import argparse
import json

from fastnn2.commands.model_text import describe, description_lines
from fastnn2.commands.output import printable
from fastnn2.commands.summary_text import summary_lines
from fastnn2.commands.table_files import load_model
from fastnn2.commands.text_lines import labelled_lines
from fastnn2.tables.training.summary import Summary


def run(options: argparse.Namespace) -> int:
    """Print what a model is; return the exit code."""
    model, summary = load_model(options.model)
    if options.json:
        print(summary.to_json(indent=2) if summary else json.dumps(describe(model), indent=2))
    else:
        lines = [*summary_lines(summary), "", *_how(summary)] if summary else description_lines(describe(model))
        print("\n".join(map(printable, lines)))  # names may be a stranger's
    return 0


def _how(summary: Summary) -> list[str]:
    """Return lines that say what the training was asked for, and what was found in its file."""
    options = ", ".join(f"{name} {value}" for name, value in summary.options.items() if value is not None)
    lines = labelled_lines("options", options.replace("_", "-")) + labelled_lines("fastnn2", summary.fastnn2)
    for note in summary.notes:
        lines += labelled_lines("note", note)
    return lines
