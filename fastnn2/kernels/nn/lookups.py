"""A hidden layer of numbers, binned features and categories, whose units are in lanes.

The parameters of the layer are rows of H numbers, one for each unit; H is a multiple of the lanes of a group, and what
belongs to the units past the last is zero. With the rows W of the d numbers, V of the p binned features, C of the q
categories, and b1, a sample has

    Z1 = b1 + sum_j x_j W_j + sum_j (E[r_j] + f_j V[r_j]) + sum_j C[c_j],    A1 = max(0, Z1)

A binned feature has T + 1 rows. A value in bin t, a fraction f of the way through it, has row t and f: with
E[t] = V[0] + ... + V[t - 1], a unit sees a piecewise-linear function of the feature. A missing value has the last row,
whose E is 0, and f = 1. So the layer is a few look-ups for each sample, whatever the number of bins, where a product
with the encoded features (1, ..., 1, f, 0, ..., 0) would take T times as long.

A *batch* of m samples is laid out as numbers (m, d), rows (p, m), fractions (p, m) and categories (q, m).

Sums over the samples of a batch are those of SUMMED_SAMPLES at a time where they stay in registers, for W and b1. Those
of a bin, of a category and for W2 are added one sample after the other, so in float32 they may lose digits if all
terms are alike: with 200 samples, 3e-6 of the sum.

Reference: Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", 2022.
"""

from numba import njit

from fastnn2.kernels.shared.tuning import SUMMED_SAMPLES
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.lanes import fold_group, sum_lanes
from fastnn2.kernels.simd.vector import (
    INLINE,
    fma,
    group_lanes,
    load_group,
    load_scalar,
    maximum,
    select_less,
    square_root,
    store,
    zero_group,
)


@njit(**INLINE)
def cumulate(params, v_offset, features, bins, units, E):
    """Write E (features, bins + 1, H), the sums of the bins below each one, in place; each last row is zero.

    E[j, t] = V[j, 0] + ... + V[j, t - 1]
    """
    lanes = group_lanes(params)
    for j in range(features):
        feature = j * (bins + 1) * units
        for u in range(feature, feature + units, lanes):
            total = zero_group(params)
            for i in range(u, u + bins * units, units):
                store(E, i, total)
                total = total + load_group(params, v_offset + i)
            store(E, u + bins * units, zero_group(params))


@njit(**INLINE)
def lookup_layer(params, params_offset, v_offset, c_offset, b_offset, d, p, q, units, numbers, rows, fractions,
                 categories, m, E, E_offset, A):  # fmt: skip
    """Write A1 (m, H) of a batch, in place.

    The parameters begin at ``params[params_offset]``, with the rows W; V, C and b1 at the other offsets behind that. E
    begins at ``E[E_offset]``.
    """
    lanes = group_lanes(params)
    v_offset += params_offset
    c_offset += params_offset
    for u in range(0, units, lanes):
        w_offset = params_offset + u
        for s in range(m):
            z = load_group(params, w_offset + b_offset)
            below = zero_group(params)
            for j in range(d):
                z = fma(load_scalar(numbers, s * d + j), load_group(params, w_offset + j * units), z)
            for i in range(s, p * m, m):
                row = load_scalar(rows, i) * units + u
                below = below + load_group(E, E_offset + row)
                z = fma(load_scalar(fractions, i), load_group(params, v_offset + row), z)
            for i in range(s, q * m, m):
                below = below + load_group(params, c_offset + load_scalar(categories, i) * units + u)
            store(A, s * units + u, maximum(0.0, z + below))


