"""Train on mutated tables and predict for them: each is used or refused in one line, with no traceback, hang or crash.

``python tests/mutated_tables.py`` makes 1,000 files: text, also compressed, Parquet, Arrow and .npz. Bytes of good
files are changed, cut and added, and structures that other programs write, or none should. `fastnn2 train` and `fastnn2
predict` run on each in a process with limits of memory and time. Printed is how many of each kind were refused and how
many used.
"""

import argparse
import collections
import faulthandler
import json
import os
import pathlib
import random
import re
import resource
import subprocess
import sys
import tempfile
import traceback

import mutated_files
import table_mutations

MEGABYTE = 1 << 20
MOST_MEMORY = 1024 * MEGABYTE  # above what the process has after it has read the good files
MOST_SECONDS = 120  # for one file, which takes less than one where nothing else runs
FILES_PER_PROCESS = 250
CRASHES_ALLOWED = 20  # of processes, before there is no use in going on
TARGET = "kind"
TRAIN, PREDICT = "train", "predict"
OLD = b"what was there before"


class Output:
    """What is written to standard output and error by Python and by all libraries of this process."""

    def __init__(self, folder):
        self._files = [open(folder / name, "w+b", buffering=0) for name in ("stdout", "stderr")]  # noqa: SIM115
        self.results, self.errors = (os.fdopen(os.dup(k), "w") for k in (1, 2))
        for place, file in enumerate(self._files, start=1):
            os.dup2(file.fileno(), place)

    def of(self, call):
        """Return what a call returns and what is written meanwhile: (result, stdout, stderr)."""
        for place, file in enumerate(self._files, start=1):
            os.ftruncate(file.fileno(), 0)
            os.lseek(place, 0, os.SEEK_SET)
        result = call()
        sys.stdout.flush()
        sys.stderr.flush()
        texts = [os.pread(file.fileno(), 1 << 24, 0).decode("utf-8", "replace") for file in self._files]
        return result, *texts


def run_command(arguments):
    """Return the exit status of the command; what it raises is printed."""
    from fastnn2.commands.main import main

    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as error:
        return error.code
    except BaseException:
        traceback.print_exc()
        return None


def arguments_of(command, path, folder):
    """Return the arguments of a command on a table."""
    if command == TRAIN:
        options = ["--max-iter", 2, "--hidden", 3, "--threads", 1, "--out", folder / "out"]
        return [TRAIN, path, "--target", TARGET, *options]
    return [PREDICT, folder / "model", path, "--threads", 1, "--proba"]


def judged(command, status, stdout, stderr, path, folder):
    """Return "used" or "refused", or "failed: " and why."""
    lines = stderr.splitlines()
    begin = f"fastnn2 {command}: "
    others = [line for line in lines if not line.startswith(f"{begin}note: ")]
    found = f"status {status}, stderr {stderr[-700:]!r}, stdout {stdout[-300:]!r}"
    written = (folder / "out").read_bytes()
    if sorted(entry.name for entry in folder.iterdir()) != sorted(["model", "out", path.name, "stderr", "stdout"]):
        return f"failed: it left files {sorted(entry.name for entry in folder.iterdir())}: {found}"
    if status == 0:
        is_good = not others and (written != OLD if command == TRAIN else stdout.count("\n") > 1)
        return "used" if is_good else f"failed: {found}"
    is_one_line = len(others) == 1 and lines[-1] == others[0] and others[0].startswith(f"{begin}error: ")
    is_printable = re.sub(r"\s", "", stderr).isprintable()
    has_result = written != OLD or (command == TRAIN and stdout)  # predictions before the fault are already printed
    if status != 2 or not is_one_line or not is_printable or has_result:
        return f"failed: {found}"
    return "refused" if path.name in others[0] else f"failed: no name of the file: {found}"


