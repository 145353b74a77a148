"""Rows of the table of results: MLPClassifier and MLPRegressor, by their public methods and attributes alone.

Some numbers are NumPy's, SciPy's or scikit-learn's, and may differ between processors. Rows that contain them are bound
to one machine, and say by what: L-BFGS; predictions from a sparse X with few numbers; losses and scores of the
validation set. Where only the fit is in a row, early stopping depends only on which score is the best.

Most rows of Adam have betas whose powers are exact: 1/2, or for up to 22 steps 5/8, with which products are rounded as
with the usual ones.
"""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from results_rows import DTYPES, THREADS, PortableState, Row, of_threads

import fastnn2

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
CLASSES = ("binary", "softmax", "labels")
KINDS = (*CLASSES, "number", "numbers", "counts")
SOLVERS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "adam-1/2": {"solver": "adam", "beta_1": 0.5, "beta_2": 0.5, "learning_rate_init": 0.02},
    "adam-5/8": {"solver": "adam", "beta_1": 0.625, "beta_2": 0.625, "learning_rate_init": 0.02},
    "adam": {"solver": "adam", "batch_size": 100},
    "lbfgs": {"solver": "lbfgs", "max_iter": 10},
}
BOUND_SOLVERS = {"lbfgs": "the steps are SciPy's, with its BLAS"}
BY_VALIDATION = "losses and scores of the validation set are scikit-learn's, with NumPy's sums and the C library's log"
BY_SPARSE = "with less than a tenth, products are SciPy's and BLAS's, exp and tanh NumPy's"


def data(kind: str, n: int, d: int, dtype: str, outputs: int | None = None) -> tuple[Any, Any, Any]:
    """Return X (n, d), y and weights, which are eighths: their sum is exact in whatever order they are added.

    There are three or four outputs, or classes, or one output, where no number is named.
    """
    source = np.random.RandomState([n, d])
    X = 4 * source.random_sample((n, d)) - 2
    weights = source.randint(1, 25, n, dtype=np.int64) / 8
    weights[5::7] = 0.0
    product, difference = X[:, 0] * X[:, 1], X[:, 1] - X[:, 2]
    y = {
        "binary": product > 0.25,
        "softmax": 2 * (product > 0) + (difference > 0.5),
        "labels": np.column_stack([product > 0, difference > 0, X[:, 0] > 1]),
        "number": product + difference / 2,
        "numbers": np.column_stack([product, difference, product - difference]),
        "counts": np.floor(abs(product)),
    }[kind]
    if outputs is not None:
        columns = np.column_stack([X[:, k % d] * X[:, (3 * k + 1) % d] - k / outputs for k in range(outputs)])
        y = {
            "softmax": np.floor((X[:, 0] + 2) / 4 * outputs),
            "labels": columns > 0,
            "numbers": columns,
            "counts": np.floor(abs(columns)),
        }[kind]
    return X.astype(dtype), y.astype(int) if kind in CLASSES else y, weights


def new_model(kind: str, threads: int | None, options: dict[str, Any]) -> Any:
    """Return a model that is not fitted, for one thread where no number is named."""
    options = {"hidden_layer_sizes": 24, "max_iter": 6, "random_state": PortableState(1)} | options
    options["n_threads"] = threads or 1
    if kind in CLASSES:
        return fastnn2.MLPClassifier(**options)
    return fastnn2.MLPRegressor(loss="poisson" if kind == "counts" else "squared_error", **options)


def as_sparse(X: Any, kind: str) -> Any:
    # Imported here, as sklearn is below, so that a process that computes no estimator starts quickly.
    import scipy.sparse

    return getattr(scipy.sparse, kind)(X)


