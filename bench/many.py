"""Thousands of networks in one call: ``python -m bench.many`` measures fit_many.

- `alone`: its whole call beside the same kernel calls and nothing else, in two processes that never meet. All is laid
  out before these begin, and the slower one counts. Costs and parameters have to be equal first, bit for bit.
- `jax`: its whole call beside JAX's vmap of a scan, both on all cores; the time of a network and iteration. JAX gets
  the best of several batches, of its own gradient or the formulas, and of one device, two devices, or two processes on
  a core each. What it needs is laid out and compiled before. Its costs have to be those of fit_many, but for rounding.
- `memory`: the most memory beside results and data, of a hundred thousand tiny networks, in a process of its own.

Both sides take turns. The results are kept as JSON, of which ``python -m bench.docs`` makes a page.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from bench import environment, storage
from bench.environment import say

RESULTS = Path(__file__).parent / "results"
PARTS = ("alone", "jax", "memory")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m bench.many", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny crowds: whether it runs")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part, repeatable; the others stay as kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where results are kept")
    parser.add_argument("--report", action="store_true", help="measure nothing: the table from the JSON")
    options = parser.parse_args(arguments)
    if options.json is None:
        if options.quick:
            parser.error("--quick needs --json FILE: it is not to replace measured figures")
        options.json = RESULTS / f"many-{environment.file_name(environment.processor())}.json"
    if options.report and not options.json.is_file():
        parser.error(f"there is no {options.json}")
    return options


def measure_parts(options, say):
    """Measure parts and write the results after each one."""
    from bench import many_parts

    found = storage.read(options.json) if options.only and options.json.is_file() else {}
    found |= {"environment": environment.describe(), "quick": options.quick}
    say("\n".join(environment.as_lines(found["environment"])))
    for part in options.only or PARTS:
        begin, load = time.perf_counter(), round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
        say(f"\n== {part}")
        found[part] = getattr(many_parts, part)(options.quick, say)
        found.setdefault("load", {})[part] = load  # the others of this machine, and what this bench did before
        say(f"({time.perf_counter() - begin:.0f} s)")
        storage.write(options.json, found)


def main(arguments=None):
    options = parse(arguments)
    environment.start_clean()

    if not options.report:
        measure_parts(options, say)
    from bench import many_report

    results = storage.read(options.json)
    say("\n" + many_report.text(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
