"""The kernel of many networks: samples laid out as Python lays them out, and words that Python reads afterwards."""

import ctypes

import numpy as np
import pytest
from data import DTYPES, assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from numba import cfunc, types

from fastnn2.codegen.record_type import RecordType
from fastnn2.engine.layout import aligned_empty, to_groups
from fastnn2.kernels.loops.networks import lay_out_matrix
from fastnn2.kernels.shared.record import Int, Reals, Record
from fastnn2.kernels.shared.tuning import count_groups, group_size

REALS = {"float32": types.float32, "float64": types.float64}


class LayOutRecord(Record):
    """The arguments of lay_out_matrix."""

    source: Reals
    stride: Int
    step: Int
    rows: Int
    n: Int
    groups: Reals


@pytest.fixture(scope="module")
def lay_out():
    """The function for each dtype."""

    def kernel(job):
        lay_out_matrix(job.source, job.stride, job.step, job.rows, job.n, job.groups)

    compiled = {
        dtype: cfunc(types.void(RecordType(LayOutRecord, real)), error_model="numpy")(kernel)
        for dtype, real in REALS.items()
    }
    return {dtype: (ctypes.CFUNCTYPE(None, ctypes.c_void_p)(each.address), each) for dtype, each in compiled.items()}


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    rows=st.integers(1, 9),
    n=st.integers(1, 200),
    order=st.sampled_from("CF"),
    slices=st.tuples(*[st.sampled_from([1, 2, 3, -1, -2])] * 2),
    first=st.integers(0, 3),
)
def test_a_matrix_is_laid_out_as_by_to_groups(lay_out, dtype, rows, n, order, slices, first):
    """In any memory order, on no boundary; what was in the groups before is overwritten, NaN too."""
    shape = tuple(abs(step) * count + first for step, count in zip(slices, (rows, n), strict=True))
    array = np.asarray(np.random.default_rng(0).standard_normal(shape), dtype=dtype, order=order)
    matrix = array[first:, first:][:: slices[0], :: slices[1]][:rows, :n]
    groups = aligned_empty(count_groups(n, np.dtype(dtype)) * rows * group_size(dtype), dtype)
    groups[:] = np.nan
    stride, step = (number // matrix.itemsize for number in matrix.strides)
    record = LayOutRecord(source=matrix, stride=stride, step=step, rows=rows, n=n, groups=groups)
    lay_out[dtype][0](record.address)
    assert_same_bits(groups, to_groups(matrix, np.dtype(dtype))[0])
