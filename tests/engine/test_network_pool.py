"""Runs of one call of the kernel: the buffers of a thread follow from the largest run, not from how many there are."""

import numpy as np
import pytest
from data import DTYPES
from network_run_data import assert_right, new_run, prepare

from fastnn2.engine.network_pool import NetworkPool
from fastnn2.engine.sample_layout import sample_layout
from fastnn2.kernels.shared.records import NetworksRecord
from fastnn2.threads.progress import NetworksProgress

SHAPES = [((2, 5, 1), 40), ((7, 9, 3), 300), ((100, 50, 2), 90)]


def new_pool(copies, dtype="float64", threads=2):
    runs = [new_run(i, n, 3, shape, dtype) for i, (shape, n) in enumerate(SHAPES * copies)]
    prepare(runs)
    return NetworkPool(runs, threads)


@pytest.mark.parametrize("dtype", DTYPES)
def test_buffers_are_those_of_the_largest_run(dtype):
    record = new_pool(1, dtype)._record(0, 2)
    assert isinstance(record, NetworksRecord)
    sizes = {
        name: len(array) for name, array in record._arrays.items() if name in NetworksRecord.kinds and np.ndim(array)
    }
    layouts = [sample_layout(*shape, n, np.dtype(dtype)) for shape, n in SHAPES]
    assert sizes["params"] == 2 * max(layout.params_stride for layout in layouts)
    assert sizes["gradients"] == max(layout.sums + layout.sums_size(1, layout.shared) for layout in layouts)
    assert sizes["A1"] + sizes["dZ2"] + sizes["scratch"] >= max(layout.scratch_ends[-1] for layout in layouts)
    many = new_pool(50, dtype)._record(1, 2)
    for name in ("params", "l2", "gradients", "A1", "dZ2", "scratch", "costs", "X_groups", "Y_groups", "weight_groups"):
        assert len(many._arrays[name]) == sizes[name]


def test_threads_are_at_most_the_runs():
    assert new_pool(1, threads=7).threads == 3
    assert new_pool(3, threads=7).threads == 7


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_runs_are_trained_and_counted(dtype, threads):
    pool, beside = new_pool(10, dtype, threads), []
    with NetworksProgress(30, False) as bar:
        assert not pool.run(bar, lambda: beside.append(1))
        assert bar.done() == 30
    assert beside == [1]
    for run in pool.runs:
        assert_right(run)
