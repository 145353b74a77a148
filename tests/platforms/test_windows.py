"""The kernels for Windows give the bytes of those of this system, in Wine; driver.c stands in for Python there."""

import pytest
from data import PATIENCE, extra
from platforms import wine
from platforms.drivers import (
    CASES,
    FEW,
    FEW_CASES,
    Results,
    best_level,
    build,
    change_input,
    compile_c,
    of_few,
    rename_entry,
)

from fastnn2.codegen.build.libraries import ENTRIES
from fastnn2.codegen.build.platforms import PLATFORMS

extra("ziglang", "build")
lief = extra("lief", "build")
MISSING = wine.missing()
needs_wine = pytest.mark.skipif(MISSING is not None, reason=f"no Windows: {MISSING}")

PLATFORM = "windows-x86-64"
TARGET = "-target", PLATFORMS[PLATFORM].target


@pytest.fixture(scope="module")
def driver(folder):
    """Return a function that runs the driver in Wine."""
    path = folder / "driver.exe"
    compile_c("driver.c", path, PATIENCE, *TARGET)
    (folder / "wine").mkdir()
    windows = wine.Wine(folder / "wine")
    yield lambda *arguments: windows.run(path, *arguments, folder=folder / "jobs", seconds=PATIENCE)
    windows.end(PATIENCE)


@pytest.fixture(scope="module")
def library(folder):
    """The library of the best level that this processor has."""
    return build(PLATFORM, best_level(PLATFORM), folder / "best")


@pytest.fixture(scope="module")
def v2_library(folder):
    """A library of x86-64-v2, where fused multiply-add is a function."""
    (level,) = (level for level in PLATFORMS[PLATFORM].levels if level.name == "x86-64-v2")
    return build(PLATFORM, level, folder / "v2", FEW)


@pytest.fixture(scope="module")
def results(folder, jobs, driver, library):
    """All jobs in one process: Wine takes half a second to start."""
    return Results(driver, library, folder / "jobs", jobs, "windows")


@pytest.fixture(scope="module")
def v2_results(folder, jobs, driver, v2_library):
    return Results(driver, v2_library, folder / "jobs", of_few(jobs), "v2")


@needs_wine
@pytest.mark.parametrize(("entry", "dtype", "threads"), CASES)
def test_windows_gives_the_same_bytes(results, entry, dtype, threads):
    assert results.differences(entry, dtype, threads) == []


@needs_wine
@pytest.mark.parametrize(("entry", "dtype", "threads"), FEW_CASES)
def test_windows_gives_the_same_bytes_without_fma_instructions(v2_results, entry, dtype, threads):
    assert v2_results.differences(entry, dtype, threads) == []


@needs_wine
@pytest.mark.parametrize(("entry", "field", "what"), [("train", "X", "costs"), ("unit_epochs", "params", "losses")])
def test_another_input_gives_other_bytes(folder, jobs, driver, library, entry, field, what):
    """One bit is other than in the recorded job: the comparison would find a wrong kernel."""
    job = next(job for job in jobs if job["entry"] == entry and job["threads"] == 2)
    changed = change_input(folder / "jobs", job, f"changed-{entry}", field)
    found = Results(driver, library, folder / "jobs", [changed], f"changed-{entry}").of_job(changed)
    assert any(line.startswith(f"{what} at ") for line in found)


@needs_wine
def test_a_kernel_that_changes_registers_of_its_caller_is_found(folder, jobs, driver):
    """On Windows, and not on Linux, a caller may keep numbers in some vector registers."""
    compile_c("faults.c", folder / "faults.dll", PATIENCE, *TARGET, "-shared")
    job = next(job for job in jobs if job["entry"] == "update")
    renamed = rename_entry(folder / "jobs", job, "update_registers")
    found = Results(driver, folder / "faults.dll", folder / "jobs", [renamed], "registers").of_job(renamed)
    assert [line.rpartition(": ")[2] for line in found] == ["the kernel has changed registers of its caller"]


def test_a_library_has_all_entries_and_needs_two_functions_of_the_system(library, v2_library):
    for path, entries in ((library, ENTRIES), (v2_library, FEW)):
        found = lief.PE.parse(str(path))
        assert sorted(each.name for each in found.get_export().entries) == sorted(f"{a}_{b}" for a, b in entries)
        imports = {each.name: sorted(entry.name for entry in each.entries) for each in found.imports}
        assert imports == {"KERNEL32.dll": ["Sleep", "SwitchToThread"]}
