"""The optimizers of the estimators, by number.

With g = (sum of gradients + alpha W) / n of a mini-batch and its learning rate r,

    SGD       v <- momentum v - r g;   p <- p + v, with Nesterov's momentum p + momentum v - r g
    ADAM      m <- b1 m + (1 - b1) g;   v <- b2 v + (1 - b2) g^2;   p <- p - r m / (sqrt(v) + epsilon)
    GRADIENT  m <- g; p is left as it is

(Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015; r includes their bias corrections.) g is formed in
float64 and rounded once. Moments are stored, and updates computed, in the dtype of the parameters, as in scikit-learn.
"""

from numba import njit

from fastnn2.kernels.shared.choices import ADAM, SGD
from fastnn2.kernels.shared.tuning import UPDATE_WIDTH
from fastnn2.kernels.simd.lanes import sum_lanes
from fastnn2.kernels.simd.vector import (
    INLINE,
    fma,
    load,
    load_doubles,
    load_eight,
    rounded,
    square_root,
    store,
    zero_vector,
)


@njit(**INLINE)
def optimizer_step(optimizer, params, first, last, gradients, stride, chunks, l2, scale, rate, first_moments,
                   second_moments, beta_1, beta_2, epsilon, nesterov):  # fmt: skip
    """Update the parameters [first, last) and their moments in place; return ``sum(l2 p^2)`` of the old ones.

    ``g = (sum_c gradients[c * stride + i] + l2_i p_i) * scale``, summed over the chunks in their order, in float64;
    `scale` is 1/n. `l2` (float64) is the L2 penalty of each parameter: alpha for weights, 0 for biases. `beta_1` is the
    momentum of SGD. `first_moments` holds v of SGD, m of Adam, or the result of GRADIENT.
    """
    penalty = zero_vector(gradients)
    for i in range(first, last, UPDATE_WIDTH):
        total = load(gradients, i)
        for c in range(1, chunks):
            total = total + load(gradients, c * stride + i)
        p, p_double, l2_i = load_eight(params, i), load_doubles(params, i), load(l2, i)
        penalty = fma(l2_i * p_double, p_double, penalty)
        g = rounded(params, fma(l2_i, p_double, total) * scale)
        if optimizer == ADAM:
            m = beta_1 * load_eight(first_moments, i) + (1.0 - beta_1) * g
            v = beta_2 * load_eight(second_moments, i) + (1.0 - beta_2) * (g * g)
            store(first_moments, i, m)
            store(second_moments, i, v)
            store(params, i, p - rate * m / (square_root(v) + epsilon))
        elif optimizer == SGD:
            v = beta_1 * load_eight(first_moments, i) - rate * g
            store(first_moments, i, v)
            if nesterov:
                v = beta_1 * v - rate * g
            store(params, i, p + v)
        else:
            store(first_moments, i, g)
    return sum_lanes(penalty)
