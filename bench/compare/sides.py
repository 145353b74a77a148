"""The two sides of a comparison: copies of both checkouts' packages, and processes that import fastnn2 from them."""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench import environment, levels

WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 300  # seconds to wait for a process


class Failure(Exception):
    """One side cannot do its part; `label` says which."""

    def __init__(self, label, reason):
        super().__init__(f"{label}: {reason}")
        self.label = label


class Side:
    """A checkout of fastnn2.

    The package is copied, so that nothing is written to the checkout, and changes to its files during the comparison
    have no effect.

    Parameters
    ----------
    label : str
        "this" or "other".
    checkout : Path
    folder : Path
        A new folder for the copy and the compiled kernels; processes run in it.
    """

    def __init__(self, label, checkout, folder):
        self.label, self.checkout, self.folder = label, checkout, folder
        self.commit = environment.commit(checkout)
        shutil.copytree(checkout / "fastnn2", folder / "fastnn2", ignore=shutil.ignore_patterns("__pycache__"))
        self.environment = {**os.environ, "PYTHONPATH": str(folder), "FASTNN2_CACHE_DIR": str(folder / "kernels")}
        # Both sides store kernels and byte code, as an installed package does.
        of_blas = () if levels.held() else environment.OPENBLAS_SETTINGS
        for name in (*of_blas, "FASTNN2_STORE", "PYTHONDONTWRITEBYTECODE"):
            self.environment.pop(name, None)

    def check_import(self, file):
        """Raise Failure unless `file`, the ``__file__`` of an imported fastnn2, belongs to this side."""
        expected = self.folder / "fastnn2" / "__init__.py"
        if Path(file).resolve() != expected.resolve():
            raise Failure(self.label, f"fastnn2 is imported from {file}, not from {expected}")

    def run(self, arguments, fresh=False):
        """Run Python with these arguments in a new process; return its seconds and what it printed.

        A `fresh` one begins with an empty folder of kernels.
        """
        settings = self.environment
        if fresh:
            empty = self.folder / "no-kernels"
            shutil.rmtree(empty, ignore_errors=True)
            settings = {**settings, "FASTNN2_CACHE_DIR": str(empty)}
        begin = time.perf_counter()
        try:
            done = subprocess.run(
                [sys.executable, *arguments], env=settings, cwd=self.folder, capture_output=True, text=True,
                timeout=PATIENCE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Failure(self.label, f"not done within {PATIENCE} s") from error
        seconds = time.perf_counter() - begin
        if done.returncode:
            raise Failure(self.label, last_line(done.stderr) or f"exit {done.returncode}")
        return seconds, done.stdout


class Worker:
    """A process of :mod:`bench.compare.worker`; a context manager that ends it."""

    def __init__(self, side):
        self.side = side
        self._errors = (side.folder / "errors.txt").open("w+")
        # A session of its own, so that Ctrl-C in a terminal reaches the comparing process only. -P keeps the folder of
        # the script off the import path.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(WORKER)], env=side.environment, cwd=side.folder, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._errors, text=True, start_new_session=True,
        )  # fmt: skip

    def __enter__(self):
        try:
            self.side.check_import(self._answer()["file"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            file.close()

    def ask(self, **order):
        """Return the answer to an order; raise Failure where there is none, or it is an error."""
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # _answer() finds the reason
        answer = self._answer()
        if "error" in answer:
            raise Failure(self.side.label, answer["error"])
        return answer

    def _answer(self):
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        line = self._process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        if not ready:
            raise Failure(self.side.label, f"no answer within {PATIENCE} s")
        self._errors.seek(0)
        # A negative exit code is the number of the signal that ended the process.
        message = f"its process has ended with {self._process.wait(PATIENCE)}; {last_line(self._errors.read())}"
        raise Failure(self.side.label, message)


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
