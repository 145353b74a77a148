"""Pages of results that are no run of the whole bench: many networks, tables and clusters."""

from pathlib import Path
from typing import NamedTuple

from bench import many_report, report, scale_report, tables_report, tabular_report
from bench.docs import runs
from bench.markdown import filled

CLUSTERS_PICTURE = (
    "Four charts: the time of an evaluation against the number of rows, what an evaluation is made of, scheduling "
    "against the number of workers, and an extrapolation to a thousand machines"
)
TABULAR_PICTURE = (
    "Errors of the recipe, boosting and scikit-learn's MLP, the MLP's being 100, against the time of a fit on a "
    "logarithmic axis, the MLP's being 1"
)


class Page(NamedTuple):
    """A page of its own.

    Parameters
    ----------
    kind : str
        How the name of its JSON begins.
    page, title : str
        Its file without .md, and what it is called.
    about : str
        A line on it, for lists.
    introduction : str
        What it begins with.
    text : callable
        Makes the tables of the results.
    picture : str, optional
        The text of the picture beside the JSON.
    """

    kind: str
    page: str
    title: str
    about: str
    introduction: str
    text: object
    picture: str = ""


def of_tabular(results):
    """Return the comparison, and the ingredients under a heading of their own."""
    parts = tabular_report.parts(results)
    return "\n\n".join(
        [
            parts[tabular_report.COMPARISON],
            *(f"## Ingredients of the recipe\n\n{text}" for name, text in parts.items() if name != "tabular"),
        ]
    )


PAGES = (
    Page(
        "many", "many-networks", "Many networks", "`fit_many` beside its kernels alone, and beside JAX.",
        "[Many networks](../guide/many-networks.md) in one call, as `python -m bench.many` measures them: beside the "
        "same kernel calls and nothing else, and beside JAX, whose vmap trains networks of one shape in batches. Costs "
        "and parameters are compared before anything is timed.",
        many_report.text,
    ),
    Page(
        "tabular", "tabular", "Tables: the tabular estimators",
        "errors and times of `TabularClassifier` and `TabularRegressor` beside boosting and scikit-learn's MLP.",
        "[`TabularClassifier` and `TabularRegressor`](../guide/tabular.md) on real tables, as `python -m "
        "bench.tabular` measures them. All models get the same rows of the same splits. The recipe was settled on six "
        "tables; the other three were opened last, and changed nothing.",
        of_tabular, TABULAR_PICTURE,
    ),
    Page(
        "tables", "tables", "Tables: `fastnn2 train`",
        "errors and times of the command beside scikit-learn's MLP, linear models and boosting.",
        "[`fastnn2 train`](../guide/tables.md) on real tables, as `python -m bench.tables_models` measures it. All "
        "models get the same rows. scikit-learn's MLP has the same parameters and gets the same prepared columns, as "
        "do LogisticRegression and Ridge. HistGradientBoosting gets the columns as they are, with its own defaults.",
        tables_report.text,
    ),
    Page(
        "scale-out", "clusters", "Clusters",
        "the time of an evaluation on workers of Dask, a model of it, and what larger clusters would take.",
        "Evaluations of [`fastnn2.dask`](../guide/cluster.md) on clusters of one machine, as `python -m "
        "bench.scale_out` measures them; costs and parameters have to be those of `fastnn2.fit`, bit for bit, first. "
        "What is said of larger clusters is an extrapolation by a model: nobody has measured it.",
        scale_report.text, CLUSTERS_PICTURE,
    ),
)  # fmt: skip


def found(folder=runs.RESULTS):
    """Return the pages that have results."""
    return [page for page in PAGES if runs.newest(page.kind, folder)[0]]


def page_of(page, docs, folder=runs.RESULTS):
    """Return the Markdown of a page.

    Parameters
    ----------
    page : Page
        One of :func:`found`.
    docs : Path
        The folder in which the page will be, for links.
    folder : Path
        Has the JSON files.
    """
    path, results = runs.newest(page.kind, folder)
    picture = [f"![{page.picture}]({runs.relative(path.with_suffix('.png'), docs)})"] if page.picture else []
    return "\n\n".join([
        f"{runs.MADE}\n# {page.title}", filled(page.introduction), *picture, page.text(results),
        "## The machine", report.environment_part(results), runs.link(path, docs),
    ]) + "\n"  # fmt: skip


def names(docs, folder=runs.RESULTS):
    """Return file -> Markdown of all pages of this module."""
    return {Path(docs) / f"{page.page}.md": page_of(page, docs, folder) for page in found(folder)}
