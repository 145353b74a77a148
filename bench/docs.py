"""docs/benchmarks/index.md and README's table, made from the results of all machines."""

import os
import re
import statistics
import textwrap
from pathlib import Path

from bench import environment, report, storage

# Cells of the grid, from small to large, and a job of the estimators.
HEADLINE_CELLS = ("500x2x5", "1000000x2x5", "100000x30x32", "20000x784x128")
HEADLINE_JOB = "10,000 x 30, two classes"
# Of a run that played another processor, these parts are shown in full, too.
PARTS_OF_LEVEL = ("grid", "peak", "estimators", "predictions", "search")
README_DTYPES = ("float64",)
TABULAR = Path(__file__).parent / "results" / "tabular-zen5.json"
GRID_PICTURE = "Microseconds an iteration of each peer and of fastnn2, for each shape, on a logarithmic axis"
SCALING_PICTURE = "Time for each sample and iteration, by the number of samples"
ABOUT_MACHINES = (
    "Times of an iteration of `fit`, and of a whole fit of `MLPClassifier` in 50 epochs; the newest run first, and at "
    "the end those in which a processor played another one. Each run used the code of its day."
)

INTRODUCTION = """\
<!-- This page is made by bench/docs.py from bench/results/*.json; see "Run it yourself". -->
# Benchmarks

What fastnn2 is measured against: NumPy, a plain Numba loop, scikit-learn, PyTorch (eager and compiled) and JAX, all on
the CPU. The tables below are of the newest run; [other machines](#all-machines) follow at the end.

## Run it yourself

In a checkout, after `pip install '.[bench]'`:

- `python -m bench` measures everything, in about 45 minutes, and writes `bench/results/PROCESSOR.json`, with Markdown
  and pictures made from it. `--quick` measures less of everything, in 5 minutes.
- `python -m bench --only startup` measures one part and writes nothing. Parts are `startup`, `busy`, `peak`, `slope`,
  `estimators`, `predictions`, `search`, `grid`, and each cell of the grid, such as `500x2x5`.
- `python -m bench --cpu x86-64-v3` compiles for that level of x86-64 (or x86-64-v2, -v4), and holds all peers to it.
  The file is `bench/results/PROCESSOR-LEVEL.json`.
- `python -m bench --report bench/results/zen4.json` measures nothing and makes the tables and pictures anew.
- `--docs docs/benchmarks/index.md --readme README.md`, beside either, writes this page and README's table.
- `python -m bench --against ../other` compares this checkout with another one, in pairs: for a change of a few percent,
  which the tables here cannot show.
- `python -m pytest bench/ --benchmark-only` runs the same jobs with pytest-benchmark.

## How it is measured

- All peers train the same network on the same data from the same weights, with the cost of every iteration, and are
  timed only if their last cost is that of the NumPy reference (to 1e-6 in float64, 1e-3 in float32).
- A time is that of a whole call. For fastnn2 it includes the checks, the copy of X into the kernels' layout, and the
  start of the threads. Compiling is not included; see [Start-up](#start-up).
- Peers take turns: each has one run in every round. A figure is the median of 5 rounds, of 3 where a run on one thread
  takes long, and of 25 for fastnn2 and its fastest peers where runs take less than 0.3 s.
- "Times faster" compares fastnn2 on all cores with the fastest peer, on all cores or on one, whichever is faster.
- Settings that make OpenBLAS run kernels for another processor are removed first: they would make peers look slow.
- With `--cpu`, settings of OpenBLAS, NumPy, torch, MKL, oneDNN, XLA and Numba hold them to the level. XLA takes some
  kernels from a library that has no setting. So for JAX the instruction CPUID reports no features above the level. Each
  peer is checked: its libraries have to name kernels of that level, and a process that trains with it must not use
  registers of AVX-512, which Linux reports. A peer that fails is left out, with the reason.
- Rows have a share of two peaks: of multiply-adds in registers, and of a block of a matrix product whose operands come
  from the first-level cache. "Quiet" says that this second loop, in turn with the row, was within 5 % of its best.

## Noise

All machines so far were virtual ones with two cores, shared with other users. Expect noise of 20 %: for seconds at a
time a core may be that much slower, and a message from one core to the other, of which every iteration on two threads
needs some, took 180 ns at one time and 35 ns at another on the Zen 4. Short jobs on two threads vary most. Turns and
medians help against a slow minute, not against a slow hour, so notes say what is known of the hour of each run.
"""
# (title in a report, title here, what it is about)
SECTIONS = (
    ("One thread", "One thread", "The same cells, with every peer limited to one thread."),
    (
        "scikit-learn's classes",
        "Estimators",
        "scikit-learn's `MLPClassifier` and fastnn2's, with the same parameters on the same data. Before they are "
        "timed, both have to reach the same loss in the same number of epochs, or the same probabilities.",
    ),
    (
        "Small predictions",
        "Small predictions",
        "Predictions as a service makes them: of few rows, again and again. Both classes have the same weights, and "
        "have to predict the same before they are timed.",
    ),
    (
        "A grid search",
        "A grid search",
        "`GridSearchCV` over three penalties and two numbers of hidden units, in five folds of breast cancer in a "
        "`Pipeline` with `StandardScaler`, on two workers. Both classes have to choose the same.",
    ),
    (
        "Start-up",
        "Start-up",
        "Each row is a Python process from its start to its end. Bundled kernels come with the package, as in a wheel. "
        "With an empty store, fastnn2 compiles its kernels and keeps them; without a store (`FASTNN2_STORE=off`), "
        "every process compiles them. The row of the first fit is the time by which it is longer than a second one.",
    ),
    (
        "Scaling",
        "Scaling",
        "How the time grows with the number of samples, without layout and the start of the threads.",
    ),
    (
        "Share of the machine",
        "Share of the machine",
        "How fast the matrix products are, as a share of what a loop of fused multiply-adds in registers reaches on "
        "the same cores; tanh and everything else count as nothing.",
    ),
    (
        "Not alone",
        "Busy neighbours",
        "What other processes on the same cores cost. If threads only spun while they wait for each other, this job "
        "would be hundreds of times slower beside busy loops.",
    ),
)


