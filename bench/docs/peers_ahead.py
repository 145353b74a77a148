"""Where peers are ahead or close: every cell of the results in which fastnn2 is less than a tenth faster."""

import statistics
from typing import NamedTuple

from bench import report, scale_report, tabular_report
from bench.docs import runs
from bench.markdown import filled, format_number, table, time_text, times_text
from bench.tables_models import BOOSTING as TREES
from bench.tables_models import LINEAR, NETWORK
from bench.tables_report import HEADINGS, shown
from bench.tabular_peers import BOOSTING, MLP, RECIPE

# How many times as fast fastnn2 is where it counts as ahead; below, the machines' noise decides.
AHEAD = 1.1
FEW_ROWS = 100
LBFGS = "digits, L-BFGS"
TEXTS = (0, 1)  # columns
HEADER = ["machine", "what", "dtype", "fastnn2", "fastest peer", "times faster"]
FIRST = {"job: fastnn2, empty store": "store is empty", "job: fastnn2, no store": "`FASTNN2_STORE=off`"}


class Cell(NamedTuple):
    """One time of fastnn2 beside that of its fastest peer."""

    what: str
    dtype: str
    own: float  # seconds
    peer: str
    times: float  # as fast as the peer

    @property
    def row(self):
        """Return the cells of a row of a table."""
        return [
            self.what, self.dtype, time_text(self.own), f"{time_text(self.own * self.times)} ({self.peer})",
            bold(self.times),
        ]  # fmt: skip


def section(folder=runs.RESULTS):
    """Return the section of the index, with a part for each kind of job that has results."""
    found = runs.all_runs(folder)
    makers = {"many": many, "tabular": tabular, "tables": tables, "scale-out": clusters}
    parts = [
        "## Where peers are as fast or faster",
        filled(
            f"Every figure that is kept in which fastnn2 is less than {AHEAD:g} times as fast as its fastest peer; "
            "bold where the peer is ahead. Differences of a tenth are within the noise of these machines."
        ),
        *machines(found),
        *few_rows(found),
        *lbfgs(found),
        *first_process(found),
    ]
    for kind, maker in makers.items():
        path, results = runs.newest(kind, folder)
        if path:
            parts += maker(results)
    return "\n\n".join(parts)


def bold(times):
    """Return how many times as fast fastnn2 is, in bold type where it is behind."""
    return f"**{times_text(times)}**" if times < 1 else times_text(times)


# Runs of the whole bench


def link(path, results):
    """Return a link to the page of a run."""
    return f"[{report.title(results)}]({path.stem}.md)"


def cells_of(results):
    """Yield every comparison of a run."""
    for cell in results.get("grid", ()):
        what = f"`fit`, {cell['title'].replace('x', '×')}"
        for dtype in report.DTYPES:
            if dtype in cell["ratios"]:
                ratio, own = cell["ratios"][dtype], report.time_of(cell, "fastnn2", dtype, None)
                yield Cell(what, dtype, own / 1e6, ratio["fastest"], ratio["times"])
            alone = report.time_of(cell, "fastnn2", dtype, 1)
            peers = {peer: us for peer in report.PEERS if (us := report.time_of(cell, peer, dtype, 1))}
            if alone and peers:
                peer = min(peers, key=peers.get)
                yield Cell(f"{what}, one thread", dtype, alone / 1e6, peer, peers[peer] / alone)
    for row in rows_of(results, "estimators"):
        yield Cell(
            row["title"].replace(" x ", " × "), row["dtype"], row["fastnn2"], "scikit-learn", row["ratio"]
        )  # fmt: skip


def rows_of(results, part):
    return results.get(part, {}).get("rows", ())


def machines(found):
    """Return the table of all runs, and on which machines there is no such cell."""
    rows, without = [], []
    for path, results in found:
        close = [cell for cell in cells_of(results) if cell.times < AHEAD]
        rows += [[link(path, results), *cell.row] for cell in close]
        without += [] if close else [report.title(results)]
    parts = [
        "### Large layers, and other fits",
        filled(
            "Where a layer has hundreds of inputs or units, nearly all of the time is that of matrix products, which "
            "the peers leave to libraries as fast as the processor allows."
        ),
    ]
    parts += [table(HEADER, rows, TEXTS)] if rows else []
    parts += [filled(f"No such cell: {'; '.join(without)}.")] if without else []
    return parts


