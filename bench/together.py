"""Processes that do the same kind of work at the same time, each on a core of its own if asked to."""

import itertools
import multiprocessing
import os
import time


class Processes:
    """Workers in processes of their own, which begin each piece of work together.

    Parameters
    ----------
    make : callable
        ``make(*arguments)`` is called once in each process and returns a function, which does the pieces of work.
    arguments : list of tuple
        One for each process.
    environment : dict
        Variables that are set in the processes before `make` is called.
    pinned : bool
        Whether each process stays on a core of its own, where the system can do that.
    """

    def __init__(self, make, arguments, environment=(), pinned=False):
        context = multiprocessing.get_context("spawn")  # a forked process would have the caller's threads' locks
        barrier = context.Barrier(len(arguments))
        cores = sorted(os.sched_getaffinity(0)) if pinned and hasattr(os, "sched_getaffinity") else [None]
        self._pipes, self._processes = [], []
        for one, core in zip(arguments, itertools.cycle(cores), strict=False):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, barrier, core, dict(environment), make, one), daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        self._answers()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()

    def do(self, *arguments):
        """Let each process do a piece of work; return (seconds, result) of each one."""
        for pipe in self._pipes:
            pipe.send(arguments)
        return self._answers()

    def seconds(self, *arguments):
        """Return how long the slowest process takes for a piece of work."""
        return max(seconds for seconds, _ in self.do(*arguments))

    def _answers(self):
        answers = [pipe.recv() for pipe in self._pipes]
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers


def _serve(pipe, barrier, core, environment, make, arguments):
    """Work until the other end of the pipe is closed."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    os.environ.update(environment)
    try:
        work = make(*arguments)
    except Exception as error:
        pipe.send(error)
        return
    pipe.send(None)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        barrier.wait()
        begin = time.perf_counter()
        try:
            result = work(*task)
            pipe.send((time.perf_counter() - begin, result))
        except Exception as error:
            pipe.send(error)
