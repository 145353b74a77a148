"""Tables made from the results of :mod:`bench.tables_models`, for a terminal and for docs/tables.md."""

from bench import docs, environment, report
from bench.tables_models import BOOSTING, LINEAR, MLP, MODELS, NETWORK, TABLES

HEADINGS = {
    NETWORK: "`fastnn2 train`",
    MLP: "scikit-learn's MLP",
    LINEAR: "LogisticRegression, Ridge",
    BOOSTING: "HistGradientBoosting",
}


def text(results):
    """Return the three tables, with what they are of."""
    where = results["environment"]
    tables = {name: results["tables"][name] for name in TABLES if name in results["tables"]}
    shapes = [
        [name, f"{row['rows']:,}", f"{row['columns']}", f"{row['inputs']}", kind(row)] for name, row in tables.items()
    ]
    measured_on = (
        f"Measured {where['date'][:10]} on an {environment.title(where)}, scikit-learn "
        f"{where['versions']['scikit-learn']}."
    )
    return "\n\n".join(
        [
            report.table(["table", "rows", "columns", "inputs", "target"], shapes),
            docs.filled(
                f"**Error**: percent of the test rows whose class is wrong, or RMSE in the unit of the target. Mean "
                f"and standard deviation over {results['splits']} splits; the lowest mean of a row is bold."
            ),
            scores(tables, "error"),
            "**Log loss** of the classes' probabilities:",
            scores(tables, "log loss"),
            "**Time** of a fit, median over the splits, of a processor with one thread:",
            report.table(header(), [[name, *times(row)] for name, row in tables.items()]),
            docs.filled(measured_on),
        ]
    )


def kind(row):
    return "a number" if row["classes"] is None else f"{row['classes']} classes"


def header():
    return ["table", *HEADINGS.values()]


def models_of(row):
    return [row["models"][model] for model in MODELS]


def times(row):
    return [docs.time_text(figures["seconds"]) for figures in models_of(row)]


def scores(tables, score):
    """Return the table of a score, without the tables that have none."""
    rows = []
    for name, row in tables.items():
        found = [figures[score] for figures in models_of(row)]
        if None in found:
            continue
        cells = [f"{shown(mean)} ± {shown(deviation)}" for mean, deviation in found]
        lowest = shown(min(mean for mean, _ in found))
        rows.append([name] + [bold(cell, cell.startswith(f"{lowest} ")) for cell in cells])
    return report.table(header(), rows)


def bold(cell, is_best):
    return f"**{cell}**" if is_best else cell


def shown(value):
    """Return a score with about three digits.

    >>> [shown(value) for value in (37930.2, 555.3, 26.29, 0.614)]
    ['37,930', '555', '26.3', '0.614']
    """
    digits = 0 if value >= 100 else 1 if value >= 10 else 3
    return f"{value:,.{digits}f}"


def write(results, path):
    """Write the tables into a page."""
    page = path.read_text(encoding="utf-8")
    path.write_text(docs.between(page, "models", text(results)), encoding="utf-8")
