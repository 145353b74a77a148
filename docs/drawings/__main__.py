"""Draw all drawings of "How it works", or those that are named: ``python docs/drawings [NAME ...]``."""

import importlib
import sys
from pathlib import Path

from style import save

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent / "pictures" / "how-it-works"
NOT_DRAWINGS = ("__main__", "style")


def names():
    """Return the names of all drawings: there is a script for each."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_DRAWINGS)


def main(wanted, folder=PICTURES):
    """Write the drawings that are wanted, by default all, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in wanted or names():
        save(importlib.import_module(name).draw(), folder / f"{name}.svg")
        print(folder / f"{name}.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
