"""Runs recorded jobs on a library of another platform by driver.c, and says how the results differ."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from platforms import jobs
from platforms.recording import NAME_BYTES

from fastnn2.codegen.build.libraries import ENTRIES, build_platform
from fastnn2.codegen.build.platforms import PLATFORMS, Level
from fastnn2.kernels.shared import features

HERE = pathlib.Path(__file__).parent
FLAGS = ["-std=gnu99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic"]
# The entries whose threads are a team; the others have one thread, or are called by threads that know nothing of each
# other, as loss_sums.
TEAMS = (
    "train", "train_narrow", "train_wide", "block_sums", "narrow_sums", "epochs", "unit_epochs", "infer",
    "networks", "jobs", "tabular_outputs",
)  # fmt: skip
CASES = [(name, dtype, threads) for name, dtype in ENTRIES for threads in (1, 2)[: 1 + (name in TEAMS)]]
# Where not all are compiled.
FEW_NAMES = ("train", "train_narrow", "descend", "unit_epochs", "infer", "networks", "jobs", "tabular")
FEW = [(name, dtype) for name, dtype in ENTRIES if name in FEW_NAMES]
FEW_CASES = [case for case in CASES if case[:2] in FEW]


def of_few(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the jobs of the entries in FEW."""
    return [job for job in listed if (job["entry"], job["dtype"]) in FEW]


def record(folder: pathlib.Path, seconds: float) -> list[dict[str, Any]]:
    """Write jobs of all entries to a folder, in a process of its own; return their list."""
    command = [sys.executable, "-W", "error", str(HERE / "jobs.py"), str(folder)]
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    return jobs.read(folder)


def compile_c(source: str, path: pathlib.Path, seconds: float, *flags: str) -> None:
    """Compile a file of this folder by zig, for this system unless `flags` name another target."""
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-o", str(path), source, *flags]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def best_level(platform_name: str) -> Level:
    """Return the level of a platform with the most features that this processor has, the first if it has none."""
    here, levels = features.features_here() or frozenset(), PLATFORMS[platform_name].levels
    usable = [level for level in levels if level.needed <= here]
    return max(usable, key=lambda level: len(level.needed), default=levels[0])


def build(platform_name: str, level: Level, folder: pathlib.Path, entries=ENTRIES) -> pathlib.Path:
    """Build the library of one level of a platform in a folder; return its path."""
    platform = PLATFORMS[platform_name]
    build_platform(dataclasses.replace(platform, levels=(level,)), folder, entries)
    return folder / (level.name + platform.suffix)


class Results:
    """What came out of jobs in a folder, on one library.

    Parameters
    ----------
    run : callable
        ``run(*arguments)`` runs the driver in the folder of the jobs.
    """

    def __init__(
        self,
        run: Callable[..., "subprocess.CompletedProcess[str]"],
        library: pathlib.Path,
        folder: pathlib.Path,
        listed: list[dict[str, Any]],
        suffix: str,
    ) -> None:
        self.folder, self.jobs, self.suffix = folder, listed, suffix
        (folder / f"{suffix}.list").write_text(jobs.of_driver([job["name"] for job in listed], suffix))
        done = run(str(library), f"{suffix}.list")
        self.error = f"the driver ended with {done.returncode}: {done.stderr.strip()}" if done.returncode else ""
        self.done = {line.strip().removesuffix(".job") for line in done.stdout.splitlines()}

    def differences(self, entry: str, dtype: str, threads: int) -> list[str]:
        """Return what differs in the jobs of a kernel, of which there must be some."""
        found = [job for job in self.jobs if (job["entry"], job["dtype"], job["threads"]) == (entry, dtype, threads)]
        assert found, "there is no such job"
        return [f"{job['name']}: {what}" for job in found for what in self.of_job(job)]

    def of_job(self, job: dict[str, Any]) -> list[str]:
        """Return what differs in the results of a job."""
        name = job["name"]
        if name not in self.done:
            return [self.error or "no results"]
        expected, found = ((self.folder / f"{name}.{suffix}").read_bytes() for suffix in ("expected", self.suffix))
        return jobs.differences(job, expected, found)


def change_input(folder: pathlib.Path, job: dict[str, Any], name: str, field: str) -> dict[str, Any]:
    """Write a copy of a job in which one bit of the first number of a field is another; return its entry of the list.

    Its expected results are those of the unchanged job.
    """
    content = bytearray((folder / f"{job['name']}.job").read_bytes())
    blocks = int.from_bytes(content[NAME_BYTES : NAME_BYTES + 8], "little")
    first = next(start for part, (start, _) in job["parts"][0].items() if part.startswith(f"{field} at "))
    content[NAME_BYTES + 8 + 16 * blocks + first + 2] ^= 0x40
    return _write_copy(folder, job, name, content)


def rename_entry(folder: pathlib.Path, job: dict[str, Any], entry: str) -> dict[str, Any]:
    """Write a copy of a job that calls another function; return its entry of the list."""
    content = (folder / f"{job['name']}.job").read_bytes()
    return _write_copy(folder, job, entry, entry.encode().ljust(NAME_BYTES, b"\0") + content[NAME_BYTES:])


def _write_copy(folder: pathlib.Path, job: dict[str, Any], name: str, content: bytes) -> dict[str, Any]:
    (folder / f"{name}.job").write_bytes(content)
    shutil.copy(folder / f"{job['name']}.expected", folder / f"{name}.expected")
    return job | {"name": name}
