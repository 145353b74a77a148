"""What is made of the results of :mod:`bench.scale_out`: tables, the model beside them, and the picture."""

import math
import statistics

from bench import scale_model
from bench.pictures import new_figure
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
COLOURS = {1: "#55a868", 2: "#4c72b0", 4: "#8172b3", 10: "#55a868", 100: "#4c72b0", 1_000: "#c44e52"}


def text(found):
    """Return all tables as lines of text."""
    rows, constants = evaluations(found), constants_of(found)
    lines = [
        *(f"{part}: {note}" for part, note in found.get("notes", {}).items()),
        *measured_lines(found, rows), "", *wanted_lines(found), "", *model_lines(found, rows, constants), "",
        *pays_lines(constants), "", *many_machines_lines(constants),
    ]  # fmt: skip
    return "\n".join(lines)


def evaluations(found):
    return [row for count in COUNTS for row in found[f"workers-{count}"]]


def constants_of(found):
    return scale_model.fitted(evaluations(found), found["many"], found["cores"])


def measured_lines(found, rows):
    alone = {(row["shape"], row["n"]): row["seconds"] for row in found["local"]}
    lines = [
        "Time of an evaluation on worker processes of one thread, and beyond: less the kernels of the slowest worker;",
        f"one process: an iteration of fit on all {found['cores']} cores. Scheduling: tasks that send and compute",
        "nothing; transfer: what parameters and sums add to that (less than 0 is noise).",
        f"{'':24} {'rows':>11} {'workers':>7} {'whole':>8} {'beyond':>8} {'computing':>9} {'scheduling':>10} "
        f"{'transfer':>8} {'bytes':>9} {'one process':>11}",
    ]
    for row in sorted(rows, key=lambda row: (list(SHAPES).index(row["shape"]), row["n"], row["workers"])):
        times = [
            f"{row[name] * 1e3:{width}.2f}"
            for name, width in (("whole", 8), ("beyond", 8), ("computing", 9), ("scheduling", 10), ("transfer", 8))
        ]
        own = alone.get((row["shape"], row["n"]))
        mark = "*" if row["workers"] > found["cores"] else " "
        lines.append(
            f"{row['shape']:24} {row['n']:11,} {row['workers']:6}{mark} {' '.join(times)} {row['bytes']:9,} "
            f"{'-' if own is None else f'{own * 1e3:.3f}':>11}"
        )
    lines.append(f"All times in ms. * more workers than the {found['cores']} cores: they wait for each other.")
    lines += ["", "Tasks that compute nothing, on workers that share one process, ms:"]
    lines.append(
        f"{'workers':>7} {'merges':>6} {'scheduling':>10} {'client+scheduler':>16} {'transfer':>8} {'bytes':>10}"
    )
    for row in found["many"]:
        lines.append(
            f"{row['workers']:7} {row['merges']:6} {row['scheduling'] * 1e3:10.2f} {row['cpu'] * 1e3:16.2f} "
            f"{row['transfer'] * 1e3:8.2f} {row['bytes']:10,}"
        )
    lines.append("client+scheduler: processor time of the process that has both; the wall time is an upper bound, as")
    lines.append("workers of a real cluster do not share one interpreter.")
    return lines


def wanted_lines(found):
    """Return the two figures that are wanted, and whether they are reached."""
    most = max(row["rounds"] for row in found["workers-2"])
    worst = max((row for row in found["workers-2"] if row["rounds"] == most), key=lambda row: row["beyond"])
    pair = found["pair"]
    return [
        f"Two workers of one thread, beyond the kernels: at most {worst['beyond'] * 1e3:.1f} ms ({worst['shape']}, "
        f"{worst['n']:,} rows, median of {worst['rounds']}); wanted: {BEYOND * 1e3:.0f}: "
        f"{said(worst['beyond'] <= BEYOND)}",
        f"{pair['n']:,} x {pair['shape']}, an iteration: {pair['cluster']:.3f} s on two workers of one thread, "
        f"{pair['alone']:.3f} s in one process with two threads:",
        f"ratio of medians {pair['ratio']:.3f} ({pair['pairs']} alternating pairs, equal costs and parameters bit for "
        f"bit); wanted: {RATIO}: {said(pair['ratio'] <= RATIO)}",
    ]


def said(is_reached):
    return "reached" if is_reached else "missed"


def predicted(constants, row, cores):
    """Return the whole time by the model; workers that share a core take turns."""
    shape, workers = SHAPES[row["shape"]], row["workers"]
    times = scale_model.evaluation(constants, shape, row["n"], workers)
    return times["whole"] + times["computing"] * (max(1.0, row["parts"] / cores) - 1)


