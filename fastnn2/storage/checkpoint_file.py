"""The file of a checkpoint: named arrays and a description, in the format of :mod:`fastnn2.storage.tensors`."""

import json
import pathlib
from typing import Any

import numpy as np

from fastnn2.storage import tensors
from fastnn2.storage.atomic import read_file, replacing

Array = np.ndarray[Any, Any]

FORMAT = "1"
SUFFIX_OF_TEMPORARY = ".tmp"


def write(path: pathlib.Path, kind: str, description: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        The caller has the lock of this file (:class:`fastnn2.storage.lock.FileLock`).
    kind : str
        Of the run, "fit" or "estimator".
    description : dict
        What JSON can hold.
    arrays : dict of ndarray
        With dtypes among those of :mod:`fastnn2.storage.tensors`.

    Raises
    ------
    OSError
        The file cannot be written; the one before is as it was.
    """
    metadata = {"fastnn2": "checkpoint", "format": FORMAT, "kind": kind, "description": json.dumps(description)}
    pieces = tensors.encode(metadata, arrays)
    with replacing(path, f".{path.name}{SUFFIX_OF_TEMPORARY}") as file:
        file.writelines(pieces)


def read(path: pathlib.Path, *kinds: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the description and the arrays, which cannot be written.

    Parameters
    ----------
    path : Path
    *kinds : str
        Of which the file's must be one.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It cannot be read, is not a checkpoint of these kinds, or is damaged; the message names the file and the fault.
    """
    return read_with_kind(path, *kinds)[1:]


def read_with_kind(path: pathlib.Path, *kinds: str) -> tuple[str, dict[str, Any], dict[str, Array]]:
    """Return the kind of a checkpoint, and what :func:`read` returns."""

    def check(metadata: dict[str, str]) -> None:
        if metadata.get("fastnn2") != "checkpoint":
            raise ValueError("is not a checkpoint")
        if metadata.get("format") != FORMAT:
            raise ValueError(
                f"is a checkpoint of format {metadata.get('format')!r}; expected {FORMAT}. Upgrade fastnn2"
            )
        if metadata.get("kind") not in kinds:
            expected = " or ".join(map(repr, kinds))
            raise ValueError(f"is a checkpoint of kind {metadata.get('kind')!r}; expected {expected}")

    try:
        metadata, arrays = tensors.decode(read_file(path, tensors.begins, "a checkpoint of fastnn2"), check)
        if metadata.keys() != {"fastnn2", "format", "kind", "description"}:
            raise ValueError("is damaged: its metadata is not as fastnn2 writes it")
        return metadata["kind"], _description(metadata["description"]), arrays
    except ValueError as fault:
        raise ValueError(f"the checkpoint {str(path)!r} {fault}") from None


def _description(text: str) -> dict[str, Any]:
    try:
        description = json.loads(text)
    except (ValueError, RecursionError):
        description = None
    if not isinstance(description, dict):
        raise ValueError("is damaged: its description is no JSON")
    return description
