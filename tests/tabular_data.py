"""Problems for the tabular networks, their records, and sums of magnitudes, for the tests of kernels and specification.

A problem has encoded rows as the kernels read them, and the same rows as the specification multiplies them.
"""

import concurrent.futures
import dataclasses
from typing import Any

import numpy as np
from data import PATIENCE, TOLERANCE

from fastnn2.codegen import provider
from fastnn2.engine.encoded_rows import EncodedRows
from fastnn2.engine.layout import aligned_zeros
from fastnn2.engine.tabular_inference import allocate_batch
from fastnn2.engine.tabular_shape import TabularShape
from fastnn2.kernels.shared import choices, control_words, tuning
from fastnn2.kernels.shared.tabular_records import TabularOutputsRecord, TabularRecord
from fastnn2.reference import tabular as reference

LOSSES = {
    "log_loss": choices.LOG_LOSS,
    "cross_entropy": choices.CROSS_ENTROPY,
    "squared_error": choices.SQUARED_ERROR,
    "poisson": choices.POISSON,
}


@dataclasses.dataclass
class Problem:
    """Samples and initial parameters, rounded to the dtype of the shape.

    `x` (n, R) and `params` are as :mod:`fastnn2.reference.tabular` has them, in float64; Y is (n, o).
    """

    shape: TabularShape
    loss: str
    samples: EncodedRows
    x: Any
    Y: Any
    params: dict[str, Any]
    weights: Any  # or None

    @property
    def n(self):
        return len(self.x)

    def as_double(self):
        """Return x, Y, params and weights in float64."""
        weights = None if self.weights is None else self.weights.astype(float)
        return self.x, self.Y.astype(float), self.params, weights


def shape_of(d, p, q, *, bins=4, category_rows=None, h=9, o=1, dtype="float64"):
    """Return a shape; without a number of category rows, there are three for each category."""
    return TabularShape(d, p, q, bins, 3 * q if category_rows is None else category_rows, h, o, np.dtype(dtype))


def problem(shape, n, loss="log_loss", *, weighted=False, seed=0, one_bin=False, missing=0.1):
    """Return a random problem.

    A part `missing` of the binned values is missing, and with `one_bin` all others are in bin 0. Where none is missing,
    the parameters of missing values are zero, as they are initially. The last category row is never seen, if there are
    others. Some sample weights are zero, but not the first.
    """
    source = np.random.default_rng([seed, shape.d, shape.p, shape.q, shape.h, n])
    dtype, d, p, q, o, T, K = shape.dtype, shape.d, shape.p, shape.q, shape.o, shape.bins, shape.category_rows
    numbers = source.standard_normal((n, d)).astype(dtype)
    t = source.integers(0, 1 if one_bin else T, (n, p))
    fractions = source.choice([0.0, 1.0, 0.5, 0.3125, 0.84375], (n, p)).astype(dtype)
    is_missing = source.random((n, p)) < missing
    t[is_missing], fractions[is_missing] = T, 1.0
    categories = source.integers(0, max(1, K - 1), (n, q))
    Y = {
        "log_loss": source.integers(0, 2, (n, o)),
        "cross_entropy": np.eye(o)[source.integers(0, o, n)],
        "squared_error": source.standard_normal((n, o)),
        "poisson": source.poisson(1.0, (n, o)),
    }[loss].astype(dtype)
    weights = source.uniform(0.25, 4.0, n)
    weights[3::5] = 0.0
    rows = d + p * (T + 1) + K
    terms = max(1, d + p + q)
    W = source.standard_normal((rows, shape.h)) / np.sqrt(terms)
    binned = W[d : rows - K].reshape(p, T + 1, shape.h)
    binned /= np.sqrt(T)
    if missing == 0:
        binned[:, T] = 0.0
    params = {
        "W": W,
        "b1": source.standard_normal(shape.h) / 2,
        "W2": source.standard_normal((o, shape.h)) / np.sqrt(shape.h),
        "b2": source.standard_normal(o) / 2,
    }
    samples = EncodedRows(
        numbers, (t + (T + 1) * np.arange(p)).astype(np.uint32), fractions, categories.astype(np.uint32)
    )
    x = reference.encode(numbers.astype(float), t, fractions.astype(float), categories, T, K)
    rounded = {name: value.astype(dtype).astype(float) for name, value in params.items()}
    return Problem(shape, loss, samples, x, Y, rounded, weights.astype(dtype) if weighted else None)


