"""``python -m bench.docs`` writes docs/benchmarks/, README's table, and the first page's pictures and figures."""

import argparse
import sys
from pathlib import Path

from bench.docs import index, landing, machines, others, readme, runs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def pages(docs, folder=runs.RESULTS):
    """Return file -> Markdown of all pages in the folder `docs`, from the JSON files in `folder`."""
    return {
        docs / "index.md": index.page(folder),
        **{docs / f"{path.stem}.md": machines.page(path, docs) for path, _ in runs.all_runs(folder)},
        **others.names(docs, folder),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m bench.docs", description=__doc__)
    parser.parse_args(arguments)
    written = {path: maker(path.read_text(encoding="utf-8")) for path, maker in UPDATED.items()}
    written |= pages(DOCS / "benchmarks")
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
    for path in (*written, *landing.draw(DOCS / "pictures")):
        print(path)
    return 0


# Pages that are written by hand, but for figures between marker comments.
UPDATED = {ROOT / "README.md": readme.updated, DOCS / "index.md": landing.updated}


if __name__ == "__main__":
    sys.exit(main())
