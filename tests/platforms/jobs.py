"""Jobs of the kernels, recorded while public functions and estimators run, for driver.c to run on another platform.

    python tests/platforms/jobs.py FOLDER              record
    python tests/platforms/jobs.py FOLDER --compare    compare what a driver has written there

FOLDER then has jobs of every entry, the expected results of each, a list of them, and one for the driver:
there, ``driver LIBRARY jobs.list`` runs them, also on a machine without Python or network. Recording changes functions
of fastnn2, so it takes a process of its own. :func:`differences` compares byte by byte.
"""

import argparse
import json
import pathlib
import sys
import threading
import time
from typing import Any

import numpy as np

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1])] if __name__ == "__main__" else []

from platforms import links  # noqa: E402
from platforms.recording import WAIT_FOR, Recording  # noqa: E402

from fastnn2.codegen import provider  # noqa: E402
from fastnn2.engine.network_pool import NetworkPool  # noqa: E402
from fastnn2.kernels.shared import control_words  # noqa: E402
from fastnn2.kernels.shared.record import Record  # noqa: E402
from fastnn2.threads.team import Team  # noqa: E402

LIST, LIST_OF_DRIVER = "jobs.json", "jobs.list"
MOST_CALLS = 3  # of a team that are recorded
MOST_JOBS = 2  # of an entry, a dtype and a number of threads in each of the runs of recorded_runs.py


class Recorder:
    """Records the calls of kernels; `install` puts it in their place."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.jobs = folder, list[dict[str, Any]]()
        self.run = ""  # the name of what runs
        self._counts: dict[str, int] = {}
        self._kernels: dict[tuple[str, str], RecordedKernel] = {}
        self._teams: dict[Team, Recording] = {}
        self.state = threading.local()  # is_in_team: whether this thread makes a call for a team

    def install(self) -> None:
        """Change what makes records, kernels and teams."""
        write, point, kernel = Record.write, Record.point, provider.kernel
        init, call, end, init_pool = Team.__init__, Team.call, Team.end, NetworkPool.__init__
        recorder = self

        def new_write(record: Any, **fields: Any) -> None:
            write(record, **fields)
            record.seen = {name: fields[name] for name, kind in record.kinds.items() if kind.endswith("*")}
            links.note_record(record)

        def new_point(record: Any, **fields: Any) -> None:
            point(record, **fields)
            record.seen |= {name: array for name, array in fields.items() if name in record.seen}

        def new_kernel(name: str, dtype: Any) -> Any:
            key = name, np.dtype(dtype).name
            if key not in recorder._kernels:
                recorder._kernels[key] = RecordedKernel(recorder, kernel(name, dtype), *key)
            return recorder._kernels[key]

        def new_init(team: Any, kernel: Any, job: Any, control: Any, size: int, **options: Any) -> None:
            made = []

            def make(thread: int, threads: int) -> Record:
                made[thread:] = [job(thread, threads)]
                if 1 < threads == thread + 1:  # before the workers start
                    recorder._teams[team] = Recording(kernel.entry, kernel.dtype, list(made))
                return made[thread]

            init(team, kernel, make, control, size, **options)

        def new_call(team: Any) -> None:
            recording = recorder._teams.get(team)
            if recording is None:
                call(team)
                return
            is_recorded = not recording.is_quiet or len(recording.calls) < MOST_CALLS
            word = WAIT_FOR.get(recording.entry)
            while word and team.control[getattr(control_words, word)] < team.size - 1:
                time.sleep(0)
            if is_recorded:
                recording.begin_call()
            recorder.state.is_in_team = True
            try:
                call(team)
            finally:
                recorder.state.is_in_team = False
            if is_recorded:
                recording.end_call()

        def new_end(team: Any) -> None:
            end(team)
            recording = recorder._teams.pop(team, None)
            if recording is not None and recording.calls:
                recording.end()
                recorder.add(recording)

        def new_init_pool(pool: Any, *arguments: Any) -> None:
            init_pool(pool, *arguments)
            links.note_pool(pool)

        NetworkPool.__init__ = new_init_pool  # type: ignore[method-assign]
        Record.write, Record.point, provider.kernel = new_write, new_point, new_kernel  # type: ignore[method-assign]
        Team.__init__, Team.call, Team.end = new_init, new_call, new_end  # type: ignore[method-assign]

    def kind(self, entry: str, dtype: str, threads: int) -> str:
        """Return the name of the jobs of a kind in this run."""
        return f"{self.run}-{entry}_{dtype}-{threads}"

    def is_full(self, kind: str) -> bool:
        """Return whether there are enough jobs of a kind."""
        return self._counts.get(kind, 0) >= MOST_JOBS

    def add(self, recording: Recording) -> None:
        """Write a job, unless there are enough of its kind."""
        kind = self.kind(recording.entry, recording.dtype, len(recording.records))
        if not self.is_full(kind):
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            self.jobs.append(recording.write(self.folder, f"{kind}-{number}"))


class RecordedKernel:
    """A kernel whose calls are recorded, unless a team makes them."""

    def __init__(self, recorder: Recorder, kernel: Any, entry: str, dtype: str) -> None:
        self._recorder, self._kernel = recorder, kernel
        self.address, self.entry, self.dtype = kernel.address, entry, dtype
        links.kernels[self.address] = f"{entry}_{dtype}"

    def __call__(self, job: Record) -> None:
        recorder = self._recorder
        if getattr(recorder.state, "is_in_team", False) or recorder.is_full(recorder.kind(self.entry, self.dtype, 1)):
            self._kernel(job)
            return
        recording = Recording(self.entry, self.dtype, [job])
        recording.begin_call()
        self._kernel(job)
        recording.end_call()
        recorder.add(recording)

    def call_briefly(self, job: Record) -> None:
        """Do the same: who holds Python's lock changes no result."""
        self(job)


