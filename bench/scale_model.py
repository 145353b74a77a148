"""A model of an evaluation on a cluster: what is measured on few workers, carried over to many.

An evaluation takes the sum of three times. Scheduling: an amount for each evaluation, as much again for each level of
merges, and what client and scheduler compute for each task. Transfer: all bytes that pass the client's link, and those
of the merges, at the speed of Dask and of the network. Computing: the share of the busiest thread, in whole chunks, at
the speed of one thread here. Slow workers, a busy network and cores that share a memory are not in it.
"""

import dataclasses
import math

import numpy as np

from bench.inside import Objective, choices

FAN_IN = 32  # as fastnn2.dask adds sums
CHUNK_BYTES = 24  # that a chunk adds to the sums: its number and two terms


@dataclasses.dataclass(frozen=True)
class Shape:
    """A network, and what is summed over its samples: for fit, or in float64 for L-BFGS."""

    d: int
    h: int
    dtype: str = "float32"
    kind: str = "fit"

    @property
    def name(self):
        """Return what it is called in tables and results."""
        return f"{self.d} x {self.h}, {self.dtype}" + (", lbfgs" if self.kind == "lbfgs" else "")

    def objective(self, n):
        """Return what is summed over n samples."""
        activation, loss = (None, None) if self.kind == "fit" else (choices.RELU, choices.LOG_LOSS)
        return Objective(self.d, self.h, 1, n, np.dtype(self.dtype), False, activation, loss)


@dataclasses.dataclass(frozen=True)
class Constants:
    """What is measured, in seconds.

    Attributes
    ----------
    base, task : float
        Of scheduling: for an evaluation, and for each task.
    byte : float
        For a byte that Dask packs, sends to a process on the same machine and unpacks.
    kernels : dict
        By the name of a shape: (for an evaluation, for each row on one thread).
    """

    base: float
    task: float
    byte: float
    kernels: dict


