"""Where kernels come from: what FASTNN2_KERNELS says, and what is done where the package's libraries are of no use."""

import inspect
import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from bundled_data import BLOCKED, DAMAGES, copy_package, damage_best, flip_a_bit, run, update
from data import DTYPES, PATIENCE, STORE_KERNELS, assert_same_bits

from fastnn2.codegen import bundled, provider, store
from fastnn2.kernels.shared.records import UpdateRecord

MAY_COMPILE = pytest.mark.skipif(not store.HAS_ELF, reason="needs the kernel store")


@pytest.fixture(scope="module")
def right():
    """The results of kernels that the store compiles."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(provider, "origin", lambda: store)
        return {dtype: update(dtype) for dtype in DTYPES}


def assert_warned_once(caught, line, *texts):
    """Assert that there is one warning, at a line of this file."""
    (warning,) = caught
    assert warning.category is UserWarning
    assert (warning.filename, warning.lineno) == (__file__, line)
    for text in texts:
        assert re.search(text, str(warning.message)), warning.message


def update_here(dtype="float64"):
    """Call a kernel at a line of this file; return the result and the line."""
    params = {name: np.ones((1, 1), dtype) for name in ("W1", "b1", "W2", "b2")}
    import fastnn2

    line = inspect.currentframe().f_lineno + 1
    return fastnn2.update({f"d{name}": array for name, array in params.items()}, params, 0.25), line


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_what_cannot_be_used_leads_to_the_store_with_one_warning(damage, expected, libraries, right):
    damage(libraries)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, line = update_here()
        results = {dtype: update(dtype) for dtype in DTYPES}
    assert provider.origin() is store
    assert_same_bits(results, right)
    assert_warned_once(caught, line, "fastnn2 compiles its kernels, as ", expected, "again.*, or set FASTNN2_KERNELS=")


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_what_cannot_be_used_is_an_error_where_nothing_else_is_wanted(damage, expected, libraries, monkeypatch):
    damage(libraries)
    monkeypatch.setenv("FASTNN2_KERNELS", "bundled")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=f"FASTNN2_KERNELS is bundled, but .*{expected}") as caught:
            update()
        assert str(caught.value).endswith(", or unset it")
        assert "\n" not in str(caught.value)


def test_a_warning_that_is_an_error_is_one_at_each_call(libraries):
    damage_best(flip_a_bit)(libraries)
    for _ in range(2):
        with pytest.raises(UserWarning, match="fastnn2 compiles its kernels"):
            update()


@pytest.mark.parametrize("wanted", [None, "bundled", " Bundled "])
def test_bundled_kernels(wanted, libraries, right, monkeypatch):
    if wanted:
        monkeypatch.setenv("FASTNN2_KERNELS", wanted)
    assert isinstance(provider.origin(), bundled.Library)
    assert provider.origin() is provider.origin()
    assert_same_bits({dtype: update(dtype) for dtype in DTYPES}, right)
    assert provider.kernel("update", "float64").address == provider.origin().kernel("update", np.float64).address


@pytest.mark.parametrize("off", ["off", "0", "no", "false"])
def test_the_store_switched_off_changes_nothing_where_there_are_libraries(off, libraries, right, monkeypatch):
    monkeypatch.setenv("FASTNN2_STORE", off)
    monkeypatch.setattr(store, "_make", None)
    assert isinstance(provider.origin(), bundled.Library)
    assert_same_bits(update(), right["float64"])


def test_the_store(libraries, right, store_kernels, monkeypatch):
    damage_best(flip_a_bit)(libraries)  # which nobody looks at
    monkeypatch.setattr(bundled, "open_best", None)
    assert provider.origin() is store
    assert_same_bits(update(), right["float64"])


def test_without_libraries_the_store_does_its_work_without_a_word(libraries, right, monkeypatch):
    monkeypatch.setattr(bundled, "FOLDER", libraries / "none")
    assert provider.origin() is store  # a warning would be an error
    assert_same_bits(update(), right["float64"])
    monkeypatch.setenv("FASTNN2_KERNELS", "bundled")
    provider.origin.cache_clear()
    text = rf"FASTNN2_KERNELS is bundled, but fastnn2 has no kernels .* in {libraries / 'none'} \(.*\); unset it"
    with pytest.raises(RuntimeError, match=text):
        update()


def test_a_wrong_value(libraries, monkeypatch):
    monkeypatch.setenv("FASTNN2_KERNELS", "fast")
    with pytest.raises(ValueError, match="FASTNN2_KERNELS is 'fast'; expected one of bundled, store, numba, or unset"):
        update()


def test_a_kernel_refuses_the_record_of_another_one(libraries):
    none = np.zeros(1)
    job = UpdateRecord(params=none, new=none, count=0, gradient=none, l2=none, learning_rate=0.0)
    provider.kernel("update", "float64")(job)
    with pytest.raises(TypeError, match="takes a UpdateRecord, not a object"):
        provider.kernel("update", "float64")(object())


# In processes of their own

RESULTS = """
import json, warnings
from bundled_data import digest, update
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    results = [digest(update(dtype)) for dtype in ("float64", "float32")]
print(json.dumps([results, "numba" in sys.modules, [str(each.message) for each in caught]]))
"""


@pytest.fixture(scope="module")
def package(few_kernels, tmp_path_factory):
    """A copy of the package with libraries."""
    return copy_package(tmp_path_factory.mktemp("installed"), few_kernels)


@MAY_COMPILE
def test_plain_numba(package, tmp_path):
    """It keeps what it compiled in files of the store, and reads no others, and no library."""
    environment = {"FASTNN2_CACHE_DIR": str(tmp_path)}
    (expected, _, _), _ = run("import sys\n" + RESULTS, package, **environment, **STORE_KERNELS)
    assert {path.suffix for path in tmp_path.iterdir()} == {".kernel"}
    for _ in range(2):
        found, _ = run("import sys\n" + RESULTS, package, **environment, FASTNN2_KERNELS="numba")
        assert found == [expected, True, []]
        assert sorted(path.suffix for path in tmp_path.iterdir()) == 2 * [".kernel"] + 2 * [".numba"]


@MAY_COMPILE
def test_without_libraries_and_store_numba_compiles_in_each_process(package, few_kernels, tmp_path):
    """FASTNN2_STORE=off: bundled, else compiled, and no file is written."""
    bare = copy_package(tmp_path)
    environment = {"FASTNN2_STORE": "off", "FASTNN2_CACHE_DIR": str(tmp_path / "store")}
    bundled_found, _ = run(BLOCKED + RESULTS, package, **environment)
    assert bundled_found[2] == []
    for kind in ("", "store", "numba"):
        (results, has_numba, caught), _ = run("import sys\n" + RESULTS, bare, **environment, FASTNN2_KERNELS=kind)
        assert (results, has_numba, caught) == (bundled_found[0], True, [])
    assert not (tmp_path / "store").exists()


def test_the_first_call_in_a_thread_warns_at_a_line_of_the_user(few_kernels, tmp_path):
    copy = copy_package(tmp_path, few_kernels)
    damage_best(flip_a_bit)(copy / "libraries")
    script = tmp_path / "fastnn2_script.py"  # beside the package, with a name that begins as its own
    script.write_text(
        "import threading\nimport fastnn2, numpy as np\n"
        "params = {name: np.ones((1, 1)) for name in ('W1', 'b1', 'W2', 'b2')}\n"
        "work = lambda: fastnn2.update({'d' + name: array for name, array in params.items()}, params, 0.1)\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()\nwork()\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "FASTNN2_KERNELS"}
    done = subprocess.run(
        [sys.executable, "-B", str(script)],
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^(\S+):(\d+): UserWarning: fastnn2 compiles", done.stderr, re.M) == [(str(script), "4")]


COMMANDS = {"moons": ("--no-plot", "--iterations", "3"), "warmup": ()}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_says_in_one_line_that_there_are_no_libraries(command, tmp_path):
    bare = copy_package(tmp_path)
    for setting, code, text in (
        ("bundled", 1, f"error: FASTNN2_KERNELS is bundled, but fastnn2 has no kernels for this processor in {bare}"),
        ("fast", 2, "error: FASTNN2_KERNELS is 'fast'; expected one of bundled, store, numba, or unset it"),
    ):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "FASTNN2_KERNELS": setting}
        done = subprocess.run(
            [sys.executable, "-P", "-B", "-m", "fastnn2", command, *COMMANDS[command]],
            env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (code, "")
        assert re.fullmatch(rf"fastnn2 {command}: {re.escape(text)}[^\n]*\n", done.stderr), done.stderr
