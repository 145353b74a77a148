"""The package's own words: docstrings, their examples, modules and rooms. README and docs are in test_docs.py."""

import ast
import doctest
import graphlib
import importlib
import inspect
import pathlib
import pkgutil
import re

import pytest
from data import extra

import fastnn2
from fastnn2 import reference, reference_mlp

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = pathlib.Path(fastnn2.__file__).parent
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")

MODULES = sorted(
    {"fastnn2", *(info.name for info in pkgutil.walk_packages([str(PACKAGE)], "fastnn2."))} - {"fastnn2.__main__"}
)
MOST_LINES = 400

FUNCTIONS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (fastnn2, reference, reference_mlp)
    for name in module.__all__
    if inspect.isfunction(getattr(module, name))
}


# Examples

# Modules whose classes or functions say that they are of another one, by which pickles find them.
PUBLIC_MODULES = {
    "fastnn2.estimators.date_columns": "fastnn2.estimators",
    "fastnn2.estimators.mlp": "fastnn2.estimators",
    "fastnn2.estimators.checkpoints": "fastnn2.callbacks",
    "fastnn2.estimators.number_columns": "fastnn2.estimators",
    "fastnn2.estimators.text_columns": "fastnn2.estimators",
    "fastnn2.functional.predictor": "fastnn2",
    "fastnn2.tabular.classifier": "fastnn2.tabular",
    "fastnn2.tabular.regressor": "fastnn2.tabular",
}


# Modules whose examples need an extra: what they import of it, and its name.
NEEDS_EXTRA: dict[str, list[tuple[str, str]]] = {
    "fastnn2.dask": [("distributed", "dask"), ("dask.dataframe", "dask")],
    "fastnn2.dask.classifier": [("distributed", "dask"), ("dask.dataframe", "dask")],
    "fastnn2.dask.fit": [("distributed", "dask"), ("dask.dataframe", "dask")],
    "fastnn2.dask.regressor": [("distributed", "dask"), ("dask.dataframe", "dask")],
    "fastnn2.files.onnx.to_onnx": [("skl2onnx", "onnx"), ("onnx", "onnx")],
    "fastnn2.files.saved.save": [("skops.io", "files")],
}


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name):
    for needed in NEEDS_EXTRA.get(name, []):
        extra(*needed)
    module = importlib.import_module(name)
    result = doctest.testmod(module)
    if name in PUBLIC_MODULES:
        assert result.attempted == 0
        result = doctest.testmod(importlib.import_module(PUBLIC_MODULES[name]))
    assert result.failed == 0
    # The other way round: a prompt that doctest does not find is an example that nobody runs.
    assert (result.attempted > 0) == (">>> " in inspect.getsource(module)) or name in {
        "fastnn2.estimators",
        "fastnn2.callbacks",
        "fastnn2.tabular",
    }


# Docstrings


def sections(function):
    """Return the sections of a numpydoc docstring: title -> lines; what comes first has the title ''."""
    found, title = {"": []}, ""
    lines = inspect.getdoc(function).splitlines()
    for place, line in enumerate(lines):
        if place + 1 < len(lines) and line and re.fullmatch("-+", lines[place + 1]):
            assert len(lines[place + 1]) == len(line), f"the line under {line} is too short or too long"
            title = line
            found[title] = []
        elif not re.fullmatch("-+", line):
            found[title].append(line)
    return found


def entries(lines):
    """Return the entries of Parameters or Returns: (first line, all lines)."""
    found = []
    for line in lines:
        if line and not line.startswith(" "):
            found.append((line, []))
        if found:
            found[-1][1].append(line)
    return [(head, "\n".join(body)) for head, body in found]


