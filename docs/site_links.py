"""A Sphinx extension: links to other projects, which inherited docstrings have, and to files beside the docs.

Of other projects, addresses follow from names by the rules of each site, so no network is needed. Sphinx makes a
download of a file beside the docs, such as ``../LICENSE``, unless it is in a language of pages; here are these.
And formulas, of which only inherited docstrings have any, are text: MathJax would come from another site.
"""

import html
import os
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

ROOT = Path(__file__).resolve().parents[1]
BESIDE = {"README.md": "index", "CHANGELOG.md": "changelog"}  # and the pages of the site that have the same

SKLEARN = "https://scikit-learn.org/stable/"
# The page of a function or class, and that of a module, by the first part of its name.
PAGES = {
    "numpy": "https://numpy.org/doc/stable/reference/generated/{}.html",
    "scipy": "https://docs.scipy.org/doc/scipy/reference/generated/{}.html",
    "sklearn": SKLEARN + "modules/generated/{}.html",
}
MODULES = {"sklearn": SKLEARN + "api/{}.html"}
TERMS = SKLEARN + "glossary.html#term-{}"
LABELS = {
    "metadata_routing": SKLEARN + "metadata_routing.html",
    "df_output_transform": SKLEARN + "modules/df_output_transform.html",
    "Glossary": SKLEARN + "glossary.html",
    "accuracy_score": SKLEARN + "modules/model_evaluation.html#accuracy-score",
    "r2_score": SKLEARN + "modules/model_evaluation.html#r2-score",
}


def example_of(label):
    """Return the address of an example in scikit-learn's gallery, whose label has the folder and the file."""
    found = re.fullmatch(r"sphx_glr_auto_examples_([a-z-]+(?:_[a-z-]+)*)_(plot_\w+)\.py", label)
    return found and f"{SKLEARN}auto_examples/{found[1]}/{found[2]}.html"


def address_of(kind, target):
    """Return the address of a target of a role, such as ``class``, in another project; None for what is ours."""
    if kind == "term":
        return TERMS.format(target)
    if kind == "ref":
        return LABELS.get(target) or example_of(target)
    rules = MODULES if kind == "mod" else PAGES
    rule = rules.get(target.partition(".")[0])
    return rule and rule.format(target)


def resolve(app, env, node, content):
    """Return a link to another project's site, or None where a reference is wrong."""
    address = address_of(node["reftype"], node["reftarget"])
    if address is None:
        return None
    return nodes.reference("", "", content, refuri=address, internal=False)


def lead_beside(app, doctree):
    """Replace links to Markdown that is no page of the site: by one to the same page, or by a download."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        if node.get("refdomain") != "doc" or not Path(node["reftarget"]).is_absolute():
            continue
        path = Path(node["reftarget"] + ".md")
        name = path.relative_to(ROOT).as_posix()
        if name in BESIDE:
            node["reftarget"] = BESIDE[name]
            continue
        target = "/" + Path(os.path.relpath(path, app.srcdir)).as_posix()
        node.replace_self(addnodes.download_reference("", "", *node.children, reftarget=target, refdoc=node["refdoc"]))


def visit_formula(translator, node):
    """Write a formula as text; of LaTeX it may have fractions."""
    text = re.sub(r"\\frac\{(.*?)\}\{(.*?)\}", r"\1/\2", node.astext())
    translator.body.append(f"<em>{html.escape(text)}</em>")
    raise nodes.SkipNode


def setup(app):
    """Register with Sphinx."""
    app.add_html_math_renderer("plain", (visit_formula, None), (visit_formula, None))
    app.connect("doctree-read", lead_beside, priority=100)  # before Sphinx collects the downloads
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
