"""What runs while jobs.py records: public functions and estimators, so that every kernel is called as users call it.

Only the sums that machines share, of fastnn2.dask, run without it, by what its workers call.
"""

import itertools
import warnings

import numpy as np
import tabular_data
from data import RATE, problem
from held_data import sum_all
from mini_batch_data import ACTIVATIONS, LOSSES
from mini_batch_data import problem as rows_problem
from sklearn.exceptions import ConvergenceWarning

import fastnn2
from fastnn2.engine import mini_batch
from fastnn2.engine.mean_gradient import MeanGradient
from fastnn2.engine.objective import Objective
from fastnn2.engine.tabular_inference import TabularNetworks
from fastnn2.engine.tabular_training import Member, Recipe, train_members
from fastnn2.kernels.shared import control_words

DTYPES, THREADS = ("float64", "float32"), (1, 2)
# name -> (d, h, o, n), iterations, with weights and a penalty or without. An iteration takes a million multiplications,
# as thread 0 of a team may go on alone in shorter ones.
FITS = {
    "narrow": ((2, 5, 1, 11_000), 4, False),
    "narrow-weights": ((1, 3, 1, 20_003), 3, True),
    "layers": ((20, 30, 2, 1_500), 4, False),
    "layers-weights": ((7, 33, 3, 3_001), 3, True),
    "shared": ((64, 80, 3, 700), 4, True),  # parameters that all threads share
    "stealing": ((30, 40, 1, 12_000), 2, False),
    "wide": ((220, 601, 2, 150), 3, False),
    "wide-weights": ((230, 610, 1, 70), 3, True),
}


def fit(shape, iterations, weighted, dtype, threads, **options):
    d, h, o, n = shape
    X, Y, init, weights = problem(d, h, o, n, dtype)
    if weighted:
        options |= {"alpha": 0.5, "sample_weight": weights}
    fastnn2.fit(X, Y, RATE, h, iterations, init=init, n_threads=threads, progress=False, **options)


def fit_with_pauses(dtype, threads):
    """Thread 0 leaves the kernel after each iteration, and the workers stay."""
    for name in ("narrow", "layers", "wide")[: 1 + threads]:
        shape, iterations, weighted = FITS[name]
        fit(shape, iterations, weighted, dtype, threads, callback=lambda *_: None)


def take_steps(dtype):
    for d, h, o, n, weighted in ((2, 5, 1, 70, False), (20, 33, 3, 1000, True)):
        X, Y, params, weights = problem(d, h, o, n, dtype)
        options = {"alpha": 0.5, "sample_weight": weights} if weighted else {}
        y, cache = fastnn2.forward(X, params)
        fastnn2.cost(y, Y, **options, **({"params": params} if weighted else {}))
        fastnn2.update(fastnn2.backward(X, Y, params, cache, **options), params, RATE)


def fit_blocks(shape, dtype, threads, limit, weighted):
    d, h, o, n = shape
    X, Y, init, weights = problem(d, h, o, n, dtype)
    samples = [np.ascontiguousarray(array.T) for array in (X, Y)] + [weights] * weighted
    fastnn2.fit_blocks(
        tuple(samples), RATE, h, 3, init=init, n_threads=threads, progress=False, memory_limit=limit, alpha=0.5
    )


def sum_losses(dtype):
    for activation, loss in zip(ACTIVATIONS, LOSSES, strict=True):
        d, h, o, n = 5, 9, 3, 1003
        X, Y, params, weights = rows_problem(d, h, o, n, loss, dtype)
        objective = Objective(d, h, o, n, np.dtype(dtype), True, ACTIVATIONS[activation], LOSSES[loss])
        MeanGradient(objective, 0.1)(params, sum_all(objective, (X, Y, weights), params))


def sum_costs(dtype):
    for d, h, o, n in ((2, 5, 1, 3001), (5, 9, 3, 3001)):
        X, Y, params, weights = rows_problem(d, h, o, n, "log_loss", dtype)
        sum_all(Objective(d, h, o, n, np.dtype(dtype), True), (X, Y, weights), params)


def classes(d, n, dtype, seed=0):
    source = np.random.RandomState([seed, d, n])
    X = (4 * source.random_sample((n, d)) - 2).astype(dtype)
    return X, (2 * (X[:, 0] * X[:, 1] > 0) + (X[:, 1] > X[:, 2])).astype(int)


def fit_estimators(dtype, threads, by_units):
    """Mini-batches whose hidden units are shared, or their samples, with each activation and loss; then predictions."""
    options = {"hidden_layer_sizes": 60} if by_units else {"hidden_layer_sizes": 7, "batch_size": 700}
    options |= {"max_iter": 3, "random_state": 1, "n_threads": threads}
    X, y = classes(10, 1500, dtype)
    weights = np.arange(1500) % 7 / 4
    fastnn2.MLPClassifier(activation="relu", solver="adam", **options).fit(X, y)
    fastnn2.MLPClassifier(activation="tanh", solver="sgd", shuffle=False, **options).fit(X, y > 1, weights)
    fastnn2.MLPRegressor(activation="logistic", solver="sgd", momentum=0.5, **options).fit(X, y)
    poisson = {"loss": "poisson", "activation": "identity", "learning_rate_init": 1e-3}
    fastnn2.MLPRegressor(**poisson, nesterovs_momentum=False, solver="sgd", **options).fit(X, y, weights)
    if not by_units:
        fastnn2.MLPClassifier(solver="lbfgs", **options).fit(X, y)