def model_lines(found, rows, constants):
    """Return the constants and how well they describe the measurements."""
    lines = [
        f"The model: an evaluation takes {constants.base * 1e3:.2f} ms, as much again for each level of merges, "
        f"{constants.task * 1e3:.2f} ms for each task, {constants.byte * 1e9:.2f} ns for each byte, and computing:"
    ]
    for name, (fixed, row) in constants.kernels.items():
        lines.append(f"  {name:24} {fixed * 1e3:.2f} ms and {row * 1e9:.3f} ns a row on one thread")
    for title, is_wanted in (
        (f"on up to {found['cores']} workers", lambda row: row["workers"] <= found["cores"]),
        ("on more workers than cores", lambda row: row["workers"] > found["cores"]),
    ):
        ratios = [
            predicted(constants, row, found["cores"]) / row["whole"]
            for row in rows
            if is_wanted(row) and row["shape"] in constants.kernels
        ]
        if ratios:
            lines.append(
                f"Predicted by measured time, {title}: {statistics.median(ratios):.2f} (median), "
                f"{min(ratios):.2f} to {max(ratios):.2f}"
            )
    alone = [
        scale_model.alone(constants, SHAPES[row["shape"]], row["n"], found["cores"]) / row["seconds"]
        for row in found["local"]
        if row["seconds"] > 0.005 and row["shape"] in constants.kernels
    ]
    if alone:
        lines.append(
            f"Predicted by measured time, one process, iterations of 5 ms or more: {statistics.median(alone):.2f} "
            f"(median), {min(alone):.2f} to {max(alone):.2f}"
        )
    return lines


def pays_lines(constants):
    """Return from how many rows on a cluster is faster than one of its machines."""
    lines = [
        "Extrapolation. Rows from which on a cluster is faster than one of its machines alone (10 Gbit/s):",
        f"{'':24} {'threads each':>12}" + "".join(f"{count:>12,} workers" for count in (2, *MANY)),
    ]
    for shape in (WIDE, NARROW):
        for threads in THREADS:
            found = [
                scale_model.break_even(constants, shape, count, threads, threads, 10 * GBIT) for count in (2, *MANY)
            ]
            lines.append(f"{shape.name:24} {threads:12}" + "".join(f"{rounded(rows):>20}" for rows in found))
    return lines


def many_machines_lines(constants):
    """Return the table of many workers and rows."""
    lines = [
        f"Extrapolation. An evaluation for fit (30 x 100, float32) and for L-BFGS (float64), and {ITERATIONS} "
        f"iterations of L-BFGS at {EVALUATIONS} evaluations each, without reading and laying out the samples; memory:",
        "of each worker for its samples, in float32 and float64. Assumed: threads as fast as one of this machine, also",
        "beside others; scheduler and client as here; nobody else on the network; no worker that is slow or dies.",
        f"{'rows':>6} {'workers':>7} {'threads':>7} {'busy':>7} {'network':>10} {'evaluation':>10} {'L-BFGS':>9} "
        f"{'100 its':>9} {'memory, float32':>15} {'float64':>9}",
    ]
    for n in ROWS:
        for threads in THREADS:
            for count in MANY:
                for gbit in NETWORKS:
                    fit, lbfgs = (
                        scale_model.evaluation(constants, shape, n, count, threads, gbit * GBIT)
                        for shape in (WIDE, LBFGS)
                    )
                    lines.append(
                        f"{n:6.0e} {count:7,} {threads:7} {fit['used']:7,} {gbit:3} Gbit/s "
                        f"{duration(fit['whole']):>10} {duration(lbfgs['whole']):>9} "
                        f"{duration(lbfgs['whole'] * ITERATIONS * EVALUATIONS):>9} "
                        f"{size(fit['memory']):>15} {size(lbfgs['memory']):>9}"
                    )
    lines.append("busy: threads that have chunks; the number of chunks limits it.")
    return lines


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
    figure, axes = new_figure(2, 2, (12, 9))
    draw_measured(axes[0], found, constants)
    draw_parts(axes[1], found)
    draw_scheduling(axes[2], found, constants)
    draw_machines(axes[3], constants)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.set_axisbelow(True)
    figure.savefig(path, dpi=110)


def rows_from(low, high):
    """Return 97 numbers of rows, evenly on a logarithmic axis."""
    return [round(low * (high / low) ** (k / 96)) for k in range(97)]


def draw_measured(axis, found, constants):
    own = [(row["n"], row["seconds"] * 1e3) for row in found["local"] if row["shape"] == WIDE.name]
    axis.plot(*zip(*own, strict=True), "s", color="#222222", label=f"one process, {found['cores']} threads")
    span = rows_from(own[0][0], own[-1][0])
    axis.plot(span, [scale_model.alone(constants, WIDE, n, found["cores"]) * 1e3 for n in span], color="#222222", lw=1)
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
    axis.legend()


def draw_parts(axis, found):
    rows = [row for row in found["workers-2"] if row["shape"] == WIDE.name]
    places, below = range(len(rows)), [0.0] * len(rows)
    parts = (("scheduling", "#4c72b0"), ("transfer", "#c44e52"), ("computing", "#222222"))
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
        ("scheduling", "#937860", "workers that share one process"),
        ("cpu", "#4c72b0", "of which client and scheduler compute"),
    ):
        points = [(row["workers"], row[name] * 1e3) for row in rows]
        axis.plot(*zip(*points, strict=True), "o", color=colour, label=label)
    processes = [
        (count, statistics.median(row["scheduling"] for row in found[f"workers-{count}"]) * 1e3) for count in COUNTS
    ]
    axis.plot(*zip(*processes, strict=True), "^", color="#222222", label="worker processes")
    counts = sorted({round(10 ** (k / 20)) for k in range(61)})
    axis.plot(
        counts, [scale_model.scheduling(constants, count) * 1e3 for count in counts], color="#222222", lw=1,
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
    lines = [(f"one machine of {threads} threads", "#222222", own)]
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
