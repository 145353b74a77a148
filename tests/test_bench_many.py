"""The bench of fit_many: what is asserted before it is timed, what is kept, and a run on tiny crowds."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from data import DTYPES, PATIENCE, extra

import fastnn2
from bench import jax_crowd, many, many_parts, many_report, memory, storage
from bench.cases import Case
from bench.crowds import Crowd
from bench.kernel_calls import KernelCalls
from bench.together import Processes

ROOT = pathlib.Path(__file__).parents[1]
SMALL = Case(37, 3, 4, iterations=6)
CROWDS = [Crowd(SMALL, 5, dtype, is_own) for dtype in DTYPES for is_own in (False, True)]
KEPT = [path for path in sorted((ROOT / "bench" / "results").glob("many-*.json")) if "alone" in storage.read(path)]


# What is asserted


@pytest.mark.parametrize("crowd", CROWDS, ids=str)
def test_kernel_calls_are_those_of_fit(crowd):
    X, Y = crowd.samples()
    expected = [
        fastnn2.fit(
            X[k] if crowd.is_own else X, Y[k] if crowd.is_own else Y, SMALL.learning_rate, SMALL.h, SMALL.iterations,
            random_state=3 if crowd.is_own else k,
        )
        for k in range(1, 4)
    ]  # fmt: skip
    calls = KernelCalls(crowd, 1, 4)
    assert calls() == []
    many_parts.check_bits(expected, calls(is_kept=True))


def test_other_bits_are_not_timed():
    params, costs = {"W1": np.ones((2, 2)), "b1": np.zeros((2, 1))}, np.array([0.7, 0.6])
    packed = np.array([1.0, 1, 1, 1, 0, 0])
    many_parts.check_bits([(params, costs)], [(packed, costs)])
    with pytest.raises(AssertionError, match="network 0: fit_many has the costs"):
        many_parts.check_bits([(params, costs)], [(packed, np.nextafter(costs, 1))])
    with pytest.raises(AssertionError, match="network 0: the parameters of fit_many have other bits"):
        many_parts.check_bits([(params, costs)], [(np.nextafter(packed, 2), costs)])
    with pytest.raises(AssertionError, match="network 1, float64: JAX's costs differ from those of fit_many by"):
        many_parts.check_costs([costs, costs * (1 + 1e-9)], [costs, costs], "float64")


@pytest.mark.parametrize("formula", jax_crowd.FORMULAS)
@pytest.mark.parametrize("crowd", CROWDS, ids=str)
def test_jax_trains_the_networks_of_its_process(crowd, formula):
    extra("jax", "bench")
    expected = [cost_ for _, cost_ in crowd.fit(crowd.samples(), 1)]
    with Processes(jax_crowd.JaxCrowds, [(0,), (1,)]) as processes:
        (_, first), (_, second) = processes.do(crowd, formula, 2, True)
    many_parts.check_costs(first + second, expected[:4], crowd.dtype)


# Processes and memory


def test_an_error_in_a_process_is_raised():
    with pytest.raises(ZeroDivisionError), Processes(Divider, [(1,), (0,)]) as processes:
        processes.do(12)
    with pytest.raises(TypeError), Processes(Divider, [()]):
        pass


def test_processes_get_their_arguments_and_variables():
    with Processes(Divider, [(3,), (4,)], {"FASTNN2_BENCH_TEST": "here"}, pinned=True) as processes:
        answers = processes.do(12)
    assert [result for _, result in answers] == [(4.0, "here"), (3.0, "here")]
    assert all(seconds >= 0 for seconds, _ in answers)


class Divider:
    def __init__(self, divisor):
        self.divisor = divisor

    def __call__(self, number):
        import os

        return number / self.divisor, os.environ.get("FASTNN2_BENCH_TEST")


def test_memory_that_was_freed_and_that_stays():
    size = 1 << 26
    with memory.Memory() as watch:
        if watch.peak is None and watch.kept() is None:
            pytest.skip("this system does not tell the memory of a process")
        stays = np.ones(size, np.uint8)
        freed = np.ones(2 * size, np.uint8)
        del freed
        watched = np.ones(2 * size, np.uint8)  # in use at the last look
    assert watch.peak == pytest.approx(3 * size, rel=0.1)
    del watched
    assert watch.kept() == pytest.approx(stays.nbytes, rel=0.1)


# What is kept


@pytest.mark.parametrize("path", KEPT, ids=[path.stem for path in KEPT])
def test_tables_can_be_made_of_what_is_kept(path):
    found = storage.read(path)
    assert storage.dumps(found) + "\n" == path.read_text(encoding="utf-8")
    assert not found["quick"]
    assert set(many.PARTS) < set(found)
    text = many_report.text(found)
    assert "nan" not in text
    assert text.count("| 10,000 |") == 2


def test_figures_of_the_guide_are_those_of_the_benchmarks():
    guide = (ROOT / "docs" / "guide" / "many-networks.md").read_text(encoding="utf-8")
    said = " ".join(guide.partition("\n## Time\n")[2].partition("\n## ")[0].split())
    found = storage.read(KEPT[-1])
    times = {(row["name"], row["dtype"]): row["ways"]["two processes"]["times"] for row in found["jax"]["rows"]}
    overheads = [f"{row['ratio']:.2f}" for row in found["alone"]]
    assert (
        "take {} times as long as the kernels alone. With samples of their own it is {} times".format(*overheads)
        in said
    )
    assert f"takes {times['200x24x8', 'float64']:.2f} times as long in float64" in said
    assert f"{times['500x2x5', 'float32']:.2f} to {times['500x2x5', 'float64']:.2f} times as long" in said
    assert f"it takes {times['200x24x8', 'float32']:.2f} of the time" in said
    assert f"at most {found['memory']['peak'] / 1e6:.0f} MB" in said
    assert found["environment"]["date"][:10] in said


def test_a_quick_run_replaces_no_figures(capsys):
    with pytest.raises(SystemExit):
        many.parse(["--quick"])
    assert "--quick needs --json FILE" in capsys.readouterr().err


def test_without_jax_the_others_are_measured(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = []
    found = many_parts.jax(True, said.append)
    assert found == {"rows": [], "skipped": "jax is not installed"}
    assert said == ["  JAX is skipped: jax is not installed"]
    assert many_report.jax(found) == ["**JAX** was left out: jax is not installed."]


# A run


def test_quick_run(tmp_path):
    path = tmp_path / "quick.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench.many", "--quick", "--json", str(path)], cwd=ROOT,
        timeout=PATIENCE, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = storage.read(path)
    assert [row["own"] for row in found["alone"]] == [False, True]
    assert done.stdout.count("bit for bit") == 2
    if importlib.util.find_spec("jax"):
        assert {(row["name"], row["dtype"]) for row in found["jax"]["rows"]} == set(many_report.JAX)
        assert all(set(row["ways"]) == set(jax_crowd.WAYS) for row in found["jax"]["rows"])
    else:
        assert found["jax"]["skipped"] == "jax is not installed"
    assert found["memory"]["networks"] == many_parts.QUICK_TINY_NETWORKS
    assert many_report.text(found) in done.stdout
