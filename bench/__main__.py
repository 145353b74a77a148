"""Measure everything: ``python -m bench [--quick]``. Writes JSON and pictures, and prints tables."""

from bench import environment, levels, storage
from bench.environment import say

# Before NumPy comes, which loads OpenBLAS. Where a level is held, its setting has been made after this.
if __name__ == "__main__" and not levels.held() and environment.clear_openblas():
    environment.start_again()

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

PARTS = ("startup", "busy", "peak", "slope", "estimators", "predictions", "search", "grid")
RESULTS = Path(__file__).parent / "results"


def parse(arguments):
    from bench import cases
    from bench.compare import rows

    known = (*PARTS, *(case.name for case in cases.GRID))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: within 5 minutes instead of 45")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write (default: bench/results/PROCESSOR.json)"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help=f"a part or a cell of the grid, repeatable: {', '.join(known)}; files are written only with --json. With "
        f"--against, a part or a row: {', '.join(rows.PARTS)}, or the name of a row as it is printed",
    )
    parser.add_argument(
        "--cpu",
        type=levels.runnable,
        metavar="LEVEL",
        help=f"compile for this level of x86-64, and hold all peers to it: {', '.join(levels.NAMES)}",
    )
    parser.add_argument("--largest", action="store_true", help="scaling up to 100,000,000 samples (needs 8 GB)")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKOUT",
        help="compare this checkout with another one, in pairs, and exit with 1 where this one is slower",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="measure nothing, make tables and pictures from this JSON"
    )
    options = parser.parse_args(arguments)
    if options.against:
        if not (options.against / "fastnn2" / "__init__.py").is_file():
            parser.error(f"there is no fastnn2 in {options.against}")
        known = rows.known_names()
    if unknown := [name for name in options.only or () if name not in known]:
        parser.error(f"--only {', '.join(unknown)}: expected {', '.join(known)}")
    if levels.held() and not options.cpu:
        parser.error(f"{levels.HELD} is set, as inside of a bench with --cpu: unset it")
    if options.cpu and options.report:
        parser.error("--cpu measures, --report does not: leave one out")
    if options.json and (options.json.is_dir() or not os.access(options.json.parent, os.W_OK)):
        parser.error(f"cannot write {options.json}: it is a folder, or its folder is missing or read-only")
    return options


def measure_all(options, path):
    """Return all results as one dict. After each part, they are written to a file beside `path`, if given."""
    from bench import cases, held, measure, peers

    for name in peers.NAMES:
        try:
            peers.load(name)  # so that the environment describes every BLAS that they load
        except peers.Unavailable as error:
            print(f"{name} is skipped: {error}")
    if reason := held.reason("fastnn2_fit"):
        raise SystemExit(f"fastnn2 itself is not held to {options.cpu}: {reason}")
    results = {"environment": environment.describe(), "quick": options.quick}
    print(*environment.as_lines(results["environment"]), sep="\n", flush=True)

    for name in PARTS:
        begin = time.perf_counter()
        if name == "grid":
            chosen = [case for case in cases.GRID if wanted(case, options)]
            if not chosen:
                continue
            say("\n== grid")
            results["grid"] = [measure.run_case(case, options.quick, say) for case in chosen]
        elif not options.only or name in options.only:
            say(f"\n== {name}")
            part = importlib.import_module(f"bench.{name}")
            more = {"largest": options.largest} if name == "slope" else {}
            results[name] = part.run(options.quick, say, **more)
        else:
            continue
        say(f"({time.perf_counter() - begin:.0f} s)")
        if path:
            storage.write(partial_of(path), results)
    return results


def partial_of(path):
    """Return the file for unfinished results, as a run of 45 minutes may fail in its last part."""
    return path.with_suffix(".partial.json")


def wanted(case, options):
    """Return whether a cell of the grid is measured; one given by name always is."""
    if options.only and case.name in options.only:
        return True
    return (not options.only or "grid" in options.only) and (case.quick or not options.quick)


def write(results, path):
    """Write pictures beside the JSON."""
    from bench import pictures

    for part, draw, picture in (
        ("grid", pictures.grid, path.with_suffix(".png")),
        ("slope", pictures.scaling, path.with_name(path.stem + "-scaling.png")),
    ):
        if part in results:
            try:
                draw(results, picture)
            except ImportError as error:
                print(f"no {picture.name}: {error}")


def main(arguments=None):
    from bench import report

    options = parse(arguments)
    if options.cpu and options.cpu != levels.held():
        levels.hold(options.cpu)
        environment.start_again()
    if options.against:
        from bench.compare import command

        return command.run(options.against, options.only, options.json)
    if options.report:
        results, path = storage.read(options.report), options.report
    else:
        name = environment.file_name(environment.processor(), options.cpu)
        path = options.json or (None if options.only else RESULTS / f"{name}.json")
        results = measure_all(options, path)
        if path:
            partial_of(path).replace(path)
    print("\n" + report.markdown(results))
    if path:
        write(results, path)
        print(f"written: {path} and what is made of it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