def noisy_problem(shape, n, **options):
    """Return a problem of two classes that follow the first number but for noise: longer trainings overfit."""
    one = problem(shape, n, "log_loss", **options)
    noise = np.random.default_rng(0).standard_normal((n, 1))
    one.Y[:] = one.samples.numbers[:, :1] + 0.7 * noise > 0
    return one


def pack(shape, params):
    """Return the parameters of the specification as the kernels have them."""
    packed = aligned_zeros(shape.count, shape.dtype)
    views = shape.views(packed)
    d, last = shape.d, shape.d + shape.p * (shape.bins + 1)
    views["W1"][:], views["C"][:] = params["W"][:d], params["W"][last:]
    views["V"][:] = params["W"][d:last].reshape(views["V"].shape)
    for name in ("b1", "W2", "b2"):
        views[name][:] = params[name]
    return packed


def unpack(shape, packed):
    """Return packed parameters, or moments, as the specification has them, in float64."""
    views = {name: value.astype(float) for name, value in shape.views(packed).items()}
    W = np.concatenate([views["W1"], views["V"].reshape(-1, shape.h), views["C"]])
    return {"W": W, **{name: views[name] for name in ("b1", "W2", "b2")}}


def padding(shape, packed):
    """Return the numbers of packed parameters that belong to no parameter."""
    marked = np.zeros(shape.count)
    for view in shape.views(marked).values():
        view[...] = 1
    return packed[marked == 0]


