"""Problems, names and tolerances that the tests of mini-batch training and inference share."""

import numpy as np

from fastnn2 import reference_mlp
from fastnn2.engine import mini_batch
from fastnn2.kernels.shared import choices, control_words, tuning

ACTIVATIONS = {"identity": choices.IDENTITY, "logistic": choices.LOGISTIC, "tanh": choices.TANH, "relu": choices.RELU}
LOSSES = {
    "log_loss": choices.LOG_LOSS,
    "cross_entropy": choices.CROSS_ENTROPY,
    "squared_error": choices.SQUARED_ERROR,
    "poisson": choices.POISSON,
}
# After some steps with rounding errors, relative to the largest number of an array.
TOLERANCE = {"float64": 1e-12, "float32": 2e-4}
# d, h, o, n, batch: ones, primes, incomplete blocks, groups and batches, many outputs, chunks with several tiles.
SHAPES = [
    (1, 1, 1, 1, 1),
    (2, 5, 1, 70, 70),
    (3, 4, 2, 50, 9),
    (7, 3, 3, 65, 32),
    (8, 13, 1, 200, 66),
    (9, 6, 8, 131, 130),
    (30, 100, 1, 450, 200),
    (17, 11, 10, 333, 100),
    (20, 27, 1, 300, 128),
    (6, 50, 9, 190, 64),
    (5, 7, 11, 3000, 3000),
]
OPTIMIZERS = {
    "sgd": {"optimizer": choices.SGD, "beta_1": 0.9},
    "nesterov": {"optimizer": choices.SGD, "beta_1": 0.9, "nesterov": True},
    "adam": {"optimizer": choices.ADAM, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6},
}


def problem(d, h, o, n, loss, dtype):
    """Return X (n, d), Y (n, o), packed parameters, and sample weights of which some are zero."""
    source = np.random.RandomState(d + h + o + n)
    X = source.randn(n, d)
    Y = {
        "log_loss": source.randint(0, 2, (n, o)),
        "cross_entropy": np.eye(o)[source.randint(0, o, n)],
        "squared_error": source.randn(n, o),
        "poisson": source.poisson(1.0, (n, o)),
    }[loss]
    params = source.randn(tuning.count_params(d, h, o)) / np.sqrt(d + h)
    weights = source.uniform(0.25, 4.0, n)
    weights[3::5] = 0.0
    weights[0] = 1.0
    return X.astype(dtype), Y.astype(dtype), params.astype(dtype), weights.astype(dtype)


def as_dict(flat, d, h, o):
    """Return packed parameters as a dict, in float64."""
    parts = np.split(flat.astype(float), np.cumsum([h * d, h, o * h]))
    shapes = ((h, d), (h, 1), (o, h), (o, 1))
    return {
        name: part.reshape(shape) for name, part, shape in zip(("W1", "b1", "W2", "b2"), parts, shapes, strict=True)
    }


def as_flat(params):
    return np.concatenate([params[name].ravel() for name in ("W1", "b1", "W2", "b2")])


def make_trainer(shape, activation, loss, dtype, weighted=True, alpha=0.1, n_threads=1, **options):
    d, h, o, n, batch = shape
    X, Y, params, weights = problem(d, h, o, n, loss, dtype)
    network = mini_batch.Network(d, h, o, ACTIVATIONS[activation], LOSSES[loss])
    return mini_batch.MiniBatchTrainer(
        network, mini_batch.SampleMatrix(X, dtype), Y, weights if weighted else None, params, alpha=alpha, batch=batch,
        n_threads=n_threads, **options,
    )  # fmt: skip


def orders_and_rates(shape, n_batches, epochs, shuffle):
    source = np.random.RandomState(4)
    orders = np.array([source.permutation(shape[3]) for _ in range(epochs)]) if shuffle else None
    return orders, source.uniform(0.001, 0.01, epochs * n_batches)


def reference_run(shape, activation, loss, dtype, weighted, alpha, optimizer, orders, rates, epochs):
    """Return losses and parameters of the same training by the reference, in float64."""
    d, h, o, n, batch = shape
    X, Y, params, weights = (array.astype(float) for array in problem(d, h, o, n, loss, dtype))
    trained = as_dict(params, d, h, o)
    moments = [{name: np.zeros_like(value) for name, value in trained.items()} for _ in range(2)]
    options = {name: value for name, value in OPTIMIZERS[optimizer].items() if name != "optimizer"}
    n_batches = len(rates) // epochs

    def make_step(rate):
        def step(params, gradients, number):
            if optimizer == "adam":
                reference_mlp.adam(params, gradients, moments, rate[number], **options)
            else:
                momentum, nesterov = options["beta_1"], options.get("nesterov", False)
                reference_mlp.sgd(params, gradients, moments[:1], rate[number], momentum, nesterov)

        return step

    losses = [
        reference_mlp.epoch(
            X.T, Y.T, trained, np.arange(n) if orders is None else orders[e], batch,
            make_step(rates[e * n_batches :][:n_batches]), activation, loss, alpha=alpha,
            sample_weight=weights if weighted else None,
        )
        for e in range(epochs)
    ]  # fmt: skip
    return np.array(losses), as_flat(trained)


def assert_near(result, expected, dtype, what):
    scale = max(abs(expected).max(), 1.0)
    assert abs(result.astype(float) - expected).max() <= TOLERANCE[dtype] * scale, what


def begin_runs_with(word, value, monkeypatch):
    """Set a control word of all new teams of mini-batches."""

    def new(self, *arguments, create=mini_batch.RunArrays.__init__):
        create(self, *arguments)
        self.control[word] = value

    monkeypatch.setattr(mini_batch.RunArrays, "__init__", new)


def keep_teams_whole(monkeypatch):
    """Let thread 0 never go on alone, as it does on a busy machine: its waits seem short beside the rest."""
    begin_runs_with(control_words.ELAPSED, 1 << 60, monkeypatch)
