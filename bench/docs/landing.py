"""The pictures of the site's first page, and what is written beside them: speed, and error against time on tables."""

from bench import environment, pictures, tabular_report
from bench.docs import readme, runs
from bench.markdown import between, filled, times_text
from bench.tabular_peers import BOOSTING, MLP, RECIPE
from bench.tabular_sets import COUNTED

SPEED, TABLES = "speed.png", "tables.png"
DTYPE = readme.DTYPE
NAMES = {RECIPE: "fastnn2's recipe", BOOSTING: "boosting", MLP: "scikit-learn's MLP"}


def updated(text, folder=runs.RESULTS):
    """Return docs/index.md with the pictures and their texts between its marker comments."""
    _, results = runs.all_runs(folder)[0]
    _, tabular = runs.newest("tabular", folder)
    return between(between(text, "speed", speed_part(results)), "tables", tables_part(tabular))


def draw(docs, folder=runs.RESULTS):
    """Draw both pictures into the folder `docs`; return their paths."""
    _, results = runs.all_runs(folder)[0]
    _, tabular = runs.newest("tabular", folder)
    draw_speed(results, docs / SPEED)
    tabular_report.picture(tabular, docs / TABLES, NAMES, NAMES)
    return [docs / SPEED, docs / TABLES]


# Speed


def rows_of(results):
    """Return (what, {peer: time as a multiple of that of fastnn2}) of the shapes and the job of README's table."""
    rows = [
        (cell["title"].replace(" x ", " × "), pictures.relative_times(cell, DTYPE))
        for name in readme.HEADLINE_CELLS
        for cell in results["grid"]
        if cell["name"] == name
    ]
    return rows + [
        ("MLPClassifier\n10,000 × 30", {"fastnn2": 1.0, "scikit-learn": row["ratio"]})
        for row in results["estimators"]["rows"]
        if (row["title"], row["dtype"]) == (readme.HEADLINE_JOB, DTYPE)
    ]


def draw_speed(results, path):
    rows = rows_of(results)
    figure, (axis,) = pictures.new_figure(1, 1, (pictures.WIDTH, pictures.BESIDE + 0.3 + pictures.ROW * len(rows)))
    pictures.draw_points(axis, rows)
    axis.set_title("Time, fastnn2 = 1 (less is better)", fontsize=pictures.FONT)
    pictures.add_legend(figure, axis)
    figure.savefig(path, dpi=pictures.DPI)


def fastest(times):
    """Return the fastest peer and its time as a multiple of that of fastnn2."""
    return min(((title, value) for title, value in times.items() if title != "fastnn2"), key=lambda pair: pair[1])


def speed_part(results):
    """Return the picture of speed with a text for those who cannot see it, and a paragraph on it."""
    rows, where = rows_of(results), results["environment"]
    said = []
    for what, times in rows:
        peer, ratio = fastest(times)
        said.append(f"{what}: the fastest peer, {peer}, takes {times_text(ratio)} times as long as fastnn2")
    small, *_, large, job = (times for _, times in rows)
    peer, ratio = fastest(small)
    other, least = fastest(large)
    return "\n\n".join([
        filled(f"![{'. '.join(said)}.](pictures/{SPEED})"),
        filled(
            f"Networks of samples × features × hidden units in {DTYPE}, on {where['cores']} cores of an "
            f"{environment.title(where)}. The tutorial's network is {times_text(ratio)} times as fast as in {peer} and "
            f"{small['NumPy']:.0f} times as fast as in NumPy, the class {times_text(fastest(job)[1])} times as fast as "
            f"scikit-learn's. With hundreds of inputs fastnn2 is {times_text(least)} times as fast as {other}. [All "
            "figures, and where peers are as fast or faster](benchmarks/index.md#where-peers-are-as-fast-or-faster)."
        ),
    ])  # fmt: skip


# Tables


def tables_part(results):
    """Return the picture of errors and times with a text for those who cannot see it, and a paragraph on it."""
    names = [name for name in COUNTED if name in results["tables"]]
    found = {
        model: (
            100 * tabular_report.ratio(tabular_report.pairs(results, names, model, MLP, "error"))[0],
            tabular_report.times(results, names, model),
        )
        for model in (RECIPE, BOOSTING)
    }
    errors, taken = found[RECIPE]
    others, other = found[BOOSTING]
    won = sum(
        tabular_report.mean_of(tabular_report.values(results["tables"][name], RECIPE, "error"))
        < tabular_report.mean_of(tabular_report.values(results["tables"][name], BOOSTING, "error"))
        for name in names
    )
    return "\n\n".join([
        filled(
            f"![Errors against the time of a fit, means over {len(names)} tables. scikit-learn's MLP has 100 errors at "
            f"a time of 1; boosting has {others:.0f} at {other:.2f}, and fastnn2's recipe {errors:.0f} at {taken:.2f}, "
            f"with intervals that overlap.](pictures/{TABLES})"
        ),
        filled(
            f"Over {len(names)} real tables `TabularClassifier` and `TabularRegressor` make {100 - errors:.0f} % fewer "
            f"errors than scikit-learn's MLP in {taken:.2f} of its time. HistGradientBoosting makes "
            f"{100 - others:.0f} % fewer in {other:.2f} of the time; it makes fewer than fastnn2 in "
            f"{len(names) - won} of the {len(names)} tables. [Every table, won or lost](benchmarks/tabular.md)."
        ),
    ])  # fmt: skip
