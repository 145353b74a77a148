"""What the tests of threads share: other kinds of workers, limits of the system, signals, processor time."""

import _thread
import contextlib
import errno
import os
import pathlib
import sys

from fastnn2.kernels.shared import system
from fastnn2.threads import native, team


def use_python_threads(monkeypatch):
    """Let workers be threads that Python starts, as on Windows."""
    monkeypatch.setattr(system, "IS_POSIX", False)


class ThreadLimit:
    """A system that lets a process have `granted` more threads at a time; `requests` counts those asked for."""

    def __init__(self, granted, monkeypatch):
        self.left, self.requests = granted, 0
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
        if self.left == 0:
            return errno.EAGAIN
        self.left -= 1
        return self._with_gil.pthread_create(*arguments)

    def pthread_join(self, *arguments):
        self.left += 1
        return self._without_gil.pthread_join(*arguments)

    def start_new_thread(self, function, arguments):
        def run():
            function(*arguments)
            self.left += 1

        self.requests += 1
        if self.left == 0:
            raise RuntimeError("can't start new thread")
        self.left -= 1
        return self._start_new_thread(run, ())


@contextlib.contextmanager
def raise_at_bytecode(target, functions, error):
    """Raise `error` before the bytecode number `target`, from 1, of these functions; yield a list of one per bytecode.

    The list is shorter than `target` if there is no such bytecode.
    """
    codes, seen = {function.__code__ for function in functions}, []

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


def cpu_seconds(thread):
    """Return the processor time that a thread of this process has used, given its number in /proc."""
    task = pathlib.Path(f"/proc/self/task/{thread}")
    if (task / "schedstat").exists():
        return int((task / "schedstat").read_text().split()[0]) * 1e-9
    user, kernel = (task / "stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(kernel)) / os.sysconf("SC_CLK_TCK")
