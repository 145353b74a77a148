"""The table of results on 64-bit Arm, emulated: does every row have the digest that it has on x86-64?

    python tests/platforms/emulation.py                      on 1, 2 and 3 threads, in two processes
    python tests/platforms/emulation.py --only "fit train_wide" --threads 2 --row-limit 60

A row that takes more than --row-limit seconds is given up, and so are those that are left after --limit seconds. The
exit status is 1 if a row differs or fails, or if none was computed. The kernels are built, and set_up.py has made the
emulated system, in which there is neither Numba nor llvmlite.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [path for path in (str(TESTS), str(TESTS.parent)) if __name__ == "__main__"]

from platforms import set_up  # noqa: E402

BASELINE = "cortex-a53"  # has what every 64-bit Arm processor has, and no more
RICHEST = "max"  # has all that the emulator knows, such as SVE2
COPIED = ("results_rows.py", "results_fits.py", "results_estimators.py", "platforms/more_rows.py")
COMPUTE = "platforms/compute_rows.py"
Job = tuple[str, int]  # the name of a row, and the number of threads
START_LIMIT = 600.0  # seconds until a process has imported scikit-learn, which takes ten on a quiet machine


@dataclasses.dataclass(frozen=True)
class Result:
    """What has become of a row: its digest, or else why there is none."""

    name: str
    threads: int  # that it was given
    digest: str | None
    problem: str = ""
    is_late: bool = False  # whether the problem is a limit of time
    seconds: float = 0.0
    used: int = 0  # threads that ran
    kernels: tuple[str, ...] = ()


class Emulation:
    """A folder with fastnn2, its kernels and the rows, and an emulated Python that imports them.

    Parameters
    ----------
    folder : Path
        Where the package is copied to.
    cpu : str
        The processor, in the emulator's words.
    """

    def __init__(self, folder: pathlib.Path, cpu: str = BASELINE) -> None:
        self.folder, self.cpu = folder, cpu

    @property
    def libraries(self) -> pathlib.Path:
        """The folder of the bundled kernels."""
        return self.folder / "fastnn2" / "libraries"

    def copy_package(self) -> None:
        """Copy fastnn2, as this process imports it, and the rows. The emulated Python compiles bytecode beside it."""
        import bundled_data

        bundled_data.copy_package(self.folder)
        for name in (*COPIED, COMPUTE):
            shutil.copy(TESTS / name, self.folder)

    def build(self, platform: str = "linux-aarch64") -> None:
        """Build the kernels into the copy."""
        command = [sys.executable, "-m", "fastnn2.codegen.build", "--platform", platform, "--out", str(self.libraries)]
        paths = [str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        subprocess.run(command, cwd=self.folder, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, check=True)

    def start(self, *arguments: str, **changed: str) -> subprocess.Popen[str]:
        """Start the emulated Python with the copy, and with no setting of fastnn2 or Numba but those of `changed`."""
        made = set_up.folder()
        ours = ("FASTNN2_", "NUMBA_", "OMP_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        kept |= {"PYTHONPATH": os.pathsep.join([str(self.folder), str(made / "site")]), "QEMU_CPU": self.cpu}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*set_up.command(made), *arguments], env=kept | changed, cwd=self.folder, stdin=pipe, stdout=pipe,
            stderr=pipe, text=True,
        )  # fmt: skip

    def run(self, code: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run some code in the emulated Python to its end."""
        with self.start("-c", code, **changed) as process:
            out, err = process.communicate(timeout=START_LIMIT)
        return subprocess.CompletedProcess(code, process.returncode, out, err)

    def compute(self, jobs: list[Job], row_limit: float = START_LIMIT, until: float = float("inf")) -> Iterator[Result]:
        """Yield the results of rows, in their order; give up at the time `until`."""
        left = list(jobs)
        while left:
            if time.monotonic() >= until:
                yield from (Result(*job, None, "no time was left", is_late=True) for job in left)
                return
            for result in self._compute_some(list(left), row_limit, until):
                yield result
                left.remove((result.name, result.threads))

    def _compute_some(self, jobs: list[Job], row_limit: float, until: float) -> Iterator[Result]:
        """Yield results until the process has ended, or has been killed in a row, which is the last one."""
        with self.start(pathlib.PurePath(COMPUTE).name) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            with contextlib.suppress(BrokenPipeError):  # of a process that has ended; what it has said is read below
                json.dump(jobs, process.stdin)
                process.stdin.close()
            lines, limit, done = read_lines(process), START_LIMIT, 0
            while True:
                began = time.monotonic()
                try:
                    line = lines.get(timeout=max(0.0, min(limit, until - began)))
                except queue.Empty:
                    process.kill()
                    yield Result(*jobs[done], None, f"not done in {time.monotonic() - began:.0f} s", is_late=True)
                    return
                if line is None:
                    break
                content = json.loads(line)
                limit = row_limit if "begins" in content else START_LIMIT
                if "row" in content:
                    yield Result(
                        *content["row"], content.get("digest"), content.get("error", ""), seconds=content["seconds"],
                        used=content["used"], kernels=tuple(content["kernels"]),
                    )  # fmt: skip
                    done += 1
            words = process.stderr.read().strip().splitlines()[-1:]
            problem = f"the process ended with {process.wait()}: {' '.join(words)}"
            if done < len(jobs):
                yield Result(*jobs[done], None, problem)
            elif process.returncode != 0:
                raise RuntimeError(problem)