def fit_sparse(dtype, threads):
    import scipy.sparse

    X, y = classes(10, 900, dtype)
    X = scipy.sparse.csr_array(np.where(abs(X) > 1.5, X, 0))
    for options in ({"hidden_layer_sizes": 60}, {"hidden_layer_sizes": 7, "batch_size": 400}):
        model = fastnn2.MLPClassifier(max_iter=2, random_state=1, n_threads=threads, **options).fit(X, y)
        model.predict_proba(X)


def wait_between_runs(dtype, threads):
    """A team waits in the kernel while the validation set is predicted."""
    X, y = classes(10, 1500, dtype)
    for options in ({"hidden_layer_sizes": 60}, {"hidden_layer_sizes": 7, "batch_size": 700}):
        fastnn2.MLPClassifier(max_iter=5, early_stopping=True, random_state=1, n_threads=threads, **options).fit(X, y)


def predict(dtype, threads):
    X, y = classes(10, 300, dtype)
    for options in ({}, {"activation": "logistic", "hidden_layer_sizes": 9}):
        model = fastnn2.MLPClassifier(max_iter=1, random_state=1, n_threads=threads, **options).fit(X, y)
        for n in (1, 7000):
            model.predict_proba(classes(10, n, dtype, seed=1)[0])


def fit_many(dtype, threads):
    """Networks that share samples, in groups, and others whose samples threads lay out."""
    X, Y, _, weights = problem(9, 5, 2, 900, dtype)
    inputs, targets = [X, X, X[:2], X[:1, ::-1], np.asfortranarray(X)], [Y, Y, Y[:1], Y[0], Y.copy()]
    some = [weights, None, weights, None, weights.copy()]
    options = {"alpha": 0.5, "sample_weight": some, "n_threads": threads, "progress": False}
    for costs in ("all", "last"):
        fastnn2.fit_many(inputs, targets, RATE, [7, 5, 4, 9, 60], [4, 5, 6, 7, 8], costs=costs, **options)


def fit_tabular(loss, o, dtype, threads):
    """The members of an ensemble, side by side; and one alone, by the kernel that is called for each of them."""
    shape = tabular_data.shape_of(3, 4, 2, bins=5, h=40, o=o, dtype=dtype)
    one = tabular_data.problem(shape, 400, loss, weighted=o > 1)
    packed, kind = tabular_data.pack(shape, one.params), tabular_data.LOSSES[loss]
    recipe = Recipe(kind, 2, 64, 38, np.full(2 * -(-300 // 64), 0.01), 0.9, 0.95, 1e-8)
    orders = [np.random.RandomState(seed).permutation(400) for seed in range(3)]
    members = [Member(packed, order[100:].copy(), order[:100].copy(), seed) for seed, order in enumerate(orders)]
    train_members(shape, one.samples, one.Y, one.weights, members, recipe, threads, progress=False)
    TabularNetworks(shape, [member.params for member in members], kind).outputs(one.samples, threads)
    if threads == 1:
        tabular_data.train(one, batch=64, epochs=2, held=range(5, 100), drop=38, epsilon=1e-8, rates=0.01)


def keep_whole(new):
    """Let thread 0 of a new team of mini-batches never go on alone: its waits seem short beside the rest."""

    def create(self, *arguments):
        new(self, *arguments)
        self.control[control_words.ELAPSED] = 1 << 60

    return create


def quietly(run):
    """Let the fits of a run end before they converge."""

    def call(*arguments):
        with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):
            run(*arguments)

    return call


def runs():
    """Yield the name of a run and what it calls: a function and its arguments."""
    for dtype, threads in itertools.product(DTYPES, THREADS):
        for name, problem_of_fit in FITS.items():
            yield f"fit-{name}", fit, *problem_of_fit, dtype, threads
        yield "pauses", fit_with_pauses, dtype, threads
        for limit, weighted in (("100MB", True), ("600kB", True), ("600kB", False)):
            what = f"{limit}{'-weights' * weighted}"
            yield f"blocks-narrow-{what}", fit_blocks, (2, 5, 1, 30_000), dtype, threads, limit, weighted
            yield f"blocks-layers-{what}", fit_blocks, (12, 20, 2, 20_000), dtype, threads, limit, weighted
        for by_units in (False, True):
            yield f"by-{'units' if by_units else 'samples'}", quietly(fit_estimators), dtype, threads, by_units
        yield "sparse", quietly(fit_sparse), dtype, threads
        yield "waiting", quietly(wait_between_runs), dtype, threads
        yield "predictions", quietly(predict), dtype, threads
        yield "many", fit_many, dtype, threads
        for loss, o in (("log_loss", 1), ("cross_entropy", 3), ("poisson", 1), ("squared_error", 2)):
            yield f"tabular-{loss}", fit_tabular, loss, o, dtype, threads
    for dtype in DTYPES:
        yield "steps", take_steps, dtype
        yield "losses", sum_losses, dtype
        yield "costs", sum_costs, dtype


RUNS = dict[str, list]()
for _name, *_call in runs():
    RUNS.setdefault(_name, []).append(_call)
mini_batch.RunArrays.__init__ = keep_whole(mini_batch.RunArrays.__init__)
