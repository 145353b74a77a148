"""A Sphinx extension: the site has no source maps, which only those who debug the theme read."""

from pathlib import Path


def remove_source_maps(app, exception):
    """Delete the theme's source maps; a browser does not ask for them unless its tools for developers are open."""
    for path in (Path(app.outdir) / "_static").rglob("*.map"):
        path.unlink()


def setup(app):
    """Register with Sphinx."""
    app.connect("build-finished", remove_source_maps)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
