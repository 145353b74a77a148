"""What :mod:`bench.scale_out` runs on the workers: samples, and evaluations whose sums come from elsewhere."""

import time
import types

import numpy as np

from bench.inside_cluster import ChunkSums, of_chunks, worker_tasks

NOTHING = ChunkSums((), np.empty((0, 1)), np.empty(0, np.int64), np.empty((0, 2)))
_log, _last = [], []


def rows_of_part(part, rows, d, dtype):
    """Return rows (rows, d) that depend on the number of the part alone."""
    return np.random.default_rng([17, part]).random((rows, d), dtype=dtype)


def targets_of(X):
    return (X[:, 0] + X[:, 1] > 1).astype(np.uint8)


def evaluation_with(held_sums):
    """Return the package's task of an evaluation, with another function for what it sums over its blocks."""
    task = worker_tasks.evaluate
    return types.FunctionType(task.__code__, {**vars(worker_tasks), "held_sums": held_sums})


def timed_sums(*arguments):
    """Sum; note when, and the bytes of the sums."""
    begin = time.time()
    sums = worker_tasks.held_sums(*arguments)
    _log.append((begin, time.time(), sums.gradients.nbytes + sums.terms.nbytes + sums.chunks.nbytes))
    _last[:] = [sums]
    return sums


def last_sums(*_):
    """Return what this worker has summed last: the same bytes, and no computing."""
    return _last[0]


def no_sums(*_):
    return NOTHING


def zeros(objective, blocks, *_):
    """Return sums of the right form, all 0; a block is (first chunk, chunks) here."""
    (first, count), = blocks  # fmt: skip
    return of_chunks(first, np.zeros((count, objective.stride)))


_TASKS = {function.__name__: evaluation_with(function) for function in (timed_sums, last_sums, no_sums, zeros)}


# Tasks are sent by the name of a function, so each has one.


def evaluate_timed(*arguments):
    return _TASKS["timed_sums"](*arguments)


def evaluate_last(*arguments):
    return _TASKS["last_sums"](*arguments)


def evaluate_nothing(*arguments):
    return _TASKS["no_sums"](*arguments)


def evaluate_zeros(*arguments):
    return _TASKS["zeros"](*arguments)


def take_log():
    """Return and forget what :func:`timed_sums` has noted on this worker."""
    found = _log[:]
    _log.clear()
    return found
