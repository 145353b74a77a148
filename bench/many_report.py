"""The table made from the results of :mod:`bench.many`, for a terminal and for docs/benchmarks/many-networks.md."""

from bench import environment, markdown

# What is wanted: the most times as long as the kernel calls alone, the fewest times as fast as JAX, the most bytes.
ALONE, MEMORY = 1.1, 64e6
JAX = {("200x24x8", "float64"): 2.5, ("200x24x8", "float32"): 2, ("500x2x5", "float64"): 4, ("500x2x5", "float32"): 3}


def text(results):
    """Return the tables of the parts that were measured, with what they are of."""
    makers = {"alone": alone, "jax": jax, "memory": memory}
    parts = [makers[name](results[name]) for name in makers if name in results]
    where = results["environment"]
    versions = where["versions"]
    of_jax = f", JAX {versions['jax']}" if results.get("jax", {}).get("rows") else ""
    measured_on = f"Measured {where['date'][:10]} on an {environment.title(where)}, {where['cores']} cores{of_jax}."
    return "\n\n".join([*(one for part in parts for one in part), markdown.filled(measured_on)])


def alone(rows):
    """Return the lines on fit_many beside its kernel calls."""
    cells = [
        [
            "of their own" if row["own"] else "shared", f"{row['networks']:,}",
            markdown.time_text(row["fastnn2"]["median"]), markdown.time_text(row["processes"]["median"]),
            f"{row['ratio']:.2f}", f"{row['fastest']:.2f}", f"{ALONE:g}",
        ]
        for row in rows
    ]  # fmt: skip
    first = rows[0]
    return [
        markdown.filled(
            f"**Overhead.** The whole call with 2 threads, and the same kernel calls in two processes that never meet "
            f"and find all laid out: networks {first['title']}, {first['iterations']} iterations, {first['dtype']}. "
            f"Medians of {first['fastnn2']['rounds']} rounds, with the same bits; and the ratio of the fastest rounds, "
            "which other work on the machine disturbed least."
        ),
        markdown.table(
            ["samples", "networks", "`fit_many`", "kernel calls", "ratio", "fastest rounds", "wanted"], cells
        ),
    ]


def jax(part):
    """Return the lines on fit_many beside JAX."""
    if not part["rows"]:
        return [markdown.filled(f"**JAX** was left out: {part['skipped']}.")]
    cells = []
    for row in part["rows"]:
        ways = row["ways"].values()
        wanted = JAX.get((row["name"], row["dtype"]))
        cells.append([
            f"{row['networks']:,} of {row['title']}", row["dtype"], markdown.time_text(row["fastnn2"]["median"]),
            *(f"{markdown.time_text(one['median'])} ({one['times']:.2f})" for one in ways), f"{wanted:g}",
        ])  # fmt: skip
    ways = list(part["rows"][0]["ways"])
    return [
        markdown.filled(
            "**JAX.** The time of a network and iteration on all cores, in a whole call of `fit_many` and in JAX's "
            "vmap of a scan, compiled and laid out before, at its best batch of 1 to 256. In brackets: how many times "
            f"as fast `fit_many` is, medians over {part['rows'][0]['fastnn2']['rounds']} rounds."
        ),
        markdown.table(["networks", "dtype", "`fit_many`", *(f"JAX, {way}" for way in ways), "wanted"], cells),
    ]


def memory(row):
    """Return the line on memory."""
    if row["peak"] is None:
        return ["**Memory**: the system does not tell."]
    return [
        markdown.filled(
            f"**Memory.** {row['networks']:,} networks {row['title']}, {row['iterations']} iterations, with "
            f'`costs="last"`: {markdown.time_text(row["seconds"])}; at most {row["peak"] / 1e6:.0f} MB beside data and '
            f"results, which take {row['kept'] / 1e6:.0f} MB. Wanted are at most {MEMORY / 1e6:.0f} MB."
        )
    ]
