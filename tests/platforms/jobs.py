"""Jobs of the kernels, recorded while public functions and estimators run, for driver.c to run on another platform.

    python tests/platforms/jobs.py FOLDER

writes jobs of every entry, the results that are to come out of each, and a list of them. It changes functions of
fastnn2, so it is to have a process of its own. :func:`differences` compares what the driver writes, byte by byte.

A job has the memory that a kernel is given, as blocks, and the words of its records. A block is a whole buffer of
NumPy's, of which fields have parts. After a call, all blocks that it was given are compared whole, what is only read
included; what is left out is in LEFT_OUT, LEFT_OUT_OF_TEAMS and OWN_OF_THREADS. (Those of an earlier call may have
changed: the thread that reads for fit_blocks writes to them meanwhile.)
"""

import ctypes
import json
import pathlib
import struct
import sys
import threading
import time
from typing import Any

import numpy as np

from fastnn2.codegen import compiled
from fastnn2.kernels.shared import control_words
from fastnn2.kernels.shared.record import Record, address
from fastnn2.threads.team import Team

ALIGNMENT = 128  # modulo which blocks have the addresses that they had
LIST = "jobs.json"
MOST_CALLS = 3  # of a team that are recorded
MOST_JOBS = 2  # of an entry, a dtype and a number of threads in each of the runs of recorded_runs.py
# Between two calls, the workers of these kernels only wait. Those of the others work on, up to the next barrier.
QUIET = ("block_sums", "narrow_sums", "loss_sums", "epochs", "unit_epochs")
# Before the first call of thread 0, the driver waits until this control word is 1 or more for each worker: so workers
# have their share of the work, where a short job would be done before they are there.
WAIT_FOR = {"train": "READY", "train_narrow": "READY", "train_wide": "READY", "infer": "NEXT_BLOCK"}

# What is no result. A thread measures in control words how long it works, in cycles of the processor, and where there
# are two, how long and how often it waits.
LEFT_OUT = ("ELAPSED",)
LEFT_OUT_OF_TEAMS = (*LEFT_OUT, "WAITED", "YIELDS")
# The memory that each thread of a team has to work in, where it is chance which thread has which chunk, block or piece.
# (X, Y and weights are those of samples that are not kept, where each thread has its own.)
OWN_OF_THREADS = {
    "train": ("A1", "dZ2", "scratch"),
    "train_narrow": ("A1", "dZ2", "scratch"),
    "train_wide": ("scratch",),
    "block_sums": ("A1", "dZ2", "scratch", "X", "Y", "weights"),
    "narrow_sums": ("A1", "dZ2", "scratch", "X", "Y", "weights"),
    "infer": ("X_tile", "A1", "y"),
}
# In fit it is so only where threads steal chunks; then the words behind the control words, which count these, are left
# out as well.
STEALING = ("train", "train_narrow", "train_wide")


class Block:
    """A whole buffer, which is kept alive."""

    def __init__(self, array: Any) -> None:
        while isinstance(array.base, np.ndarray):
            array = array.base
        assert array.flags.c_contiguous or array.flags.f_contiguous
        self._array, self.start, self.size = array, address(array), array.nbytes

    @property
    def end(self) -> int:
        return self.start + self.size

    def content(self) -> bytes:
        return ctypes.string_at(self.start, self.size)


