"""What is made of the results of :mod:`bench.scale_out`: tables, the model beside them, and the picture."""

import itertools
import math
import statistics

from bench import scale_model
from bench.markdown import filled, table
from bench.pictures import DPI, WIDTH, new_figure
from bench.scale_model import Shape

WIDE, NARROW, LBFGS = Shape(30, 100), Shape(2, 5), Shape(30, 100, "float64", "lbfgs")
SHAPES = {shape.name: shape for shape in (WIDE, NARROW, LBFGS, Shape(784, 128))}
COUNTS = (1, 2, 4)
# What is wanted of two workers of one thread: seconds beyond the kernels, and how many times as long as one process.
BEYOND, RATIO = 0.015, 1.15
# Assumptions of the extrapolation.
MANY, ROWS, THREADS = (10, 100, 1_000), (10**9, 10**12), (1, 16)
GBIT = 1e9 / 8  # bytes a second
NETWORKS = (1, 10)  # Gbit/s
MEMORY = 64e9  # of a machine of the picture
ITERATIONS, EVALUATIONS = 100, 1.1  # of L-BFGS, and how many evaluations each takes
GREEN, BLUE, VIOLET, RED, BROWN, BLACK = "#1a7a37", "#1f5fa8", "#6a3fa0", "#b3261e", "#8a5200", "#111111"
COLOURS = {1: GREEN, 2: BLUE, 4: VIOLET, 10: GREEN, 100: BLUE, 1_000: RED}


def text(found):
    """Return all tables, with what they are of, as Markdown."""
    rows, constants = evaluations(found), constants_of(found)
    notes = [f"- {part}: {note}" for part, note in found.get("notes", {}).items()]
    return "\n\n".join([
        *(["\n".join(notes)] if notes else []),
        *measured(found, rows), *scheduled(found["many"]), "## What is wanted", *wanted(found),
        "## The model", *model(found, rows, constants), "## From when on a cluster pays", *pays(constants),
        "## Many machines", *many_machines(constants),
    ])  # fmt: skip


def evaluations(found):
    return [row for count in COUNTS for row in found[f"workers-{count}"]]


def constants_of(found):
    return scale_model.fitted(evaluations(found), found["many"], found["cores"])


def in_order(rows):
    """Return rows of evaluations by shape, number of samples and workers."""
    return sorted(rows, key=lambda row: (list(SHAPES).index(row["shape"]), row["n"], row["workers"]))


def measured(found, rows):
    """Return what evaluations take, and what of it is computing, scheduling and transfer."""
    alone = {(row["shape"], row["n"]): row["seconds"] for row in found["local"]}
    cells = []
    for row in in_order(rows):
        own = alone.get((row["shape"], row["n"]))
        times = [f"{row[name] * 1e3:.2f}" for name in ("whole", "beyond", "computing", "scheduling", "transfer")]
        mark = "\\*" if row["workers"] > found["cores"] else ""
        cells.append([
            signs(row["shape"]), f"{row['n']:,}", f"{row['workers']}{mark}", *times, f"{row['bytes']:,}",
            "-" if own is None else f"{own * 1e3:.3f}",
        ])  # fmt: skip
    return [
        "## Evaluations",
        filled(
            "Time of an evaluation of cost and gradient on worker processes of one thread, in ms. Beyond: what is left "
            "of the whole without the kernels of the slowest worker. Scheduling: tasks that send and compute nothing. "
            "Transfer: what parameters and sums add to that (less than 0 is noise). One process: an iteration of `fit` "
            f"on all {found['cores']} cores. Rows with \\* have more workers than cores, which wait for each other."
        ),
        table(
            [
                "features × units", "rows", "workers", "whole", "beyond", "computing", "scheduling", "transfer",
                "bytes", "one process",
            ],
            cells,
        ),
    ]  # fmt: skip


def signs(shape):
    return shape.replace(" x ", " × ")


