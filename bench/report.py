"""Markdown tables from the JSON. Cells in which a peer is faster are shown like all others."""

import textwrap

from bench import environment
from bench.fed import QUIET
from bench.search import ALLOWED
from bench.slope import FLAT_FROM

DTYPES = ("float64", "float32")
PEERS = ("NumPy", "Numba", "scikit-learn", "torch", "torch.compile", "JAX")


def format_number(value, digits=3):
    """Return a number with at least this many significant digits, without an exponent."""
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:#.{digits}g}".rstrip(".")


def table(header, rows):
    """Return a Markdown table; all columns but the first are aligned to the right."""
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def time_of(cell, title, dtype, threads):
    """Return microseconds an iteration, or None."""
    for row in cell["rows"]:
        if (row["title"], row["dtype"], row["threads"]) == (title, dtype, threads):
            return row["us_per_iteration"]
    return None


def shown(value):
    return "-" if value is None else format_number(value)


def grid_table(results, dtype, threads=None):
    """Return the table of one dtype: microseconds an iteration, and how many times faster fastnn2 is."""
    titles = [title for title in PEERS if any(time_of(cell, title, dtype, threads) for cell in results["grid"])]
    if threads is None:  # Numba runs on one thread only; its time is shown here, too
        titles = [title for title in PEERS if title in titles or title == "Numba"]
    rows = []
    for cell in results["grid"]:
        own = time_of(cell, "fastnn2", dtype, threads)
        if own is None:  # a quick run measures one thread for the tutorial's job only
            continue
        peers = {title: time_of(cell, title, dtype, 1 if title == "Numba" else threads) for title in titles}
        measured = {title: us for title, us in peers.items() if us}
        if threads is None:
            last = ratio_text(cell["ratios"].get(dtype))
        else:
            last = times_text(min(measured.values()) / own) if own and measured else "-"
        rows.append([cell["title"].replace("x", "×"), *(shown(peers[title]) for title in titles), shown(own), last])
    return table(["n × d × h", *titles, "fastnn2", "times faster"], rows)


def ratio_text(ratio):
    return f"{bold(ratio['times'])} ({ratio['fastest']})" if ratio else "-"


def times_text(times):
    """Return how many times faster fastnn2 is, with two decimals where the two are close."""
    return f"{times:.1f}" if times >= 1.15 else f"{times:.2f}"


def bold(times):
    """Return the same text, in bold type where fastnn2 is faster."""
    return f"**{times_text(times)}**" if times > 1 else times_text(times)


def grid_part(results):
    """Return the main tables, all cores."""
    parts = []
    for dtype in DTYPES:
        parts += [
            f"{dtype}, µs an iteration, all cores, against the fastest peer (Numba: one thread):",
            grid_table(results, dtype),
        ]
    return "\n\n".join(parts)


def single_part(results):
    """Return the tables for one thread, and the peers that were left out."""
    parts = []
    for dtype in DTYPES:
        if not any(time_of(cell, "fastnn2", dtype, 1) for cell in results["grid"]):
            continue
        parts += [f"{dtype}, µs an iteration:", grid_table(results, dtype, 1)]
    skipped = [
        f"- {cell['title']}: {one['peer']}, {one['dtype']}: {one['reason']}"
        for cell in results["grid"]
        for one in cell["skipped"]
    ]
    if skipped:
        parts += ["Left out:", "\n".join(skipped)]
    return "\n\n".join(parts)


def startup_part(results):
    """Return the table of start-up times."""
    startup = results["startup"]
    rows = [[row["name"], f"{row['median'] * 1e3:,.0f}"] for row in startup["rows"]]
    rows += [[one["name"], "-"] for one in startup["skipped"]]
    head = f"Whole processes, ms, median of {startup['rounds']} (job: the tutorial's 5,000 iterations):"
    return head + "\n\n" + table(["", "ms"], rows)