def page(path, docs):
    """Return docs/benchmarks/index.md.

    Parameters
    ----------
    path : Path
        The JSON of the run whose tables are shown in full; the files beside it are those of the other machines.
    docs : Path
        Where the page will be, for links.
    """
    results = storage.read(path)
    sections = {title: part for name, title, part in report.SECTIONS if name in results}
    parts = [INTRODUCTION.strip(), "## The grid", report.environment_part(results), *notes_of(results)]
    if None in sections:
        parts += [wrapped(sections[None](results)), *picture(path, ".png", GRID_PICTURE, docs)]
    for key, title, about in SECTIONS:
        if key in sections:
            parts += [f"## {title}", filled(about), wrapped(sections[key](results))]
            parts += picture(path, "-scaling.png", SCALING_PICTURE, docs) if key == "Scaling" else []
    parts += ["## All machines", filled(ABOUT_MACHINES)]
    for other, found in all_runs(path.parent):
        where, report_file = found["environment"], other.with_suffix(".md")
        parts.append(f"### {environment.title(where)}, {where['date'][:10]}")
        if other.resolve() != path.resolve():  # else they are above
            parts += [report.environment_part(found), *notes_of(found)]
        parts.append(headline_table(found, report.DTYPES))
        if where.get("cpu") and other.resolve() != path.resolve():
            parts += tables_of_level(found)
        parts.append(f"All tables of this run: [{report_file.name}]({relative(report_file, docs)}).")
    return "\n\n".join(parts) + "\n"


def tables_of_level(results):
    """Return the tables of a run that played another processor, with their headings."""
    parts = []
    for name, title, part in report.SECTIONS:
        if name in results and name in PARTS_OF_LEVEL and title != "One thread":
            parts += [f"#### {title or 'The grid'}", wrapped(part(results))]
    return parts


def all_runs(folder):
    """Return (path, results) of every JSON file that has a grid, the newest first, but those that play a level last."""
    found = [(path, storage.read(path)) for path in sorted(folder.glob("*.json"))]
    return sorted(
        ((path, results) for path, results in found if "grid" in results),
        key=lambda run: (not run[1]["environment"].get("cpu"), run[1]["environment"]["date"]),
        reverse=True,
    )


def notes_of(results):
    """Return what was written into the JSON by hand: it goes when the file is measured anew."""
    return [filled(note) for note in results.get("notes", ())]


