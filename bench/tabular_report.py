"""Tables and a picture made from the results of :mod:`bench.tabular`, for a terminal and docs/benchmarks/tabular.md.

Two models are compared by the ratio of their errors: for each table the ratio of the means over the splits that both
have, and over tables the geometric mean. Its 95 % interval is that of a bootstrap which draws tables, and splits of
each.
"""

import statistics

from bench import environment, markdown
from bench.tables_report import bold, shown
from bench.tabular_peers import BOOSTING, MLP, MODELS, PEERS, RECIPE, TUNED, VARIANTS
from bench.tabular_sets import COUNTED, FURTHER, GROUPS, OPENED_LAST, SETTLED, group_of

DRAWS, INTERVAL = 10_000, (2.5, 97.5)
OVERALL = {
    "The six on which the recipe was settled": tuple(SETTLED),
    "The three opened last": tuple(OPENED_LAST),
    "All nine": COUNTED,
    "Further tables": tuple(FURTHER),
}
ABOUT = {
    MLP: "MLP is scikit-learn's with its defaults.",
    BOOSTING: "HistGB is HistGradientBoosting with its defaults.",
    TUNED: "Tuned is HistGradientBoosting with the best of eight settings.",
}
SIZES = ("one network", "eight networks")  # the variants that the picture has beside the recipe
CLOSE = 1.5  # points whose times differ by less have their names on different sides
COMPARISON, INGREDIENTS = "tabular", "tabular-ingredients"


def parts(results):
    """Return the text of each part of a page: the comparison, and the ingredients where they are measured."""
    found = {COMPARISON: comparison(results)}
    if variants := measured_in(results, VARIANTS):
        found[INGREDIENTS] = ingredients(results, variants)
    return found


def measured_in(results, names):
    """Return those of the names that some table has figures for."""
    return [name for name in names if any(name in entry["models"] for entry in results["tables"].values())]


def in_order(results):
    """Return (name, entry) of all tables that were measured, in the order of their groups."""
    return [(name, results["tables"][name]) for group in GROUPS.values() for name in group if name in results["tables"]]


# Comparisons


def values(entry, model, score):
    """Return the scores of a model on a table, a dict by seed; None where the table has no such score."""
    runs = entry["models"].get(model, {"runs": {}})["runs"]
    found = {seed: run[score] for seed, run in runs.items()}
    return None if not found or None in found.values() else found


def pairs(results, names, model, reference, score):
    """Return for each table that has both models their scores in the splits of both, as an array (2, splits)."""
    import numpy as np

    found = []
    for name in names:
        entry = results["tables"].get(name, {"models": {}})
        both = [values(entry, key, score) for key in (model, reference)]
        if None not in both and (common := sorted(both[0].keys() & both[1].keys())):
            found.append(np.array([[of_model[seed] for seed in common] for of_model in both]))
    return found


def ratio(found):
    """Return the geometric mean over tables of the ratio of two models' errors, with its 95 % interval.

    Parameters
    ----------
    found : list of array (2, splits)
        For each table the scores of the model and of its reference.

    >>> import numpy as np
    >>> [round(float(value), 3) for value in ratio([np.array([[0.2, 0.2], [0.4, 0.4]]), np.array([[0.1], [0.1]])])]
    [0.707, 0.5, 1.0]
    """
    import numpy as np

    draw = np.random.RandomState(0)
    drawn = np.empty((DRAWS, len(found)))
    for column, scores in zip(drawn.T, found, strict=True):
        splits = draw.randint(scores.shape[1], size=(DRAWS, scores.shape[1]))
        means = scores[:, splits].mean(axis=2)
        column[:] = np.log(means[0] / means[1])
    tables = draw.randint(len(found), size=drawn.shape)
    low, high = np.percentile(np.take_along_axis(drawn, tables, axis=1).mean(axis=1), INTERVAL)
    mean = np.mean([np.log(scores[0].mean() / scores[1].mean()) for scores in found])
    return tuple(float(np.exp(value)) for value in (mean, low, high))


def seconds(entry, model):
    """Return the median seconds of a fit with the better choice of threads, or None."""
    runs = entry["models"].get(model, {"runs": {}})["runs"].values()
    choices = {threads for run in runs for threads in run["fit"]}
    medians = [statistics.median(run["fit"][threads] for run in runs if threads in run["fit"]) for threads in choices]
    return min(medians, default=None)


def times(results, names, model, reference=MLP):
    """Return the geometric mean over tables of the ratio of two models' times of a fit, or None."""
    entries = [results["tables"][name] for name in names if name in results["tables"]]
    both = [(seconds(entry, model), seconds(entry, reference)) for entry in entries]
    ratios = [own / other for own, other in both if own is not None and other is not None]
    return statistics.geometric_mean(ratios) if ratios else None