def parameters_in(found):
    """Return the names in the section Parameters of what :func:`sections` returns; one line may have several."""
    heads = [head.split(" : ")[0] for head, _ in entries(found.get("Parameters", []))]
    return [name.strip() for head in heads for name in head.split(",")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring(name):
    function = FUNCTIONS[name]
    found = sections(function)
    assert re.match(r"[A-Z].*\.$", found[""][0]), "begins with a sentence"
    assert parameters_in(found) == list(inspect.signature(function).parameters)
    for head, text in entries(found["Parameters"]) + entries(found.get("Returns", [])):
        if "array" in head:
            assert re.search(r"\(\w+, ?\w*\)|shape|of int$", text, re.MULTILINE), f"{head}: of which shape?"
    if "Examples" in found:
        assert re.search(r"^>>> (import|from) fastnn2|^>>> import .*\bfastnn2\b", "\n".join(found["Examples"]), re.M)
    if name.startswith("fastnn2.reference_mlp."):
        return  # steps, two of which change their arguments
    assert entries(found.get("Returns", []) or found.get("Yields", []))
    if name.startswith("fastnn2.reference."):
        return  # the same in NumPy, where the formulas are the documentation
    assert any(line.startswith(">>> ") for line in found["Examples"])
    if not function.__module__.startswith("fastnn2.reference"):
        assert found["Raises"]


# Classes that a user constructs, and what their modules import of an extra.
CLASSES = {
    "fastnn2": ["MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor"],
    "fastnn2.estimators": ["NumberColumns", "TextColumns", "DateColumns"],
    "fastnn2.callbacks": ["Checkpoint"],
    "fastnn2.dask": ["DaskMLPClassifier", "DaskMLPRegressor"],
}


HOOKS = {"setup", "teardown", "on_fit_task_begin", "on_fit_task_end"}  # scikit-learn calls these, and describes them


def methods_of(found):
    """Return (name, function) of the public methods of a class that are fastnn2's own."""
    for name in dir(found):
        method = inspect.getattr_static(found, name)
        method = getattr(method, "__func__", method)
        if inspect.isfunction(method) and method.__module__.startswith("fastnn2") and name[0] != "_":
            yield name, method


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in CLASSES for name in CLASSES[module]])
def test_every_parameter_of_a_class_and_its_methods_is_described(module, name):
    for needed in NEEDS_EXTRA.get(module, []):
        extra(*needed)
    found = getattr(importlib.import_module(module), name)
    assert parameters_in(sections(found)) == list(inspect.signature(found).parameters)
    methods = dict(methods_of(found))
    assert methods
    for method in set(methods) - HOOKS:
        parameters = set(inspect.signature(methods[method]).parameters) - {"self", "cls"}
        assert set(parameters_in(sections(methods[method]))) == parameters, method


def test_every_parameter_of_fit_on_a_cluster_is_described():
    for needed in NEEDS_EXTRA["fastnn2.dask"]:
        extra(*needed)
    fit = importlib.import_module("fastnn2.dask").fit
    assert parameters_in(sections(fit)) == list(inspect.signature(fit).parameters)


def test_docstrings_of_errors():
    for error in (fastnn2.TrainingDiverged, fastnn2.TrainingInterrupted):
        attributes = [head for head, _ in entries(sections(error)["Attributes"])]
        assert attributes == ["params : dict", "cost_ : ndarray", "results : list or None"]


@pytest.mark.parametrize("name", MODULES)
def test_modules_say_what_they_are(name):
    assert docstring_of(name)


# The package's modules


def path_of(name):
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def docstring_of(name):
    """Return the docstring of a module, which may need an extra to be imported."""
    return ast.get_docstring(ast.parse(path_of(name).read_text(encoding="utf-8")))