def training_fields(
    problem, *, batch=None, epochs=1, held=(), rates=0.5, betas=(0.75, 0.5), epsilon=1.0, seed=1, drop=0
):
    """Return the fields of a record of a training.

    `rates` is one for all steps, or an array; `held` are the held-out samples. By default there is one mini-batch. With
    an epsilon so large a step is a smooth function of the gradient.
    """
    shape, held = problem.shape, np.array(held, dtype=np.int64)
    order = np.setdiff1d(np.arange(problem.n), held)
    batch = len(order) if batch is None else batch
    dtype, lanes = shape.dtype, tuning.group_size(shape.dtype)
    groups = tuning.count_groups(batch, dtype) * lanes
    steps = epochs * -(-len(order) // batch)
    first, second, gradient, best = (aligned_zeros(shape.count, dtype) for _ in range(4))
    return {
        **shape.fields(), **problem.samples.fields(), **allocate_batch(shape, batch), "bins": shape.bins,
        "count": shape.count, "n": len(order), "n_held": len(held), "batch": batch, "epochs": epochs,
        "loss": LOSSES[problem.loss], "drop": drop, "seed": seed, "Y": problem.Y,
        "weights": problem.Y if problem.weights is None else problem.weights,
        "has_weights": problem.weights is not None, "order": order, "held": held,
        "params": pack(shape, problem.params), "best": best, "gradient": gradient, "first_moments": first,
        "second_moments": second, "rates": np.broadcast_to(rates, steps).astype(float), "beta_1": betas[0],
        "beta_2": betas[1], "epsilon": epsilon, "losses": np.zeros(epochs), "held_losses": np.zeros(epochs),
        "E": aligned_zeros(shape.E_count, dtype), "batch_Y": aligned_zeros(groups * shape.o, dtype),
        "batch_weights": aligned_zeros(groups, dtype), "dZ": aligned_zeros(batch * shape.units, dtype),
        "db2": np.zeros(shape.o), "bin_counts": aligned_zeros((shape.bins + 1) * lanes, dtype),
        "bin_totals": aligned_zeros((shape.bins + 1) * lanes, dtype),
        "control": aligned_zeros(control_words.CONTROL_SIZE, np.int64),
    }  # fmt: skip


def run_training(problem, fields):
    """Call the kernel with a record of these fields, some of which it writes."""
    provider.kernel("tabular", problem.shape.dtype)(TabularRecord(**fields))


def train(problem, **options):
    """Train by the kernel; return the fields of its record."""
    fields = training_fields(problem, **options)
    run_training(problem, fields)
    return fields


def train_by_reference(problem, **options):
    """Return what the specification makes of the same arguments."""
    fields = training_fields(problem, **options)
    x, Y, params, weights = problem.as_double()
    return reference.train(
        x, Y, params, problem.loss, fields["order"], fields["held"], batch=fields["batch"], epochs=fields["epochs"],
        rates=fields["rates"], betas=(fields["beta_1"], fields["beta_2"]), epsilon=fields["epsilon"],
        seed=fields["seed"], drop=fields["drop"], padded_units=problem.shape.units, weights=weights,
    )  # fmt: skip


def sums_of_bins(shape, packed):
    """Return E of packed parameters, in whole, added in the order in which the kernels add."""
    offsets = shape.offsets()
    V = packed[offsets["V"] : offsets["C"]].reshape(shape.p, shape.bins + 1, shape.units)
    E = np.zeros_like(V)
    for t in range(1, shape.bins):
        E[:, t] = E[:, t - 1] + V[:, t - 1]
    return E


# Sums of the magnitudes of the terms, as in data.py. A unit whose Z1 is 0 but for rounding may be on either side.


def forward_magnitudes(problem, mask):
    """Return the magnitudes for Z1, A1, Z2 and y, and where Z1 is 0 but for rounding."""
    x, _, params, _ = problem.as_double()
    y, cache = reference.forward(x, params, problem.loss, mask)
    Z1 = abs(x) @ abs(params["W"]) + abs(params["b1"])
    is_near = abs(cache["Z1"]) <= TOLERANCE[problem.shape.dtype.name] * Z1
    A1 = mask * np.where((cache["Z1"] > 0) | is_near, Z1, 0.0)
    Z2 = A1 @ abs(params["W2"]).T + abs(params["b2"])
    of_y = {
        "log_loss": lambda: y + y * (1 - y) * Z2,
        "cross_entropy": lambda: y + y * (Z2 + (y * Z2).sum(axis=1, keepdims=True)),
        "squared_error": lambda: Z2,
        "poisson": lambda: y + y * Z2,
    }[problem.loss]()
    return Z1, A1, Z2, of_y, is_near


def step_magnitudes(problem, mask):
    """Return the magnitudes for the mean loss of all samples, and for the gradients dW, db1, dW2 and db2."""
    x, Y, params, weights = problem.as_double()
    w = np.ones(problem.n) if weights is None else weights
    y, cache = reference.forward(x, params, problem.loss, mask)
    _, of_A1, of_Z2, of_y, is_near = forward_magnitudes(problem, mask)
    dZ2, of_dZ2 = w[:, None] * abs(y - Y), w[:, None] * (of_y + abs(Y))
    back = w[:, None] * abs((y - Y) @ params["W2"]) * mask
    of_dZ1 = mask * ((cache["Z1"] > 0) | is_near) * (of_dZ2 @ abs(params["W2"]))
    of_dZ1 += np.where(is_near, back, 0.0) / TOLERANCE[problem.shape.dtype.name]
    gradients = {
        "dW": abs(x).T @ of_dZ1,
        "db1": of_dZ1.sum(axis=0),
        "dW2": of_dZ2.T @ cache["A1"] + dZ2.T @ of_A1,
        "db2": of_dZ2.sum(axis=0),
    }
    losses = LOSS_MAGNITUDES[problem.loss](Y, y, of_y, of_Z2).sum(axis=1)
    return (w * losses).sum() / w.sum(), {name: value / w.sum() for name, value in gradients.items()}


# Of each term of a loss: its own size, and the magnitude for y or Z2 times the derivative.
LOSS_MAGNITUDES = {
    "log_loss": lambda Y, y, of_y, of_Z2: abs(np.log(np.where(Y == 0, 1 - y, y))) + of_y / np.where(Y == 0, 1 - y, y),
    "cross_entropy": lambda Y, y, of_y, of_Z2: Y * (abs(np.log(y)) + of_y / y),
    "squared_error": lambda Y, y, of_y, of_Z2: (0.5 * (Y - y) ** 2 + abs(Y - y) * (of_y + abs(Y))) / Y.shape[1],
    "poisson": lambda Y, y, of_y, of_Z2: Y * (abs(np.log(np.where(Y == 0, 1, Y) / y)) + 1 + of_y / y) + Y + of_y,
}


# A step worked by hand, with T = 2 bins and two category rows; the third unit is off. Encoded rows are
#
#     x = [[2, 1, 1/2, 0, 1, 0], [-1, 0, 0, 1, 0, 1]]: bin 1 and a missing value, categories 0 and 1
#     Z1 = [[3, 2, -1], [1, 3, -1]]   y = [3/2, -3/2]   y - Y = [1, -2]   losses 1/2 and 2
#
# and with a first step of Adam of the rate 1 with betas (1/2, 3/4) and epsilon 1/2, p becomes p - g / (|g| + 1).
HAND = {
    "loss": 2.5,
    "gradients": {
        "dW": np.array(
            [[2, -2, 0], [0.5, -0.5, 0], [0.25, -0.25, 0], [-1, 1, 0], [0.5, -0.5, 0], [-1, 1, 0]], dtype=float
        ),
        "db1": np.array([-0.5, 0.5, 0.0]),
        "dW2": np.array([[0.5, -2.0, 0.0]]),
        "db2": np.array([-0.5]),
    },
    "params": {
        "W": np.array(
            [
                [1 / 3, -1 / 3, 0],
                [2 / 3, 1 / 3, 0],
                [9 / 5, 21 / 5, 0],
                [1 / 2, 1 / 2, 0],
                [-1 / 3, 4 / 3, 0],
                [7 / 2, -1 / 2, 0],
            ]
        ),
        "b1": np.array([-2 / 3, 2 / 3, -1]),
        "W2": np.array([[2 / 3, -1 / 3, 7]]),
        "b2": np.array([5 / 6]),
    },
    "E": np.array([[0, 0, 0], [2 / 3, 1 / 3, 0], [0, 0, 0]]),
    "options": {"rates": 1.0, "betas": (0.5, 0.75), "epsilon": 0.5},
}


def hand_problem(dtype):
    """Return the problem of the step worked by hand."""
    samples = EncodedRows(
        np.array([[2.0], [-1.0]], dtype), np.array([[1], [2]], np.uint32), np.array([[0.5], [1.0]], dtype),
        np.array([[0], [1]], np.uint32),
    )  # fmt: skip
    params = {
        "W": np.array([[1, -1, 0], [1, 0, 0], [2, 4, 0], [0, 1, 0], [0, 1, 0], [3, 0, 0]], dtype=float),
        "b1": np.array([-1.0, 1.0, -1.0]),
        "W2": np.array([[1.0, -1.0, 7.0]]),
        "b2": np.array([0.5]),
    }
    x = np.array([[2, 1, 0.5, 0, 1, 0], [-1, 0, 0, 1, 0, 1]])
    shape = shape_of(1, 1, 1, bins=2, category_rows=2, h=3, o=1, dtype=dtype)
    return Problem(shape, "squared_error", samples, x, np.full((2, 1), 0.5, dtype), params, None)


def outputs_fields(problems, batch):
    """Return the fields of a record for the outputs of the networks of several problems of one shape.

    The samples are those of the first one. `out` (members, n, o) begins as NaN.
    """
    first = problems[0]
    shape, dtype, members = first.shape, first.shape.dtype, len(problems)
    stride, E_stride = shape.count + tuning.group_size(dtype), shape.E_count + tuning.group_size(dtype)
    params, E = aligned_zeros(members * stride, dtype), aligned_zeros(members * E_stride, dtype)
    for member, one in enumerate(problems):
        packed = pack(shape, one.params)
        params[member * stride :][: shape.count] = packed
        E[member * E_stride :][: shape.E_count] = sums_of_bins(shape, packed).ravel()
    return {
        **shape.fields(), **first.samples.fields(), **allocate_batch(shape, batch), "n": first.n, "batch": batch,
        "loss": LOSSES[first.loss], "members": members, "params": params, "stride": stride, "E": E,
        "E_stride": E_stride, "out": np.full((members, first.n, shape.o), np.nan, dtype),
        "control": aligned_zeros(control_words.CONTROL_SIZE, np.int64),
    }  # fmt: skip


def run_outputs(problem, fields, threads=1):
    """Call the kernel with records of these fields, in so many threads; each has a batch of its own."""
    batches = [allocate_batch(problem.shape, fields["batch"]) for _ in range(threads)]
    kernel = provider.kernel("tabular_outputs", problem.shape.dtype)
    run_in_threads(kernel, [TabularOutputsRecord(**fields | batch) for batch in batches])


def outputs(problems, batch, threads=1):
    """Return the outputs (members, n, o) of the kernel."""
    fields = outputs_fields(problems, batch)
    run_outputs(problems[0], fields, threads)
    return fields["out"]


def run_in_threads(kernel, records):
    """Call a kernel with each record, in a thread of its own each; with one in this thread."""
    if len(records) == 1:
        kernel(records[0])
        return
    with concurrent.futures.ThreadPoolExecutor(len(records)) as pool:
        for future in [pool.submit(kernel, record) for record in records]:
            future.result(PATIENCE)
