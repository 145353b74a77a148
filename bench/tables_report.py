"""Tables made from the results of :mod:`bench.tables_models`, for a terminal and for docs/benchmarks/tables.md."""

from bench import environment, markdown
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
            markdown.table(["table", "rows", "columns", "inputs", "target"], shapes),
            markdown.filled(
                f"**Error**: percent of the test rows whose class is wrong, or RMSE in the unit of the target. Mean "
                f"and standard deviation over {results['splits']} splits; the lowest mean of a row is bold."
            ),
            scores(tables, "error"),
            "**Log loss** of the classes' probabilities:",
            scores(tables, "log loss"),
            "**Processor time** of a fit with one thread, median over the splits:",
            markdown.table(header(), [[name, *times(row)] for name, row in tables.items()]),
            markdown.filled(measured_on),
        ]
    )


def kind(row):
    return "a number" if row["classes"] is None else f"{row['classes']} classes"


def header():
    return ["table", *HEADINGS.values()]


def models_of(row):
    return [row["models"][model] for model in MODELS]


def times(row):
    return [markdown.time_text(figures["seconds"]) for figures in models_of(row)]


def scores(tables, score):
    """Return the table of a score, without the tables that have none."""
    rows = []
    for name, row in tables.items():
        found = [figures[score] for figures in models_of(row)]
        if None in found:
            continue
        lowest = shown(*min(found))[0]
        cells = [shown(*score) for score in found]
        rows.append([name] + [bold(f"{mean} ± {deviation}", mean == lowest) for mean, deviation in cells])
    return markdown.table(header(), rows)


def bold(cell, is_best):
    return f"**{cell}**" if is_best else cell


def shown(mean, deviation):
    """Return a score and its deviation with as many decimals, about three digits of the score.

    >>> [shown(*score) for score in ((37930.2, 1200.4), (555.3, 9.4), (26.29, 1.52), (2.278, 0.497), (0.0614, 0.0102))]
    [('37,930', '1,200'), ('555', '9'), ('26.3', '1.5'), ('2.28', '0.50'), ('0.061', '0.010')]
    """
    digits = next(digits for digits, least in ((0, 100), (1, 10), (2, 1), (3, -1)) if mean >= least)
    return f"{mean:,.{digits}f}", f"{deviation:,.{digits}f}"