@njit(**INLINE)
def lookup_step(dZ, v_offset, b_offset, d, p, bins, units, numbers, rows, fractions, m, counts, totals, E, params,
                first_moments, second_moments, scale, rate, beta_1, beta_2, epsilon):  # fmt: skip
    """Take a step of Adam for the rows W, V and b1, and write the new E, in place.

        dW_j = sum_s x_j dZ,   db1 = sum_s dZ
        dV[j, t] = sum(f dZ of bin t) + sum(dZ of the bins above t),   but for the last row sum(f dZ)

    dZ (m, H) is the derivative by Z1. `scale` is 1 / (sum of weights). `counts` and `totals` (bins + 1, G) are
    overwritten. The gradient of a feature goes from the sums in the first-level cache to its parameters at once.
    """
    lanes = group_lanes(dZ)
    for u in range(0, units, lanes):
        for j in range(d + 1):  # the last one is b1
            total = zero_group(dZ)
            for first in range(0, m, SUMMED_SAMPLES):
                partial = zero_group(dZ)
                for s in range(first, smaller(m, first + SUMMED_SAMPLES)):
                    dz = load_group(dZ, s * units + u)
                    partial = fma(load_scalar(numbers, s * d + j), dz, partial) if j < d else partial + dz
                total = total + partial
            i = j * units + u if j < d else b_offset + u
            adam(params, first_moments, second_moments, i, scale * total, rate, beta_1, beta_2, epsilon)
        for j in range(p):
            for i in range(0, (bins + 1) * lanes, lanes):
                store(counts, i, zero_group(dZ))
                store(totals, i, zero_group(dZ))
            first_row = j * (bins + 1)
            for s in range(m):
                i = (load_scalar(rows, j * m + s) - first_row) * lanes
                dz = load_group(dZ, s * units + u)
                store(counts, i, load_group(counts, i) + dz)
                store(totals, i, fma(load_scalar(fractions, j * m + s), dz, load_group(totals, i)))
            above = zero_group(dZ)
            for i in range((bins - 1) * lanes, -lanes, -lanes):
                store(totals, i, load_group(totals, i) + above)
                above = above + load_group(counts, i)
            out = first_row * units + u
            below = zero_group(dZ)
            for t in range(bins + 1):
                i = v_offset + out + t * units
                g = scale * load_group(totals, t * lanes)
                v = adam(params, first_moments, second_moments, i, g, rate, beta_1, beta_2, epsilon)
                if t < bins:
                    store(E, out + t * units, below)
                    below = below + v


@njit(**INLINE)
def adam(params, first_moments, second_moments, i, g, rate, beta_1, beta_2, epsilon):
    """Update a group of parameters and their moments in place with the gradient g; return the new parameters.

    m <- b1 m + (1 - b1) g;   v <- b2 v + (1 - b2) g^2;   p <- p - r m / (sqrt(v) + epsilon)
    """
    m = beta_1 * load_group(first_moments, i) + (1.0 - beta_1) * g
    v = beta_2 * load_group(second_moments, i) + (1.0 - beta_2) * (g * g)
    new = load_group(params, i) - rate * m / (square_root(v) + epsilon)
    store(first_moments, i, m)
    store(second_moments, i, v)
    store(params, i, new)
    return new


@njit(**INLINE)
def adam_range(params, first_moments, second_moments, gradient, first, last, scale, rate, beta_1, beta_2, epsilon):
    """Update the parameters from `first` to `last` in place, whole groups, with ``scale * gradient``."""
    for i in range(first, last, group_lanes(params)):
        g = scale * load_group(gradient, i)
        adam(params, first_moments, second_moments, i, g, rate, beta_1, beta_2, epsilon)


@njit(**INLINE)
def category_gradient(dZ, c_offset, q, units, categories, m, gradient):
    """Add the gradient of the rows C, ``dC[c_j] += dZ``, in place."""
    lanes = group_lanes(dZ)
    for j in range(q):
        for s in range(m):
            row = c_offset + load_scalar(categories, j * m + s) * units
            for u in range(0, units, lanes):
                store(gradient, row + u, load_group(gradient, row + u) + load_group(dZ, s * units + u))


@njit(**INLINE)
def lookup_outputs(params, params_offset, w2_offset, b2_offset, o, units, A, m, Z2):
    """Write ``Z2 = W2 A1 + b2`` of a batch, in groups (groups, o, G), in place; what is past the last sample stays."""
    lanes = group_lanes(params)
    for r in range(o):
        w = params_offset + w2_offset + r * units
        bias = load_scalar(params, params_offset + b2_offset + r)
        for s in range(m):
            z = zero_group(params)
            for u in range(0, units, lanes):
                z = fma(load_group(params, w + u), load_group(A, s * units + u), z)
            Z2[(s // lanes * o + r) * lanes + s % lanes] = sum_lanes(fold_group(z)) + bias


@njit(**INLINE)
def output_gradient(params, w2_offset, o, units, scale, dZ2, A, m, dZ, gradient):
    """Write ``dZ1 = (W2' dZ2) max'(Z1)`` (m, H), and add ``dZ2 A1'`` to the gradient of W2, which is zero, in place.

    dZ2 is in groups (groups, o, G). `scale` is what units were multiplied with that dropout has not made zero.
    """
    lanes = group_lanes(params)
    for u in range(0, units, lanes):
        for s in range(m):
            da = zero_group(params)
            a = load_group(A, s * units + u)
            for r in range(o):
                e = load_scalar(dZ2, (s // lanes * o + r) * lanes + s % lanes)
                i = w2_offset + r * units + u
                da = fma(e, load_group(params, i), da)
                store(gradient, i, fma(e, a, load_group(gradient, i)))
            store(dZ, s * units + u, select_less(0.0, a, scale * da, 0.0))
