"""A Numba that calls one of its private parts differently, and what fastnn2 then does; as a script, for each of them.

To rename something in Numba itself would stop Numba, too. So the name is changed in fastnn2's own copy of
``numba_internals``, as it is imported: what it asks Numba for is not there.
"""

import ast
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

MODULE = "fastnn2.codegen.numba_internals"
ROOT = pathlib.Path(__file__).parents[1]
SOURCE = ROOT / "fastnn2" / "codegen" / "numba_internals.py"
# Attributes of Python, of llvmlite and of our own objects.
OTHERS = frozenset(
    re.findall(
        r"\w+",
        """
        Dispatcher ExitStack Function FunctionType IRBuilder IntType VoidType __init__ __name__ _triple add alignstack
        append append_basic_block args as_pointer attributes bitcast builder cache clear contextmanager data_layout
        enter_context functions gep is_declaration items linkage load modules name only_library
        ret_void startswith triple unliteral values void
        """,
    )
)
UNUSED = {"is_locked"}  # only where a process has imported Numba before
FAILED = "fast compile does not work"  # in the warning


def _places():
    """Yield (node, field) for each private name of Numba in the tree of the module."""
    tree = ast.parse(SOURCE.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("numba."):
            yield from ((alias, "name") for alias in node.names)
        elif isinstance(node, ast.Attribute) and node.attr not in OTHERS:
            yield node, "attr"
        elif isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.FunctionDef) and not statement.name.startswith("__"):
                    yield statement, "name"
                elif isinstance(statement, ast.Assign):
                    yield from ((target, "id") for target in statement.targets)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_replaced":
            yield from ((keyword, "arg") for keyword in node.keywords)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "OPTIONS":
            yield from ((key, "value") for key in node.value.keys)
    yield tree, None


def names():
    """Return all private names of Numba that fastnn2 uses."""
    return sorted({getattr(node, field) for node, field in _places() if field})


class Renamed(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Imports the module with another name in the place of one."""

    def __init__(self, name):
        self.hidden = name
        super().__init__(MODULE, str(SOURCE))

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name == MODULE else None

    def get_code(self, fullname):
        for node, field in _places():
            if field is None:
                tree = node
            elif getattr(node, field) == self.hidden:
                if isinstance(node, ast.alias):
                    node.asname = node.asname or node.name
                setattr(node, field, f"{self.hidden}_of_another_version")
        return compile(tree, str(SOURCE), "exec")


WORK = """
import hashlib, json, os, sys, warnings
sys.path.insert(0, TESTS)
import numba_names
if NAME:
    sys.meta_path.insert(0, numba_names.Renamed(NAME))
BEFORE
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = numba_names.WORKS[WORK]()
    again = numba_names.WORKS[WORK]()
AFTER
print(json.dumps({"result": result, "again": again, "warnings": [str(one.message) for one in caught],
                  **locals().get("more", {})}))
"""


def update():
    """Return a digest of what the kernel gives that compiles fastest."""
    import numpy as np

    import fastnn2

    params = {"W1": np.ones((30, 2)), "b1": np.ones((30, 1)), "W2": np.ones((1, 30)), "b2": np.ones((1, 1))}
    params = {name: array / (3 + np.arange(array.size).reshape(array.shape)) for name, array in params.items()}
    found = fastnn2.update({"d" + name: array for name, array in params.items()}, params, 0.1)
    return hashlib.sha256(b"".join(array.tobytes() for array in found.values())).hexdigest()


def fit():
    """Return a digest of a fit by the tutorial's kernel."""
    import numpy as np

    import fastnn2

    X = np.linspace(-1, 1, 1400).reshape(2, 700)
    params, costs = fastnn2.fit(X, (np.sin(7 * X[0]) > X[1])[np.newaxis], 0.5, 5, 50, n_threads=2, progress=False)
    return hashlib.sha256(costs.tobytes() + b"".join(array.tobytes() for array in params.values())).hexdigest()


WORKS = {"update": update, "fit": fit}


def run(folder, name=None, work="update", before="", after="", timeout=600, **environment):
    """Do `work` in a new process with a Numba that has not `name`; return what it reports."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("FASTNN2_")},
        "FASTNN2_CACHE_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
        "FASTNN2_KERNELS": "store",  # also where the package has libraries of kernels
        **environment,
    }
    code = WORK.replace("BEFORE", before).replace("AFTER", after).replace("TESTS", repr(str(ROOT / "tests")))
    code = code.replace("WORKS[WORK]", f"WORKS[{work!r}]").replace("NAME", repr(name))
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])


def wrong_without(name, folder, right, work="update"):
    """Return what is wrong where Numba has not `name`, "" for nothing: the same bits, one warning, and one file."""
    found = run(folder, name, work)
    if {found["result"], found["again"]} != {right}:
        return f"other bits: {found}"
    if len(found["warnings"]) != (name not in UNUSED) or any(FAILED not in text for text in found["warnings"]):
        return f"not one warning: {found['warnings']}"
    kept = [path.suffix for path in pathlib.Path(folder).iterdir()]
    if kept != [".kernel" if name in UNUSED else ".numba"]:
        return f"not one file: {kept}"
    return ""


def main():
    """Try each name; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        right = run(folder)["result"]
    wrong = 0
    for name in names():
        with tempfile.TemporaryDirectory() as folder:
            found = wrong_without(name, folder, right)
        print(f"{name:28} {found or 'right'}", flush=True)
        wrong += bool(found)
    return min(wrong, 1)


if __name__ == "__main__":
    warnings.simplefilter("error")
    sys.exit(main())