class Recording:
    """One job: what a kernel is given in some calls, and what comes out.

    Attributes
    ----------
    results : list of list of bytes
        The blocks, for each time that they are compared. Those that come with a later call are not among them yet.
    left_out : list of list of (start, end)
        The bytes that are not compared, for each of the results.
    """

    def __init__(self, entry: str, dtype: str, records: list[Record]) -> None:
        self.entry, self.dtype, self.records = entry, dtype, records
        self.blocks: list[Block] = []
        self.initial: list[bytes] = []
        self.calls: list[bytes] = []
        self.results: list[list[bytes]] = []
        self.left_out: list[list[tuple[int, int]]] = []
        self.parts: list[dict[str, tuple[int, int]]] = []
        self._last: list[bytes] = []
        self._find_blocks()

    @property
    def is_quiet(self) -> bool:
        """Return whether results are compared after each call."""
        return len(self.records) == 1 or self.entry in QUIET

    def begin_call(self) -> None:
        """Add a call as the records are now."""
        if not self.calls and self.is_quiet:  # its caller may have written to its memory since its workers started
            self.blocks, self.initial = [], []
        patches = self._changes() if self.calls else []
        self._find_blocks()
        words = [word for record in self.records for word in self._words(record)]
        self.calls.append(
            struct.pack("<q", len(patches))
            + b"".join(struct.pack("<3q", number, at, len(new)) + new for number, at, new in patches)
            + b"".join(struct.pack("<2q", *word) for word in words)
        )

    def end_call(self) -> None:
        """Keep the results of a call."""
        self._last = [block.content() for block in self.blocks]
        if self.is_quiet:
            self._add_results()

    def end(self) -> None:
        """Keep the results of all calls, once the workers have left the kernel."""
        if not self.is_quiet:
            self._last = [block.content() for block in self.blocks]
            self._add_results()

    def _add_results(self) -> None:
        self.results.append(list(self._last))
        self.parts.append({})
        arrays = [(name, array) for record in self.records for name, array in record.seen.items()]
        for name, array in arrays:
            first = self._offset(self._block_of(array)) + address(array) - self.blocks[self._block_of(array)].start
            self.parts[-1].setdefault(f"{name} at {first}", (first, first + array.nbytes))
        self.left_out.append(sorted(self._left_out()))

    def _left_out(self) -> set[tuple[int, int]]:
        """Return what is not compared: (start, end) in the bytes of all blocks."""
        is_team, is_by_chance = len(self.records) > 1, self._is_by_chance()
        given = {self._block_of(array) for record in self.records for array in record.seen.values()}
        found = {
            (self._offset(n), self._offset(n) + block.size) for n, block in enumerate(self.blocks) if n not in given
        }
        for record in self.records:
            for name, array in record.seen.items():
                number = self._block_of(array)
                start = self._offset(number) + address(array) - self.blocks[number].start
                if name == "control":
                    for word in LEFT_OUT_OF_TEAMS if is_team else LEFT_OUT:
                        at = start + 8 * getattr(control_words, word)
                        found.add((at, at + 8))
                    if is_team and is_by_chance and self.entry in STEALING:
                        found.add((start + 8 * control_words.NEXT_CHUNKS, start + array.nbytes))
                elif is_team and is_by_chance and name in OWN_OF_THREADS.get(self.entry, ()) and self._is_own(name):
                    found.add((start, start + array.nbytes))
        return found

    def _is_own(self, name: str) -> bool:
        """Return whether each thread has an array of its own as this field."""
        return len({address(record.seen[name]) for record in self.records}) == len(self.records)

    def _is_by_chance(self) -> bool:
        """Return whether it is chance which thread does what."""
        if "stealing" in self.records[0].kinds:
            at = 8 * list(self.records[0].kinds).index("stealing")
            return bool(struct.unpack_from("<q", self.records[0]._memory.raw, at)[0])
        return True

    def _changes(self) -> list[tuple[int, int, bytes]]:
        """Return what Python has changed since the last call, as (block, offset, bytes).

        Where workers work on, it is the iteration of the next pause at most.
        """
        changes = []
        control = self.records[0].seen.get("control")
        for number, (block, before) in enumerate(zip(self.blocks, self._last, strict=True)):
            now = block.content()
            if not self.is_quiet:
                if number != self._block_of(control):
                    continue
                at = address(control) - block.start + 8 * control_words.PAUSE_AT
                changes.append((number, at, now[at : at + 8]))
            elif now != before:
                differ = np.flatnonzero(np.frombuffer(now, np.uint8) != np.frombuffer(before, np.uint8))
                for run in np.split(differ, np.flatnonzero(np.diff(differ) > 1) + 1):
                    changes.append((number, int(run[0]), now[run[0] : run[-1] + 1]))
        return changes

    def _find_blocks(self) -> None:
        """Add the blocks that are not known yet, with what is in them now; those that overlap become one."""
        for record in self.records:
            for array in record.seen.values():
                block = Block(array)
                inside = [old for old in self.blocks if old.start <= block.start and block.end <= old.end]
                if inside:
                    continue
                if any(old.start < block.end and block.start < old.end for old in self.blocks):
                    raise NotImplementedError("a buffer that overlaps another is not inside it")
                self.blocks.append(block)
                self.initial.append(block.content())

    def _block_of(self, array: Any) -> int:
        whole = Block(array)
        numbers = (n for n, block in enumerate(self.blocks) if block.start <= whole.start and whole.end <= block.end)
        return next(numbers)

    def _offset(self, number: int) -> int:
        return sum(block.size for block in self.blocks[:number])

    def _words(self, record: Record) -> list[tuple[int, int]]:
        """Return the words of a record for the driver."""
        values = struct.unpack(f"<{len(record.kinds)}q", record._memory.raw)
        words = []
        for (name, kind), value in zip(record.kinds.items(), values, strict=True):
            if kind.endswith("*"):
                assert address(record.seen[name]) == value, name
                number = self._block_of(record.seen[name])
                words.append((number, value - self.blocks[number].start))
            else:
                words.append((-1, value))
        return words

    def write(self, folder: pathlib.Path, name: str) -> dict[str, Any]:
        """Write the job and its results; return what the list has of it."""
        control, first = (-1, 0), self.records[0]
        if "control" in first.seen:
            number = self._block_of(first.seen["control"])
            control = number, address(first.seen["control"]) - self.blocks[number].start
        workers = len(self.records) - 1
        wait = getattr(control_words, WAIT_FOR[self.entry]) if workers and self.entry in WAIT_FOR else -1
        blocks = [(block.size, block.start % ALIGNMENT) for block in self.blocks]
        numbers = [
            *control, wait, workers, control_words.ENTERED, control_words.SHUT_DOWN, len(self.calls), self.is_quiet
        ]  # fmt: skip
        content = [
            f"{self.entry}_{self.dtype}".encode().ljust(64, b"\0"),
            struct.pack("<q", len(blocks)),
            *(struct.pack("<2q", *block) for block in blocks),
            *self.initial,
            struct.pack("<2q", len(self.records), len(first.kinds)),
            struct.pack(f"<{len(numbers)}q", *numbers),
            *self.calls,
        ]
        (folder / f"{name}.job").write_bytes(b"".join(content))
        results = [b"".join(result + self.initial[len(result) :]) for result in self.results]
        (folder / f"{name}.expected").write_bytes(b"".join(results))
        return {
            "name": name, "entry": self.entry, "dtype": self.dtype, "threads": len(self.records),
            "calls": len(self.calls), "bytes": [len(result) for result in results], "left out": self.left_out,
            "parts": self.parts,
        }  # fmt: skip


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
        write, point, kernel = Record.write, Record.point, compiled.kernel
        init, call, end = Team.__init__, Team.call, Team.end
        recorder = self

        def new_write(record: Any, **fields: Any) -> None:
            write(record, **fields)
            record.seen = {name: fields[name] for name, kind in record.kinds.items() if kind.endswith("*")}

        def new_point(record: Any, **fields: Any) -> None:
            point(record, **fields)
            record.seen |= {name: array for name, array in fields.items() if name in record.seen}

        def new_kernel(name: str, dtype: Any) -> Any:
            key = name, np.dtype(dtype).name
            if key not in recorder._kernels:
                recorder._kernels[key] = RecordedKernel(recorder, kernel(name, dtype), *key)
            return recorder._kernels[key]

        def new_init(team: Any, kernel: Any, job: Any, control: Any, size: int) -> None:
            made = []

            def make(thread: int, threads: int) -> Record:
                made[thread:] = [job(thread, threads)]
                if 1 < threads == thread + 1:  # before the workers start
                    recorder._teams[team] = Recording(kernel.entry, kernel.dtype, list(made))
                return made[thread]

            init(team, kernel, make, control, size)

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

        Record.write, Record.point, compiled.kernel = new_write, new_point, new_kernel  # type: ignore[method-assign]
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


def read(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Return the list of the jobs in a folder."""
    return json.loads((folder / LIST).read_text())


def differences(job: dict[str, Any], expected: bytes, found: bytes) -> list[str]:
    """Return the names of what differs between the results of a job and those that are to come out."""
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


def main(folder: pathlib.Path) -> None:
    """Record all runs."""
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    from platforms.recorded_runs import RUNS

    recorder = Recorder(folder)
    recorder.install()
    for recorder.run, calls in RUNS.items():
        for function, *arguments in calls:
            function(*arguments)
    (folder / LIST).write_text(json.dumps(recorder.jobs))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
