"""What the commands on files of one's own have in common: the extras that they need, models, and files to write."""

import contextlib
import importlib.util
import os
import pathlib
from typing import Any

from fastnn2.files.saved.save import load
from fastnn2.storage.atomic import as_path, check_writable
from fastnn2.tables.models.trained_model import checked_summary
from fastnn2.tables.reading.messages import near_names
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.summary import Summary


def check_extra(command: str, needs_skops: bool = True) -> None:
    """Raise ImportError, which says what to install, where polars or skops are missing."""
    for name in ("polars", *(["skops"] if needs_skops else [])):
        if importlib.util.find_spec(name) is None:
            raise ImportError(f"fastnn2 {command} needs {name}: pip install 'fastnn2[tables]'")


def load_model(path: pathlib.Path) -> tuple[Any, Summary | None]:
    """Return the model in a file, and its summary, which only a model of ``fastnn2 train`` has.

    Raises
    ------
    TableError
        There is no such file.
    ValueError
        The file has no model, or one that is not what it says.
    """
    as_path(path, "the model")
    try:
        model = load(path)
    except FileNotFoundError:
        expected = "expected a file that fastnn2 train or fastnn2.save wrote"
        raise TableError(f"there is no model {str(path)!r}{_near(path) or f'; {expected}'}") from None
    try:
        return model, checked_summary(model)
    except ValueError as error:
        raise ValueError(f"cannot load {str(path)!r}: {error}") from error


def _near(path: pathlib.Path) -> str:
    try:
        return near_names(path.name, sorted(os.listdir(path.parent)))
    except OSError:
        return ""


def check_output(path: pathlib.Path, *inputs: pathlib.Path) -> None:
    """Raise ValueError if a file cannot be written, or is one of those that are read."""
    check_writable(as_path(path, "the file"))
    for other in inputs:
        if is_same(path, other):
            raise ValueError(f"{str(path)!r} would be overwritten, and is read; write to another file")


def is_same(first: pathlib.Path, second: pathlib.Path) -> bool:
    """Return whether two names are those of one file, which need not be there."""
    with contextlib.suppress(OSError, ValueError):  # there is none, or there cannot be one of this name
        return first.samefile(second)
    return first.absolute() == second.absolute()
