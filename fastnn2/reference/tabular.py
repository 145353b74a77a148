"""The NumPy specification of the tabular networks: encoded rows, one network, and its whole training.

The kernels in ``kernels/nn/lookups.py``, ``tabular_batch.py`` and ``random_numbers.py`` and in
``kernels/loops/tabular.py`` and ``tabular_outputs.py`` are tested against it. Samples are rows. Those kernels look up;
here a sample is encoded as one wide row x of R numbers, and one matrix W (R, h) has all that the hidden layer
multiplies:

    Z1 = x W + b1      A1 = max(0, Z1) mask
    Z2 = A1 W2' + b2    y = activation of the loss (see :mod:`~fastnn2.reference.mlp`)
    loss = sum(w loss of a sample) / sum(w)

R = d + p (T + 1) + K, for d numbers, p binned features with T bins and a missing value, and K rows of categories.
Parameters are a dict with W (R, h), b1 (h,), W2 (o, h) and b2 (o,).
"""

from typing import Any

import numpy as np

from fastnn2.reference.mlp import LOSSES, OUTPUTS, adam

Array = np.ndarray[Any, Any]
Params = dict[str, Array]


def encode(
    numbers: Array, bins: Array, fractions: Array, categories: Array, bin_count: int, category_rows: int
) -> Array:
    """Return encoded rows (n, R).

    A value a fraction f of the way through bin t of its feature is (1, ..., 1, f, 0, ..., 0), with t ones, and a last
    number that is 1 only where the value is missing.

    Parameters
    ----------
    numbers : ndarray (n, d)
    bins : ndarray of int (n, p)
        The bin of each value, from 0 to T - 1; T where it is missing.
    fractions : ndarray (n, p)
        How far through its bin each value is; not used where it is missing.
    categories : ndarray of int (n, q)
        The row of each category, of K rows of all features together.
    bin_count : int
        T.
    category_rows : int
        K.

    Examples
    --------
    >>> print(encode(np.array([[7.0]]), np.array([[1, 3]]), np.array([[0.25, 1.0]]), np.array([[0]]), 3, 2)[0])
    [7.   1.   0.25 0.   0.   0.   0.   0.   1.   1.   0.  ]
    """
    n, p = bins.shape
    t = np.arange(bin_count)
    is_missing = bins[:, :, None] == bin_count
    values = np.where(t < bins[:, :, None], 1.0, np.where(t == bins[:, :, None], fractions[:, :, None], 0.0))
    binned = np.concatenate([np.where(is_missing, 0.0, values), is_missing], axis=2)
    one_hot = (categories[:, :, None] == np.arange(category_rows)).sum(axis=1)
    return np.concatenate([numbers, binned.reshape(n, p * (bin_count + 1)), one_hot], axis=1)


def forward(x: Array, params: Params, loss: str, mask: Array | None = None) -> tuple[Array, Params]:
    """Return the outputs y (n, o), and a dict with Z1 (n, h), A1 (n, h) and Z2 (n, o).

    Parameters
    ----------
    x : ndarray (n, R)
        Encoded rows.
    params : dict
    loss : {"log_loss", "cross_entropy", "squared_error", "poisson"}
    mask : ndarray (n, h), optional
        What dropout multiplies the hidden units with; see :func:`dropout_mask`.
    """
    Z1 = x @ params["W"] + params["b1"]
    A1 = np.maximum(Z1, 0) * (1.0 if mask is None else mask)
    Z2 = A1 @ params["W2"].T + params["b2"]
    return OUTPUTS[loss](Z2.T).T, {"Z1": Z1, "A1": A1, "Z2": Z2}


def mean_loss(x: Array, Y: Array, params: Params, loss: str, weights: Array | None = None) -> float:
    """Return the weighted mean of the losses of encoded rows (n, R) with targets Y (n, o)."""
    w = np.ones(len(x)) if weights is None else weights
    y, _ = forward(x, params, loss)
    return float((w * LOSSES[loss](Y.T, y.T)).sum() / w.sum())


def loss_and_gradient(
    x: Array, Y: Array, params: Params, loss: str, *, mask: Array | None = None, weights: Array | None = None
) -> tuple[float, Params]:
    """Return the sum of the weighted losses of a mini-batch, and the gradients dW, db1, dW2, db2 of their mean.

    The gradient with respect to Z2 is y - Y for every loss (for squared_error, this is o times the gradient). Where all
    weights are 0, so is the gradient.

    Parameters
    ----------
    x : ndarray (n, R)
        Encoded rows.
    Y : ndarray (n, o)
    params : dict
    loss : {"log_loss", "cross_entropy", "squared_error", "poisson"}
    mask : ndarray (n, h), optional
    weights : ndarray (n,), optional
    """
    w = np.ones(len(x)) if weights is None else weights
    y, cache = forward(x, params, loss, mask)
    dZ2 = w[:, None] * (y - Y) * (1 / w.sum() if w.sum() > 0 else 0.0)
    dZ1 = (dZ2 @ params["W2"]) * (1.0 if mask is None else mask) * (cache["Z1"] > 0)
    gradients = {"dW": x.T @ dZ1, "db1": dZ1.sum(axis=0), "dW2": dZ2.T @ cache["A1"], "db2": dZ2.sum(axis=0)}
    return float((w * LOSSES[loss](Y.T, y.T)).sum()), gradients


