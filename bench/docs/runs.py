"""The results that are kept: runs of the whole bench, one for each machine and day, and those of other commands."""

import os
from pathlib import Path

from bench import storage

MADE = "<!-- This page is made by `python -m bench.docs` from the JSON files in bench/results. -->"
RESULTS = Path(__file__).parents[1] / "results"


def all_runs(folder=RESULTS):
    """Return (path, results) of every JSON file that has a grid, the newest first, but those that play a level last."""
    found = [(path, storage.read(path)) for path in sorted(folder.glob("*.json"))]
    return sorted(
        ((path, results) for path, results in found if "grid" in results),
        key=lambda run: (not run[1]["environment"].get("cpu"), run[1]["environment"]["date"]),
        reverse=True,
    )


def newest(kind, folder=RESULTS):
    """Return (path, results) of the newest file of another command, such as ``many-*.json``; (None, None) without one.

    Parameters
    ----------
    kind : str
        How the names of its files begin.
    """
    found = [(path, storage.read(path)) for path in sorted(folder.glob(f"{kind}-*.json"))]
    return max(found, key=lambda run: run[1]["environment"]["date"], default=(None, None))


def relative(path, docs):
    """Return a path as a link from a page in the folder `docs`."""
    return os.path.relpath(path.resolve(), docs.resolve())


def link(path, docs):
    """Return a line on the JSON file from which a page is made."""
    return f"All figures, with quartiles: [{path.name}]({relative(path, docs)})."
