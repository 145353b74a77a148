"""``fastnn2 train``: train on a file, print how good the model is, save it."""

import argparse
import sys
import warnings

import numpy as np

from fastnn2.commands.output import INTERRUPTED, one_line, print_error
from fastnn2.commands.summary_text import summary_lines
from fastnn2.commands.table_pictures import save_pictures
from fastnn2.commands.text_lines import labelled_lines
from fastnn2.commands.train_checks import check
from fastnn2.commands.training_bar import TrainingBar
from fastnn2.files.saved.save import save
from fastnn2.tables.reading.open_table import open_table
from fastnn2.tables.reading.table import Table
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.scores import hints
from fastnn2.tables.training.train import Trained, choose_columns, train


def run(options: argparse.Namespace) -> int:
    """Train, print the summary, save the model and the picture; return the exit code."""
    check(options)
    name = options.parser.prog

    def note(text: object) -> None:
        print_error(f"{name}: note: {one_line(text)}")

    wanted = _training_options(options)
    table = open_table(options.file)
    test = None if options.test is None else _open_test(options, wanted, table)
    # What overflows or divides by 0 ends in numbers that are checked and told; a warning would be said twice.
    with TrainingBar(options.max_iter) as bar, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        trained = train(table, wanted, test, note, bar.show)
    _print_and_save(options, trained)
    for text in hints(trained.summary):
        note(text)
    if not trained.is_interrupted:
        return 0
    epochs = trained.summary.training["epochs"]
    kept = (
        f"the model that was reached is in {str(options.out)!r}"
        if options.out
        else "the model is not saved (pass --out)"
    )
    sys.stdout.flush()
    print_error(f"{name}: interrupted after {epochs:,} {'epoch' if epochs == 1 else 'epochs'}; {one_line(kept)}")
    return INTERRUPTED


def _training_options(options: argparse.Namespace) -> TrainingOptions:
    settings = {} if options.test_size is None else {"test_size": options.test_size}
    return TrainingOptions(
        target=options.target, drop=tuple(options.drop), weight=options.weight, task=options.task,
        max_categories=options.max_categories, early_stopping=options.early_stopping, hidden=options.hidden,
        alpha=options.alpha, learning_rate=options.learning_rate, max_iter=options.max_iter,
        batch_size=options.batch_size, class_weight=options.class_weight, dtype=options.dtype, threads=options.threads,
        seed=options.seed, checkpoint=options.checkpoint, resume=options.resume, keep=options.out is not None,
        memory_limit=options.memory_limit,
        **settings,
    )  # fmt: skip


def _open_test(options: argparse.Namespace, wanted: TrainingOptions, table: Table) -> Table:
    """Return the table to test on, with the columns and kinds of the one to learn from."""
    features, target = choose_columns(table, wanted)
    weight = [column for column in table.columns if column.name == wanted.weight]
    return open_table(options.test, expected=[*features, target, *weight])


def _print_and_save(options: argparse.Namespace, trained: Trained) -> None:
    """Save the model, print the summary, save the picture."""
    if options.out is not None:
        save(trained.model, options.out)
    if options.json:
        print(trained.summary.to_json(indent=2))
    else:
        print("\n".join(summary_lines(trained.summary)))
    saved = {"model": options.out, "picture": options.plot}
    if options.plot is not None:
        save_pictures(options.plot, trained)
    if not options.json and any(saved.values()):
        print()
        for what, path in saved.items():
            if path is not None:
                print("\n".join(labelled_lines(what, one_line(path))))