def imports_of(name):
    """Return which modules of fastnn2 a module imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path_of(name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import, which this test does not follow"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return {module for module in found if module.split(".")[0] == "fastnn2"}


def test_modules_are_found():
    """The tests below would pass on nothing."""
    assert {"fastnn2.commands.main", "fastnn2.reference", "fastnn2.kernels.loops.train"} <= set(MODULES)
    assert {"fastnn2.functional.checks", "fastnn2.engine.full_batch", "fastnn2.engine.layout"} <= imports_of(
        "fastnn2.functional.fit"
    )


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_short(name):
    assert len(path_of(name).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


# Which rooms a room may import, beside itself: an arrow that is not here would make two rooms one.
THREADS = ("codegen", "kernels", "storage")
ENGINE = ("threads", *THREADS, "exceptions")
FUNCTIONAL = ("engine", *ENGINE, "reference")
FILES = ("functional", "estimators", *FUNCTIONAL)
BELOW = {
    "exceptions": (),
    "reference": (),
    "storage": (),
    "kernels.shared": (),
    "kernels.simd": ("kernels.shared",),
    "kernels.nn": ("kernels.simd", "kernels.shared"),
    "kernels.loops": ("kernels.nn", "kernels.simd", "kernels.shared"),
    "codegen": ("kernels", "storage"),
    "threads": THREADS,
    "engine": ENGINE,
    "functional": FUNCTIONAL,
    "estimators": FUNCTIONAL,
    "tabular": ("estimators", *FUNCTIONAL),
    "files": ("tabular", *FILES),
    "displays": FILES,
    "blocks": FILES,
    "dask": FILES,
    "tables.reading": ("blocks", *FILES),
    "tables.training": ("tables.reading", "files", "blocks", *FILES),
    "tables.models": ("tables.training", "tables.reading", "files", "blocks", *FILES),
    "commands": ("tables", "files", "blocks", "displays", *FILES),
}
TABLES = [room for room in BELOW if room.startswith("tables.")]
# Public names, which hand on what rooms have, and names in old pickles.
FRONT = {
    "fastnn2",
    "fastnn2._version",
    "fastnn2.callbacks",
    "fastnn2.reference_mlp",
    "fastnn2.steps",
    "fastnn2.training",
}


def is_in(module, room):
    return f"{module}.".startswith(f"fastnn2.{room}.")


def test_every_module_has_a_room():
    homeless = {name for name in MODULES if not any(is_in(name, room) for room in BELOW)} - FRONT
    assert homeless == {"fastnn2.kernels", "fastnn2.tables"}  # folders of rooms


@pytest.mark.parametrize("room", BELOW)
def test_arrows_run_one_way(room):
    """In kernels Python is no exception: codegen finds the entries by name, and no kernel imports codegen."""
    allowed = (room, *BELOW[room])
    for name in MODULES:
        if is_in(name, room):
            upward = {
                module
                for module in imports_of(name) - {"fastnn2._version"}
                if not any(is_in(module, other) for other in allowed)
            }
            assert upward == set(), name


def test_the_docs_have_the_same_arrows():
    rows = re.findall(r"^\| `([\w.]+)` \| [^|]+ \| ([^|]+) \|$", CONTRIBUTING, re.MULTILINE)
    assert [room for room, _ in rows] == list(dict.fromkeys(room for room, _ in rows))
    documented = {}
    for room, may_import in rows:
        documented[room] = set()
        for other, and_below in re.findall(r"`([\w.]+)`( and below)?", may_import):
            documented[room] |= {other, *(BELOW[other] if and_below else ())}
        assert documented[room] or may_import == "nothing"
    assert documented == {room: set(others) for room, others in BELOW.items()}


@pytest.mark.parametrize("room", [name for name in MODULES if (PACKAGE.joinpath(*name.split(".")[1:])).is_dir()])
def test_a_room_says_what_lives_there_and_what_it_may_import(room):
    docstring = docstring_of(room)
    assert len(docstring.splitlines()) <= 20
    if any(is_in(room, other) for other in BELOW):
        assert re.search(r"[Mm]ay import|[Ii]mports nothing", docstring), room


@pytest.mark.parametrize("room", ["blocks", "dask", "displays", "engine", "estimators", "tabular", *TABLES])
def test_a_room_names_its_modules(room):
    docstring = docstring_of(f"fastnn2.{room}")
    names = [path.stem for path in PACKAGE.joinpath(*room.split(".")).glob("*.py") if path.stem != "__init__"]
    assert sorted(name for name in names if f"``{name}``" not in docstring) == []


def test_no_circles():
    graph = {name: imports_of(name) - {name} for name in MODULES}
    graphlib.TopologicalSorter(graph).prepare()