def peak_part(results):
    """Return the share of the machine's rates that the engine reaches."""
    peak = results["peak"]
    is_fed = "fed_loop" in peak  # not in earlier runs
    rows = []
    for one in peak["cells"]:
        row = [one["title"].replace("x", "×"), one["dtype"], str(one["threads"] or "all")]
        row += [f"{one['gflops']:.0f}", f"{one['gflops_of_call']:.0f}", f"{one['share']:.0%}"]
        rows.append([*row, f"{one['share_of_fed']:.0%}", quiet_text(one["quiet"])] if is_fed else row)
    rates = ", ".join(f"{peak['peak'][dtype]['one']:.0f} in {dtype}" for dtype in DTYPES)
    beside = "; for each row measured again, right beside it" if all("peak" in one for one in peak["cells"]) else ""
    header = ["n × d × h", "dtype", "threads", "GFLOP/s a core", "over a whole call", "share of peak"]
    parts = [
        f"Peak: {rates} GFLOP/s a core, at {peak['clock'] / 1e9:.2f} GHz{beside}.",
        *([fed_text(peak)] if is_fed else []),
        table([*header, "of the fed peak", "quiet"] if is_fed else header, rows),
    ]
    parts += [
        f"The tutorial's job in {one['dtype']}, one thread: {one['seconds'] * 1e6:.2f} µs an iteration, "
        f"{one['times']:.2f} times the {one['bound'] * 1e6:.2f} µs that its {one['operations']:,} vector "
        f"operations and {one['divisions']} divisions take at the least"
        + (f" (quiet: {quiet_text(one['quiet'])})." if is_fed else ".")
        for one in peak["tutorial"]
    ]
    return "\n\n".join(parts)


def fed_text(peak):
    """Return what is said of the second peak, and of quietness."""
    loop, rates = peak["fed_loop"], ", ".join(f"{peak['peak'][dtype]['fed_one']:.0f} in {dtype}" for dtype in DTYPES)
    return (
        f"The fed peak is that of a block of a matrix product whose operands come from the first-level cache: {rates} "
        f"GFLOP/s a core, with {loop['fma']} fma among {loop['instructions']} instructions. Quiet means that, beside "
        f"the row, this loop was within {1 - QUIET:.0%} of its best."
    )


def quiet_text(quiet):
    return "yes" if quiet else "no"


def slope_part(results):
    """Return time per sample and iteration by number of samples."""
    slope = results["slope"]
    by_key = {(row["n"], row["dtype"], row["threads"]): row for row in slope["rows"]}
    rows = []
    for n in sorted({row["n"] for row in slope["rows"]}):
        row = [f"{n:,}"]
        for dtype in DTYPES:
            one, several = by_key[n, dtype, 1], by_key[n, dtype, None]
            times = several.get("times", one["ns"] / several["ns"])  # earlier runs were not compared round by round
            row += [f"{one['ns']:.3f}", f"{several['ns']:.3f}", f"{times:.2f}"]
        rows.append(row)
    header = ["n", *(f"{dtype}, {what}" for dtype in DTYPES for what in ("1 thread", "all", "times"))]
    compared = ", medians; sizes and threads are compared round by round" if "times" in slope["rows"][0] else ""
    parts = [f"n × 2 × 5, ns a sample and iteration{compared}:", table(header, rows)]
    parts += [
        f"{dtype}, from {FLAT_FROM:,} samples on: at the slowest size a sample takes "
        f"{slope[dtype]['spread']['1'] - 1:.0%} longer than at the fastest on one thread, "
        f"{slope[dtype]['spread']['all'] - 1:.0%} on all cores; all cores are at least "
        f"{slope[dtype]['speed_up']:.2f} times as fast as one." + independent_fits(slope[dtype])
        for dtype in DTYPES
    ]
    return "\n\n".join(parts)


def independent_fits(of_dtype):
    """Return the speed-up of independent fits, where it was measured."""
    if "independent" not in of_dtype:
        return ""  # an earlier run
    return (
        f" (Fits on one thread each that share {FLAT_FROM:,} samples, side by side, and never meet are "
        f"{of_dtype['independent']:.2f} times as fast as one.)"
    )


def busy_part(results):
    """Return the times with and without busy loops."""
    busy = results["busy"]
    return (
        f"The tutorial's job on 2 threads: {busy['quiet'] * 1e3:.1f} ms, and "
        f"{busy['busy'] * 1e3:.1f} ms ({busy['ratio']:.1f} times) beside {busy['loops']} busy loops."
    )


