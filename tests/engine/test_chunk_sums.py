"""Sums that machines share: any way of sharing and merging gives the same bits, and each chunk counts once."""

import numpy as np
import pytest
from data import assert_same_bits
from held_data import in_pairs, sharings
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from fastnn2.engine import chunk_sums

STRIDE = 16


def gradients_of(chunks):
    """Return gradients whose sum is another with each order."""
    source = np.random.RandomState(chunks)
    return source.standard_normal((chunks, STRIDE)) * 10.0 ** source.randint(0, 12, (chunks, STRIDE))


def fields(sums):
    return sums.gradients, sums.chunks, sums.terms


def assert_same(sums, expected):
    assert sums.branches == expected.branches
    assert_same_bits(fields(sums), fields(expected))


def shared(data, chunks):
    """Return the sums of each block of a sharing, in any order."""
    gradients = gradients_of(chunks)
    ranges = [one for part in data.draw(sharings(chunks)) for one in part]
    return [chunk_sums.of_chunks(first, gradients[first:end]) for first, end in ranges]


COUNTS = st.integers(0, 7).map(lambda power: 1 << power)


@given(COUNTS, st.data())
def test_any_way_of_merging_gives_the_same_bits(chunks, data):
    """Some are merged at a time, until one is left."""
    left = shared(data, chunks)
    while len(left) > 1:
        left = data.draw(st.permutations(left))
        count = data.draw(st.integers(1, len(left)))
        left = [chunk_sums.merged(left[:count]), *left[count:]]
    gradients = gradients_of(chunks)
    assert_same(left[0], chunk_sums.of_chunks(0, gradients))
    assert_array_equal(left[0].total(chunks), in_pairs(gradients))
    assert_array_equal(left[0].chunks, np.arange(chunks))
    assert_array_equal(left[0].terms, gradients[:, -2:])


@given(COUNTS, st.data())
def test_what_is_added_are_whole_branches(chunks, data):
    """A branch has 2^k chunks from a multiple of 2^k on, and no two that are left make a larger one."""
    parts = shared(data, chunks)
    some = chunk_sums.merged(data.draw(st.permutations(parts))[: data.draw(st.integers(0, len(parts)))])
    gradients, covered = gradients_of(chunks), []
    for (first, count), gradient in zip(some.branches, some.gradients, strict=True):
        assert count & (count - 1) == 0 == first % count
        assert_array_equal(gradient, in_pairs(gradients[first : first + count]))
        buddy = first ^ count
        assert (buddy, count) not in some.branches
        covered += range(first, first + count)
    assert covered == some.chunks.tolist() == sorted(set(covered))
    assert_array_equal(some.terms, gradients[some.chunks, -2:])


def test_the_terms_are_added_one_chunk_after_the_other():
    gradients = gradients_of(64)
    weight = loss = 0.0
    for row in gradients:
        weight, loss = weight + row[-2], loss + row[-1]
    parts = [chunk_sums.of_chunks(first, gradients[first : first + 5]) for first in (60, 20, 0)]
    parts += [chunk_sums.of_chunks(25, gradients[25:60]), chunk_sums.of_chunks(5, gradients[5:20])]
    found = chunk_sums.merged(parts).sums_in_order()
    assert found == (weight, loss)
    assert found != tuple(in_pairs(gradients)[-2:])


@pytest.mark.parametrize("missing", [0, 3, 7])
def test_missing_chunks_are_an_error(missing):
    gradients = gradients_of(8)
    parts = [chunk_sums.of_chunks(c, gradients[c : c + 1]) for c in range(8) if c != missing]
    with pytest.raises(ValueError, match=r"^sums of the branches \(.*\); expected that of all 8 chunks$"):
        chunk_sums.merged(parts).total(8)


def test_chunks_of_another_cut_are_an_error():
    sums = chunk_sums.of_chunks(0, gradients_of(8))
    for chunks in (4, 16):
        with pytest.raises(ValueError, match=rf"branches \(\(0, 8\),\); expected that of all {chunks} chunks$"):
            sums.total(chunks)


@given(COUNTS, st.data())
def test_chunks_that_come_twice_are_an_error(chunks, data):
    """Whether they come as the same branch, a part of one, or of neighbours."""
    parts, gradients = shared(data, chunks), gradients_of(chunks)
    first = data.draw(st.integers(0, chunks - 1))
    end = data.draw(st.integers(first + 1, chunks))
    parts = data.draw(st.permutations([*parts, chunk_sums.of_chunks(first, gradients[first:end])]))
    with pytest.raises(ValueError, match=rf"^sums of chunk {first} in two parts; expected each chunk once$"):
        chunk_sums.merged(parts)


def test_no_parts_have_no_chunks():
    nothing, sums = chunk_sums.merged([]), chunk_sums.of_chunks(4, gradients_of(2))
    assert (nothing.branches, len(nothing.chunks)) == ((), 0)
    with pytest.raises(ValueError, match=r"^sums of the branches \(\); expected that of all 2 chunks$"):
        nothing.total(2)
    assert_same(chunk_sums.merged([nothing, sums, nothing]), sums)


def test_the_sums_are_not_views_of_the_gradients():
    """A worker's buffers are not kept alive, nor changed, by what it gives away."""
    gradients = gradients_of(1)
    sums = chunk_sums.of_chunks(0, gradients)
    expected = [array.copy() for array in fields(sums)]
    gradients[:] = np.nan
    assert_same_bits(fields(sums), tuple(expected))
