"""README's table, made from the newest run."""

import statistics
import textwrap

from bench import environment, report
from bench.docs import runs
from bench.markdown import between, table, time_text, times_text

# Cells of the grid, from small to large, and a job of the estimators.
HEADLINE_CELLS = ("500x2x5", "1000000x2x5", "100000x30x32", "20000x784x128")
HEADLINE_JOB = "10,000 x 30, two classes"
DTYPE = "float64"
LINK, WIDTH = "docs/benchmarks/index.md", 100


def headline_table(results):
    """Return a short table against the fastest peers."""
    rows = []
    for name in HEADLINE_CELLS:
        for cell in results.get("grid", ()):
            if cell["name"] == name and DTYPE in cell["ratios"]:
                rows.append(cell_row(cell))
    for row in results.get("estimators", {}).get("rows", ()):
        if (row["title"], row["dtype"]) == (HEADLINE_JOB, DTYPE):
            rows.append([
                "`MLPClassifier`, 10,000 × 30", time_text(row["fastnn2"]),
                f"{time_text(row['sklearn'])} (scikit-learn)", times_text(row["ratio"]),
            ])  # fmt: skip
    return table(["what", "fastnn2", "fastest peer", "times faster"], rows)


def cell_row(cell):
    seconds = report.time_of(cell, "fastnn2", DTYPE, None) / 1e6
    ratio = cell["ratios"][DTYPE]
    return [
        f"`fit`, {cell['title'].replace('x', '×')}", time_text(seconds),
        f"{time_text(seconds * ratio['times'])} ({ratio['fastest']})", times_text(ratio["times"]),
    ]  # fmt: skip


def tabular_row(results):
    """Return a row on the tabular estimators: a fit beside the fastest peer, means over tables."""
    tables = results["tables"].values()

    def seconds(model):
        runs_of_tables = [one["models"][model]["runs"].values() for one in tables]
        return statistics.geometric_mean(
            statistics.median(min(run["fit"].values()) for run in of_table) for of_table in runs_of_tables
        )

    ours, peers = seconds("recipe"), {"boosting": seconds("boosting"), "scikit-learn's MLP": seconds("mlp")}
    fastest = min(peers, key=peers.get)
    return (
        f"| `TabularClassifier`, `TabularRegressor`, {len(tables)} tables | {time_text(ours)} | "
        f"{time_text(peers[fastest])} ({fastest}) | {peers[fastest] / ours:.1f} |"
    )


def part(folder=runs.RESULTS):
    """Return README's table and what it is of."""
    _, results = runs.all_runs(folder)[0]
    _, tabular = runs.newest("tabular", folder)
    where = results["environment"]
    text = (
        f"Samples × features × hidden units in {DTYPE}: time of an iteration of `fit`, and of a whole fit of "
        f"`MLPClassifier` in 50 epochs, on {where['cores']} cores of an {environment.title(where)}, "
        f"{where['date'][:10]}. [More shapes, float32 and other machines]({LINK}). The last row is on a Zen 5: [tables]"
        "(docs/guide/tabular.md) in float32, with a fifth fewer errors than scikit-learn's MLP."
    )
    return f"{headline_table(results)}\n{tabular_row(tabular)}\n\n" + textwrap.fill(
        text, width=WIDTH, break_long_words=False
    )


def updated(text, folder=runs.RESULTS):
    """Return a README with the table between its marker comments."""
    return between(text, "bench", part(folder))