def scheduled(rows):
    """Return what tasks take that compute nothing, on up to many workers."""
    cells = [
        [
            f"{row['workers']}", f"{row['merges']}", f"{row['scheduling'] * 1e3:.2f}", f"{row['cpu'] * 1e3:.2f}",
            f"{row['transfer'] * 1e3:.2f}", f"{row['bytes']:,}",
        ]
        for row in rows
    ]  # fmt: skip
    return [
        "## Scheduling on many workers",
        filled(
            "Tasks that compute nothing, on workers that share one process, in ms. Client and scheduler: processor "
            "time of the process that has both. The wall time is an upper bound, as workers of a real cluster do not "
            "share one interpreter."
        ),
        table(["workers", "merges", "scheduling", "client and scheduler", "transfer", "bytes"], cells),
    ]


def wanted(found):
    """Return the two figures that are wanted, and whether they are reached."""
    most = max(row["rounds"] for row in found["workers-2"])
    worst = max((row for row in found["workers-2"] if row["rounds"] == most), key=lambda row: row["beyond"])
    pair = found["pair"]
    return [
        filled(
            f"Two workers of one thread take at most {worst['beyond'] * 1e3:.1f} ms beyond the kernels "
            f"({signs(worst['shape'])}, {worst['n']:,} rows, median of {worst['rounds']}). Wanted are at most "
            f"{BEYOND * 1e3:.0f} ms: {said(worst['beyond'] <= BEYOND)}."
        ),
        filled(
            f"An iteration over {pair['n']:,} × {signs(pair['shape'])} takes {pair['cluster']:.3f} s on two workers of "
            f"one thread, and {pair['alone']:.3f} s in one process with two threads: {pair['ratio']:.3f} times as long "
            f"(median of {pair['pairs']} alternating pairs, with equal costs and parameters, bit for bit). Wanted are "
            f"at most {RATIO} times: {said(pair['ratio'] <= RATIO)}."
        ),
    ]


def said(is_reached):
    return "reached" if is_reached else "missed"


def predicted(constants, row, cores):
    """Return the whole time by the model; workers that share a core take turns."""
    shape, workers = SHAPES[row["shape"]], row["workers"]
    times = scale_model.evaluation(constants, shape, row["n"], workers)
    return times["whole"] + times["computing"] * (max(1.0, row["parts"] / cores) - 1)


def model(found, rows, constants):
    """Return the constants and how well they describe the measurements."""
    kernels = [
        [signs(name), f"{fixed * 1e3:.2f} ms", f"{row * 1e9:.3f} ns"]
        for name, (fixed, row) in constants.kernels.items()
    ]
    fits = []
    for title, is_wanted in (
        (f"on up to {found['cores']} workers", lambda row: row["workers"] <= found["cores"]),
        ("on more workers than cores", lambda row: row["workers"] > found["cores"]),
    ):
        fits.append((title, [
            predicted(constants, row, found["cores"]) / row["whole"]
            for row in rows
            if is_wanted(row) and row["shape"] in constants.kernels
        ]))  # fmt: skip
    fits.append(("in one process, iterations of 5 ms or more", [
        scale_model.alone(constants, SHAPES[row["shape"]], row["n"], found["cores"]) / row["seconds"]
        for row in found["local"]
        if row["seconds"] > 0.005 and row["shape"] in constants.kernels
    ]))  # fmt: skip
    return [
        filled(
            f"An evaluation takes {constants.base * 1e3:.2f} ms, as much again for each level of merges, "
            f"{constants.task * 1e3:.2f} ms for each task, {constants.byte * 1e9:.2f} ns for each byte, and computing "
            "on one thread:"
        ),
        table(["features × units", "an evaluation", "and each row"], kernels),
        "Predicted by measured time:",
        table(
            ["evaluations", "median", "least", "most"],
            [
                [title, f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}", f"{max(ratios):.2f}"]
                for title, ratios in fits
                if ratios
            ],
        ),
    ]


def pays(constants):
    """Return from how many rows on a cluster is faster than one of its machines."""
    cells = [
        [
            signs(shape.name), f"{threads}",
            *(
                rounded(scale_model.break_even(constants, shape, count, threads, threads, 10 * GBIT))
                for count in (2, *MANY)
            ),
        ]
        for shape in (WIDE, NARROW)
        for threads in THREADS
    ]  # fmt: skip
    return [
        filled("Extrapolation. Rows from which on a cluster is faster than one of its machines alone, at 10 Gbit/s:"),
        table(["features × units", "threads each", *(f"{count:,} workers" for count in (2, *MANY))], cells),
    ]