def read_lines(process: subprocess.Popen[str]) -> queue.Queue[str | None]:
    """Return a queue of the lines that a process prints, and None at the end."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def expected_rows() -> dict[str, str]:
    """Return name -> digest of the rows to compute: those of the table for any machine, and more_rows.

    Of rows whose names differ in the number of threads alone, the first is enough, as compute_rows sets the number.
    """
    import results_table
    from platforms import more_rows
    from results_rows import THREADS, of_threads

    common, _, _ = results_table.read()
    others = tuple(of_threads(threads) for threads in THREADS[1:])
    expected = {name: digest for name, digest in common.items() if not name.endswith(others)}
    return expected | {row.name: row.digest() for row in more_rows.rows(1)}


def differences(results: list[Result], expected: dict[str, str]) -> list[str]:
    """Return a line for each row that failed or has another digest than on this machine."""
    return [
        f"{each.name} on {each.threads}: {each.problem or f'{each.digest}, expected {expected[each.name]}'}"
        for each in results
        if each.digest != expected[each.name] and not each.is_late
    ]


def summary(results: list[Result], expected: dict[str, str]) -> Iterator[str]:
    """Yield a line for each number of threads, and for each row that was too slow."""
    for threads in sorted({each.threads for each in results}):
        mine = [each for each in results if each.threads == threads]
        agree = [each for each in mine if each.digest == expected[each.name]]
        kernels = {kernel for each in agree for kernel in each.kernels}
        on_all = sum(each.used == threads for each in agree)
        slowest = max(agree, key=lambda each: each.seconds, default=None)
        yield (
            f"{threads} thread{'s' * (threads > 1)}: {len(agree)} of {len(mine)} rows agree, {on_all} of them ran on "
            f"{threads}; {len(kernels)} kernels; {sum(each.seconds for each in agree):.0f} s"
            + (f", the slowest row {slowest.seconds:.1f} s: {slowest.name}" if slowest else "")
        )
    for each in results:
        if each.is_late:
            yield f"left out: {each.name} on {each.threads}: {each.problem}"


def compute_all(
    emulation: Emulation, jobs: list[Job], processes: int, row_limit: float = START_LIMIT, limit: float = float("inf")
) -> list[Result]:
    """Return the results of rows, computed in several processes."""
    until = time.monotonic() + limit

    def compute(part: list[Job]) -> list[Result]:
        return list(emulation.compute(part, row_limit, until))

    with concurrent.futures.ThreadPoolExecutor(processes) as pool:
        parts = pool.map(compute, [jobs[first::processes] for first in range(processes)])
        return [result for part in parts for result in part]


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Any = parser.add_argument
    add("--only", metavar="PATTERN", default="", help="only rows in whose names this regular expression is found")
    add("--threads", metavar="N", type=int, nargs="+", default=[1, 2, 3], help="numbers of threads (default: 1 2 3)")
    add("--row-limit", metavar="SECONDS", type=float, default=600.0, help="for one row (default: 600)")
    add("--limit", metavar="SECONDS", type=float, default=600.0, help="for all rows (default: 600)")
    add("--processes", metavar="N", type=int, default=2, help="how many run at a time (default: 2)")
    add("--cpu", default=BASELINE, help=f"the emulated processor, such as {RICHEST} (default: {BASELINE})")
    return parser


def main() -> int:
    """Do what the command line says; return the exit status."""
    options = command_line().parse_args()
    if missing := set_up.missing():
        print(missing, file=sys.stderr)
        return 1
    expected = expected_rows()
    names = [name for name in expected if re.search(options.only, name)]
    with tempfile.TemporaryDirectory(prefix="fastnn2-aarch64-") as folder:
        emulation = Emulation(pathlib.Path(folder), options.cpu)
        emulation.copy_package()
        emulation.build()
        # By digest, which is no order: a run that ends early has seen all kinds of rows on all numbers of threads.
        jobs = [(name, threads) for name in sorted(names, key=expected.__getitem__) for threads in options.threads]
        results = compute_all(emulation, jobs, options.processes, options.row_limit, options.limit)
    found = differences(results, expected)
    print(*found, *summary(results, expected), sep="\n")
    return 1 if found or not any(each.digest for each in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
