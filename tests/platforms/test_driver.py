"""The driver and its jobs on this system, where the results are known; test_windows.py relies on them."""

import json
import shutil
import subprocess
import sys

import pytest
from data import PATIENCE, extra
from platforms.drivers import (
    CASES,
    FEW,
    FEW_CASES,
    HERE,
    TEAMS,
    Results,
    best_level,
    build,
    change_input,
    compile_c,
    of_few,
    rename_entry,
)
from platforms.jobs import LIST

from fastnn2.codegen.bundled import platform_here

extra("ziglang", "build")
extra("lief", "build")
PLATFORM = "linux-x86-64"
pytestmark = pytest.mark.skipif(platform_here() != PLATFORM, reason=f"needs {PLATFORM}")


@pytest.fixture(scope="module")
def driver(folder):
    """Return a function that runs the driver."""
    path = folder / "driver"
    compile_c("driver.c", path, PATIENCE, "-ldl", "-lpthread")

    def run(*arguments):
        command = [str(path), *arguments]
        return subprocess.run(command, cwd=folder / "jobs", capture_output=True, text=True, timeout=PATIENCE)

    return run


@pytest.fixture(scope="module")
def library(folder):
    return build(PLATFORM, best_level(PLATFORM), folder / "linux", FEW)


@pytest.fixture(scope="module")
def results(folder, jobs, driver, library):
    return Results(driver, library, folder / "jobs", of_few(jobs), "linux")


def test_there_are_jobs_of_every_entry(jobs):
    assert {(job["entry"], job["dtype"], job["threads"]) for job in jobs} == set(CASES)


@pytest.mark.parametrize("entry", sorted({*TEAMS} - {"infer", "networks", "jobs", "tabular_outputs"}))
def test_some_teams_make_several_calls(jobs, entry):
    """Their workers stay in the kernel meanwhile."""
    assert max(job["calls"] for job in jobs if job["entry"] == entry and job["threads"] == 2) > 1


@pytest.mark.parametrize(("entry", "dtype", "threads"), FEW_CASES)
def test_the_driver_gives_the_bytes_of_python(results, entry, dtype, threads):
    assert results.differences(entry, dtype, threads) == []


@pytest.mark.parametrize(("field", "what"), [("X", "costs"), ("params", "costs"), ("X", "params")])
def test_another_input_gives_other_bytes(folder, jobs, driver, library, field, what):
    """One bit is other than in the recorded job: the comparison would find a wrong kernel."""
    job = next(job for job in jobs if job["entry"] == "train_narrow" and job["threads"] == 2)
    changed = change_input(folder / "jobs", job, f"changed-{field}-{what}", field)
    found = Results(driver, library, folder / "jobs", [changed], f"changed-{field}-{what}").of_job(changed)
    assert any(line.startswith(f"{what} at ") for line in found)


def test_results_of_another_machine_are_compared(folder, jobs, tmp_path):
    few = [job for job in jobs if job["entry"] in ("cost", "update")]
    (tmp_path / LIST).write_text(json.dumps(few))
    for job in few:
        for suffix in ("expected", "found"):
            shutil.copy(folder / "jobs" / f"{job['name']}.expected", tmp_path / f"{job['name']}.{suffix}")
    command = [sys.executable, str(HERE / "jobs.py"), str(tmp_path), "--compare"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, f"{len(few)} of {len(few)} jobs agree\n")
    wrong = tmp_path / f"{few[0]['name']}.found"
    wrong.write_bytes(wrong.read_bytes()[:-1])
    (tmp_path / f"{few[1]['name']}.found").unlink()
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    size = wrong.stat().st_size
    assert (done.returncode, done.stdout.splitlines()) == (
        1,
        [
            f"{few[0]['name']}: {size} bytes of results, not {size + 1}",
            f"{few[1]['name']}: no results",
            f"{len(few) - 2} of {len(few)} jobs agree",
        ],
    )


@pytest.fixture(scope="module")
def faulty(folder):
    path = folder / "faults.so"
    compile_c("faults.c", path, PATIENCE, "-shared", "-fPIC")
    return path


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("outside", "the kernel has written outside a block"),
        ("mode", "the kernel has changed the floating-point mode of its caller"),
        ("nothing", "new at "),
        ("missing", "the library does not export this entry"),
    ],
)
def test_faults_of_a_kernel_are_found(folder, jobs, driver, faulty, fault, message):
    job = next(job for job in jobs if job["entry"] == "update")
    renamed = rename_entry(folder / "jobs", job, f"update_{fault}")
    found = Results(driver, faulty, folder / "jobs", [renamed], fault).of_job(renamed)
    assert len(found) == 1
    assert message in found[0]
