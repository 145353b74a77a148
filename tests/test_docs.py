"""README and docs: links and names lead somewhere, and all that a user can call is described."""

import ast
import inspect
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import pytest
from data import PATIENCE
from pages import (
    EVERYTHING,
    PACKAGE,
    PAGES,
    README,
    ROOT,
    TEXT,
    blocks,
    section,
    spans,
    without_code,
    without_directives,
)

import fastnn2
from fastnn2 import reference, reference_mlp
from fastnn2.codegen import store
from fastnn2.codegen.processor import LEVELS, Processor
from fastnn2.commands.main import main
from fastnn2.commands.parser import build_parser
from fastnn2.kernels.shared.records import DTYPES, RECORDS

# The bench writes these pages; their tables are as wide as it has peers.
BY_HAND = [name for name in PAGES if not name.startswith("docs/benchmarks/")]

MOST_LINES, WIDEST = 150, 120
ON_FILES = ("train", "predict", "show", "export")
WORDS = "vector, pair, group, tile, chunk, panel, register block, block, piece, part, batch, job, team"
GLOSSARY = tuple(WORDS.split(", "))
NEEDS_BASH = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def test_pages_are_found():
    """The tests below would pass on nothing."""
    names = (
        "guide/training",
        "guide/estimators",
        "guide/deployment",
        "guide/reproducibility",
        "how-it-works/index",
        "contributing",
    )
    assert {"README.md", *(f"docs/{name}.md" for name in names)} <= set(PAGES)
    assert all(spans(TEXT[f"docs/{name}.md"]) and blocks(TEXT[f"docs/{name}.md"]) for name in names)


# Blocks of code; test_snippets.py runs them


def test_the_main_pages_have_examples():
    for page in (
        "README.md",
        "docs/guide/training.md",
        "docs/guide/estimators.md",
        "docs/guide/errors.md",
        "docs/guide/reproducibility.md",
        "docs/how-it-works/index.md",
    ):
        assert ">>> " in TEXT[page], page


@pytest.mark.parametrize("page", PAGES)
def test_blocks_say_what_they_are(page):
    assert {kind for kind, _ in blocks(TEXT[page])} <= {"sh", "python", "pycon", "text", "dockerfile", "c"}
    assert without_directives(TEXT[page]).count("```") == 2 * len(blocks(TEXT[page]))


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_are_python(page):
    for kind, code in blocks(TEXT[page]):
        if kind == "python":
            ast.parse(code)


@NEEDS_BASH
@pytest.mark.parametrize("page", PAGES)
def test_shell_blocks_are_shell(page):
    for kind, code in blocks(TEXT[page]):
        if kind == "sh":
            done = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True, timeout=PATIENCE)
            assert (done.returncode, done.stderr) == (0, ""), code


def commands_of_fastnn2():
    """Return the arguments of every ``fastnn2 ...`` in blocks of code and in backticks."""
    lines = spans(EVERYTHING)
    for kind, code in blocks(EVERYTHING):
        if kind in ("sh", "dockerfile"):
            lines += [part.strip() for line in code.splitlines() for part in re.split("&&|RUN", line)]
    found = [re.fullmatch(r"(?:\S*/)?fastnn2 (\w.*)", line) for line in lines]
    return sorted({match.group(1) for match in found if match})


@pytest.mark.parametrize("arguments", commands_of_fastnn2())
def test_commands_are_accepted(arguments):
    command, *words = shlex.split(arguments)
    if command in ON_FILES and all(word.startswith("--") for word in words):
        # A command that is spoken of, without its files.
        assert {*words} <= options_of(command) | {"--help"}
        return
    options = build_parser().parse_args([command, *words])
    assert getattr(options, "cpu", None) in (None, *LEVELS)


@NEEDS_BASH
@pytest.mark.skipif(not Processor.here().triple.startswith("x86_64"), reason="plays an x86-64 processor")
def test_another_processor_is_played_as_the_docs_say():
    _, code = blocks(section("docs/contributing.md", "Playing another processor"))[0]
    *lines, last = code.splitlines()
    assert last == "python -m pytest"
    python = pathlib.Path(sys.executable)
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
    script = "\n".join(["set -e", *lines, "python -m fastnn2 info"])
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    shown = dict(re.findall(r"^(processor|vectors) +(.+)$", done.stdout, re.MULTILINE))
    assert shown == {"processor": "x86-64-v3", "vectors": "sse2, sse4.2, avx, avx2, fma"}