def picture(path, ending, text, docs):
    """Return a link to a picture beside the JSON, in a list; an empty one where there is no such picture."""
    file = path.with_name(path.stem + ending)
    return [f"![{text}]({relative(file, docs)})"] if file.exists() else []


def relative(path, docs):
    return os.path.relpath(path.resolve(), docs.resolve().parent)


def filled(text):
    return textwrap.fill(text, width=120, break_long_words=False, break_on_hyphens=False)


def wrapped(text):
    """Return the same with lines of at most 120 characters, but for those of tables."""
    parts = text.split("\n\n")
    return "\n\n".join(part if part.startswith(("|", "- ")) else filled(part) for part in parts)


def headline_table(results, dtypes):
    """Return a short table against the fastest peers."""
    rows = []
    for name in HEADLINE_CELLS:
        for cell in results.get("grid", ()):
            if cell["name"] == name:
                rows += [cell_row(cell, dtype) for dtype in dtypes if dtype in cell["ratios"]]
    for row in results.get("estimators", {}).get("rows", ()):
        if row["title"] == HEADLINE_JOB and row["dtype"] in dtypes:
            rows.append([
                "`MLPClassifier`, 10,000 × 30", row["dtype"], time_text(row["fastnn2"]),
                f"{time_text(row['sklearn'])} (scikit-learn)", report.times_text(row["ratio"]),
            ])  # fmt: skip
    rows.insert(0, ["what", "dtype", "fastnn2", "fastest peer", "times faster"])
    if len(dtypes) == 1:
        rows = [[what, *others] for what, _, *others in rows]
    return report.table(rows[0], rows[1:])


def cell_row(cell, dtype):
    seconds = report.time_of(cell, "fastnn2", dtype, None) / 1e6
    ratio = cell["ratios"][dtype]
    return [
        f"`fit`, {cell['title'].replace('x', '×')}", dtype, time_text(seconds),
        f"{time_text(seconds * ratio['times'])} ({ratio['fastest']})", report.times_text(ratio["times"]),
    ]  # fmt: skip


def time_text(seconds):
    """Return a time with three digits and its unit.

    >>> time_text(1.3229e-6), time_text(0.1207), time_text(1.24)
    ('1.32 µs', '121 ms', '1.24 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{report.format_number(seconds / size)} {unit}"
    return f"{report.format_number(seconds * 1e6)} µs"


def tabular_row(path=TABULAR):
    """Return a row of README's table: a fit of the tabular estimators beside the fastest peer, means over tables."""
    tables = storage.read(path)["tables"].values()

    def seconds(model):
        runs = [one["models"][model]["runs"].values() for one in tables]
        return statistics.geometric_mean(
            statistics.median(min(run["fit"].values()) for run in of_table) for of_table in runs
        )

    ours, peers = seconds("recipe"), {"boosting": seconds("boosting"), "scikit-learn's MLP": seconds("mlp")}
    fastest = min(peers, key=peers.get)
    return (
        f"| `TabularClassifier`, `TabularRegressor`, {len(tables)} tables | {time_text(ours)} | "
        f"{time_text(peers[fastest])} ({fastest}) | {peers[fastest] / ours:.1f} |"
    )


def readme_part(results, link):
    """Return README's table and what it is of."""
    where = results["environment"]
    text = (
        f"Samples × features × hidden units in {README_DTYPES[0]}: time of an iteration of `fit`, and of a whole fit "
        f"of `MLPClassifier` in 50 epochs, on {where['cores']} cores of an {environment.title(where)}, "
        f"{where['date'][:10]}. [More shapes, float32 and other machines]({link}). The last row is on a Zen 5: [tables]"
        "(docs/guide/tabular.md) in float32, with a fifth fewer errors than scikit-learn's MLP."
    )
    return (
        headline_table(results, README_DTYPES)
        + "\n"
        + tabular_row()
        + "\n\n"
        + textwrap.fill(text, width=100, break_long_words=False)
    )


def update_readme(path, results):
    """Write the table between the marker comments of a README, in place."""
    text = path.read_text(encoding="utf-8")
    path.write_text(between(text, "bench", readme_part(results, "docs/benchmarks/index.md")), encoding="utf-8")


def between(text, name, content):
    """Return `text` with `content` between ``<!-- name:start -->`` and ``<!-- name:end -->``."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no place for the figures: expected the lines {start} and {end}")
    return pattern.sub(lambda _: f"{start}\n{content}\n{end}", text)