def random_bits(seed: int, first: int, count: int) -> Array:
    """Return `count` numbers of the stream of a seed, from number `first` on: 64 random bits each (splitmix64).

    Examples
    --------
    >>> print(random_bits(0, 0, 2))
    [16294208416658607535  7960286522194355700]
    """
    u = np.uint64
    with np.errstate(over="ignore"):
        z = u(seed) + (np.arange(count, dtype=u) + u(first + 1)) * u(0x9E3779B97F4A7C15)
        z = (z ^ (z >> u(30))) * u(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> u(27))) * u(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> u(31)))


def shuffle(order: Array, seed: int, first: int) -> tuple[Array, int]:
    """Return the order of samples, shuffled (Fisher and Yates), and the number of the next random number.

    The high half of a random number, times i + 1 and divided by 2^32, is the place that i changes with.
    """
    order = order.copy()
    n = len(order)
    drawn = random_bits(seed, first, max(0, n - 1)) >> np.uint64(32)
    for i, bits in zip(range(n - 1, 0, -1), drawn, strict=True):
        j = int(bits) * (i + 1) >> 32
        order[[i, j]] = order[[j, i]]
    return order, first + len(drawn)


def dropout_mask(seed: int, first: int, samples: int, units: int, drop: int) -> tuple[Array, int]:
    """Return a mask (samples, units) of 0 and 256 / (256 - drop), and the number of the next random number.

    A random number has a byte for each of eight units, the lowest byte first; a unit is dropped if its byte is less
    than `drop`. `units` is a multiple of 8. Without dropout nothing is drawn.
    """
    if drop == 0:
        return np.ones((samples, units)), first
    bits = random_bits(seed, first, samples * units // 8)
    drawn = (bits[:, None] >> np.arange(0, 64, 8, dtype=np.uint64)) & np.uint64(255)
    mask = np.where(drawn.reshape(samples, units) < drop, 0.0, 256 / (256 - drop))
    return mask, first + len(bits)


def train(
    x: Array, Y: Array, params: Params, loss: str, order: Array, held: Array, *, batch: int, epochs: int, rates: Array,
    betas: tuple[float, float], epsilon: float, seed: int, drop: int, padded_units: int, weights: Array | None = None,
) -> tuple[Params, Array, Array]:  # fmt: skip
    """Return the parameters that are kept of one training, and the losses and the held-out losses of its epochs.

    Parameters
    ----------
    x : ndarray (n, R)
        Encoded rows, of which `order` has those of the training and `held` those that are held out.
    Y : ndarray (n, o)
    params : dict
        The initial ones.
    loss : {"log_loss", "cross_entropy", "squared_error", "poisson"}
    order, held : ndarray of int
        Where none are held out, the last parameters are kept, else those of the epoch with the lowest held-out loss.
    batch, epochs : int
    rates : ndarray
        The learning rate of each step, with the bias corrections of Adam.
    betas : tuple of float
    epsilon : float
    seed : int
        Of the random numbers: in each epoch, those of the order, and then those of the masks of its mini-batches.
    drop : int
        A unit is dropped with probability drop / 256.
    padded_units : int
        For how many units a mask is drawn, h or more.
    weights : ndarray (n,), optional
    """
    w = np.ones(len(x)) if weights is None else weights
    params = {name: value.copy() for name, value in params.items()}
    state = [{name: np.zeros_like(value) for name, value in params.items()} for _ in range(2)]
    kept, best = {name: value.copy() for name, value in params.items()}, np.inf
    losses, held_losses = np.zeros(epochs), np.zeros(epochs)
    h, draws, step = len(params["b1"]), 0, 0
    for epoch in range(epochs):
        order, draws = shuffle(order, seed, draws)
        for begin in range(0, len(order), batch):
            part = order[begin : begin + batch]
            mask, draws = dropout_mask(seed, draws, len(part), padded_units, drop)
            summed, gradients = loss_and_gradient(x[part], Y[part], params, loss, mask=mask[:, :h], weights=w[part])
            adam(params, gradients, state, rates[step], *betas, epsilon)
            losses[epoch] += summed
            step += 1
        losses[epoch] /= w[order].sum()
        if len(held):
            held_losses[epoch] = mean_loss(x[held], Y[held], params, loss, w[held])
        if len(held) == 0 or held_losses[epoch] < best:
            kept, best = {name: value.copy() for name, value in params.items()}, held_losses[epoch]
    return kept, losses, held_losses
