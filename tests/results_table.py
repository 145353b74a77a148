"""The table of results: digests of what fits, steps and estimators give, which no refactoring may change by a bit.

    python tests/results_table.py                      compare with tests/results_table.json
    python tests/results_table.py --write              renew that file, and say which rows changed
    python tests/results_table.py --against CHECKOUT   compare with what another checkout computes on this machine

Most rows are the same on every processor and with every version of NumPy. Some, which pass through NumPy's or SciPy's
own routines, are bound to one machine: the file also describes the machine that it was written on, and on another one
these rows are left out. `--against` compares all rows. The rows are in results_fits.py and results_estimators.py.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = pathlib.Path(__file__).with_suffix(".json")


def all_rows() -> list[Any]:
    """Return all rows. Their modules import fastnn2, so they are imported after main() has chosen the checkout."""
    import results_estimators
    import results_fits

    return [*results_fits.rows(), *results_estimators.rows()]


def compute(rows: list[Any]) -> dict[str, str]:
    """Return name -> digest, with one thread for BLAS, whose sums may depend on the number of cores."""
    from threadpoolctl import threadpool_limits

    if any(row.machine_bound for row in rows):
        import scipy.linalg  # noqa: F401, only a BLAS that is loaded already is limited
    found = {}
    with threadpool_limits(1, user_api="blas"):
        for row in rows:
            try:
                found[row.name] = row.digest()
            except Exception as error:
                error.add_note(f"in the row {row.name!r}")
                raise
    return found


def machine() -> dict[str, Any]:
    """Return what the machine-bound rows depend on: they are compared where all of it is as in the file."""
    import numpy as np
    import scipy.linalg
    import sklearn
    import threadpoolctl

    core = getattr(np, "_core", None) or np.core  # the latter before NumPy 2
    features = core._multiarray_umath.__cpu_features__
    libraries = [each for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy's features": " ".join(sorted(name for name, found in features.items() if found)),
        "blas": sorted({f"{each['prefix']} {each['version']} {each.get('architecture')}" for each in libraries}),
    }


def read() -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """Return the file's rows for all machines, those of one machine, and that machine."""
    content = json.loads(PATH.read_text())
    return content["rows"], content["rows of one machine"], content["machine"]


def write(common: dict[str, str], bound: dict[str, str], of: dict[str, Any]) -> None:
    """Write the file, one line a row, so that a diff shows which rows changed."""

    def section(name: str, entries: dict[str, Any]) -> str:
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items())
        return f"{json.dumps(name)}: {{\n{lines}\n}}"

    sections = [section("rows", common), section("machine", of), section("rows of one machine", bound)]
    PATH.write_text("{\n" + ",\n".join(sections) + "\n}\n")


def expected_here(rows: list[Any]) -> tuple[dict[str, str | None], list[str]]:
    """Return name -> digest in the file, None if it has none, of rows to compare, and names of those to leave out."""
    common, bound, of = read()
    is_same = any(row.machine_bound for row in rows) and of == machine()  # which imports what takes seconds
    expected = {row.name: (common | bound).get(row.name) for row in rows if is_same or not row.machine_bound}
    return expected, [row.name for row in rows if row.name not in expected]


def differences(found: dict[str, str], expected: dict[str, str | None]) -> list[str]:
    """Return a line for each row that is not as expected."""
    return [
        f"{name}: {found.get(name) or 'no such row'}, expected {digest or 'none: a new row'}"
        for name, digest in expected.items()
        if found.get(name) != digest
    ]


