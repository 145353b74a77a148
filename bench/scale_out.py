"""Evaluations on a cluster of this machine, and what many machines would do: ``python -m bench.scale_out``.

Costs and parameters of fastnn2.dask.fit have to be those of fastnn2.fit, bit for bit, before anything is timed. Then
clusters of 1, 2 and 4 worker processes of one thread evaluate several networks on more and more rows. The tasks of an
evaluation take turns with tasks that send the same arguments and return the same sums, but compute nothing, and with
tasks that send and return nothing. So scheduling, transfer and computing are told apart. In the part `many`, up to
128 workers share one process; that shows what scheduling takes, and is an upper bound, as they share one interpreter.
The part `pair` lets 20,000,000 x 30 on two workers take turns with one process on two threads, iteration by iteration.

A model (:mod:`bench.scale_model`) is fitted to the figures, compared with them, and carried over to more workers and
rows. The results are kept as JSON, with a picture beside it.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from bench import environment, storage
from bench.environment import say
from bench.inside import usable_cores

RESULTS = Path(__file__).parent / "results"
PARTS = ("local", "workers-1", "workers-2", "workers-4", "many", "pair")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m bench.scale_out", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, in half a minute: whether it runs")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="a part, repeatable; the others stay in the JSON"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where results are kept")
    parser.add_argument("--report", action="store_true", help="measure nothing: tables and picture from the JSON")
    options = parser.parse_args(arguments)
    if options.json is None:
        if options.quick:
            parser.error("--quick needs --json FILE: it is not to replace measured figures")
        options.json = RESULTS / f"scale-out-{environment.file_name(environment.processor())}.json"
    if options.json.is_dir() or not os.access(options.json.parent, os.W_OK):
        parser.error(f"cannot write {options.json}: it is a folder, or its folder is missing or read-only")
    if options.report and not options.json.is_file():
        parser.error(f"there is no {options.json}")
    return options


def measure_parts(options, say):
    """Measure parts and write the results after each one; return all results."""
    from bench import scale_parts

    found = storage.read(options.json) if options.only and options.json.is_file() else {}
    found |= {"environment": environment.describe(), "quick": options.quick, "cores": usable_cores()}
    say("\n".join(environment.as_lines(found["environment"])))
    for part in options.only or PARTS:
        begin, load = time.perf_counter(), round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
        say(f"\n== {part}")
        measure, _, number = part.partition("-")
        found[part] = getattr(scale_parts, measure)(options.quick, say, *map(int, filter(None, [number])))
        found.setdefault("load", {})[part] = load  # the others of this machine, and what this bench did before
        found.get("notes", {}).pop(part, None)
        say(f"({time.perf_counter() - begin:.0f} s)")
        storage.write(options.json, found)
    return found


def main(arguments=None):
    from bench import scale_report

    options = parse(arguments)

    found = storage.read(options.json) if options.report else measure_parts(options, say)
    if missing := [part for part in PARTS if part not in found]:
        say(f"\nno model without the parts {', '.join(missing)}")
        return 0
    say("\n" + scale_report.text(found))
    try:
        scale_report.picture(found, options.json.with_suffix(".png"))
    except ImportError as error:
        say(f"no picture: {error}")
    say(f"written: {options.json} and what is made of it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
