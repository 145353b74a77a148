"""``fastnn2 train``: train on a file, print how good the model is, save it."""

import argparse
import sys

from fastnn2.commands.output import INTERRUPTED, print_error
from fastnn2.commands.plotting import check_picture_writable
from fastnn2.commands.summary_text import summary_lines
from fastnn2.commands.table_files import check_extra
from fastnn2.commands.table_pictures import save_pictures
from fastnn2.commands.training_bar import TrainingBar
from fastnn2.files.saved.save import save
from fastnn2.storage.atomic import as_path, check_writable
from fastnn2.tables.open_table import open_table
from fastnn2.tables.options import TrainingOptions
from fastnn2.tables.train import choose_columns, train


def run(options: argparse.Namespace) -> int:
    """Train, save the model and the picture, print the summary; return the exit code."""
    check_extra("train", needs_skops=options.out is not None)
    for path in (options.out, options.checkpoint):
        if path is not None:
            check_writable(as_path(path, "the file"))
    if options.plot is not None:
        check_picture_writable(options.plot)
    if options.resume and options.checkpoint is None:
        raise ValueError("--resume goes on from a checkpoint; pass --checkpoint FILE, too")
    wanted = TrainingOptions(
        target=options.target, drop=tuple(options.drop), weight=options.weight, task=options.task,
        test_size=options.test_size, max_categories=options.max_categories,
        early_stopping=not options.no_early_stopping, hidden=options.hidden, alpha=options.alpha,
        learning_rate=options.learning_rate, max_iter=options.max_iter, batch_size=options.batch_size,
        class_weight=options.class_weight, dtype=options.dtype, threads=options.threads, seed=options.seed,
        checkpoint=options.checkpoint, resume=options.resume, memory_limit=options.memory_limit,
    )  # fmt: skip
    table = open_table(options.file)
    test = None
    if options.test is not None:
        features, target = choose_columns(table, wanted)
        weight = [column for column in table.columns if column.name == wanted.weight]
        test = open_table(options.test, expected=[*features, target, *weight])
    name = options.parser.prog
    with TrainingBar(options.max_iter) as bar:
        trained = train(table, wanted, test, lambda text: print_error(f"{name}: note: {text}"), bar.show)
    if options.out is not None:
        save(trained.model, options.out)
    if options.json:
        print(trained.summary.to_json(indent=2))
    else:
        print("\n".join(summary_lines(trained.summary)))
        if options.out is not None:
            print(f"model         {options.out}")
    if options.plot is not None:
        save_pictures(options.plot, trained)
        if not options.json:
            print(f"picture       {options.plot}")
    if not trained.is_interrupted:
        return 0
    epochs = trained.summary.training["epochs"]
    kept = f"the model that was reached is in {str(options.out)!r}" if options.out else "the model is not kept (--out)"
    sys.stdout.flush()
    print_error(f"{name}: interrupted after {epochs:,} epochs; {kept}")
    return INTERRUPTED
