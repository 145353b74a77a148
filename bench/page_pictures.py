"""Pictures of pages: ``python -m bench.page_pictures`` runs a page's examples, and saves the figures that they draw.

A figure's name in the examples is that of its file: the figure `sweep` is ``docs/pictures/sweep.png``.
"""

import argparse
import doctest
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "many-networks.md"
PICTURES = PAGE.parents[1] / "pictures"
DPI = 120


def figures(page):
    """Return name -> Figure of all figures that the examples of a page leave; RuntimeError if an example fails."""
    from matplotlib.figure import Figure

    test = doctest.DocTestParser().get_doctest(page.read_text(encoding="utf-8"), {}, page.name, str(page), 0)
    failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, clear_globs=False)
    if failed:
        raise RuntimeError(f"{failed} examples of {page} fail, so no picture is saved; mend them first")
    return {name: value for name, value in test.globs.items() if isinstance(value, Figure)}


def main(arguments=None):
    """Save the pictures of a page."""
    parser = argparse.ArgumentParser(prog="python -m bench.page_pictures", description=__doc__.partition("\n")[0])
    parser.add_argument("--page", type=Path, default=PAGE, help="a Markdown file (%(default)s)")
    parser.add_argument("--out", type=Path, default=PICTURES, metavar="FOLDER", help="(%(default)s)")
    options = parser.parse_args(arguments)
    for name, figure in figures(options.page).items():
        path = options.out / f"{name}.png"
        figure.savefig(path, dpi=DPI)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