def read(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Return the list of the jobs in a folder."""
    return json.loads((folder / LIST).read_text())


def differences(job: dict[str, Any], expected: bytes, found: bytes) -> list[str]:
    """Return the names of what differs between the results of a job and the expected ones."""
    if len(found) != len(expected):
        return [f"{len(found)} bytes of results, not {len(expected)}"]
    names, begin = [], 0
    for number, (size, left_out, parts) in enumerate(
        zip(job["bytes"], job["left out"], job["parts"], strict=True), start=1
    ):
        differ = np.frombuffer(found, np.uint8, size, begin) != np.frombuffer(expected, np.uint8, size, begin)
        for start, end in left_out:
            differ[start:end] = False
        begin += size
        if differ.any():
            wrong = [name for name, (start, end) in parts.items() if differ[start:end].any()]
            names += [f"{name} of results {number}" for name in wrong or ["what is beside all fields"]]
    return names


def of_driver(names: list[str], suffix: str = "found") -> str:
    """Return the driver's list: each job, and the file for its results."""
    return "".join(f"{name}.job {name}.{suffix}\n" for name in names)


def record(folder: pathlib.Path) -> None:
    """Write the jobs of all runs to a folder."""
    from platforms.recorded_runs import RUNS

    recorder = Recorder(folder)
    recorder.install()
    for recorder.run, calls in RUNS.items():
        for function, *arguments in calls:
            function(*arguments)
    (folder / LIST_OF_DRIVER).write_text(of_driver([job["name"] for job in recorder.jobs]))
    (folder / LIST).write_text(json.dumps(recorder.jobs))


def compare(folder: pathlib.Path) -> int:
    """Print which jobs of a folder have other results, or none; return the exit status."""
    listed, wrong = read(folder), 0
    for job in listed:
        expected, found = (folder / f"{job['name']}.{suffix}" for suffix in ("expected", "found"))
        names = ["no results"]
        if found.exists():
            names = differences(job, expected.read_bytes(), found.read_bytes())
        if names:
            wrong += 1
            print(f"{job['name']}: {', '.join(names)}")
    print(f"{len(listed) - wrong} of {len(listed)} jobs agree")
    return 1 if wrong or not listed else 0


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path, help="a folder that exists")
    parser.add_argument("--compare", action="store_true", help="compare results, and record nothing")
    options = parser.parse_args()
    if options.compare:
        return compare(options.folder)
    record(options.folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
