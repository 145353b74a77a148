"""The script that sets up the emulated system: what it needs, and what it says where something is missing."""

import json
import pathlib
import subprocess
import sys

import pytest
from platforms import set_up

SCRIPT = pathlib.Path(set_up.__file__)
TOOLS = {
    # The emulator, apt and dpkg, as far as the script looks at them.
    "qemu-aarch64": '#!/bin/sh\nexit 0\n',
    "apt-get": '#!/bin/sh\necho "W: an old list" >&2\necho "E: Unable to locate package libstdc++6" >&2\nexit 100\n',
}  # fmt: skip


def run(tmp_path, *tools, folder="platforms"):
    """Run the script with these tools alone; return exit status, output and errors."""
    path = tmp_path / "bin"
    path.mkdir()
    for name in tools:
        (path / name).write_text(TOOLS[name])
        (path / name).chmod(0o755)
    environment = {"PATH": str(path), "FASTNN2_PLATFORMS_DIR": str(tmp_path / folder)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([], "qemu-aarch64 is not installed: apt-get install qemu-user"),
        (["qemu-aarch64"], "apt-get cannot be run: No such file or directory"),
        (["qemu-aarch64", "apt-get"], "apt-get failed: E: Unable to locate package libstdc++6"),
    ],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, tools, message):
    assert run(tmp_path, *tools) == (1, "", message + "\n")
    made = tmp_path / "platforms"
    assert not made.exists() or list(made.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    code, _, error = run(tmp_path, "qemu-aarch64", folder="file/platforms")
    assert code == 1
    assert error.endswith("cannot be made: Not a directory; set FASTNN2_PLATFORMS_DIR\n")


def test_a_folder_that_is_made_is_used_again(tmp_path):
    made = tmp_path / "platforms" / "aarch64"
    made.mkdir(parents=True)
    (made / "recipe.json").write_text(json.dumps(set_up.recipe()))
    (made / "wheels.txt").write_text("numpy-2.5-cp313-cp313-manylinux_2_28_aarch64.whl\nscipy-1.18-py3-none-any.whl\n")
    assert run(tmp_path, "qemu-aarch64") == (0, f"ready: {made} (numpy 2.5, scipy 1.18)\n", "")


def test_a_folder_of_another_recipe_is_made_anew(tmp_path):
    made = tmp_path / "platforms" / "aarch64"
    made.mkdir(parents=True)
    (made / "recipe.json").write_text(json.dumps(set_up.recipe() | {"requirements": ["numpy"]}))
    assert not set_up.is_made(made)
    code, _, error = run(tmp_path, "qemu-aarch64", "apt-get")
    assert (code, error) == (1, "apt-get failed: E: Unable to locate package libstdc++6\n")
    assert (made / "recipe.json").exists(), "the old one stays until the new one is complete"


def test_what_is_installed_is_what_the_package_requires():
    assert not {name for each in set_up.requirements() for name in ("numba", "llvmlite") if each.startswith(name)}
    names = [each.partition(">")[0] for each in set_up.requirements()]
    assert {"numpy", "scikit-learn", "platformdirs"} <= set(names)


def test_missing_names_the_script(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTNN2_PLATFORMS_DIR", str(tmp_path))
    monkeypatch.setattr(set_up, "qemu", lambda: "/usr/bin/qemu-aarch64")
    words = set_up.missing().split()
    assert pathlib.Path(set_up.PROJECT / words[-1]) == SCRIPT.resolve()
