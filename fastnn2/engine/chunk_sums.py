"""Sums of the gradients of chunks, which several machines share: whole branches of the tree of pairs.

The chunks, a power of two, are summed in pairs: neighbours are added, then the sums of neighbours, and so on. A branch
is a range of ``2^k`` chunks that begins at a multiple of ``2^k``; its sum does not depend on who adds it. Whoever has
two branches that make a larger one adds them, so any way of sharing the chunks gives the same sum, bit for bit.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class ChunkSums:
    """What is summed over some chunks.

    Attributes
    ----------
    branches : tuple of (int, int)
        The first chunk and the number of chunks of each branch, in their order. No two of them make a larger one.
    gradients : ndarray (branches, stride)
        float64; the sum of the gradients of each branch.
    chunks : ndarray (m,) of int64
        The numbers of the chunks, in their order.
    terms : ndarray (m, 2)
        float64; of each chunk the sum of its weights, where they are summed, and that of its losses. A few formulas add
        them one after the other.
    """

    branches: tuple[tuple[int, int], ...]
    gradients: Array
    chunks: Array
    terms: Array

    def sums_in_order(self) -> tuple[float, float]:
        """Return the sums of weights and of losses, added one chunk after the other."""
        with _silent():
            weight, loss = np.add.accumulate(self.terms)[-1]
        return float(weight), float(loss)

    def total(self, chunks: int) -> Array:
        """Return the sum of all gradients (stride,), of `chunks` chunks; ValueError if some are missing."""
        if self.branches != ((0, chunks),):
            raise ValueError(f"sums of the branches {self.branches}; expected that of all {chunks} chunks")
        total: Array = self.gradients[0]
        return total


def of_chunks(first: int, gradients: Array) -> ChunkSums:
    """Return the sums of the chunks from number `first` on, from their gradients (chunks, stride)."""
    count = len(gradients)
    chunks = np.arange(first, first + count)
    branches, sums = _joined([(int(c), 1) for c in chunks], gradients)
    return ChunkSums(branches, sums, chunks, gradients[:, -2:].copy())


def merged(parts: Sequence[ChunkSums]) -> ChunkSums:
    """Return the sums of all chunks of some parts, in any order; ValueError if two parts have the same chunk."""
    chunks = np.concatenate([np.zeros(0, dtype=np.int64), *(part.chunks for part in parts)])
    order = np.argsort(chunks)
    chunks = chunks[order]
    if (again := chunks[1:][chunks[1:] == chunks[:-1]]).size:
        raise ValueError(f"sums of chunk {again[0]} in two parts; expected each chunk once")
    found = [
        (branch, gradient)
        for part in parts
        for branch, gradient in zip(part.branches, part.gradients, strict=True)
    ]  # fmt: skip
    found.sort(key=lambda pair: pair[0])
    branches, gradients = _joined([branch for branch, _ in found], [gradient for _, gradient in found])
    terms = np.concatenate([np.zeros((0, 2)), *(part.terms for part in parts)])
    return ChunkSums(branches, gradients, chunks, terms[order])


def _joined(
    branches: Sequence[tuple[int, int]], gradients: Iterable[Array]
) -> tuple[tuple[tuple[int, int], ...], Array]:
    """Return branches in their order and their sums, after all those that are neighbours in the tree are added."""
    stack: list[tuple[int, int, Array]] = []
    for (first, count), gradient in zip(branches, gradients, strict=True):
        top = first, count, gradient
        while stack and stack[-1][1] == top[1] and stack[-1][0] % (2 * top[1]) == 0 and sum(stack[-1][:2]) == top[0]:
            left = stack.pop()
            with _silent():
                top = left[0], 2 * left[1], left[2] + top[2]
        stack.append(top)
    return tuple((first, count) for first, count, _ in stack), np.array([gradient for *_, gradient in stack])


def _silent() -> np.errstate:
    """Return a context in which sums may overflow, as in a kernel; who takes the step finds what is not finite."""
    return np.errstate(over="ignore", invalid="ignore")
