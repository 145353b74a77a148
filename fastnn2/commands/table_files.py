"""What the commands on files of one's own have in common: the extras that they need, and models in files."""

import importlib.util
import pathlib
from typing import Any

from fastnn2.files.saved.save import load
from fastnn2.tables.table_error import TableError


def check_extra(command: str, needs_skops: bool = True) -> None:
    """Raise ImportError, which says what to install, where polars or skops are missing."""
    for name in ("polars", *(["skops"] if needs_skops else [])):
        if importlib.util.find_spec(name) is None:
            raise ImportError(f"fastnn2 {command} needs {name}: pip install 'fastnn2[tables]'")


def load_model(path: pathlib.Path) -> Any:
    """Return the model in a file; raise TableError if there is none."""
    try:
        return load(path)
    except FileNotFoundError:
        raise TableError(
            f"there is no model {str(path)!r}; expected a file that fastnn2 train or fastnn2.save wrote"
        ) from None