# Links and names


def slug(title):
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", TEXT[page]):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (PAGES[page].parent / file).resolve() if file else PAGES[page]
        assert path.exists(), target
        if anchor:
            titles = re.findall("^#+ (.+)$", without_code(path.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in map(slug, titles), target


def test_readme_leads_to_every_section_and_page_of_the_guide_and_shows_the_picture():
    targets = re.findall(r"\]\(([^)#]+)", README)
    sections = {
        name for name in PAGES if re.fullmatch(r"docs/([\w-]+/index|guide/[\w-]+|contributing|releasing).md", name)
    }
    assert sections <= set(targets)
    assert "docs/pictures/moons.png" in targets


@pytest.mark.parametrize("page", BY_HAND)
def test_lists_of_sections_are_complete(page):
    listed = re.findall(r"^- \[(.+)\]\(#", TEXT[page], re.MULTILINE)
    if listed:
        assert listed == re.findall("^## (.+)$", TEXT[page], re.MULTILINE)


def names_in(path):
    """Return what a module defines at its top level, and methods and constants of its classes."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


@pytest.mark.parametrize("page", BY_HAND)
def test_paths_and_names_of_the_code_exist(page):
    """Paths are relative to the package, except for those that begin with another folder of the project."""
    for span in spans(TEXT[page]):
        match = re.fullmatch(r"([\w./-]+/|[\w./-]+\.(?:py|md))(?:::(\w+))?", span)
        if not match or span.startswith(("~", "/", "../")):
            continue
        file, name = match.groups()
        path = (ROOT if file.startswith(("fastnn2/", "tests/", "bench/", "docs/")) else PACKAGE) / file
        assert path.exists(), span
        if name:
            assert name in names_in(path), span


# README


def test_quick_start_is_two_commands():
    commands = blocks(section("README.md", "Quick start"))
    assert [kind for kind, _ in commands] == ["sh", "sh"]
    for _, command in commands:
        assert command.count("\n") == 1
    assert commands[0][1].rstrip().endswith("fastnn2 moons")
    assert commands[1][1].rstrip().endswith("python -m pytest")


def test_readme_is_one_page():
    assert len(README.splitlines()) <= MOST_LINES


def test_readme_has_one_table_of_six_rows():
    inside = re.search("<!-- bench:start -->\n(.*?)<!-- bench:end -->", README, re.DOTALL).group(1)
    tables = [[line for line in text.splitlines() if line.startswith("|")] for text in (inside, README)]
    assert tables[0] == tables[1]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in tables[0]]
    assert header == ["what", "fastnn2", "fastest peer", "times faster"]
    assert len(rows) == 6


@pytest.mark.parametrize("page", BY_HAND)
def test_pages_are_narrow(page):
    assert [line for line in TEXT[page].splitlines() if len(line) > WIDEST] == []


def test_python_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lowest = project["project"]["requires-python"].removeprefix(">=")
    assert re.fullmatch(r"3\.\d+", lowest)
    assert project["tool"]["ruff"]["target-version"] == "py" + lowest.replace(".", "")
    assert f"Python {lowest} or newer" in README


def test_the_source_archive_has_the_docs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {"README.md", "CHANGELOG.md", "docs"} <= set(included)
    assert all((ROOT / name).exists() for name in included)


def test_changelog_has_this_version():
    titles = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert titles[0] in ("Unreleased", fastnn2.__version__)


# What the pages have to describe


def test_table_of_the_tutorials_functions_is_complete():
    rows = re.findall(r"^\| `(\w+)\(.*?\)` \| `fastnn2\.(\w+)` \|", TEXT["docs/guide/training.md"], re.MULTILINE)
    assert all(tutorial == ours for tutorial, ours in rows)
    assert sorted(ours for _, ours in rows) == sorted(reference.__all__)
    assert all(inspect.isfunction(getattr(fastnn2, name)) for name in reference.__all__)


def test_every_public_name_is_described():
    for name in fastnn2.__all__:
        assert name.startswith("__") or f"`fastnn2.{name}`" in EVERYTHING, name
    for module in (reference, reference_mlp):
        assert f"`{module.__name__}`" in EVERYTHING
    for name in ("callbacks.Checkpoint", "dask.fit"):
        assert f"`fastnn2.{name}`" in EVERYTHING, name
    for name in (
        "DaskMLPClassifier",
        "DaskMLPRegressor",
        "ClusterError",
        "NumberColumns",
        "TextColumns",
        "DateColumns",
    ):
        assert re.search(rf"`(?:[\w.]+\.)?{name}`", EVERYTHING), name


def test_every_option_of_fit_is_described():
    parameters = inspect.signature(fastnn2.fit).parameters.values()
    options = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    assert re.findall(r"^\| `(\w+)` \|", section("docs/guide/training.md", "Options of fit"), re.MULTILINE) == options


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_what_the_classes_add_is_described(name):
    ours = getattr(fastnn2, name)
    theirs = next(one for one in ours.__mro__ if one.__module__.startswith("sklearn.neural_network"))
    more = set(inspect.signature(ours).parameters) - set(inspect.signature(theirs).parameters)
    more |= {method for method in set(dir(ours)) - set(dir(theirs)) if not method.startswith("_")}
    added = spans(section("docs/guide/estimators.md", "What the classes add"))
    described = {span.removeprefix("model.").partition("(")[0] for span in added}
    assert {"n_threads", "to_sklearn", "from_sklearn"} <= more
    assert more <= described


def test_every_command_is_described(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert {*ON_FILES, "moons", "scale", "info", "warmup"} == set(commands)
    rows = re.findall(r"^\| `fastnn2 (\w+)` \|", section("docs/guide/deployment.md", "The command"), re.MULTILINE)
    assert rows == commands


@pytest.mark.parametrize(("command", "title"), [("train", "Options of train"), ("predict", "Predictions")])
def test_every_option_of_a_command_on_files_is_described(command, title):
    options = options_of(command)
    assert "--threads" in options
    described = spans(" ".join(re.findall(r"^\| (`--[^|]+) \|", section("docs/guide/tables.md", title), re.MULTILINE)))
    assert {span.split()[0] for span in described if span.startswith("--")} == options


def options_of(command):
    """Return the options of a command, but for --help."""
    subparsers = next(action for action in build_parser()._actions if isinstance(action.choices, dict))
    actions = subparsers.choices[command]._actions
    return {word for action in actions for word in action.option_strings if word.startswith("--")} - {"--help"}


def test_every_environment_variable_is_described():
    sources = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for name in set(re.findall(r"\bFASTNN2_[A-Z_]+", sources)):
        assert f"`{name}" in TEXT["docs/guide/deployment.md"] + TEXT["docs/releasing.md"], name


def test_the_number_of_files_in_a_store():
    assert f"are {len(RECORDS) * len(DTYPES)} files" in TEXT["docs/guide/deployment.md"]


def test_every_level_of_processors_is_described():
    rows = re.findall(r"^\| `(x86-64\S*)` \|", TEXT["docs/guide/deployment.md"], re.MULTILINE)
    assert rows == list(LEVELS)


def test_glossary_has_every_word_with_its_size():
    words = re.split(r"^- \*\*", TEXT["docs/how-it-works/glossary.md"].partition("Further words")[0], flags=re.M)
    assert tuple(re.match(r"([\w ]+)\*\*: ", text).group(1) for text in words[1:]) == GLOSSARY
    for text in words[1:]:
        assert " Size: " in " ".join(text.split()), text


def test_every_key_of_a_store_file_is_described(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTNN2_CACHE_DIR", str(tmp_path))
    processor = Processor.here()
    store.write("update", "float64", processor, b"content")
    header = json.loads(store.path_of("update", "float64", processor).read_bytes().partition(b"\n")[0])
    rows = re.findall(
        r"^\| (`\w+`(?:, `\w+`)*) \|", section("docs/how-it-works/libraries.md", "What is in a store file"), re.M
    )
    assert sorted(header) == sorted(spans(" ".join(rows)))
