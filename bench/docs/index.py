"""docs/benchmarks/index.md: what is measured and how, all machines at a glance, and where peers are ahead."""

from bench import report
from bench.docs import others, peers_ahead, readme, runs
from bench.markdown import item, table, times_text

INTRODUCTION = f"""\
{runs.MADE}
# Benchmarks

What fastnn2 is measured against: NumPy, a plain Numba loop, scikit-learn, PyTorch (eager and compiled) and JAX, all on
the CPU; gradient boosting and linear models where it is about tables. Every figure comes from a JSON file in
`bench/results/`, with the machine, the day, the versions and the commit that were measured."""

MACHINES = """\
## All machines at a glance

How many times as fast as the fastest peer fastnn2 is, on all cores, in float64 / float32: iterations of `fit` for
samples × features × hidden units, and a whole fit of `MLPClassifier` on 10,000 × 30 in 50 epochs, whose peer is
scikit-learn. The newest run is first, those in which a processor plays another one are last. Each run used the code of
its day, and its page has all tables."""

HELD_EQUAL = """\
## What is held equal

- All peers train the same network on the same data from the same weights, with the cost of every iteration, and are
  timed only if their last cost is that of the NumPy reference (to 1e-6 in float64, 1e-3 in float32).
- A time is that of a whole call. For fastnn2 it includes the checks, the copy of X into the kernels' layout, and the
  start of the threads. Compiling is not included; the tables of the start-up have it.
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

## Run it yourself

In a checkout of the repository, with Python 3.11 or newer; the peers take 2 GB of disk. The last command measures
everything in 5 minutes, prints the tables, and writes nothing but `my-machine.json` and its pictures:

```sh
python3 -m venv .venv && . .venv/bin/activate
python -m pip install --quiet '.[bench]'
python -m bench --quick --json my-machine.json
```

- `python -m bench` measures more of everything, in about 45 minutes, and writes `bench/results/PROCESSOR.json`, with
  pictures made from it. Peers that are not installed are left out, and the report says so.
- `python -m bench --only 500x2x5` measures one part and writes nothing, in minutes; on a busy machine it takes several
  times as long, and ratios say little. Parts are `startup`, `busy`, `peak`, `slope`, `estimators`, `predictions`,
  `search`, `grid`, and each cell of the grid.
- `python -m bench --cpu x86-64-v3` compiles for that level of x86-64 (or x86-64-v2, -v4), and holds all peers to it.
  The file is `bench/results/PROCESSOR-LEVEL.json`.
- `python -m bench --report bench/results/zen4.json` measures nothing: it prints the tables and makes the pictures anew.
- `python -m bench --against ../other` compares this checkout with another one, in pairs: for a change of a few percent,
  which the tables here cannot show.
- `python -m pytest bench/ --benchmark-only` runs the same jobs with pytest-benchmark.
- `python -m bench.many`, `bench.tabular`, `bench.tables_models` and `bench.scale_out` measure the pages of their own.
- `python -m bench.docs` makes these pages, the table of the README and the pictures of the first page from all JSON
  files in `bench/results/`.

[Measuring on a noisy machine](../contributing.md#measuring-on-a-noisy-machine) says more of each command."""


def page(folder=runs.RESULTS):
    """Return the page; `folder` has the JSON files."""
    found = runs.all_runs(folder)
    pages = [*(path.stem for path, _ in found), *(kind.page for kind in others.found(folder))]
    return "\n\n".join([
        INTRODUCTION, toctree(pages),
        MACHINES, at_a_glance(found),
        "Beside the runs of the whole bench there are pages for results of their own:",
        "\n".join(item(f"[{kind.title}]({kind.page}.md): {kind.about}") for kind in others.found(folder)),
        peers_ahead.section(folder), HELD_EQUAL,
    ]) + "\n"  # fmt: skip


def toctree(pages):
    return "\n".join(["```{toctree}", ":hidden:", "", *pages, "```"])


def at_a_glance(found):
    """Return the table of all runs: how many times as fast as the fastest peer."""
    names = {
        cell["name"]: cell["title"].replace(" x ", " × ")
        for _, results in found
        for cell in results["grid"]
        if cell["name"] in readme.HEADLINE_CELLS
    }
    rows = []
    for path, results in found:
        cells = {cell["name"]: cell["ratios"] for cell in results["grid"]}
        both = [[cells.get(name, {}).get(dtype, {}).get("times") for dtype in report.DTYPES] for name in names]
        jobs = {
            row["dtype"]: row["ratio"]
            for row in results.get("estimators", {}).get("rows", ())
            if row["title"] == readme.HEADLINE_JOB
        }
        both.append([jobs.get(dtype) for dtype in report.DTYPES])
        texts = [" / ".join("-" if times is None else times_text(times) for times in pair) for pair in both]
        rows.append([f"[{report.title(results)}]({path.stem}.md)", *texts])
    return table(["machine", *names.values(), "`MLPClassifier`"], rows)
