"""The sums of cost and gradient over blocks, as kernels, against the formulas of the reference, and their order."""

import numpy as np
import pytest
from data import DTYPES, assert_close, backward_magnitudes, cost_magnitude, problem

import fastnn2
from fastnn2 import reference
from fastnn2.codegen import provider
from fastnn2.engine.layout import aligned_zeros, from_groups, gradient_length, padded_length, to_groups, unpack_params
from fastnn2.kernels.shared import choices, control_words, tuning
from fastnn2.kernels.shared.records import BlockSumsRecord, DescendRecord, LayOutRecord

SHAPES = {"narrow": (2, 5, 1), "layers": (3, 7, 2), "shared": (40, 110, 1)}
RATE = 0.5


class Sums:
    """The buffers of a run with one thread, and the samples as rows."""

    def __init__(self, shape, n, dtype, weighted=True, alpha=0.0):
        d, h, o = shape
        self.shape, self.dtype, self.alpha = shape, dtype, alpha
        self.X, self.Y, self.init, weights = problem(d, h, o, n, dtype)
        self.weights = weights if weighted else None
        self.lanes = tuning.group_size(dtype)
        self.groups, self.chunks = tuning.count_groups(n, dtype), tuning.count_chunks(n, d, h, o, dtype)
        self.tile_groups, self.count = tuning.count_tile_groups(d, h, o), tuning.count_params(d, h, o)
        self.stride = gradient_length(self.count)
        self.control = aligned_zeros(control_words.NEXT_CHUNKS + 2 * control_words.WORD, np.int64)
        self.gradients = np.full(self.chunks * self.stride, np.nan)  # which must be cleared
        self.params = aligned_zeros(padded_length(self.count, dtype), dtype)
        flat = [np.ravel(self.init[name]) for name in ("W1", "b1", "W2", "b2")]
        self.params[: self.count] = np.concatenate(flat)
        self.n = n
        rows = self.X.T, self.Y.T, np.ones(n, dtype) if weights is None else weights[:, np.newaxis]
        self.rows = [np.ascontiguousarray(array) for array in rows]

    def room(self, groups):
        return [
            aligned_zeros(groups * columns * self.lanes, self.dtype) for columns in (self.shape[0], self.shape[2], 1)
        ]

    def call(self, pieces, keep=choices.DROP, room=None, rows=None):
        """Add (chunk, first, last) whose rows are next to each other in a block."""
        d, h, o = self.shape
        places = np.cumsum([0] + [last - first for _, first, last in pieces[:-1]])
        words = np.column_stack([pieces, places]).astype(np.int64)
        if rows is None:
            spans = [slice(first * self.lanes, min(last * self.lanes, self.n)) for _, first, last in pieces]
            rows = [np.concatenate([array[span] for span in spans]) for array in self.rows]
        room = self.room(self.tile_groups) if room is None else room
        self.control[control_words.NEXT_BLOCK] = 0
        scratch = [
            aligned_zeros(count * self.lanes, self.dtype)
            for count in (self.tile_groups * h, self.tile_groups * o, tuning.count_scratch_rows(h))
        ]
        record = BlockSumsRecord(
            d=d, h=h, o=o, n=self.n, control=self.control, thread=0, threads=1, has_weights=self.weights is not None,
            chunks=self.chunks, first_chunk=0, tile_groups=self.tile_groups, pieces=words, piece_count=len(words),
            keep=keep, X_rows=rows[0], Y_rows=rows[1], weight_rows=rows[2], X=room[0], Y=room[1], weights=room[2],
            params=self.params, gradients=self.gradients, gradients_stride=self.stride, A1=scratch[0], dZ2=scratch[1],
            scratch=scratch[2])  # fmt: skip
        is_narrow = tuning.train_kernel(d, h, o) == "train_narrow"
        provider.kernel("narrow_sums" if is_narrow else "block_sums", self.dtype)(record)

    def chunk(self, c):
        return c, c * self.groups // self.chunks, (c + 1) * self.groups // self.chunks

    def parts(self, c, tiles):
        """Return a chunk in parts of some tiles."""
        _, begin, end = self.chunk(c)
        step = tiles * self.tile_groups
        return [(c, first, min(first + step, end)) for first in range(begin, end, step)]

    def samples_of(self, c):
        _, first, last = self.chunk(c)
        return slice(first * self.lanes, min(last * self.lanes, self.n))

    def descend(self):
        new, results = aligned_zeros(len(self.params), self.dtype), np.zeros(2)
        l2 = aligned_zeros(len(self.params), np.float64)
        for weights in tuning.weights_of(*self.shape):
            l2[weights] = self.alpha
        width = tuning.UPDATE_WIDTH
        total = self.n if self.weights is None else self.weights.astype(float).sum()
        provider.kernel("descend", self.dtype)(
            DescendRecord(
                chunks=self.chunks, gradients=self.gradients, gradients_stride=self.stride,
                shared=self.count >= tuning.SHARED_PARAMS, params=self.params, new=new, params_stride=len(new),
                count=-(-self.count // width) * width, l2=l2, has_l2=self.alpha != 0, learning_rate=RATE,
                total_weight=total, results=results)
        )  # fmt: skip
        d, h, o = self.shape
        return unpack_params(new[: self.count], d, h, o), results


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_sums_of_each_chunk_are_those_of_the_reference(shape, weighted, dtype):
    sums = Sums(SHAPES[shape], 3001, dtype, weighted)
    for c in range(sums.chunks):
        sums.call([sums.chunk(c)])
    d, h, o = sums.shape
    init = {name: array.astype(float) for name, array in sums.init.items()}
    for c in range(sums.chunks):
        part = sums.samples_of(c)
        X, Y = sums.X[:, part].astype(float), sums.Y[:, part].astype(float)
        w = sums.weights[part].astype(float) if weighted else np.ones(X.shape[1])
        _, cache = reference.forward(X, init)
        gradient = sums.gradients[c * sums.stride :][: sums.stride]
        expected = reference.backward(X, Y, init, cache, sample_weight=w)
        magnitudes = backward_magnitudes(X, Y, init, cache, w, 0.0)
        found = unpack_params(gradient[: sums.count], d, h, o)
        for name in init:
            assert_close(found[name], expected["d" + name] * w.sum(), magnitudes["d" + name] * w.sum(), dtype, name)
        z = cache["Z2"]
        terms = w * (np.maximum(z, 0) - Y * z + np.log1p(np.exp(-abs(z))))
        magnitude = cost_magnitude(X, Y, init, w, 0.0) * w.sum()
        assert_close(gradient[-1], terms.sum(), magnitude, dtype, "cost")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_chunk_in_parts_has_the_same_bits(shape, dtype):
    """In one call or several, with pieces of other chunks, as rows and in groups."""
    d, h, o = SHAPES[shape]
    n = 64 * tuning.group_size(dtype) * tuning.count_tile_groups(d, h, o) * 3 + 11
    whole, parts, mixed, kept = (Sums(SHAPES[shape], n, dtype) for _ in range(4))
    for c in range(whole.chunks):
        whole.call([whole.chunk(c)])
        cut = parts.parts(c, tiles=1)
        assert len(cut) > 1
        for part in cut:
            parts.call([part])
    assert np.isfinite(whole.gradients).all()
    assert parts.gradients.tobytes() == whole.gradients.tobytes()
    columns = [mixed.parts(c, tiles=2) for c in range(mixed.chunks)]
    for k in range(max(map(len, columns))):
        pieces = [column[k] for column in columns if k < len(column)]
        mixed.call(pieces)
        room = kept.room(sum(last - first for _, first, last in pieces))
        kept.call(pieces, choices.KEEP, room)
        for array, groups in zip((kept.X, kept.Y, kept.weights[np.newaxis]), room, strict=True):
            spans = [array[:, first * kept.lanes : last * kept.lanes] for _, first, last in pieces]
            held = np.empty((len(array), len(groups) // len(array)), dtype)
            from_groups(groups, len(array), held)
            inside = np.concatenate(spans, axis=1)
            assert held[:, : inside.shape[1]].tobytes() == inside.tobytes()
    assert mixed.gradients.tobytes() == whole.gradients.tobytes()
    assert kept.gradients.tobytes() == whole.gradients.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_that_stay_are_used_without_rows(dtype):
    sums, again = Sums((3, 7, 2), 3001, dtype), Sums((3, 7, 2), 3001, dtype)
    for c in range(sums.chunks):
        chunk = sums.chunk(c)
        room = sums.room(chunk[2] - chunk[1])
        sums.call([chunk], choices.KEEP, room)
        nothing = [np.full_like(array, np.nan) for array in sums.rows]
        again.call([chunk], choices.KEPT, room, nothing)
    assert again.gradients.tobytes() == sums.gradients.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", [0.0, 2.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_step_is_that_of_fit(shape, alpha, dtype):
    sums = Sums(SHAPES[shape], 3001, dtype, weighted=False, alpha=alpha)
    for c in range(sums.chunks):
        sums.call([sums.chunk(c)])
    params, (cost, is_finite) = sums.descend()
    expected, costs = fastnn2.fit(sums.X, sums.Y, RATE, sums.shape[1], 1, init=sums.init, alpha=alpha)
    assert cost == costs[0]
    assert is_finite == 1.0
    for name, array in expected.items():
        assert params[name].tobytes() == array.tobytes()


def test_a_step_that_is_not_finite_is_told():
    sums = Sums((3, 7, 2), 500, "float64")
    for c in range(sums.chunks):
        sums.call([sums.chunk(c)])
    sums.gradients[3] = np.inf
    assert sums.descend()[1][1] == 0.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 2, 3, 9])
@pytest.mark.parametrize(("count", "first", "group"), [(1, 0, 0), (64, 0, 1), (70, 5, 2), (200, 33, 0)])
def test_rows_are_laid_out(count, first, group, columns, dtype):
    lanes = tuning.group_size(dtype)
    matrix = np.random.default_rng(0).standard_normal((240, columns)).astype(dtype)
    groups = aligned_zeros(12 * columns * lanes, dtype)
    groups[:] = 7
    record = LayOutRecord(
        matrix=matrix, columns=columns, first=first, count=count, groups=groups, group=group,
        no_order=np.zeros(1, dtype=np.int64))  # fmt: skip
    provider.kernel("lay_out", dtype)(record)
    expected = to_groups(np.ascontiguousarray(matrix[first : first + count].T), dtype)[0]
    begin = group * columns * lanes
    assert groups[begin : begin + len(expected)].tobytes() == expected.tobytes()
    assert (groups[:begin] == 7).all()
    assert (groups[begin + len(expected) :] == 7).all()
