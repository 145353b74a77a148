"""A batch of encoded rows: laid out, and carried through the network."""

from numba import njit

from fastnn2.kernels.nn.lookups import lookup_layer
from fastnn2.kernels.simd.vector import INLINE, load_scalar


@njit(**INLINE)
def lay_out_rows(job, order, has_order, first, m):
    """Write the samples ``order[first : first + m]``, or those from `first` on, to the batch of a job, in place."""
    d, p, q = job.d, job.p, job.q
    X, rows, fractions, categories = job.X, job.rows, job.fractions, job.categories
    numbers, batch_rows, batch_fractions = job.batch_X, job.batch_rows, job.batch_fractions
    batch_categories = job.batch_categories
    for s in range(m):
        sample = order[first + s] if has_order else first + s
        for j in range(d):
            numbers[s * d + j] = load_scalar(X, sample * d + j)
        for j in range(p):
            batch_rows[j * m + s] = load_scalar(rows, sample * p + j)
            batch_fractions[j * m + s] = load_scalar(fractions, sample * p + j)
        for j in range(q):
            batch_categories[j * m + s] = load_scalar(categories, sample * q + j)


@njit(**INLINE)
def hidden_units(job, params, params_offset, E_offset, m):
    """Write A1 of the batch of a job, in place; parameters and E begin at the offsets."""
    lookup_layer(
        params, params_offset, job.v_offset, job.c_offset, job.b_offset, job.d, job.p, job.q, job.units, job.batch_X,
        job.batch_rows, job.batch_fractions, job.batch_categories, m, job.E, E_offset, job.A)  # fmt: skip
