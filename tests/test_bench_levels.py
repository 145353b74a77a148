"""``python -m bench --cpu LEVEL``: the environment of a level, what is refused, what counts as held and as quiet."""

import doctest
import importlib
import os
import pathlib
import subprocess
import sys

import pytest

from bench import __main__ as bench_command
from bench import cpuid, environment, fed, held, levels, machine, measure, peak, peers, report, storage
from bench.compare.sides import Side
from bench.docs import machines, runs
from bench.inside import Processor, kernel_store

ROOT = pathlib.Path(__file__).parents[1]
V3 = "x86-64-v3"
RUNS_V3 = Processor.level(V3).features <= levels.features_here()
needs_v3 = pytest.mark.skipif(not RUNS_V3, reason="this processor does not run x86-64-v3")


@pytest.mark.parametrize("name", ["cpuid", "fed", "held", "levels"])
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(f"bench.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


# The environment


def test_settings_of_a_level():
    before = {"XLA_FLAGS": "--xla_dump_to=x", "GLIBC_TUNABLES": "glibc.malloc.check=1"}
    dispatched = ["AVX2", "FMA3", "X86_V3", "X86_V4", "AVX512F", "AVX512_SPR"]
    found = levels.settings(V3, before, dispatched)
    assert found["NUMBA_CPU_NAME"] == found["TORCHINDUCTOR_CPP_MARCH"] == found[levels.HELD] == V3
    assert "+avx2" in found["NUMBA_CPU_FEATURES"].split(",")
    assert "+avx512f" not in found["NUMBA_CPU_FEATURES"].split(",")
    assert found["NPY_DISABLE_CPU_FEATURES"] == "X86_V4 AVX512F AVX512_SPR"
    assert found["XLA_FLAGS"] == "--xla_dump_to=x --xla_cpu_max_isa=AVX2"
    assert found["GLIBC_TUNABLES"].startswith("glibc.malloc.check=1:glibc.cpu.hwcaps=-AVX512F,")
    assert (found["OPENBLAS_CORETYPE"], found["ATEN_CPU_CAPABILITY"]) == ("Haswell", "avx2")
    assert pathlib.Path(found["FASTNN2_CACHE_DIR"]) == kernel_store.folder() / V3


def test_each_level_is_complete():
    names = {level: set(levels.settings(level, {}, [])) for level in levels.NAMES}
    assert names["x86-64-v2"] == names[V3] == names["x86-64-v4"] | {"GLIBC_TUNABLES"}  # v4 takes nothing from glibc
    assert set(levels.settings("x86-64-v2", {}, ["AVX2", "X86_V3"])["NPY_DISABLE_CPU_FEATURES"].split()) == {
        "AVX2", "X86_V3",
    }  # fmt: skip
    assert levels.settings("x86-64-v4", {}, ["X86_V3", "X86_V4"])["NPY_DISABLE_CPU_FEATURES"] == ""


@needs_v3
def test_a_new_process_is_held():
    """The bench starts again with the settings, although it removes that of OpenBLAS from the one of a shell."""
    script = (
        "import sys, bench.environment as e, bench.levels as l; from bench.__main__ import main; import os\n"
        "e.start_again = lambda: (print(l.held(), os.environ['OPENBLAS_CORETYPE']), sys.exit(7))\n"
        "main(['--cpu', 'x86-64-v3', '--only', 'busy'])"
    )
    done = run("-c", script)
    assert (done.returncode, done.stdout.split()) == (7, [V3, "Haswell"]), done.stderr
    # What the new process does: it measures nothing, as --report refuses --cpu after the environment has been settled.
    settings = levels.settings(V3, {}, levels.features_of_numpy())
    script = (
        "import runpy, sys, os; sys.argv = ['bench', '--cpu', 'x86-64-v3', '--report', 'x']\n"
        "try: runpy.run_module('bench', run_name='__main__')\n"
        "finally: import numpy; from bench import held; "
        "print(os.environ['OPENBLAS_CORETYPE'], held.what_libraries_say('numpy_plain', 'x86-64-v3'), "
        "held.what_libraries_say('fastnn2_fit', 'x86-64-v3'), held.what_libraries_say('numpy_plain', 'x86-64-v2'))"
    )
    done = run("-c", script, **settings)
    assert done.returncode == 2
    assert done.stdout.strip() == "Haswell None None OpenBLAS has chosen kernels for Haswell", done.stderr


def run(*arguments, **settings):
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    return subprocess.run(
        [sys.executable, *arguments], env={**kept, "PYTHONPATH": str(ROOT), **settings}, cwd=ROOT, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip


def test_both_sides_of_a_comparison_are_held(tmp_path, monkeypatch):
    package = tmp_path / "checkout" / "fastnn2"
    package.mkdir(parents=True)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.delenv(levels.HELD, raising=False)
    assert "OPENBLAS_CORETYPE" not in Side("this", package.parent, tmp_path / "without").environment
    monkeypatch.setenv(levels.HELD, V3)
    monkeypatch.setenv("NUMBA_CPU_NAME", V3)
    side = Side("this", package.parent, tmp_path / "with")
    assert (side.environment["OPENBLAS_CORETYPE"], side.environment["NUMBA_CPU_NAME"]) == ("Haswell", V3)


# What is refused


def test_unknown_levels_are_refused(capsys):
    for name in ("x86-64-v5", "zen4"):
        with pytest.raises(SystemExit) as caught:
            bench_command.parse(["--cpu", name])
        assert caught.value.code == 2
        message = capsys.readouterr().err.splitlines()[-1]
        assert message.endswith(f"argument --cpu: {name}: expected x86-64-v2, x86-64-v3, x86-64-v4")


def test_levels_that_this_processor_lacks_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(levels, "features_here", lambda: Processor.level(V3).features)
    with pytest.raises(SystemExit):
        bench_command.parse(["--cpu", "x86-64-v4"])
    message = capsys.readouterr().err.splitlines()[-1]
    assert "x86-64-v4: this processor has no avx512bw, avx512cd, avx512dq, avx512f, avx512vl" in message
    assert bench_command.parse(["--cpu", V3]).cpu == V3


@needs_v3
def test_a_report_measures_nothing(capsys):
    with pytest.raises(SystemExit):
        bench_command.parse(["--cpu", V3, "--report", "x.json"])
    assert "--cpu measures, --report does not" in capsys.readouterr().err


def test_an_environment_without_the_argument_is_refused(monkeypatch, capsys):
    monkeypatch.setenv(levels.HELD, V3)
    with pytest.raises(SystemExit):
        bench_command.parse(["--only", "busy"])
    assert "FASTNN2_BENCH_CPU is set, as inside of a bench with --cpu: unset it" in capsys.readouterr().err


# Whether a peer is held


def test_without_a_level_nothing_is_checked(monkeypatch):
    monkeypatch.delenv(levels.HELD, raising=False)
    monkeypatch.setattr(held, "what_libraries_say", None)
    assert held.reason.__wrapped__("numpy_plain") is None


@pytest.fixture
def at_v3(monkeypatch):
    """Return a function that sets what libraries say and what a process finds, on a machine with AVX-512."""
    monkeypatch.setenv(levels.HELD, V3)

    def arrange(said, found, features=("avx512f",)):
        monkeypatch.setattr(held, "what_libraries_say", lambda peer, level: said)
        monkeypatch.setattr(held, "elapsed_of_process", lambda peer: found)
        monkeypatch.setattr(levels, "features_here", lambda: set(features))

    return arrange


@pytest.mark.parametrize(
    ("peer", "said", "found", "reason"),
    [
        ("numpy_plain", None, [(-1, 500.0)], None),
        ("numpy_plain", None, [(-1, 500.0), (700, 500.0)], None),  # before it trained
        ("numpy_plain", "a word", [(-1, 500.0)], "a word"),
        ("jax_scan", None, [(-1, 500.0), (4, 500.0)], "it uses AVX-512 all the same"),
        ("jax_scan", None, [], "whether it uses AVX-512 cannot be seen here"),
        ("numpy_plain", None, [], None),  # its libraries' word is enough
    ],
)
def test_reasons(at_v3, peer, said, found, reason):
    at_v3(said, found)
    assert held.reason.__wrapped__(peer) == reason


def test_no_process_looks_for_registers_that_are_not_there(at_v3):
    at_v3(None, [(4, 500.0)], features=("avx2",))
    assert held.reason.__wrapped__("jax_scan") is None


def test_a_peer_that_is_not_held_is_left_out(monkeypatch):
    monkeypatch.setenv(levels.HELD, V3)
    monkeypatch.setattr(held, "reason", lambda peer: "it does as it likes")
    with pytest.raises(peers.Unavailable, match="it is not held to x86-64-v3: it does as it likes"):
        measure.prepare("numpy_plain", None, "float64", 1)


# CPUID


def test_cpuid_tells_of_no_feature_above_the_level():
    script = (
        "from bench import cpuid; hidden = cpuid.hide('x86-64-v3'); import ctypes, threading\n"
        "from bench.levels import features_here; import sys\n"
        "thread = threading.Thread(target=lambda: print(hidden, 'avx512f' in features_here(), 'avx2' in "
        "features_here())); thread.start(); thread.join(); sys.stdout.flush()\n"
        "ctypes.string_at(8)"
    )
    done = run("-c", script)
    if not done.stdout.startswith("True"):
        assert done.stdout.startswith("False"), done.stderr
        pytest.skip("this system cannot let CPUID fault")
    assert done.stdout.split() == ["True", "False", str("avx2" in levels.features_here())]
    assert done.returncode == 139  # another fault ends the process still


def test_a_level_with_all_that_matters_hides_nothing():
    assert cpuid.hide("x86-64-v4") is False


# The second peak


def test_loop_is_of_fma_and_loads():
    """The block has the fma that are counted, and spills nothing: a store would be an instruction more."""
    function, rows, vectors = fed.loop()
    seconds = machine.best(function, *fed.arguments("float64", 10))
    assert seconds > 0
    if Processor.here().has_fma and "avx2" in Processor.here().features:
        registers = vectors * (1 if "avx512f" in Processor.here().features else 2)
        found = machine.inner_loop(function)
        passes, rest = divmod(found["fma"], rows * registers)  # LLVM unrolls the loop for some processors
        assert passes >= 1
        assert rest == 0
        # Loads of the vectors and of the numbers, and three instructions to count.
        assert found["instructions"] <= found["fma"] + passes * (registers + rows) + 3


def test_loop_uses_what_it_loads():
    function, rows, vectors = fed.loop()
    memory, lanes, _ = fed.arguments("float64", 1)
    memory[:] = 0.5
    function(memory, lanes, 3)
    assert (memory[-lanes:] == 3 * fed.STEPS * rows * vectors * 0.25).all()


def test_rows_know_whether_the_machine_was_quiet():
    result = {
        "peak": {"float64": {"fed_one": 100.0, "fed_all": 50.0}},
        "cells": [
            {"dtype": "float64", "threads": 1, "fed": 96.0, "fed_best": 99.0},
            {"dtype": "float64", "threads": None, "fed": 49.0, "fed_best": 60.0},  # another row was faster
        ],
        "tutorial": [{"dtype": "float64", "fed": 94.0, "fed_best": 97.0}],
    }
    lines = []
    peak.mark_quiet(result, lines.append)
    assert [row["quiet"] for row in (*result["cells"], *result["tutorial"])] == [True, False, False]
    assert result["quiet"] is False
    assert lines == ["  quiet: 1 of 3 rows"]


# Reports


def example():
    """Return results of a run at a level, with all that earlier runs lack."""
    results = storage.read(runs.all_runs()[0][0])
    results["environment"]["cpu"] = V3
    peak_ = results["peak"]
    peak_["fed_loop"] = {"fma": 12, "instructions": 23, "registers": "ymm"}
    for dtype in ("float64", "float32"):
        peak_["peak"][dtype]["fed_one"] = 60.0
    for row in peak_["cells"]:
        row |= {"share_of_fed": 0.81, "quiet": row["threads"] == 1}
    for row in peak_["tutorial"]:
        row["quiet"] = True
    sides = {"sklearn": 2e-4, "fastnn2": 1e-4, "ratio": 2.0, "dtype": "float64"}
    results["predictions"] = {
        "rounds": 25, "skipped": None,
        "rows": [sides | {"kind": "regression", "n": n, "method": "predict"} for n in (1, 1000)],
        "single": [{"name": "predictor()", "dtype": "float64", "median": 9e-6, "wanted": 15}],
    }  # fmt: skip
    results["search"] = {
        "rounds": 9, "skipped": None, "warm": {"sklearn": 5.0, "fastnn2": 0.5, "ratio": 10.0},
        "first": {
            "empty": {"start": 2.0, "search": 3.0}, "warm": {"start": 2.0, "search": 1.0}, "limit": 3.6,
            "kernels": [{"name": "epochs", "dtype": "float64", "compiles": 1, "seconds": 2.0}],
        },
    }  # fmt: skip
    return results


def test_report_names_level_and_quietness():
    text = " ".join(report.markdown(example()).split())
    assert "compiled for x86-64-v3; peers are held to it, or left out" in text
    assert "| share of peak | of the fed peak | quiet |" in text
    assert text.count("| 81% | yes |") == text.count("| 81% | no |") > 0
    assert "with 12 fma among 23 instructions" in text
    assert "| `predict`, 1 row, regression | float64 | 200 | 100 | **2.0** |" in text
    assert "| predictor() | float64 | 9.00 | 15 |" in text
    assert "10.0 times faster (median of 9 rounds)" in text
    assert "3.00 s with an empty store, and 1.00 s with a warm one; at most 3.60 s are wanted" in text
    assert "epochs float64: 1, 2.00 s." in text


def test_page_names_the_level(tmp_path):
    results = example()
    path = tmp_path / f"{environment.file_name(results['environment']['processor'], V3)}.json"
    storage.write(path, results)
    text = machines.page(path, tmp_path)
    assert f"\n# {environment.title(results['environment'])}," in text
    assert environment.title(results["environment"]).endswith(", as x86-64-v3")
    assert "## Small predictions" in text
    assert "## A grid search" in text
    assert path.stem.endswith("-x86-64-v3")


def test_runs_that_play_a_level_come_last(tmp_path):
    native = runs.all_runs()[0][1]
    played = example()
    played["environment"]["date"] = "2999-01-01 00:00 UTC"  # the newest, but no native one
    for name, results in (("native", native), ("played", played)):
        storage.write(tmp_path / f"{name}.json", results)
    assert [path.stem for path, _ in runs.all_runs(tmp_path)] == ["native", "played"]


@pytest.mark.parametrize("part", ["predictions", "search"])
def test_parts_that_were_skipped_say_why(part):
    text = report.markdown({"environment": example()["environment"], "quick": True, part: {"skipped": "no reason"}})
    assert "Left out: no reason" in text