def many_machines(constants):
    """Return the table of many workers and rows."""
    cells = []
    for n, threads, count, gbit in itertools.product(ROWS, THREADS, MANY, NETWORKS):
        fit, lbfgs = (
            scale_model.evaluation(constants, shape, n, count, threads, gbit * GBIT) for shape in (WIDE, LBFGS)
        )
        cells.append([
            f"{n / 1e6:,.0f} million", f"{count:,}", f"{threads}", f"{fit['used']:,}", f"{gbit} Gbit/s",
            duration(fit["whole"]), duration(lbfgs["whole"]), duration(lbfgs["whole"] * ITERATIONS * EVALUATIONS),
            size(fit["memory"]), size(lbfgs["memory"]),
        ])  # fmt: skip
    return [
        filled(
            f"Extrapolation. An evaluation for `fit` (30 × 100, float32) and for L-BFGS (float64), and {ITERATIONS} "
            f"iterations of L-BFGS at {EVALUATIONS} evaluations each, without reading and laying out the samples; and "
            "the memory of each worker for its samples. Busy threads have chunks, whose number limits them. Assumed: "
            "threads as fast as one of this machine, also beside others; scheduler and client as here; nobody else on "
            "the network; no worker that is slow or dies."
        ),
        table(
            [
                "rows", "workers", "threads", "busy", "network", "`fit`", "L-BFGS", f"{ITERATIONS} iterations",
                "memory, float32", "float64",
            ],
            cells,
        ),
    ]  # fmt: skip


def rounded(rows):
    """Return a number of rows with two digits.

    >>> rounded(1234567), rounded(None)
    ('1,200,000', 'never')
    """
    return "never" if rows is None else f"{int(float(f'{rows:.1e}')):,}"


def duration(seconds):
    """Return a time with two or three digits.

    >>> duration(0.01234), duration(0.97), duration(2.5), duration(600), duration(9000000)
    ('12.3 ms', '970 ms', '2.50 s', '10.0 min', '2,500 h')
    """
    for unit, length in (("h", 3600), ("min", 60), ("s", 1), ("ms", 1e-3)):
        if seconds >= (2 if length > 1 else 1) * length or unit == "ms":
            number = seconds / length
            return f"{number:,.0f} {unit}" if number >= 99.95 else f"{number:#.3g} {unit}"
    return None


def size(number):
    """Return a number of bytes.

    >>> size(1.24e11), size(3.1e12)
    ('124 GB', '3.1 TB')
    """
    for unit, length in (("TB", 1e12), ("GB", 1e9)):
        if number >= length:
            return f"{number / length:.3g} {unit}"
    return f"{number / 1e6:.3g} MB"


# The picture


def picture(found, path):
    """Draw what is measured with the model beside it, and what the model says of many machines."""
    constants = constants_of(found)
    figure, axes = new_figure(4, 1, (WIDTH, 14.5))
    draw_measured(axes[0], found, constants)
    draw_parts(axes[1], found)
    draw_scheduling(axes[2], found, constants)
    draw_machines(axes[3], constants)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.set_axisbelow(True)
    figure.savefig(path, dpi=DPI)


def rows_from(low, high):
    """Return 97 numbers of rows, evenly on a logarithmic axis."""
    return [round(low * (high / low) ** (k / 96)) for k in range(97)]


