"""What :mod:`bench.scale_out` runs on the workers: samples, and tasks in place of the package's own evaluation."""

import time

import numpy as np
from distributed import get_worker

from bench.inside_cluster import ChunkSums, of_chunks, worker_tasks

EVALUATE = worker_tasks.evaluate
NOTHING = ChunkSums((), np.empty((0, 1)), np.empty(0, np.int64), np.empty((0, 2)))
_log, _last = [], {}


def rows_of_part(part, rows, d, dtype):
    """Return rows (rows, d) that depend on the number of the part alone."""
    return np.random.default_rng([17, part]).random((rows, d), dtype=dtype)


def targets_of(X):
    return (X[:, 0] + X[:, 1] > 1).astype(np.uint8)


def timed(objective, blocks, params):
    """Evaluate as the package does; note when, and the bytes of the sums."""
    begin = time.time()
    address, sums = EVALUATE(objective, blocks, params)
    _log.append((begin, time.time(), sums.gradients.nbytes + sums.terms.nbytes + sums.chunks.nbytes))
    _last["found"] = address, sums
    return address, sums


def echo(*_):
    """Return the sums of the last evaluation on this worker: the same bytes, and no computing."""
    return _last["found"]


def nothing(*_):
    """Return no sums."""
    return get_worker().address, NOTHING


def zeros(objective, blocks, _):
    """Return sums of the right form, all 0; a block is (first chunk, chunks) here."""
    (first, count), = blocks  # fmt: skip
    return get_worker().address, of_chunks(first, np.zeros((count, objective.stride)))


def take_log():
    """Return and forget what :func:`timed` has noted on this worker."""
    found = _log[:]
    _log.clear()
    return found
