"""What the tests of sums that machines share have in common: samples held in groups, and ways of sharing chunks."""

import itertools

from hypothesis import strategies as st

from fastnn2.engine.block_job import Samples
from fastnn2.engine.held_sums import HeldBlock, held_sums
from fastnn2.engine.layout import aligned_zeros
from fastnn2.engine.rows_to_groups import RowsToGroups
from fastnn2.kernels.shared import tuning


def hold(objective, X, Y, weights, first, end):
    """Return the chunks [first, end) of X (n, d), Y (n, o) and weights (n,) or None in groups."""
    lanes, cut = tuning.group_size(objective.dtype), objective.cut
    begin, last = cut.chunk(first).first, cut.chunk(end - 1).last
    rows = slice(begin * lanes, min(last * lanes, objective.n))
    samples = []
    for array, columns in ((X, objective.d), (Y, objective.o), (weights, 1)):
        groups = aligned_zeros(0 if array is None else (last - begin) * lanes * columns, objective.dtype)
        if array is not None:
            RowsToGroups(columns, objective.dtype)(array[rows].reshape(-1, columns), groups, 0)
        samples.append(groups)
    return HeldBlock(first, end, Samples(*samples))


@st.composite
def sharings(draw, chunks):
    """Draw the ranges of chunks of each of some parts: any ranges, in any order; a part may have none."""
    cuts = draw(st.sets(st.integers(1, chunks - 1), max_size=9)) if chunks > 1 else set()
    ranges = draw(st.permutations(list(itertools.pairwise([0, *sorted(cuts), chunks]))))
    parts = [[] for _ in range(draw(st.integers(1, 5)))]
    for one in ranges:
        parts[draw(st.integers(0, len(parts) - 1))].append(one)
    return parts


class Shares:
    """The samples of an objective as the blocks of some parts, and the sums of each part on some threads."""

    def __init__(self, objective, arrays, sharing, threads):
        self.objective, self.threads = objective, threads
        self.parts = [[hold(objective, *arrays, first, end) for first, end in ranges] for ranges in sharing]

    def sums(self, params):
        return [held_sums(self.objective, blocks, params, self.threads) for blocks in self.parts]


def sum_all(objective, arrays, params, threads=1):
    """Return the sums over all samples in one block, or in two on two threads."""
    chunks = objective.cut.chunks
    ends = [0, *range(1, min(threads, chunks)), chunks]
    blocks = [hold(objective, *arrays, first, end) for first, end in itertools.pairwise(ends)]
    return held_sums(objective, blocks, params, threads)


def in_pairs(rows):
    """Return the sum of rows: neighbours first, then sums of two, of four, and so on."""
    while len(rows) > 1:
        rows = rows[::2] + rows[1::2]
    return rows[0]