def renew(rows: list[Any], is_part: bool) -> int:
    """Write digests to the file; if the rows are a part, those of the others stay as they are."""
    here = machine()
    old_common, old_bound, of = read() if PATH.exists() else ({}, {}, here)
    is_same = of == here
    if is_part and not is_same and any(row.machine_bound for row in rows):
        print(
            f"{PATH.name} has the machine-bound rows of another machine, and --only would renew some of them; run "
            "--write without --only",
            file=sys.stderr,
        )
        return 2
    found, old = compute(rows), old_common | old_bound
    common, bound, names = {}, {}, {row.name for row in all_rows()}
    for row in all_rows():
        if row.name in found or row.name in old:
            (bound if row.machine_bound else common)[row.name] = found.get(row.name) or old[row.name]
    write(common, bound, of if is_part else here)
    changes = {
        # Another machine's digests may be others without any change of ours.
        "changed": [name for name in found if name in (old if is_same else old_common) and found[name] != old[name]],
        "new": [name for name in found if name not in old],
        "gone": [name for name in old if name not in names],
    }
    for what, changed in changes.items():
        for name in changed:
            print(f"{what}: {name}")
    if not is_same and not is_part:
        print(f"{len(bound)} rows are bound to a machine, and now to this one")
    counts = ", ".join(f"{len(changed)} {what}" for what, changed in changes.items())
    print(f"{PATH.name} written with {len(common) + len(bound)} rows: {counts}")
    return 0


def digests_of(checkout: pathlib.Path, pattern: str) -> dict[str, str]:
    """Return name -> digest of the rows as another checkout computes them, in a process of its own."""
    command = [sys.executable, __file__, "--of", str(checkout), "--print", "--only", pattern]
    paths = [str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{checkout} could not compute the rows; see above")
    return json.loads(done.stdout)


def report(lines: list[str], count: int, compared_with: str) -> int:
    """Print what differs, and how many rows do; return the exit status."""
    for line in lines:
        print(line)
    print(f"{len(lines)} of {count} rows differ from {compared_with}")
    return 1 if lines else 0


def checkout(text: str) -> pathlib.Path:
    """Return the folder of a checkout that a user names."""
    path = pathlib.Path(text).resolve()
    if not (path / "fastnn2" / "__init__.py").is_file():
        raise argparse.ArgumentTypeError(f"{text} has no folder fastnn2; expected a checkout of the project")
    return path


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", metavar="PATTERN", default="", help="only rows in whose names this regular expression is found"
    )
    parser.add_argument(
        "--of", metavar="CHECKOUT", type=checkout, default=ROOT,
        help="the checkout whose fastnn2 computes (default: that of this script)",
    )  # fmt: skip
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="renew the file, and say which rows changed")
    what.add_argument(
        "--against", metavar="CHECKOUT", type=checkout, help="compare all rows with those that this checkout computes"
    )
    what.add_argument("--print", action="store_true", help="print names and digests as JSON, and compare nothing")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status: 0, or 1 where rows differ, or 2 for a wrong use."""
    parser = command_line()
    options = parser.parse_args(arguments)
    try:
        pattern = re.compile(options.only)
    except re.error as error:
        parser.error(f"--only {options.only!r} is not a regular expression: {error}")
    if "fastnn2" not in sys.modules:
        sys.path.insert(0, str(options.of))  # an installed fastnn2 would be found first
    import fastnn2

    home = pathlib.Path(fastnn2.__file__).resolve().parents[1]
    if home != options.of:
        parser.error(f"fastnn2 was imported from {home}, not from {options.of}")
    rows = [row for row in all_rows() if pattern.search(row.name)]
    if not rows:
        parser.error(f"--only {options.only!r} is in the name of no row")
    if options.print:
        print(json.dumps(compute(rows), indent=0))
        return 0
    if options.write:
        return renew(rows, is_part=bool(options.only))
    if options.against:
        expected = digests_of(options.against, options.only)
        return report(differences(compute(rows), expected), len(rows), str(options.against))
    if not PATH.exists():
        parser.error(f"there is no {PATH}; --write makes it")
    expected, left_out = expected_here(rows)
    found = compute([row for row in rows if row.name in expected])
    common, bound, _ = read()
    expected |= {name: old for name, old in (common | bound).items() if pattern.search(name) and name not in left_out}
    if left_out:
        print(f"{len(left_out)} rows are left out: they are bound to the machine on which {PATH.name} was written")
    return report(differences(found, expected), len(expected), PATH.name)


if __name__ == "__main__":
    raise SystemExit(main())
