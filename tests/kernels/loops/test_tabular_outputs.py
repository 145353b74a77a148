"""The outputs of tabular networks against the specification, for several networks and threads."""

import dataclasses

import numpy as np
import pytest
from data import DTYPES, assert_close, assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from tabular_data import LOSSES, forward_magnitudes, outputs, outputs_fields, problem, shape_of

from fastnn2.codegen import provider
from fastnn2.kernels.shared import control_words
from fastnn2.kernels.shared.tabular_records import TabularOutputsRecord
from fastnn2.reference import tabular as reference


def members(shape, n, loss, count):
    return [problem(shape, n, loss, seed=seed) for seed in range(count)]


@pytest.mark.parametrize("loss", LOSSES)
@given(data=st.data())
def test_outputs_of_any_shape_equal_the_reference(loss, data):
    draw = data.draw
    shape = shape_of(
        draw(st.integers(0, 12)), draw(st.integers(0, 12)), draw(st.integers(0, 4)),
        bins=draw(st.sampled_from([1, 2, 3, 16, 64])), h=draw(st.integers(1, 200)), o=draw(st.sampled_from([1, 3, 12])),
        dtype=draw(st.sampled_from(DTYPES)),
    )  # fmt: skip
    problems = members(shape, draw(st.integers(1, 200)), loss, draw(st.integers(1, 4)))
    out = outputs(problems, draw(st.integers(1, 130)), draw(st.sampled_from([1, 3])))
    for one, found in zip(problems, out, strict=True):
        same_samples = dataclasses.replace(one, x=problems[0].x)
        y, _ = reference.forward(problems[0].x, one.params, loss)
        *_, of_y, _ = forward_magnitudes(same_samples, np.ones((one.n, shape.h)))
        assert_close(found, y, of_y, shape.dtype.name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_batches_threads_and_other_networks_change_no_bit(loss, dtype):
    problems = members(shape_of(3, 2, 1, bins=5, h=40, o=3, dtype=dtype), 333, loss, 3)
    expected = outputs(problems, 333)
    for batch, threads in ((1, 2), (32, 1), (50, 7), (1000, 2)):
        assert_same_bits(outputs(problems, batch, threads), expected)
    assert_same_bits(outputs(problems[:1], 64), expected[:1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sample_has_the_same_bits_whatever_is_beside_it(dtype):
    (one,) = members(shape_of(3, 2, 1, h=40, o=3, dtype=dtype), 100, "cross_entropy", 1)
    whole = outputs([one], 100)
    alone = {name: array[37:38] for name, array in vars(one.samples).items()}
    one.samples = dataclasses.replace(one.samples, **alone)
    one.x = one.x[37:38]
    assert_same_bits(outputs([one], 1), whole[:, 37:38])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_team_that_is_to_stop_writes_nothing(dtype):
    (one,) = members(shape_of(3, 2, 1, dtype=dtype), 100, "log_loss", 1)
    fields = outputs_fields([one], 16)
    fields["control"][control_words.STOP] = 1
    provider.kernel("tabular_outputs", dtype)(TabularOutputsRecord(**fields))
    assert np.isnan(fields["out"]).all()