def estimators_part(results):
    """Return the table of scikit-learn's classes against fastnn2's."""
    estimators = results["estimators"]
    if estimators["skipped"]:
        return f"Left out: {estimators['skipped']}"
    rows = [
        [
            row["title"].replace(" x ", " × "), row["dtype"], shown(row["sklearn"] * 1e3), shown(row["fastnn2"] * 1e3),
            bold(row["ratio"]),
        ]
        for row in estimators["rows"]
    ]  # fmt: skip
    head = f"Whole calls, ms, median of {estimators['rounds']}, scikit-learn with its best number of BLAS threads"
    if "ratio_quartiles" in estimators["rows"][0]:  # in earlier runs the ratio is that of the medians
        head += "; times faster by round"
    head += ":"
    return head + "\n\n" + table(["", "dtype", "scikit-learn", "fastnn2", "times faster"], rows)


def predictions_part(results):
    """Return the tables of predictions of few rows."""
    predictions = results["predictions"]
    if predictions["skipped"]:
        return f"Left out: {predictions['skipped']}"
    rows = [
        [
            f"`{row['method']}`, {rows_text(row['n'])}, {row['kind']}", row["dtype"], shown(row["sklearn"] * 1e6),
            shown(row["fastnn2"] * 1e6), bold(row["ratio"]),
        ]
        for row in predictions["rows"]
    ]  # fmt: skip
    single = [
        [row["name"], row["dtype"], shown(row["median"] * 1e6), str(row["wanted"] or "-")]
        for row in predictions["single"]
    ]
    return "\n\n".join([
        f"30 features, 100 units: µs a call, median of {predictions['rounds']}, scikit-learn with its best number of "
        "BLAS threads; times faster by round:",
        table(["", "dtype", "scikit-learn", "fastnn2", "times faster"], rows),
        "What a hot loop calls, µs a call:",
        table(["", "dtype", "µs", "at most wanted"], single),
    ])  # fmt: skip


def rows_text(n):
    return f"{n:,} rows" if n > 1 else "1 row"


def search_part(results):
    """Return what a grid search takes."""
    search = results["search"]
    if search["skipped"]:
        return f"Left out: {search['skipped']}"
    warm, first = search["warm"], search["first"]
    kernels = "; ".join(
        f"{one['name']} {one['dtype']}: {one['compiles']}, {one['seconds']:.2f} s" for one in first["kernels"]
    )
    return "\n\n".join([
        f"Warm, on two workers that have been started: scikit-learn {warm['sklearn']:.2f} s, fastnn2 "
        f"{warm['fastnn2']:.2f} s, {times_text(warm['ratio'])} times faster (median of {search['rounds']} rounds).",
        f"New workers: the search takes {first['empty']['search']:.2f} s with an empty store, and "
        f"{first['warm']['search']:.2f} s with a warm one; at most {first['limit']:.2f} s are wanted, {ALLOWED:g} "
        f"times the warm run and one compile of each kernel. Until the workers have started and imported everything, "
        f"{first['empty']['start']:.2f} and {first['warm']['start']:.2f} s pass.",
        f"Kernels, how often they were compiled, and the time of one compile alone (the first one imports Numba): "
        f"{kernels}.",
    ])  # fmt: skip


def environment_part(results):
    lines = environment.as_lines(results["environment"])
    if results["quick"]:
        lines.insert(0, "a quick run: fewer cells, peers and rounds")
    return textwrap.fill("Measured on: " + "; ".join(lines) + ".", width=110, break_long_words=False)


# (part of the results, title, what is written about it)
SECTIONS = (
    ("grid", None, grid_part),
    ("grid", "One thread", single_part),
    ("startup", "Start-up", startup_part),
    ("peak", "Share of the machine", peak_part),
    ("slope", "Scaling", slope_part),
    ("busy", "Not alone", busy_part),
    ("estimators", "scikit-learn's classes", estimators_part),
    ("predictions", "Small predictions", predictions_part),
    ("search", "A grid search", search_part),
)


def markdown(results):
    """Return the whole report of a run."""
    parts = ["# Bench", environment_part(results)]
    for name, title, part in SECTIONS:
        if name in results:
            parts += [f"### {title}"] * bool(title) + [part(results)]
    return "\n\n".join(parts) + "\n"