def run_some(seed, first, count, folder, output):
    """Check some of the files, and print an outcome for each."""
    formats = table_mutations.good_tables()
    for name, data in formats.items():
        path = folder / name
        path.write_bytes(data)
        (folder / "out").write_bytes(OLD)
        status, _, stderr = output.of(lambda: run_command(arguments_of(TRAIN, path, folder)))  # noqa: B023
        assert status == 0, stderr
        os.replace(folder / "out", folder / "model")
        status, _, stderr = output.of(lambda: run_command(arguments_of(PREDICT, path, folder)))  # noqa: B023
        assert status == 0, stderr
        path.unlink()
    resource.setrlimit(resource.RLIMIT_AS, (mutated_files.status("VmSize") + MOST_MEMORY, resource.RLIM_INFINITY))
    for number in range(first, first + count):
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True, file=output.errors)
        way, path = write_file(seed, number, formats, folder)
        outcomes = {}
        for command in (TRAIN, PREDICT):
            (folder / "out").write_bytes(OLD)
            found = output.of(lambda: run_command(arguments_of(command, path, folder)))  # noqa: B023
            outcomes[command] = judged(command, *found, path, folder)
            lines = found[2].splitlines()
            outcomes[command + " says"] = lines[-1] if lines else ""
        path.unlink()
        print(json.dumps({"number": number, "way": way, **outcomes}), file=output.results, flush=True)
    faulthandler.cancel_dump_traceback_later()


def write_file(seed, number, formats, folder):
    """Write the mutated file of a number; return the way in which it is changed, and its path."""
    source = random.Random(f"{seed} {number}")
    name = list(formats)[number % len(formats)]
    way, changed = table_mutations.change(source, name, formats[name])
    path = folder / name
    path.write_bytes(changed)
    return f"{name} {way}", path


# All processes


def run(count, seed, report, keep=None):
    """Check `count` files in processes of their own; return the failures.

    Parameters
    ----------
    count, seed : int
    report : callable
        Takes lines that tell how many files were used and refused.
    keep : Path or None
        A file for what the commands say of each mutated file.
    """
    tally, failures, said = collections.Counter(), [], []
    first, crashes = 0, 0
    while first < count and crashes < CRASHES_ALLOWED:
        some = min(FILES_PER_PROCESS, count - first)
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, __file__, "--worker", str(first), str(some), folder, "--seed", str(seed)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                capture_output=True,
                text=True,
                check=False,
            )
        outcomes = [json.loads(line) for line in done.stdout.splitlines()]
        for outcome in outcomes:
            for command in (TRAIN, PREDICT):
                kind = outcome[command].split(":")[0]
                tally[f"{outcome['way'].split()[0]} {command} {kind}"] += 1
                said.append(f"{outcome['number']} {outcome['way']}: {kind}: {outcome[command + ' says']}")
                if kind == "failed":
                    failures.append(
                        f"seed {seed}, file {outcome['number']}, {outcome['way']}, {command} {outcome[command]}"
                    )
        first += len(outcomes)
        if done.returncode:
            crashes += 1
            failures.append(
                f"seed {seed}, file {first}: the process ended with {done.returncode}: {done.stderr[-3000:]}"
            )
            first += 1
            if not outcomes:
                break  # not even good files, or the same fault again and again
    if keep is not None:
        keep.write_text("\n".join(said), encoding="utf-8")
    report(f"{count} files: " + ", ".join(f"{kind} {number}" for kind, number in sorted(tally.items())))
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="number of files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=pathlib.Path, metavar="FILE", help="write what the commands say of each file")
    parser.add_argument("--write", type=int, metavar="NUMBER", help="write the file of this number to the folder, only")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        first, count, folder = options.worker
        folder = pathlib.Path(folder)
        output = Output(folder)
        try:
            run_some(options.seed, int(first), int(count), folder, output)
        except Exception:
            traceback.print_exc(file=output.errors)
            sys.exit(1)
        return
    if options.write is not None:
        print(*write_file(options.seed, options.write, table_mutations.good_tables(), pathlib.Path()))
        return
    failures = run(options.count, options.seed, print, options.keep)
    for failure in failures[:50]:
        print(failure)
    sys.exit(f"{len(failures)} failures" if failures else 0)


if __name__ == "__main__":
    main()