@contextlib.contextmanager
def cut_short() -> Iterator[None]:
    """Expect fits that end before they converge."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):
        yield


def predictions(model: Any, X: Any) -> list[Any]:
    return [model.predict(X), model.predict_proba(X)] if hasattr(model, "classes_") else [model.predict(X)]


def estimator(
    group: str, solver: str, kind: str, dtype: str, options: dict[str, Any] | None = None, *, n: int = 500, d: int = 10,
    outputs: int | None = None, weighted: bool = False, parts: int = 1, fits: int = 1, sparse: str = "",
    of_validation: bool = False, threads: int | None = None,
) -> Row:  # fmt: skip
    """Return a row of what a fit leaves in a model, and of its predictions.

    Of several parts, each is handed to partial_fit, twice; several fits are a warm start. A quarter of a sparse X is
    not 0. Losses and scores of the validation set are part of the row if `of_validation`.
    """
    options = options or {}

    def compute() -> Any:
        X, y, weights = data(kind, n, d, dtype, outputs)
        if sparse:
            X = as_sparse(np.where(abs(X) > 1.5, X, 0), sparse)
        model = new_model(kind, threads, SOLVERS[solver] | options)
        with cut_short():
            if parts > 1:
                named = {}
                if kind in CLASSES:
                    named["classes"] = np.arange(3) if kind == "labels" else np.unique(y)
                for part in 2 * np.array_split(np.arange(n), parts):
                    if weighted:
                        named["sample_weight"] = weights[part]
                    model.partial_fit(X[part], y[part], **named)
            else:
                for _ in range(fits):
                    model.fit(X, y, sample_weight=weights if weighted else None)
        results = [model.coefs_, model.intercepts_, model.loss_, model.n_iter_, predictions(model, X)]
        if solver != "lbfgs":
            results.append(model.loss_curve_)
        if of_validation:
            results += [model.validation_scores_, model.validation_loss_curve_]
        return results

    words = [dtype, *(f"{key}={value}" for key, value in options.items() if key != "hidden_layer_sizes")]
    words += [f"{parts} parts"] * (parts > 1) + [f"{fits} fits"] * (fits > 1) + ["weights"] * weighted
    words += [sparse, "losses of validation" * of_validation]
    shape = f"{d}-{options.get('hidden_layer_sizes', 24)}" + (f"-{outputs}" if outputs else "")
    case = f"estimator {solver} {kind} {shape} n={n} {', '.join(filter(None, words))}"
    bound_by = BY_VALIDATION if of_validation else BOUND_SOLVERS.get(solver, "")
    return Row(group, case, of_threads(threads), compute, bound_by)


def solver_rows() -> Iterator[Row]:
    """Yield each activation with each loss, hidden units or samples of a mini-batch shared among the threads."""
    for dtype in DTYPES:
        for solver in ("sgd", "adam-5/8"):
            units_shared = (solver == "sgd") == (dtype == "float64")
            shared = {} if units_shared else {"hidden_layer_sizes": 7, "batch_size": 300}
            for activation in ACTIVATIONS:
                for kind in KINDS:
                    group = f"estimator {solver}, activations, losses, {dtype}"
                    yield estimator(group, solver, kind, dtype, {"activation": activation, **shared})


# Options of the model, and of the row.
OF_SGD: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"momentum": 0.0}, {}),
    ({"momentum": 0.5, "nesterovs_momentum": False}, {}),
    ({"momentum": 0.5}, {"weighted": True}),
    ({"learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1, "max_iter": 40}, {}),
    ({"learning_rate": "invscaling", "power_t": 1.0}, {}),  # a power that is exact
    ({"learning_rate": "invscaling", "power_t": 0.3}, {}),
    ({"learning_rate": "invscaling"}, {}),
)
OF_BOTH: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"alpha": 2.0}, {"weighted": True}),
    # A penalty that is most of the loss, in many losses: the sum mostly hides its last bits.
    ({"alpha": 50.0, "hidden_layer_sizes": 300, "max_iter": 30}, {}),
    ({"alpha": 50.0, "hidden_layer_sizes": 300, "batch_size": 1100, "max_iter": 30}, {"n": 1100}),
    ({"batch_size": 1, "max_iter": 2, "learning_rate_init": 0.005}, {}),
    ({"batch_size": 7, "max_iter": 3, "learning_rate_init": 0.005}, {"weighted": True}),
    ({"batch_size": 33}, {}),
    ({"batch_size": 64, "hidden_layer_sizes": 61}, {}),
    ({"batch_size": 499}, {}),
    ({"batch_size": 500, "hidden_layer_sizes": 5}, {}),
    ({"batch_size": 200, "hidden_layer_sizes": 1}, {}),
    ({"batch_size": 1100, "hidden_layer_sizes": 90}, {"n": 2500, "d": 40}),
    ({"batch_size": 200, "hidden_layer_sizes": 100}, {"d": 160}),
    ({"shuffle": False}, {}),
    ({"shuffle": False, "batch_size": 500, "hidden_layer_sizes": 9, "max_iter": 20}, {"weighted": True}),
    ({"tol": 0.05, "n_iter_no_change": 2, "max_iter": 60}, {}),
    ({}, {"parts": 3}),
    ({"hidden_layer_sizes": 7}, {"parts": 2, "weighted": True}),
    ({"warm_start": True, "max_iter": 3}, {"fits": 3}),
    ({"early_stopping": True, "n_iter_no_change": 3, "max_iter": 30}, {}),
    ({"early_stopping": True, "validation_fraction": 0.3, "max_iter": 10}, {"weighted": True}),
    ({"batch_size": 50}, {"sparse": "csr_array"}),
    ({"shuffle": False}, {"sparse": "csc_array", "weighted": True}),
    ({"hidden_layer_sizes": 7, "batch_size": 300}, {"sparse": "csr_matrix"}),
)


def option_rows() -> Iterator[Row]:
    """Yield what else may be chosen; the loss and the activation are others each time, until all have met."""
    number = 0
    for solver, choices in (("sgd", OF_SGD + OF_BOTH), ("adam-1/2", OF_BOTH)):
        for dtype in DTYPES:
            for options, of_row in choices:
                kind, activation = KINDS[number % 6], ACTIVATIONS[(number + number // 6) % 4]
                number += 1
                options = {"activation": activation} | options
                yield estimator(f"estimator {solver}, options, {dtype}", solver, kind, dtype, options, **of_row)
    for kind in ("softmax", "labels", "numbers", "counts"):
        for dtype in DTYPES:
            for options in ({}, {"hidden_layer_sizes": 7, "batch_size": 300}):
                yield estimator("estimator, many outputs", "sgd", kind, dtype, options, outputs=70)
    for kind, class_weight in (("binary", {1: 2.5}), ("softmax", {0: 0.5, 3: 4.0}), ("softmax", "balanced")):
        for weighted in (False, True):
            options = {"class_weight": class_weight}
            yield estimator("estimator, class weights", "sgd", kind, "float64", options, weighted=weighted)


def other_rows() -> Iterator[Row]:
    """Yield losses and scores of validation sets, Adam with the usual betas, and L-BFGS."""
    for place, kind in enumerate(KINDS):
        yield estimator(
            "estimator sgd, validation", "sgd", kind, DTYPES[place % 2], {"early_stopping": True, "max_iter": 10},
            weighted=place % 3 == 1, of_validation=True,
        )  # fmt: skip
    for solver in ("adam", "lbfgs"):
        group = f"estimator {solver}"
        for dtype in DTYPES:
            for place, kind in enumerate(KINDS):
                options = {"activation": ACTIVATIONS[(place + (dtype == "float32")) % 4]}
                yield estimator(group, solver, kind, dtype, options, weighted=place % 3 == 1)
        yield estimator(group, solver, "number", "float64", {"warm_start": True, "max_iter": 4}, fits=2)
        yield estimator(group, solver, "softmax", "float64", sparse="csr_array")
        for threads in THREADS:
            yield estimator(group, solver, "numbers", "float64", {"max_iter": 4}, n=2000, threads=threads)
    yield estimator("estimator adam", "adam", "softmax", "float64", parts=2)


def thread_rows() -> Iterator[Row]:
    for dtype in DTYPES:
        for solver, kind, n, d, options, of_row in (
            ("sgd", "binary", 500, 10, {"hidden_layer_sizes": 100}, {"weighted": True}),
            ("adam-5/8", "softmax", 500, 10, {"hidden_layer_sizes": 47, "activation": "tanh"}, {}),
            ("sgd", "numbers", 2500, 10, {"hidden_layer_sizes": 30, "batch_size": 1000, "shuffle": False}, {}),
            ("adam-5/8", "labels", 2500, 20, {"hidden_layer_sizes": 64, "batch_size": 2500}, {"weighted": True}),
            ("adam-5/8", "counts", 600, 10, {"hidden_layer_sizes": 20, "early_stopping": True}, {}),
            ("sgd", "softmax", 900, 30, {"hidden_layer_sizes": 50}, {"sparse": "csr_array"}),
            ("adam-5/8", "binary", 600, 20, {"hidden_layer_sizes": 163, "activation": "logistic"}, {}),
            ("sgd", "number", 9000, 15, {"hidden_layer_sizes": 30, "batch_size": 9000, "activation": "tanh"}, {}),
        ):  # fmt: skip
            for threads in THREADS:
                group = f"estimator, threads, {dtype}"
                yield estimator(group, solver, kind, dtype, options, n=n, d=d, threads=threads, **of_row)


def prediction_rows() -> Iterator[Row]:
    """Yield predictions of other samples than those of the fit, dense and sparse, in the model's dtype or another."""

    def row(kind: str, n: int, dtype: str, *, of_X: str = "", share: float = 1.0, threads: int | None = None) -> Row:
        def compute() -> Any:
            X, y, _ = data(kind, 200, 10, dtype)
            model = new_model(kind, threads, SOLVERS["sgd"] | {"max_iter": 1})
            with cut_short():
                model.fit(X, y)
            source = np.random.RandomState(n)
            X = (4 * source.random_sample((n, 10)) - 2).astype(of_X or dtype)
            if share < 1:
                X = as_sparse(np.where(source.random_sample(X.shape) < share, X, 0), "csr_array")
            return predictions(model, X)

        words = [dtype, f"X of {of_X}" if of_X else "", f"{share:.0%} not 0" if share < 1 else ""]
        case = f"predictions {kind} 10-24 n={n} {', '.join(filter(None, words))}"
        return Row("predictions", case, of_threads(threads), compute, BY_SPARSE if share < 0.1 else "")

    for dtype in DTYPES:
        for kind in KINDS:
            yield row(kind, 65, dtype)
            yield row(kind, 300, dtype, share=0.03)
        for n in (1, 7, 1000):
            yield row("softmax", n, dtype)
        yield row("number", 300, dtype, of_X=DTYPES[1 - DTYPES.index(dtype)])
        yield row("softmax", 300, dtype, share=0.3)
        for threads in THREADS:
            yield row("labels", 20_000, dtype, threads=threads)


def rows() -> Iterator[Row]:
    """Yield all rows of estimators."""
    yield from solver_rows()
    yield from option_rows()
    yield from other_rows()
    yield from thread_rows()
    yield from prediction_rows()
