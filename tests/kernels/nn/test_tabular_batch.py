"""A batch of encoded rows: which sample is laid out where, and which units it has."""

import collections

import numpy as np
import pytest
from data import DTYPES, assert_same_bits
from numba import njit
from tabular_data import outputs_fields, problem, shape_of

from fastnn2.kernels.nn import tabular_batch
from fastnn2.kernels.nn.lookups import lookup_layer

FIELDS = (
    "d", "p", "q", "units", "v_offset", "c_offset", "b_offset", "X", "rows", "fractions", "categories", "batch_X",
    "batch_rows", "batch_fractions", "batch_categories", "E", "A",
)  # fmt: skip
Job = collections.namedtuple("Job", FIELDS)


@njit
def lay_out_rows(job, order, has_order, first, m):
    tabular_batch.lay_out_rows(job, order, has_order, first, m)


@njit
def hidden_units(job, params, params_offset, E_offset, m):
    tabular_batch.hidden_units(job, params, params_offset, E_offset, m)


@njit
def same_units(job, params, params_offset, E_offset, m):
    lookup_layer(
        params, params_offset, job.v_offset, job.c_offset, job.b_offset, job.d, job.p, job.q, job.units, job.batch_X,
        job.batch_rows, job.batch_fractions, job.batch_categories, m, job.E, E_offset, job.A,
    )  # fmt: skip


def job_of(fields):
    """Return the fields as a job, with flat arrays."""
    return Job(*(np.ravel(fields[name]) if np.ndim(fields[name]) else fields[name] for name in FIELDS))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("d", "p", "q"), [(3, 2, 4), (0, 2, 0), (1, 0, 0), (0, 0, 3)])
@pytest.mark.parametrize(("first", "m"), [(0, 1), (0, 20), (7, 5), (19, 1)])
@pytest.mark.parametrize("has_order", [False, True])
def test_samples_are_laid_out_by_sample_and_by_feature(has_order, first, m, d, p, q, dtype):
    one = problem(shape_of(d, p, q, dtype=dtype), 20)
    fields = outputs_fields([one], 20)
    job = job_of(fields)
    order = np.random.default_rng(0).permutation(20)
    lay_out_rows(job, order, has_order, first, m)
    samples = order[first : first + m] if has_order else np.arange(first, first + m)
    expected = {
        "batch_X": one.samples.numbers[samples],
        "batch_rows": one.samples.rows[samples].T,
        "batch_fractions": one.samples.fractions[samples].T,
        "batch_categories": one.samples.categories[samples].T,
    }
    for name, batch in expected.items():
        found = getattr(job, name)
        assert_same_bits(found[: batch.size], batch.ravel())
        assert (found[batch.size :] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_hidden_units_are_those_of_the_layer_of_each_network(dtype):
    problems = [problem(shape_of(3, 2, 1, h=40, dtype=dtype), 20, seed=seed) for seed in range(2)]
    fields = outputs_fields(problems, 20)
    job = job_of(fields)
    lay_out_rows(job, np.arange(20), False, 0, 20)
    found = []
    for member in range(2):
        offsets = member * fields["stride"], member * fields["E_stride"]
        for compute in (hidden_units, same_units):
            job.A[:] = np.nan
            compute(job, fields["params"], *offsets, 20)
            found.append(job.A.copy())
    assert_same_bits(found[0], found[1])
    assert_same_bits(found[2], found[3])
    assert (found[0] != found[2]).any()
