"""A Sphinx extension: links to scikit-learn's terms, which docstrings have that our classes inherit."""

from docutils import nodes

# Labels of scikit-learn's documentation in docstrings that our classes inherit, and where they lead.
SKLEARN = "https://scikit-learn.org/stable/"
LABELS = {
    "metadata_routing": SKLEARN + "metadata_routing.html",
    "Glossary": SKLEARN + "glossary.html",
}


def resolve_sklearn(app, env, node, content):
    """Return a link to scikit-learn's site for one of its labels, None for others."""
    address = LABELS.get(node.get("reftarget"))
    if address is None:
        return None
    return nodes.reference("", "", content, refuri=address, internal=False)


def setup(app):
    """Register with Sphinx."""
    app.connect("missing-reference", resolve_sklearn)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
