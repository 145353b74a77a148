"""The report of a run as Markdown, from its JSON. Cells in which a peer is faster are shown like all others."""

from bench import environment
from bench.fed import QUIET
from bench.markdown import filled, format_number, item, table, times_text, wrapped
from bench.search import ALLOWED
from bench.slope import FLAT_FROM

DTYPES = ("float64", "float32")
PEERS = ("NumPy", "Numba", "scikit-learn", "torch", "torch.compile", "JAX")


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


def bold(times):
    """Return the same text, in bold type where fastnn2 is faster."""
    return f"**{times_text(times)}**" if times > 1 else times_text(times)


def grid_part(results):
    """Return the main tables, all cores."""
    parts = []
    for dtype in DTYPES:
        parts += [
            f"{dtype}:",
            grid_table(results, dtype),
        ]
    return "\n\n".join(parts)


def single_part(results):
    """Return the tables for one thread, and the peers that were left out."""
    parts = []
    for dtype in DTYPES:
        if not any(time_of(cell, "fastnn2", dtype, 1) for cell in results["grid"]):
            continue
        parts += [f"{dtype}:", grid_table(results, dtype, 1)]
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
    if results.get("quick"):
        lines.insert(0, "a quick run: fewer cells, peers and rounds")
    return "\n".join(["Measured on:", "", *(item(line) for line in lines)])


# (part of the results, title, what it is about, what makes its tables)
SECTIONS = (
    (
        "grid",
        "The grid",
        "Time of an iteration of `fit` on all cores, in µs, for n samples, d features and h hidden units (and several "
        "outputs, where there is a fourth number). Numba's loop has one thread. The last column compares fastnn2 with "
        "the fastest peer.",
        grid_part,
    ),
    ("grid", "One thread", "The same cells, with every peer limited to one thread.", single_part),
    (
        "estimators",
        "Estimators",
        "scikit-learn's `MLPClassifier` and fastnn2's, with the same parameters on the same data. Before they are "
        "timed, both have to reach the same loss in the same number of epochs, or the same probabilities.",
        estimators_part,
    ),
    (
        "predictions",
        "Small predictions",
        "Predictions as a service makes them: of few rows, again and again. Both classes have the same weights, and "
        "have to predict the same before they are timed.",
        predictions_part,
    ),
    (
        "search",
        "A grid search",
        "`GridSearchCV` over three penalties and two numbers of hidden units, in five folds of breast cancer in a "
        "`Pipeline` with `StandardScaler`, on two workers. Both classes have to choose the same.",
        search_part,
    ),
    (
        "startup",
        "Start-up",
        "Each row is a Python process from its start to its end. Bundled kernels come with the package, as in a wheel. "
        "With an empty store, fastnn2 compiles its kernels and keeps them; without a store (`FASTNN2_STORE=off`), "
        "every process compiles them. The row of the first fit is the time by which it is longer than a second one.",
        startup_part,
    ),
    (
        "slope",
        "Scaling",
        "How the time grows with the number of samples, without layout and the start of the threads.",
        slope_part,
    ),
    (
        "peak",
        "Share of the machine",
        "How fast the matrix products are, as a share of what a loop of fused multiply-adds in registers reaches on "
        "the same cores; tanh and everything else count as nothing.",
        peak_part,
    ),
    (
        "busy",
        "Busy neighbours",
        "What other processes on the same cores cost. If threads only spun while they wait for each other, this job "
        "would be hundreds of times slower beside busy loops.",
        busy_part,
    ),
)


def title(results):
    """Return what a run is called: its processor, and its day."""
    return f"{environment.title(results['environment'])}, {results['environment']['date'][:10]}"


def markdown(results, pictures=None):
    """Return the whole report of a run.

    Parameters
    ----------
    results : dict
        What is in the JSON of a run.
    pictures : dict, optional
        Title of a section -> the Markdown of a picture that is shown at its end.
    """
    parts = [f"# {title(results)}", environment_part(results)]
    parts += [filled(note) for note in results.get("notes", ())]
    for name, heading, about, maker in SECTIONS:
        if name in results:
            parts += [f"## {heading}", filled(about), wrapped(maker(results))]
            parts += [pictures[heading]] if heading in (pictures or {}) else []
    return "\n\n".join(parts) + "\n"
