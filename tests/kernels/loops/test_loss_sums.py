"""The sums of loss and gradient as kernels: of each chunk those of the reference, in pieces the same bits."""

import numpy as np
import pytest
from data import DTYPES
from mini_batch_data import ACTIVATIONS, LOSSES, as_dict, as_flat, assert_near, problem

from fastnn2 import reference_mlp
from fastnn2.codegen import provider
from fastnn2.engine.layout import aligned_zeros, padded_length, to_groups
from fastnn2.engine.objective import Objective
from fastnn2.kernels.shared import choices, control_words, tuning
from fastnn2.kernels.shared.records import LossSumsRecord, MeanGradientRecord


class Sums:
    """The buffers of one thread, and all samples in groups."""

    def __init__(self, shape, n, dtype, activation="tanh", loss="log_loss", weighted=True, padding=0.0):
        d, h, o = shape
        self.shape, self.n, self.dtype = shape, n, dtype
        self.activation, self.loss = activation, loss
        self.X, self.Y, self.flat, weights = problem(d, h, o, n, loss, dtype)
        self.weights = weights if weighted else None
        self.objective = Objective(
            d, h, o, n, np.dtype(dtype), weighted, ACTIVATIONS[activation], LOSSES[loss]
        )  # fmt: skip
        self.cut, self.stride, self.lanes = self.objective.cut, self.objective.stride, tuning.group_size(dtype)
        self.groups = [to_groups(array.reshape(n, -1).T, dtype)[0] for array in (self.X, self.Y, weights)]
        for groups in self.groups:  # the lanes after the last sample
            last = groups.reshape(self.cut.groups, -1, self.lanes)[-1]
            last[:, (n - 1) % self.lanes + 1 :] = padding
        self.control = aligned_zeros(control_words.CONTROL_SIZE, np.int64)
        self.params = aligned_zeros(padded_length(len(self.flat), dtype) + tuning.UPDATE_WIDTH, dtype)
        self.params[: len(self.flat)] = self.flat
        self.gradients = aligned_zeros(self.cut.chunks * self.stride, np.float64)
        self.gradients[:] = np.nan  # which must be cleared

    def call(self, pieces, first_chunk=0, gradients=None, block=None):
        """Add (chunk, first, last), which are next to each other in a block that begins with group `block`."""
        d, h, o = self.shape
        block = pieces[0][1] if block is None else block
        words = np.array([[chunk, first, last, first - block] for chunk, first, last in pieces], dtype=np.int64)
        X, Y, weights = (
            groups[block * columns * self.lanes :] for groups, columns in zip(self.groups, (d, o, 1), strict=True)
        )
        tile = self.cut.tile_groups
        sizes = (tile * h, tile * o, tuning.count_scratch_rows(h))
        A1, dZ2, scratch = (aligned_zeros(rows * self.lanes, self.dtype) for rows in sizes)
        self.control[control_words.NEXT_BLOCK] = 0
        provider.kernel("loss_sums", self.dtype)(
            LossSumsRecord(
                d=d, h=h, o=o, n=self.n, control=self.control, thread=0, threads=1,
                has_weights=self.weights is not None, chunks=self.cut.chunks, first_chunk=first_chunk, tile_groups=tile,
                pieces=words, piece_count=len(words), X=X, Y=Y, weights=weights, params=self.params,
                gradients=self.gradients if gradients is None else gradients, gradients_stride=self.stride, A1=A1,
                dZ2=dZ2, scratch=scratch, activation=self.objective.activation, loss=self.objective.loss)
        )  # fmt: skip

    def all(self):
        self.call([self.cut.chunk(c) for c in range(self.cut.chunks)])
        return self.gradients.reshape(-1, self.stride)

    def expected(self, c):
        """Return the sums of weights, losses and gradients of a chunk by the reference."""
        _, first, last = self.cut.chunk(c)
        part = slice(first * self.lanes, min(last * self.lanes, self.n))
        w = np.ones(self.n) if self.weights is None else self.weights.astype(float)
        mean, gradients = reference_mlp.loss_and_gradient(
            self.X[part].T.astype(float), self.Y[part].T.astype(float), as_dict(self.flat, *self.shape),
            self.activation, self.loss, sample_weight=w[part])  # fmt: skip
        total = w[part].sum()
        return total, mean * total, as_flat({name: gradients["d" + name] for name in ("W1", "b1", "W2", "b2")}) * total


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_sums_of_each_chunk_are_those_of_the_reference(activation, loss, weighted, dtype):
    sums = Sums((3, 7, 3), 3001, dtype, activation, loss, weighted)
    assert sums.cut.chunks > 2
    for c, row in enumerate(sums.all()):
        weight, loss_sum, gradient = sums.expected(c)
        assert_near(row[: len(gradient)], gradient, dtype, "gradient")
        assert_near(row[-1:], np.array([loss_sum]), dtype, "loss")
        if weighted:
            assert_near(row[-2:-1], np.array([weight]), dtype, "weights")
        else:
            assert row[-2] == 0.0