def few_rows(found):
    """Return how much is gained in predictions of few rows, and the table of those that gain little."""
    ratios, rows = [], []
    for path, results in found:
        for row in rows_of(results, "predictions"):
            if row["n"] <= FEW_ROWS:
                ratios.append(row["ratio"])
            if row["ratio"] < AHEAD:
                what = f"`{row['method']}`, {report.rows_text(row['n'])}, {row['kind']}"
                cell = Cell(what, row["dtype"], row["fastnn2"], "scikit-learn", row["ratio"])
                rows.append([link(path, results), *cell.row])
    return said_of(
        "### Predictions of few rows", ratios,
        f"Up to {FEW_ROWS} rows, the classes' predictions are {{span}} times as fast as scikit-learn's: the checks of "
        "its base classes are most of the time. "
        "[`model.predictor()`](../guide/estimators.md#predictions-in-hot-loops) does without them.",
    ) + ([table(HEADER, rows, TEXTS)] if rows else [])  # fmt: skip


def lbfgs(found):
    """Return how much is gained by L-BFGS, over all runs."""
    ratios = [row["ratio"] for _, results in found for row in rows_of(results, "estimators") if row["title"] == LBFGS]
    return said_of(
        "### L-BFGS", ratios,
        "`MLPClassifier(solver=\"lbfgs\")` on digits is {span} times as fast as scikit-learn's, less than with the "
        "other solvers: the steps are SciPy's in both.",
    )  # fmt: skip


def said_of(title, ratios, text):
    if not ratios:
        return []
    span = " to ".join(dict.fromkeys(times_text(value) for value in (min(ratios), max(ratios))))
    return [title, filled(text.format(span=span))]


def first_process(found):
    """Return the processes that compile kernels, beside the peers that have done the same job by then."""
    rows = []
    for path, results in found:
        times = {row["name"]: row["median"] for row in rows_of(results, "startup")}
        peers = {name: times[name] for name in times if name.startswith("job: ") and "fastnn2" not in name}
        for name, when in FIRST.items():
            faster = sorted((peer for peer in peers if peers[peer] < AHEAD * times.get(name, 0)), key=peers.get)
            said = ", ".join(f"{peer.removeprefix('job: ')} {time_text(peers[peer])}" for peer in faster)
            if faster:
                rows.append([link(path, results), when, time_text(times[name]), said])
    if not rows:
        return []
    return [
        "### The first process, where kernels have to be compiled",
        filled(
            "A whole process with the tutorial's 5,000 iterations. Wheels bring compiled kernels; without one, the "
            "first process compiles, and others find the kernels in the [store](../guide/deployment.md)."
        ),
        table(["machine", "when", "fastnn2", "peers that are done before or then"], rows, texts=(0, 1, 3)),
    ]


# Results of other commands


def many(results):
    """Return JAX's ways of training many networks that are as fast as fit_many."""
    rows = []
    for row in results.get("jax", {}).get("rows", ()):
        own = row["fastnn2"]["median"]
        what = f"{row['networks']:,} of {row['title'].replace('x', '×')}"
        rows += [
            [what, row["dtype"], time_text(own), f"{time_text(one['median'])} (JAX, {way})", bold(one["times"])]
            for way, one in row["ways"].items()
            if one["times"] < AHEAD
        ]
    if not rows:
        return []
    return [
        "### Many networks",
        filled(
            "`fit_many`, time of a network and iteration ([all figures](many-networks.md)). JAX is ahead where it is "
            "run in as many processes as there are cores, or told that each core is a device."
        ),
        table(["networks", "dtype", "`fit_many`", "JAX", "times faster"], rows),
    ]


