"""What ``fastnn2 train`` checks before any work: options that contradict each other, and files to write."""

import argparse

from fastnn2.commands.plotting import check_picture_writable
from fastnn2.commands.table_files import check_extra, is_same
from fastnn2.storage.atomic import as_path, check_writable
from fastnn2.tables.training.options import REGRESSION


def check(options: argparse.Namespace) -> None:
    """Raise ValueError or ImportError if a training could not do what the options ask for."""
    check_extra("train", needs_skops=options.out is not None)
    if options.test is not None and options.test_size is not None:
        raise ValueError("--test has the rows to test on, so --test-size holds out none; leave one of the two out")
    if options.resume and options.checkpoint is None:
        raise ValueError("--resume goes on from a checkpoint; pass --checkpoint FILE, too")
    if options.class_weight is not None and options.task == REGRESSION:
        raise ValueError("--class-weight is for classes, and a regression has none; leave it out")
    _check_columns(options)
    _check_files(options)


def _check_columns(options: argparse.Namespace) -> None:
    """Raise ValueError if a column has two roles."""
    if options.weight == options.target:
        raise ValueError(f"column {options.target!r} is named by --target and by --weight; expected different columns")
    for what, name in (("--target", options.target), ("--weight", options.weight)):
        if name in options.drop:
            raise ValueError(f"column {name!r} is named by {what} and by --drop; leave one of the two out")


def _check_files(options: argparse.Namespace) -> None:
    """Raise ValueError if a file cannot be written, or would be written twice or over a file that is read."""
    read = {"FILE": options.file, "--test": options.test}
    written = {"--out": options.out, "--checkpoint": options.checkpoint, "--plot": options.plot}
    for place, (what, path) in enumerate(written.items()):
        if path is None:
            continue
        check_writable(as_path(path, what))
        for other, file in (*read.items(), *list(written.items())[:place]):
            if file is not None and is_same(path, file):
                raise ValueError(f"{other} and {what} are both {str(path)!r}, which would be lost; use two files")
    if options.plot is not None:
        check_picture_writable(options.plot, "leave --plot out")
