import json
import subprocess
import sys

import pytest
from build_data import ENTRIES, SYMBOLS
from data import PATIENCE

# The first bytes of an object file for each system.
MAGIC = {
    ("linux-aarch64", "aarch64"): b"\x7fELF\x02\x01",
    ("macos-arm64", "arm64"): b"\xcf\xfa\xed\xfe\x0c\0\0\x01",
    ("windows-x86-64", "x86-64-v2"): b"\x64\x86",
}


def run(platform, level, folder, entries):
    command = [sys.executable, "-m", "fastnn2.codegen.build.compile_level", platform, level, str(folder)]
    return subprocess.run(
        [*command, json.dumps(entries)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.parametrize(("platform", "level"), MAGIC)
def test_object_files_are_written_and_named(platform, level, tmp_path):
    done = run(platform, level, tmp_path, ENTRIES)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, SYMBOLS, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{symbol}.o" for symbol in SYMBOLS)
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(MAGIC[platform, level])


def test_an_unknown_entry_is_named(tmp_path):
    done = run("linux-x86-64", "x86-64-v3", tmp_path, [("updates", "float64")])
    assert (done.returncode, done.stdout) == (1, "")
    assert "updates" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_missing_is_named(tmp_path):
    done = run("linux-x86-64", "x86-64-v3", tmp_path / "missing", ENTRIES[:1])
    assert done.returncode == 1
    assert "missing" in done.stderr
    assert "Traceback" not in done.stderr