def merges(parts):
    """Return how many merges there are above these parts, and in how many levels.

    >>> merges(32), merges(100), merges(1025)
    ((0, 0), (4, 1), (35, 2))
    """
    count = levels = 0
    while parts > FAN_IN:
        parts = -(-parts // FAN_IN)
        count, levels = count + parts, levels + 1
    return count, levels


def branches(first, end):
    """Return the number of branches of the tree of pairs that the chunks [first, end) are.

    >>> branches(0, 8), branches(1, 8), branches(6, 10)
    (1, 3, 2)
    """
    count = 0
    while first < end:
        size = first & -first or 1 << (end - 1).bit_length()
        while first + size > end:
            size //= 2
        first, count = first + size, count + 1
    return count


def most_branches(chunks, parts):
    """Return the most branches of a part, where the chunks are shared evenly."""
    sampled = {part * parts // 64 for part in range(64)} if parts > 64 else range(parts)
    return max(branches(part * chunks // parts, (part + 1) * chunks // parts) for part in sampled)


def scheduling(constants, parts):
    """Return the time of an evaluation whose tasks compute nothing."""
    count, levels = merges(parts)
    return constants.base + constants.task * (parts + count) + constants.base * levels


def payload(objective, parts):
    """Return the bytes that an evaluation sends: parameters out, and sums back."""
    gradient, chunks = 8 * objective.stride, objective.cut.chunks
    out = parts * objective.params * objective.dtype.itemsize
    last, level_bytes = parts, 0
    while last > FAN_IN:  # the merges of a level are on different workers, each with a link of its own
        level_bytes += FAN_IN * gradient * most_branches(chunks, last) + CHUNK_BYTES * chunks * FAN_IN // last
        last = -(-last // FAN_IN)
    return out, level_bytes + last * gradient * most_branches(chunks, last) + CHUNK_BYTES * chunks


def busiest(objective, threads):
    """Return the rows of the thread that has most: it has whole chunks, and threads without a chunk do nothing."""
    chunks = objective.cut.chunks
    return objective.n * math.ceil(chunks / min(threads, chunks)) / chunks


def alone(constants, shape, n, threads):
    """Return the time of an iteration in one process: the kernels' on this number of threads."""
    return constants.kernels[shape.name][1] * busiest(shape.objective(n), threads)


def evaluation(constants, shape, n, workers, threads=1, network=math.inf):
    """Return the times of an evaluation, and what a worker needs.

    Parameters
    ----------
    constants : Constants
    shape : Shape
    n : int
        Rows of all workers.
    workers, threads : int
        `threads` is that of each worker.
    network : float
        Bytes a second.

    Returns
    -------
    dict
        ``scheduling``, ``transfer``, ``computing``, their sum ``whole``, the ``memory`` of the samples and sums of the
        busiest worker, and how many threads have ``used`` chunks.
    """
    objective = shape.objective(n)
    chunks = objective.cut.chunks
    parts, used = min(workers, chunks), min(workers * threads, chunks)
    found = {
        "scheduling": scheduling(constants, parts),
        "transfer": sum(payload(objective, parts)) * (constants.byte + 1 / network),
        "computing": constants.kernels[shape.name][0] + alone(constants, shape, n, used),
    }
    share = math.ceil(chunks / parts)
    row_bytes = (shape.d + 1) * objective.dtype.itemsize
    memory = share / chunks * n * row_bytes + share * objective.stride * 8
    return {"whole": sum(found.values()), **found, "memory": memory, "used": used}


def break_even(constants, shape, workers, threads=1, here=2, network=math.inf):
    """Return the rows from which on a cluster is faster than one process with `here` threads; None if it never is."""
    for n in np.unique(np.geomspace(1e3, 1e12, 541).astype(int)):
        whole = evaluation(constants, shape, int(n), workers, threads, network)["whole"]
        if whole < alone(constants, shape, int(n), here):
            return int(n)
    return None


def fitted(evaluations, many, cores):
    """Return the constants that describe measurements.

    The time of a row is that of the largest number of rows, from which the model is carried over to more.

    Parameters
    ----------
    evaluations, many : list of dict
        What :mod:`bench.scale_out` has measured: on worker processes, and on many workers in one process.
    cores : int
        Of this machine: workers beyond them do not count for the speed of a thread.
    """
    counts = [(1, row["workers"] + row["merges"]) for row in many]
    task = max(0.0, relative_least_squares(counts, [row["cpu"] for row in many])[1])
    fair = [row for row in evaluations if row["workers"] <= cores]
    base = max(0.0, float(np.median([row["scheduling"] - task * row["parts"] for row in fair])))
    sent = [row for row in fair if row["bytes"] > 1 << 20] or fair
    byte = max(0.0, float(np.median([row["transfer"] / row["bytes"] for row in sent])))
    kernels = {}
    for name in dict.fromkeys(row["shape"] for row in fair):
        rows = [row for row in fair if row["shape"] == name]
        most = max(row["n"] for row in rows)
        if len({row["n"] for row in rows}) < 2:
            continue  # measured for its bytes
        fixed = 0.0
        for _ in range(10):  # each of the two is found from the other; this converges at once
            each = float(np.median([(row["computing"] - fixed) / row["busiest"] for row in rows if row["n"] == most]))
            rest = [row["computing"] - each * row["busiest"] for row in rows if row["n"] < most]
            fixed = max(0.0, float(np.median(rest)))
        kernels[name] = fixed, each
    return Constants(base, task, byte, kernels)


def relative_least_squares(columns, values):
    """Return the coefficients for which the relative differences have the least squares.

    >>> [round(float(number), 6) for number in relative_least_squares([(1, 1), (1, 10), (1, 100)], [3, 21, 201])]
    [1.0, 2.0]
    """
    weights = 1 / np.asarray(values, float)
    matrix = np.asarray(columns, float) * weights[:, None]
    return np.linalg.lstsq(matrix, np.ones(len(values)), rcond=None)[0].tolist()
