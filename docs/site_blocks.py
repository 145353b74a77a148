"""A Sphinx extension: examples end with their last line, not with the empty line that doctest needs there."""

import re


def trim_examples(app, docname, source):
    """Remove empty lines before the end of a fenced block."""
    source[0] = re.sub(r"\n\n+```$", "\n```", source[0], flags=re.MULTILINE)


def setup(app):
    """Register with Sphinx."""
    app.connect("source-read", trim_examples)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
