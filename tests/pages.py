"""README and the pages of docs, and what tests read in them."""

import pathlib
import re

import fastnn2

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = pathlib.Path(fastnn2.__file__).parent
DOCS = ROOT / "docs"
MADE = ("_build", "generated", "auto_gallery")  # folders that a build writes
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    if not set(MADE) & set(path.relative_to(ROOT).parts)
}
TEXT = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
README, EVERYTHING = TEXT["README.md"], "\n".join(TEXT.values())

# Pages whose examples need extras: what they import of them, and their names.
NEEDS_EXTRAS = {
    "docs/guide/cluster.md": [("distributed", "dask"), ("dask.dataframe", "dask")],
    "docs/guide/models.md": [("skops", "files"), ("skl2onnx", "onnx")],
    "docs/guide/tables.md": [("polars", "tables"), ("skops", "tables")],
}


def section(page, title):
    """Return what is under a heading, up to the next one that is not below it."""
    level = re.search(rf"^(#+) {re.escape(title)}$", TEXT[page], re.MULTILINE).group(1)
    pattern = rf"^{level} {re.escape(title)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)"
    return re.search(pattern, TEXT[page], re.MULTILINE | re.DOTALL).group(1)


def blocks(text):
    """Return (language, content) of each block of code."""
    return [(kind, code) for kind, code, _ in placed_blocks(text)]


def placed_blocks(text):
    """Return (language, content, number of the line before it) of each block of code."""
    text = without_directives(text)
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(match[1], match[2], text.count("\n", 0, match.start(2))) for match in found]


def without_directives(text):
    """Return a page with empty lines for what Sphinx reads, such as lists of pages; tabs and grids keep their text."""

    def empty(match):
        return re.sub(r"[^\n]", "", match[0])

    return re.sub(r"^```\{.*?^```$", empty, text, flags=re.MULTILINE | re.DOTALL)


def without_code(text):
    return re.sub(r"`[^`\n]+`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def spans(text):
    """Return what stands in single backticks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