def draw_measured(axis, found, constants):
    own = [(row["n"], row["seconds"] * 1e3) for row in found["local"] if row["shape"] == WIDE.name]
    axis.plot(*zip(*own, strict=True), "s", color=BLACK, label=f"one process, {found['cores']} threads")
    span = rows_from(own[0][0], own[-1][0])
    axis.plot(span, [scale_model.alone(constants, WIDE, n, found["cores"]) * 1e3 for n in span], color=BLACK, lw=1)
    for count in COUNTS:
        rows = [row for row in found[f"workers-{count}"] if row["shape"] == WIDE.name]
        note = ", more than cores" if count > found["cores"] else ""
        points = [(row["n"], row["whole"] * 1e3) for row in rows]
        axis.plot(
            *zip(*points, strict=True), "o", color=COLOURS[count], label=f"{count} worker{'s' * (count > 1)}{note}"
        )
        if count <= found["cores"]:
            whole = [scale_model.evaluation(constants, WIDE, n, count)["whole"] * 1e3 for n in span]
            axis.plot(span, whole, color=COLOURS[count], lw=1)
    axis.set(
        xscale="log", yscale="log", xlabel="rows", ylabel="ms",
        title="An evaluation of 30 × 100, float32\npoints: measured; lines: model",
    )  # fmt: skip
    axis.legend(loc="upper left")


def draw_parts(axis, found):
    rows = [row for row in found["workers-2"] if row["shape"] == WIDE.name]
    places, below = range(len(rows)), [0.0] * len(rows)
    parts = (("scheduling", BLUE), ("transfer", RED), ("computing", BLACK))
    for name, colour in parts:
        shares = [100 * max(0.0, row[name]) / sum(max(0.0, row[other]) for other, _ in parts) for row in rows]
        axis.bar(places, shares, 0.6, below, color=colour, label=name)
        below = [a + b for a, b in zip(below, shares, strict=True)]
    for place, row in zip(places, rows, strict=True):
        axis.text(place, 102, f"{row['whole'] * 1e3:.3g} ms", ha="center")
    axis.set_xticks(places, [f"{row['n']:,}" for row in rows])
    axis.set(ylim=(0, 125), xlabel="rows", ylabel="%", title="What an evaluation of 30 × 100 on two workers is made of")
    axis.set_yticks(range(0, 101, 20))
    axis.legend(loc="upper center", ncols=3)


def draw_scheduling(axis, found, constants):
    rows = found["many"]
    for name, colour, label in (
        ("scheduling", BROWN, "workers that share one process"),
        ("cpu", BLUE, "of which client and scheduler compute"),
    ):
        points = [(row["workers"], row[name] * 1e3) for row in rows]
        axis.plot(*zip(*points, strict=True), "o", color=colour, label=label)
    processes = [
        (count, statistics.median(row["scheduling"] for row in found[f"workers-{count}"]) * 1e3) for count in COUNTS
    ]
    axis.plot(*zip(*processes, strict=True), "^", color=BLACK, label="worker processes")
    counts = sorted({round(10 ** (k / 20)) for k in range(61)})
    axis.plot(
        counts, [scale_model.scheduling(constants, count) * 1e3 for count in counts], color=BLACK, lw=1,
        label="model",
    )  # fmt: skip
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="workers",
        ylabel="ms",
        title="Scheduling: tasks that send and compute nothing",
    )
    axis.legend()


def draw_machines(axis, constants):
    """Draw many machines beside one; dotted where a machine would need more than MEMORY."""
    threads, span = THREADS[-1], rows_from(1e5, 1e12)
    own = [
        (scale_model.alone(constants, WIDE, n, threads), scale_model.evaluation(constants, WIDE, n, 1)["memory"])
        for n in span
    ]
    lines = [(f"one machine of {threads} threads", BLACK, own)]
    for count in MANY:
        found = [scale_model.evaluation(constants, WIDE, n, count, threads, 10 * GBIT) for n in span]
        lines.append((f"{count:,} such machines", COLOURS[count], [(one["whole"], one["memory"]) for one in found]))
    for label, colour, points in lines:
        for fits, style in ((True, "-"), (False, ":")):
            shown = [seconds if (memory <= MEMORY) == fits else math.nan for seconds, memory in points]
            axis.plot(span, shown, style, color=colour, label=label if fits else None)
    axis.set(
        xscale="log", yscale="log", xlabel=f"rows (dotted: more than {size(MEMORY)} of samples a machine)", ylabel="s",
        title="Extrapolation: an evaluation of 30 × 100, float32, 10 Gbit/s",
    )  # fmt: skip
    axis.legend()
