"""The first run of an installed wheel: nothing is compiled, written or looked up, and results have the table's bits."""

import json
import os
import re
import subprocess
import sys
import zipfile

import first_run
import pytest
import results_table
from bundled_data import PACKAGE, copy_package
from data import PATIENCE

from fastnn2.codegen.bundled import LIST, platform_here

LIBRARIES = PACKAGE / "libraries"
# Some rows of each kind; `python tests/first_run.py` runs all of them.
NAMES = [row.name for row in results_table.all_rows()]
FIRST = {name.split()[0]: name for name in reversed(NAMES)}
SAMPLE = "|".join(f"^{re.escape(name)}$" for name in {*FIRST.values(), *NAMES[::30]})

needs_libraries = pytest.mark.skipif(
    not (LIBRARIES / LIST).exists(),
    reason="needs all kernels of this platform in the package: "
    f"python -m fastnn2.codegen.build --platform {platform_here()} --out fastnn2/libraries",
)


@pytest.fixture
def installed(tmp_path):
    """A fresh folder with the package and its libraries, and an empty one, that can only be read, for home."""
    folder, empty = tmp_path / "installed", tmp_path / "home"
    folder.mkdir()
    copy_package(folder, LIBRARIES)
    empty.mkdir(mode=0o500)
    return folder, empty


@needs_libraries
def test_everything_runs_at_first_and_leaves_no_trace(installed):
    folder, empty = installed
    result = first_run.first_run(folder, empty, SAMPLE)
    assert first_run.wrong_with(result, SAMPLE) == []
    assert list(empty.iterdir()) == []
    assert any(path.startswith(str(folder / "fastnn2" / "libraries")) for path in result["loaded"])
    kinds = {name.split()[0] for name in result["rows"]}
    assert kinds == set(FIRST)


def watched(code, home):
    """Run code in a watched process; return what it must not do."""
    done = subprocess.run(
        [sys.executable, "-c", f"{first_run.WATCH}\n{code}\nimport json\nprint(json.dumps(seen))"],
        env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("open(home + '/file', 'w').close()", "open to write: .*/file"),
        ("open(home + '/file', 'ab').close()", "open to write: .*/file"),
        ("os.close(os.open(home + '/file', os.O_CREAT))", "open to write: .*/file"),
        ("import pathlib; pathlib.Path(home, 'file').touch()", "open to write: .*/file"),
        ("open(home + '/there').close()", "open: .*/there"),
        ("os.mkdir(home + '/folder')", "os.mkdir: .*folder"),
        ("os.remove(home + '/there')", "os.remove: .*there"),
        ("os.listdir(home)", "os.listdir: "),
        ("list(os.scandir(home))", "os.scandir: "),
        ("import tempfile; tempfile.TemporaryDirectory()", "tempfile.mkdtemp: "),
        ("import socket; socket.socket().close()", "socket.__new__: "),
        ("import subprocess; subprocess.run([sys.executable, '-c', ''])", "subprocess.Popen: "),
    ],
)
def test_the_watch_sees_it(code, expected, tmp_path):
    # Else the test above would prove nothing.
    (tmp_path / "there").touch()
    assert any(re.match(expected, event) for event in watched(code, tmp_path))


def test_the_watch_sees_nothing_where_nothing_is_done(tmp_path):
    assert watched("open(os.__file__).close()\nos.listdir(os.path.dirname(os.__file__))", tmp_path) == []


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_neither_can_be_imported(package, tmp_path):
    code = f"try:\n    import {package}.core\nexcept ImportError as error:\n    seen.append(str(error))"
    assert len(watched(code, tmp_path)) == 1


def test_a_wheel_is_unpacked(tmp_path):
    wheel = tmp_path / "fastnn2-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("fastnn2/__init__.py", "")
    first_run.unpack(wheel, tmp_path / "installed")
    assert (tmp_path / "installed" / "fastnn2" / "__init__.py").is_file()


def test_what_is_wrong_is_said():
    result = {
        "rows": {}, "seen": ["open to write: file"], "modules": ["numba"], "wrong": ["cost"], "status": 1,
        "printed": "", "estimators": {},
    }  # fmt: skip
    name = NAMES[0]
    lines = first_run.wrong_with(result, f"^{re.escape(name)}$")
    assert [re.sub(r" .*", "", line) for line in lines] == [
        name.split()[0],
        "it",
        "it",
        "wrong:",
        "moons:",
        "estimators:",
    ]