# Text


def percent(value):
    """Return a ratio as a change in percent.

    >>> percent(0.8), percent(1.0204)
    ('-20.0 %', '+2.0 %')
    """
    return f"{100 * (value - 1):+.1f} %"


def cell(found):
    """Return a comparison with its interval; with one table there is none to draw from, and without any a dash."""
    if not found:
        return "-"
    mean, low, high = ratio(found)
    if len(found) == 1:
        return percent(mean)
    return f"{percent(mean)} ({100 * (low - 1):+.0f} to {100 * (high - 1):+.0f})"


def comparison(results):
    where, tables = results["environment"], in_order(results)
    models = measured_in(results, PEERS)
    measured_on = (
        f"Measured {where['date'][:10]} on two cores of an {environment.title(where)}, scikit-learn "
        f"{where['versions']['scikit-learn']}."
    )
    paragraphs = [
        shapes(tables),
        markdown.filled(
            f"**Error**: percent of the test rows whose class is wrong, or RMSE in percent of the target's standard "
            f"deviation; mean and standard deviation over {splits_text(tables)}. The lowest mean of a row is bold. "
            f"{' '.join(ABOUT[key] for key in models if key in ABOUT)}"
        ),
        score_table(tables, models, "error", 100),
    ]
    if any(entry["classes"] for _, entry in tables):
        paragraphs += ["**Log loss** of the classes' probabilities:", score_table(tables, models, "log loss", 1)]
    paragraphs += [
        markdown.filled(
            "**Over the tables**: geometric means of ratios, each with its 95 % interval by a bootstrap over tables "
            "and splits. A model is compared in the tables and splits that it has; times are those of a fit."
        ),
    ]
    groups = {group_of(name) for name, _ in tables}
    for title, names in OVERALL.items():
        if {group_of(name) for name in names} <= groups:
            paragraphs += overall(results, title, names, models)
    paragraphs += [
        "**Time of a whole fit**, from the frame; median over the splits:",
        time_table(tables, models, seconds),
        "**Time of a prediction** of 1,000 rows of the test; median over the splits:",
        time_table(tables, models, predicting),
        markdown.filled(" ".join([measured_on, *left_out(results, PEERS)])),
    ]
    return "\n\n".join(paragraphs)


def left_out(results, names):
    """Return a sentence that says which of the models are left out and why, in a list; none where all are there."""
    found = [f"{MODELS[key].title} ({why})" for key, why in results["skipped"].items() if key in names]
    return [f"Left out: {', '.join(found)}."] if found else []


def most_splits(tables):
    return max(len(model["runs"]) for _, entry in tables for model in entry["models"].values())


def splits_text(tables):
    """Return over how many splits the means are; some models may have fewer than the others."""
    most = most_splits(tables)
    is_fewer = any(0 < len(model["runs"]) < most for _, entry in tables for model in entry["models"].values())
    return f"{most} splits" + (", or over as many as are in brackets" if is_fewer else "")


def shapes(tables):
    rows = [
        [
            name, group_of(name), f"{entry['rows']:,}", f"{entry['training']:,}", f"{entry['columns']}",
            f"{entry['categories']}", f"{100 * entry['missing']:.1f} %",
            "a number" if entry["classes"] is None else f"{entry['classes']} classes",
        ]
        for name, entry in tables
    ]  # fmt: skip
    header = ["table", "group", "rows", "training rows", "columns", "of categories", "missing", "target"]
    return markdown.table(header, rows)


def score_table(tables, models, score, unit):
    """Return a row for each table that has the score: the mean of each model, of errors with the deviation."""
    rows, most = [], most_splits(tables)
    for name, entry in tables:
        found = [values(entry, model, score) for model in models]
        if any(found):
            lowest = min(mean_of(runs, unit) for runs in found if runs)
            rows.append([name, *(score_cell(runs, unit, lowest, most, score == "error") for runs in found)])
    return markdown.table(["table", *titles(models)], rows)


def score_cell(runs, unit, lowest, most, has_deviation):
    if runs is None:
        return "-"
    mean = mean_of(runs, unit)
    deviation = statistics.stdev(unit * value for value in runs.values()) if len(runs) > 1 else 0.0
    texts = shown(mean, deviation)
    few = f" ({len(runs)})" if len(runs) < most else ""
    return bold(" ± ".join(texts) if has_deviation else texts[0], mean == lowest) + few


def mean_of(runs, unit=1):
    return unit * statistics.fmean(runs.values())


def titles(models):
    return [MODELS[model].title for model in models]


