"""The first run of an installed wheel, where no folder can be written to and there is no compiler and no network.

    python tests/first_run.py                       every row of the table of results, by the package that is imported
    python tests/first_run.py WHEEL                 by a wheel, unpacked to a fresh folder
    python tests/first_run.py --only PATTERN        only rows in whose names this regular expression is found
    python tests/first_run.py --home FOLDER         with this empty folder as home. For root it is read-only only as a
                                                    mount is (unshare -m, mount -o bind,ro)

A fresh folder gets a copy of the package with its bundled kernels. In a process with an empty home folder, Numba and
llvmlite cannot be imported. All public functions, the estimators with every solver, and the command run there. The
process reports what it opens to write, what it reads or lists below the home folder, and what it asks of the network:
there must be nothing of the kind. Its results must have the bits of the table of results, and those rows that are bound
to a machine the bits of this process.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile
from typing import Any

TESTS = pathlib.Path(__file__).resolve().parent
FOLDERS = ("HOME", "XDG_CACHE_HOME", "FASTNN2_CACHE_DIR", "NUMBA_CACHE_DIR", "TMPDIR")

# What the process runs first. Python calls a hook at each of these events, whoever does it.
WATCH = """
import os, sys

seen = []  # what must not happen
home = os.environ["HOME"]
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.link", "os.symlink", "os.truncate"}

def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if path == os.devnull:
            return
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & WRITES:
            seen.append(f"open to write: {path}")
        elif isinstance(path, str) and path.startswith(home):
            seen.append(f"open: {path}")
    elif event in ("os.listdir", "os.scandir"):
        if str(arguments[0]).startswith(home):
            seen.append(f"{event}: {arguments[0]}")
    elif event in CHANGES or event.startswith(("socket.", "shutil.", "tempfile.")) or event == "subprocess.Popen":
        seen.append(f"{event}: {arguments[:2]}")
    elif event == "ctypes.dlopen":
        loaded.append(str(arguments[0]))

loaded = []
sys.modules["numba"] = sys.modules["llvmlite"] = None  # an import of them raises ImportError
sys.addaudithook(watch)
"""
WORK = """
import contextlib, io, json, re
import numpy as np
import fastnn2, results_table
import fastnn2.reference
from fastnn2.commands.main import main

assert fastnn2.__file__.startswith(FOLDER), fastnn2.__file__
X = np.linspace(-1, 1, 1400).reshape(2, 700)
Y = (np.sin(7 * X[0]) > X[1])[np.newaxis].astype(float)
init = fastnn2.init_params(X, Y, 5)
params, costs = fastnn2.fit(X, Y, 0.5, 5, 1)
y, cache = fastnn2.forward(X, init)
stepped = fastnn2.update(fastnn2.backward(X, Y, init, cache), init, 0.5)
checks = {  # bit for bit in the rows; here, that all six are there
    "init_params": all((array == fastnn2.reference.init_params(X, Y, 5)[name]).all() for name, array in init.items()),
    "a step": all(np.allclose(stepped[name], params[name], rtol=1e-12, atol=1e-15) for name in params),
    "cost": abs(fastnn2.cost(y, Y) - costs[0]) < 1e-14,
    "predict": (fastnn2.predict(X, init) == (y >= 0.5)).all(),
}
estimators = {}
for Estimator, targets in ((fastnn2.MLPClassifier, Y[0]), (fastnn2.MLPRegressor, X[0] * X[1])):
    for solver in ("adam", "sgd", "lbfgs"):
        for dtype in ("float64", "float32"):
            model = Estimator(hidden_layer_sizes=7, solver=solver, max_iter=20, random_state=0)
            import warnings
            with warnings.catch_warnings(action="ignore"):  # 20 iterations are not enough
                model.fit(X.T.astype(dtype), targets)
            estimators[f"{Estimator.__name__} {solver} {dtype}"] = float(model.predict(X.T.astype(dtype)).sum())
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    status = main(["moons", "--no-plot"])
rows = [row for row in results_table.all_rows() if re.search(PATTERN, row.name)]
found = results_table.compute(rows)
print(json.dumps({
    "rows": found, "wrong": [name for name, is_right in checks.items() if not is_right], "estimators": estimators,
    "status": status, "printed": printed.getvalue(), "seen": seen, "loaded": loaded,
    "modules": [name for name in ("numba", "llvmlite", "platformdirs") if sys.modules.get(name)],
}))
"""


def unpack(wheel: pathlib.Path, folder: pathlib.Path) -> None:
    """Unpack a wheel, as an installer does."""
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)


def first_run(folder: pathlib.Path, empty: pathlib.Path, pattern: str = "") -> dict[str, Any]:
    """Run everything with the package in a folder, with an empty folder as home; return what the process reports."""
    code = f"{WATCH}\nFOLDER, PATTERN = {str(folder)!r}, {pattern!r}\n{WORK}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FASTNN2_", "NUMBA_"))}
    environment = {
        **kept,
        **dict.fromkeys(FOLDERS, str(empty)),
        "PYTHONPATH": os.pathsep.join([str(folder), str(TESTS)]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        env=environment, cwd=empty, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def wrong_with(result: dict[str, Any], pattern: str = "") -> list[str]:
    """Return a line for each thing that is not as it must be."""
    import re

    import results_table

    rows = [row for row in results_table.all_rows() if re.search(pattern, row.name)]
    expected = {name: digest for name, digest in results_table.read()[0].items() if re.search(pattern, name)}
    expected |= results_table.compute([row for row in rows if row.machine_bound])
    lines = results_table.differences(result["rows"], expected)
    lines += [f"it must not: {event}" for event in result["seen"]]
    lines += [f"it must not import {name}" for name in result["modules"]]
    lines += [f"wrong: {name}" for name in result["wrong"]]
    if result["status"] or "last cost" not in result["printed"]:
        lines.append(f"moons: status {result['status']}, {result['printed']}")
    if len(result["estimators"]) != 12:
        lines.append(f"estimators: {result['estimators']}")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", nargs="?", type=pathlib.Path)
    parser.add_argument("--only", metavar="PATTERN", default="")
    parser.add_argument("--home", metavar="FOLDER", type=pathlib.Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder, empty = pathlib.Path(temporary, "installed"), options.home or pathlib.Path(temporary, "home")
        if not options.home:
            empty.mkdir(mode=0o500)
        if options.wheel:
            unpack(options.wheel, folder)
        else:
            import bundled_data

            folder.mkdir()
            bundled_data.copy_package(folder, bundled_data.PACKAGE / "libraries")
        result = first_run(folder, empty, options.only)
        left = os.listdir(empty)
    lines = wrong_with(result, options.only) + [f"left behind: {name}" for name in left]
    print("\n".join([*lines, f"{len(result['rows'])} rows, {len(lines)} things wrong", *result["loaded"]]))
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main())
