"""What the tests of threads share: a job, also in scripts; kinds of workers; limits of the system; signals."""

import _thread
import contextlib
import errno
import os
import pathlib
import subprocess
import sys
import threading

import numpy as np
from data import PATIENCE

import fastnn2
from fastnn2.threads import cores, memory, native, system, team

N = 3000  # samples of eight chunks, so that a team can have several threads
# Every script begins with it.
SCRIPT = f"""
import hashlib, os, sys
import numpy as np
import fastnn2
source = np.random.RandomState(0)
X = source.standard_normal((2, {N}))
Y = (X[0] * X[1] > 0).astype(float)
def digest(n_threads=2, iterations=100):
    params, costs = fastnn2.fit(X, Y, 0.5, 5, iterations, random_state=0, n_threads=n_threads)
    return hashlib.sha256(costs.tobytes() + b"".join(params[name].tobytes() for name in sorted(params))).hexdigest()
"""


def data(seed=0, n=N):
    source = np.random.RandomState(seed)
    X = source.standard_normal((2, n))
    return X, (X[0] * X[1] > 0).astype(float)


def fit(seed=0, n_threads=2, iterations=100, **options):
    return fastnn2.fit(*data(seed), 0.5, 5, iterations, random_state=seed, n_threads=n_threads, **options)


def run(code, *, timeout=PATIENCE, **environment):
    """Run a script in a process of its own; return its output."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT + code]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def use_python_threads(monkeypatch):
    """Let workers be threads that Python starts, as on Windows."""
    monkeypatch.setattr(system, "IS_POSIX", False)


def leave_linux(monkeypatch, processors):
    """Take from this system what Linux alone says of processors, control groups included, and remember no answers."""
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(cores, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(cores, "control_groups", lambda controller: [])
    monkeypatch.setattr(memory, "control_groups", lambda controller: [])
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


class Without:
    """A library without some of its functions."""

    def __init__(self, library, *missing):
        self._library, self._missing = library, missing

    def __getattr__(self, name):
        if name in self._missing:
            raise AttributeError(name)
        return getattr(self._library, name)


class ThreadLimit:
    """A system that lets a process have `granted` more threads at a time; `requests` counts those asked for."""

    def __init__(self, granted, monkeypatch):
        self.left, self.requests = granted, 0
        self._counting = threading.Lock()  # threads count when they end, while others start
        self._with_gil, self._without_gil = system.libc_with_gil(), system.libc_without_gil()
        self._start_new_thread = _thread.start_new_thread
        for name in ("libc_with_gil", "libc_without_gil"):
            monkeypatch.setattr(system, name, lambda: self)
        for module in (native, team):
            monkeypatch.setattr(module, "start_new_thread", self.start_new_thread)

    def __getattr__(self, name):
        return getattr(self._with_gil, name)

    def pthread_create(self, *arguments):
        self.requests += 1
        if not self._take():
            return errno.EAGAIN
        return self._with_gil.pthread_create(*arguments)

    def pthread_join(self, *arguments):
        self._give_back()
        return self._without_gil.pthread_join(*arguments)

    def start_new_thread(self, function, arguments):
        def run():
            function(*arguments)
            self._give_back()

        self.requests += 1
        if not self._take():
            raise RuntimeError("can't start new thread")
        return self._start_new_thread(run, ())

    def _take(self):
        with self._counting:
            taken = self.left > 0
            self.left -= taken
        return taken

    def _give_back(self):
        with self._counting:
            self.left += 1


@contextlib.contextmanager
def raise_at_bytecode(target, functions, error):
    """Raise `error` before the bytecode number `target`, from 1, of these functions; yield a list of one per bytecode.

    The list is shorter than `target` if there is no such bytecode. Functions may be code objects.
    """
    codes, seen = {getattr(function, "__code__", function) for function in functions}, []

    def trace(frame, event, argument):
        if frame.f_code not in codes:
            return None
        frame.f_trace = trace_bytecode  # from Python 3.13 on, needed before f_trace_opcodes
        frame.f_trace_opcodes = True
        return trace_bytecode

    def trace_bytecode(frame, event, argument):
        if event == "opcode":
            seen.append((frame.f_code.co_name, frame.f_lineno))
            if len(seen) == target:
                raise error
        return trace_bytecode

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield seen
    finally:
        sys.settrace(before)


def blocked_signals(thread):
    """Return the signals that a thread of this process blocks, given its number in /proc or "self"."""
    with open(f"/proc/{'thread-self' if thread == 'self' else f'self/task/{thread}'}/status") as file:
        mask = next(int(line.split()[1], 16) for line in file if line.startswith("SigBlk"))
    return {number for number in range(1, 65) if mask >> number - 1 & 1}


def count_threads():
    """Return the number of threads of this process, native ones included where the system tells."""
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else _thread._count()


def cpu_seconds(thread):
    """Return the processor time that a thread of this process has used, given its number in /proc."""
    task = pathlib.Path(f"/proc/self/task/{thread}")
    if (task / "schedstat").exists():
        return int((task / "schedstat").read_text().split()[0]) * 1e-9
    user, kernel = (task / "stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(kernel)) / os.sysconf("SC_CLK_TCK")