def overall(results, title, names, models):
    """Return a title and a table with a row for each model: against the MLP, and against boosting."""
    measured = [name for name in names if name in results["tables"]]
    rows = [
        [
            MODELS[model].title,
            *(
                cell(pairs(results, measured, model, reference, score))
                for score in ("error", "log loss")
                for reference in (MLP, BOOSTING)
            ),
            times_cell(times(results, measured, model)),
        ]
        for model in models
    ]
    columns = [f"{score} / {MODELS[key].title}" for score in ("errors", "log loss") for key in (MLP, BOOSTING)]
    some = f" ({len(measured)} of {len(names)} tables)" if len(measured) < len(names) else ""
    return [f"{title}{some}:", markdown.table(["model", *columns, f"time / {MODELS[MLP].title}"], rows)]


def times_cell(found):
    return "-" if found is None else f"{found:.2f}"


def predicting(entry, model):
    """Return the median seconds of a prediction of 1,000 rows, or None."""
    runs = entry["models"].get(model, {"runs": {}})["runs"].values()
    return statistics.median(run["predict"] for run in runs) / entry["test"] * 1000 if runs else None


def time_table(tables, models, time_of):
    rows = []
    for name, entry in tables:
        found = [time_of(entry, model) for model in models]
        rows.append([name, *("-" if value is None else markdown.time_text(value) for value in found)])
    return markdown.table(["table", *titles(models)], rows)


def ingredients(results, variants):
    """Return errors against the whole recipe with each ingredient off: of each table that counts, and over them."""
    names = [
        name
        for name, entry in in_order(results)
        if name in COUNTED and RECIPE in entry["models"] and not entry["models"].keys().isdisjoint(variants)
    ]
    of_tables, overall = [], []
    for variant in variants:
        found = {name: pairs(results, [name], variant, RECIPE, "error") for name in names}
        of_tables.append([MODELS[variant].title, *(cell(one).removesuffix(" %") for one in found.values())])
        overall.append([
            MODELS[variant].title,
            cell(pairs(results, names, variant, RECIPE, "error")),
            cell(pairs(results, names, variant, RECIPE, "log loss")),
            times_cell(times(results, names, variant, RECIPE)),
        ])  # fmt: skip
    about = "Errors in percent more (+) or fewer (-) than those of the whole recipe: above 0, the ingredient helps."
    return "\n\n".join([
        markdown.filled(" ".join([about, *left_out(results, VARIANTS)])),
        markdown.table(["recipe with", *names], of_tables),
        f"Over {len(names)} tables, with 95 % intervals:",
        markdown.table(["recipe with", "errors", "log loss", "time"], overall),
    ])  # fmt: skip


def picture(results, path, models=(*PEERS, *SIZES), names=None):
    """Draw errors against the time of a fit, both against those of scikit-learn's MLP.

    Parameters
    ----------
    results : dict
        What is in the JSON.
    path : Path
        The file to write.
    models : iterable of str, optional
        The models to show, of those that are measured in all tables that count.
    names : dict, optional
        Model -> what it is called in the picture, where that is not its name in the tables.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    from bench.pictures import DPI, FONT, WIDTH, new_figure

    tables = [name for name in COUNTED if name in results["tables"]]
    figure, (axis,) = new_figure(1, 1, (WIDTH, 4.5))
    points = {}
    for model in measured_in(results, models):
        found, taken = pairs(results, tables, model, MLP, "error"), times(results, tables, model)
        if len(found) == len(tables) and taken is not None:  # else of other tables than the rest
            points[model] = taken, *(100 * value for value in ratio(found))
    for model, (taken, mean, low, high) in points.items():
        colour, marker = ("#111111", "o") if model in (RECIPE, *SIZES) else ("#b3261e", "s")
        axis.errorbar(taken, mean, [[mean - low], [high - mean]], fmt=marker, color=colour, capsize=4, lw=1.2)
        text = (names or {}).get(model) or (f"{RECIPE}, {model}" if model in SIZES else MODELS[model].title)
        # Beside the point, where no other point is near.
        is_left = model == MLP or any(taken < other < CLOSE * taken for other, *_ in points.values())
        axis.annotate(
            text, (taken, mean), xytext=(-9 if is_left else 9, 0), textcoords="offset points", va="center",
            ha="right" if is_left else "left", fontsize=FONT, color=colour,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(labelsize=FONT)
    axis.margins(x=0.3)
    axis.set_xlabel("time of a fit, scikit-learn's MLP = 1", fontsize=FONT)
    axis.set_ylabel("errors, scikit-learn's MLP = 100", fontsize=FONT)
    axis.set_title(f"Means over {len(tables)} tables; whiskers: 95 % of a bootstrap", fontsize=FONT)
    axis.grid(alpha=0.4)
    figure.savefig(path, dpi=DPI)