def tabular(results):
    """Return in which tables boosting is ahead of the tabular estimators, and in what."""
    rows, scores = [], {"error": 0, "log loss": 0, "time of a fit": 0, "time of a prediction": 0}
    of_scores = dict.fromkeys(scores, 0)
    for name, entry in tabular_report.in_order(results):
        cells = []
        for score in scores:
            own, other = (value_of(entry, model, score) for model in (RECIPE, BOOSTING))
            if own is None or other is None:
                cells.append("-")
                continue
            of_scores[score] += 1
            scores[score] += other <= own
            cells.append(f"{tabular_report.percent(own / other)}" if other <= own else "")
        if any(cell not in ("", "-") for cell in cells):
            rows.append([name, *cells])
    if not rows:
        return []
    counts = ", ".join(f"in the {score} {count} of {of_scores[score]}" for score, count in scores.items())
    return [
        "### Tables: boosting",
        filled(
            "By how much errors, log losses and times of `TabularClassifier` and `TabularRegressor` are larger than "
            "those of HistGradientBoosting with its defaults, where they are ([all figures](tabular.md)). "
            f"Tables in which boosting is ahead: {counts}."
        ),
        table(["table", *scores], rows),
        *mlp_of_tables(results),
    ]


def mlp_of_tables(results):
    """Return the sentence on the tables in which scikit-learn's MLP is ahead of the tabular estimators, if any."""
    found = [
        f"in the {score} on {name}"
        for score in ("error", "log loss", "time of a fit", "time of a prediction")
        for name, entry in tabular_report.in_order(results)
        if (own := value_of(entry, RECIPE, score)) is not None
        and (other := value_of(entry, MLP, score)) is not None
        and other <= own
    ]
    return [filled(f"scikit-learn's MLP is ahead {', '.join(found)}.")] if found else []


def value_of(entry, model, score):
    """Return a model's mean score on a table, or its median time; None where there is none."""
    if score == "time of a fit":
        return tabular_report.seconds(entry, model)
    if score == "time of a prediction":
        return tabular_report.predicting(entry, model)
    found = tabular_report.values(entry, model, score)
    return found and statistics.fmean(found.values())


def tables(results):
    """Return the tables in which a linear model or boosting makes fewer errors than ``fastnn2 train``."""
    rows = []
    for name, entry in results["tables"].items():
        own = entry["models"][NETWORK]
        cells = []
        for model in (LINEAR, TREES):
            other = entry["models"][model]["error"]
            cells.append(" ± ".join(shown(*other)) if other[0] <= own["error"][0] else "")
        if any(cells):
            rows.append([name, " ± ".join(shown(*own["error"])), *cells])
    if not rows:
        return []
    return [
        "### Tables: simple models beside `fastnn2 train`",
        filled(
            "Errors in percent, or RMSE, of the models that make as few or fewer than the network "
            f"([all figures](tables.md)): {len(rows)} of {len(results['tables'])} tables."
        ),
        table(["table", HEADINGS[NETWORK], HEADINGS[LINEAR], HEADINGS[TREES]], rows),
        filled(" ".join(f"{HEADINGS[model]}: {other_scores(results, model)}." for model in (LINEAR, TREES))),
    ]


def other_scores(results, model):
    """Return in how many tables a model's log loss is lower than that of ``fastnn2 train``, and its fit shorter."""
    pairs = [(entry["models"][NETWORK], entry["models"][model]) for entry in results["tables"].values()]
    losses = [(own["log loss"][0], other["log loss"][0]) for own, other in pairs if own["log loss"]]
    times = [(own["seconds"], other["seconds"]) for own, other in pairs]
    lower, shorter = (sum(other <= own for own, other in scores) for scores in (losses, times))
    return f"a lower log loss in {lower} of {len(losses)} tables, a shorter fit in {shorter} of {len(times)}"


def clusters(results):
    """Return where two workers of a cluster are slower than one process on the same cores."""
    alone = {(row["shape"], row["n"]): row["seconds"] for row in results["local"]}
    rows = []
    for row in scale_report.in_order(results["workers-2"]):
        own = alone.get((row["shape"], row["n"]))
        if own is not None and own < AHEAD * row["whole"]:
            what = f"{row['n']:,} × {row['shape'].replace(' x ', ' × ')}"
            rows.append([what, time_text(row["whole"]), time_text(own), format_number(row["whole"] / own)])
    if not rows:
        return []
    return [
        "### Clusters",
        filled(
            "An iteration on two workers of one thread, beside one process with two threads on the same cores "
            "([all figures](clusters.md)): Dask's messages take some milliseconds. A cluster is for samples that one "
            "machine does not hold."
        ),
        table(["samples × features × units", "two workers", "one process", "one process is faster, times"], rows),
    ]
