"""What is summed: as fit, fit_blocks and L-BFGS of the estimators cut their samples and lay out their sums."""

import itertools

import numpy as np
import pytest
from data import DTYPES
from hypothesis import given
from hypothesis import strategies as st

from fastnn2.engine.block_job import BlockJob
from fastnn2.engine.mini_batch import MiniBatchTrainer
from fastnn2.engine.objective import Objective
from fastnn2.engine.samples import Network, SampleMatrix
from fastnn2.kernels.shared import choices, tuning

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 60), st.integers(1, 12))


@given(SHAPES, st.integers(1, 6000), st.sampled_from(DTYPES))
def test_samples_are_cut_as_by_fit_blocks(shape, n, dtype):
    objective = Objective(*shape, n, np.dtype(dtype), has_weights=False)
    params = np.zeros(tuning.count_params(*shape), dtype)
    job = BlockJob(iter(()), 1, lambda: 0.0, params, (*shape, n), False, 0.0, 1, 1)
    cut = objective.cut
    assert (cut.groups, cut.chunks, cut.tile_groups) == (tuning.count_groups(n, dtype), job.chunks, job.tile_groups)
    assert objective.stride == job.gradients_stride
    assert objective.params == len(params)


@given(SHAPES, st.integers(1, 6000), st.sampled_from(DTYPES))
def test_samples_are_cut_as_by_the_trainer_of_l_bfgs(shape, n, dtype):
    objective = Objective(*shape, n, np.dtype(dtype), False, choices.RELU, choices.SQUARED_ERROR)
    d, _, o = shape
    trainer = MiniBatchTrainer(
        Network(*shape, choices.RELU, choices.SQUARED_ERROR), SampleMatrix(np.zeros((n, d)), dtype), np.zeros((n, o)),
        None, np.zeros(objective.params), alpha=0.0, optimizer=choices.GRADIENT, batch=n, n_threads=1)  # fmt: skip
    assert objective.is_by_samples == (trainer.parts == 1)
    if objective.is_by_samples:
        cut = objective.cut
        assert (cut.chunks, cut.tile_groups) == (trainer.chunks, trainer.tile_groups)
        assert objective.stride == trainer.stride


@pytest.mark.parametrize(
    ("shape", "kernel", "is_by_samples"),
    [
        ((2, 5, 1), "narrow_sums", True),
        ((3, 5, 1), "block_sums", True),
        ((2, 5, 2), "block_sums", True),
        ((40, 110, 1), "block_sums", True),
        ((300, 599, 1), "block_sums", True),
        ((300, 600, 1), "block_sums", False),
    ],
)
def test_the_sums_of_fit(shape, kernel, is_by_samples):
    objective = Objective(*shape, 5000, np.dtype("float64"), True)
    assert objective.is_of_fit
    assert objective.kernel == kernel
    assert objective.is_by_samples == is_by_samples == (tuning.train_kernel(*shape) != "train_wide")


def test_few_samples_and_many_units_are_not_shared_by_samples():
    """A mini-batch of at most 16 groups is shared by hidden units."""
    for (n, is_by_samples), dtype in itertools.product([(512, False), (513, True)], ("float64",)):
        objective = Objective(8, 60, 1, n, np.dtype(dtype), False, choices.TANH, choices.LOG_LOSS)
        assert objective.is_by_samples == is_by_samples
        assert objective.kernel == "loss_sums"
        assert not objective.is_of_fit


@given(SHAPES, st.integers(1, 10**7), st.sampled_from(DTYPES), st.booleans())
def test_a_gradient_has_room_for_its_last_numbers(shape, n, dtype, of_fit):
    """Kernels write eight numbers at a time from a multiple of eight on, and four behind the parameters."""
    choice = (None, None) if of_fit else (choices.TANH, choices.POISSON)
    objective = Objective(*shape, n, np.dtype(dtype), True, *choice)
    updated = -(-objective.params // tuning.UPDATE_WIDTH) * tuning.UPDATE_WIDTH
    assert objective.stride * 8 % tuning.ALIGNMENT == 0
    assert objective.stride - (1 if of_fit else 2) >= max(updated, objective.params + 4)