def assert_same_sums(sums, other):
    assert np.isfinite(sums.gradients).all()
    assert other.gradients.tobytes() == sums.gradients.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 5, 1), (3, 7, 3), (40, 110, 1)])
def test_a_chunk_in_parts_has_the_same_bits(shape, dtype):
    """In one call or several, with pieces of other chunks, in any order of the chunks."""
    n = 64 * tuning.count_tile_groups(*shape) * tuning.group_size(dtype) * 3 // 2 + 11
    whole, parts, mixed = (Sums(shape, n, dtype) for _ in range(3))
    whole.all()
    step = whole.cut.tile_groups
    columns = []
    for c in range(whole.cut.chunks):
        _, begin, end = whole.cut.chunk(c)
        columns.append([(c, first, min(first + step, end)) for first in range(begin, end, step)])
        for part in columns[-1]:
            parts.call([part])
    assert min(map(len, columns)) > 1
    for k in range(max(map(len, columns))):
        for column in columns[::-1]:
            if k < len(column):
                mixed.call([column[k]], block=0)
    assert_same_sums(whole, parts)
    assert_same_sums(whole, mixed)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_first_gradient_is_that_of_the_first_chunk(dtype):
    whole = Sums((3, 7, 3), 3001, dtype)
    rows = whole.all()
    for first in (1, whole.cut.chunks - 2):
        gradients = aligned_zeros(3 * whole.stride, np.float64)
        gradients[:] = 7.0
        whole.call([whole.cut.chunk(c) for c in (first, first + 1)], first, gradients)
        assert gradients[: 2 * whole.stride].tobytes() == rows[first : first + 2].tobytes()
        assert (gradients[2 * whole.stride :] == 7.0).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n", [1, 31, 33, 300, 3001])
def test_lanes_after_the_last_sample_count_nothing(n, loss):
    """Also those of the weights, which are zeros only by the one who lays them out."""
    sums, other = (Sums((3, 7, 3), n, "float64", loss=loss, padding=padding) for padding in (0.0, 2.0))
    sums.all(), other.all()
    assert_same_sums(sums, other)


def test_a_stop_ends_a_call():
    """A team that is told to stop begins none."""
    sums = Sums((3, 7, 3), 3001, "float64")
    sums.control[control_words.STOP] = 1
    assert np.isnan(sums.all()).all()
    sums.control[control_words.STOP] = 0
    assert (sums.all()[:, -1] > 0.0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("chunks", [1, 4, 64])
def test_the_mean_of_sums(chunks, dtype):
    """By the formulas of its docstring: ranges of parameters change only the order of the penalty."""
    d, h, o = 3, 7, 3
    count = tuning.count_params(d, h, o)
    source = np.random.default_rng(1)
    stride = padded_length(count + 2 * tuning.UPDATE_WIDTH, np.float64)
    params, gradient = (aligned_zeros(padded_length(count + tuning.UPDATE_WIDTH, dtype), dtype) for _ in range(2))
    l2, sums = (aligned_zeros(size, np.float64) for size in (len(params), stride))
    params[:count], sums[:count] = source.standard_normal((2, count))
    sums[-1] = 5.0
    l2[:21] = 0.75
    gradient[:] = np.nan
    before, result = sums.copy(), np.zeros(1)
    provider.kernel("mean_gradient", dtype)(
        MeanGradientRecord(
            chunks=chunks, sums=sums, stride=stride, params=params, count=count, l2=l2, total_weight=8.0,
            gradient=gradient, result=result)
    )  # fmt: skip
    doubles = params.astype(float)
    expected = (sums[:count] + l2[:count] * doubles[:count]) / 8.0
    assert_near(gradient[:count], expected, dtype, "gradient")
    np.testing.assert_allclose(result[0], (5.0 + 0.5 * (l2 * doubles**2).sum()) / 8.0, rtol=1e-14)
    assert (sums == before).all()


def test_the_choices_are_those_of_the_kernels():
    """The tests above would not see a loss or an activation that they do not know."""
    assert set(LOSSES.values()) == {choices.LOG_LOSS, choices.CROSS_ENTROPY, choices.SQUARED_ERROR, choices.POISSON}
    assert set(ACTIVATIONS.values()) == {choices.IDENTITY, choices.LOGISTIC, choices.TANH, choices.RELU}
