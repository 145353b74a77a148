"""Rows beside those of the table of results, for kernels that no row of the table runs.

Their digests are in no file: the test computes them once on this machine and once in emulation. As in the table, the
inputs are the same on every processor (see results_rows.py).
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from results_rows import DTYPES, Row, problem

import fastnn2
from fastnn2.engine.block_job import Samples
from fastnn2.engine.encoded_rows import EncodedRows
from fastnn2.engine.held_sums import HeldBlock, held_sums
from fastnn2.engine.layout import aligned_zeros, pack_params
from fastnn2.engine.mean_gradient import MeanGradient
from fastnn2.engine.objective import Objective
from fastnn2.engine.orders import Shuffler
from fastnn2.engine.rows_to_groups import RowsToGroups
from fastnn2.engine.tabular_inference import TabularNetworks
from fastnn2.engine.tabular_shape import TabularShape
from fastnn2.engine.tabular_training import Member, Recipe, train_members
from fastnn2.kernels.shared import choices, tuning


def of_blocks(kernel: str, shape: tuple[int, int, int], n: int, dtype: str, threads: int) -> Row:
    """Return a row of fit_blocks, which runs `kernel`, "lay_out" and "descend"."""

    def compute() -> Any:
        X, Y, init, weights = problem(*shape, n, dtype)
        options = {"init": init, "alpha": 0.5, "n_threads": threads}
        arrays = np.ascontiguousarray(X.T), np.ascontiguousarray(Y.T), weights
        try:
            fastnn2.fit_blocks(arrays, 0.3, shape[1], 3, memory_limit=1, **options)
        except ValueError as error:
            least = re.search(r"pass (\d+) or more$", str(error))
        # With so little memory the samples are read in blocks; with more of it, fit would train.
        return fastnn2.fit_blocks(arrays, 0.3, shape[1], 3, memory_limit=int(least[1]), **options)

    d, h, o = shape
    return Row("fit_blocks", f"fit_blocks {kernel} {d}-{h}-{o} n={n} {dtype}", "", compute)


def of_losses(activation: str, loss: str, dtype: str, threads: int) -> Row:
    """Return a row of the mean loss and its gradient, which runs "lay_out", "loss_sums" and "mean_gradient"."""
    d, h, o, n = 5, 9, 3, 3003

    def compute() -> Any:
        X, Y, params, weights = problem(d, h, o, n, dtype)
        numbers = {name: getattr(choices, name.upper()) for name in (activation, loss)}
        objective = Objective(d, h, o, n, np.dtype(dtype), True, numbers[activation], numbers[loss])
        cut, lanes = objective.cut, tuning.group_size(dtype)
        blocks = []
        for first, end in itertools.pairwise(range(cut.chunks + 1)):
            rows = slice(cut.chunk(first).first * lanes, min(cut.chunk(end - 1).last * lanes, n))
            groups = cut.chunk(end - 1).last - cut.chunk(first).first
            held = Samples(*(aligned_zeros(groups * lanes * columns, dtype) for columns in (d, o, 1)))
            for array, target in zip((X.T, Y.T, weights[:, np.newaxis]), held, strict=True):
                RowsToGroups(array.shape[1], dtype)(array[rows], target, 0)
            blocks.append(HeldBlock(first, end, held))
        assert len(blocks) >= 3
        packed = pack_params(params, dtype)
        return MeanGradient(objective, 0.5)(packed, held_sums(objective, blocks, packed, threads))

    return Row("losses", f"loss and gradient {activation} {loss} {d}-{h}-{o} n={n} {dtype}", "", compute)


def of_orders(dtype: str) -> Row:
    """Return a row of the orders of the samples in some epochs, which runs "shuffle"."""

    def compute() -> Any:
        state = np.random.RandomState(5)
        return Shuffler(state, 1500, dtype)(np.arange(1500), 3), state.random_sample(3)

    return Row("orders", f"orders n=1500, 3 epochs, {dtype}", "", compute)


def of_many(dtype: str, threads: int) -> Row:
    """Return a row of fit_many, which runs "networks", with samples that networks share, and samples of their own."""

    def compute() -> Any:
        shapes = (9, 7, 2), (9, 5, 2), (2, 4, 1), (1, 9, 1), (9, 60, 2)
        X, Y, _, weights = problem(9, 5, 2, 700, dtype)
        return fastnn2.fit_many(
            [X, X, X[:2], X[:1, ::-1], np.asfortranarray(X)], [Y, Y, Y[:1], Y[0], Y.copy()], 0.3,
            [h for _, h, _ in shapes], 5, init=[problem(*shape, 700, dtype)[2] for shape in shapes], alpha=0.5,
            sample_weight=[weights, None, weights, None, weights], n_threads=threads, progress=False,
        )  # fmt: skip

    return Row("fit_many", f"fit_many 5 networks {dtype}", "", compute)


def of_tabular(loss: str, o: int, dtype: str, threads: int) -> Row:
    """Return a row of a tabular ensemble on encoded rows, which runs "jobs", "tabular" and "tabular_outputs"."""
    d, p, q, h, n, bins, epochs, batch = 3, 4, 2, 40, 300, 5, 2, 64

    def compute() -> Any:
        shape = TabularShape(d, p, q, bins, 3 * q, h, o, np.dtype(dtype))
        source = np.random.RandomState([d, p, q, o, n])
        t = source.randint(0, bins + 1, (n, p), dtype=np.int64)  # bins + 1 rows each, the last one for missing values
        samples = EncodedRows(
            (2 * source.random_sample((n, d)) - 1).astype(dtype), (t + (bins + 1) * np.arange(p)).astype(np.uint32),
            np.where(t == bins, 1.0, source.random_sample((n, p))).astype(dtype),
            (source.randint(0, 3, (n, q), dtype=np.int64) + 3 * np.arange(q)).astype(np.uint32),
        )  # fmt: skip
        Y = (source.randint(0, max(2, o), (n, 1), dtype=np.int64) == np.arange(o)).astype(dtype)
        weights = (source.randint(1, 33, n, dtype=np.int64) / 8).astype(dtype)
        members = []
        for seed in range(3):
            params = aligned_zeros(shape.count, dtype)
            for view in shape.views(params).values():
                view[:] = source.random_sample(view.shape) - 0.5
            held = source.permutation(n)[:50]
            members.append(Member(params, np.setdiff1d(np.arange(n), held), held, seed))
        steps = epochs * -(-(n - 50) // batch)
        recipe = Recipe(getattr(choices, loss.upper()), epochs, batch, 38, np.full(steps, 0.01), 0.9, 0.95, 1e-8)
        train_members(shape, samples, Y, weights, members, recipe, threads, progress=False)
        networks = TabularNetworks(shape, [member.params for member in members], recipe.loss)
        trained = [[each.params, each.losses, each.held_losses, each.order] for each in members]
        return trained, networks.outputs(samples, threads)

    return Row("tabular", f"tabular {loss} {d}+{p}+{q}-{h}-{o} n={n} {dtype}", "", compute)


def rows(threads: int) -> Iterator[Row]:
    """Yield all of these rows, for a number of threads."""
    for dtype in DTYPES:
        yield of_blocks("narrow_sums", (2, 5, 1), 20_000, dtype, threads)
        yield of_blocks("block_sums", (9, 7, 3), 5000, dtype, threads)
        for activation, loss in (("tanh", "log_loss"), ("relu", "squared_error"), ("logistic", "cross_entropy")):
            yield of_losses(activation, loss, dtype, threads)
        yield of_orders(dtype)
        yield of_many(dtype, threads)
        for loss, o in (("log_loss", 1), ("cross_entropy", 3), ("squared_error", 2), ("poisson", 1)):
            yield of_tabular(loss, o, dtype, threads)
