"""Rows of the table of results: fits and steps, by the public functions alone.

So a row means the same however the modules are arranged. Names of kernels are mere text here; a test compares them with
the kernels that are chosen.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from results_rows import DTYPES, THREADS, Row, of_threads, problem

import fastnn2

RATE = 0.3

# Around halves, groups (32 or 64 samples), two chunks (200), tiles of up to 16 groups, and more chunks.
COUNTS = (1, 2, 7, 16, 17, 31, 32, 33, 48, 63, 64, 65, 129, 199, 200, 256, 257, 511, 512, 513, 1025, 2500, 4097)
PREDICTED = {"float64": 500, "float32": 600}  # the same samples would have the same labels
WIDE_COUNTS = (1, 7, 31, 32, 33, 64, 65, 255, 256, 257, 300, 513)

# d-h-o of a network: inputs and units in blocks or not, rests of blocks, sums over lanes and in panels (from 32 units
# and 32 or 64 inputs on), pieces of inputs (from 144 on), outputs in blocks (from 8 on), parameters that the threads
# share (from 4096 on), tiles of two to sixteen groups.
SHAPES = (
    "1-1-2 1-3-2 2-3-3 2-40-8 3-1-1 3-2-1 3-5-1 7-4-1 8-2-1 8-3-1 8-4-2 9-7-3 9-11-1 13-10-1 16-32-1 31-33-2 32-32-1 "
    "33-32-1 64-35-1 65-40-2 70-64-1 128-31-1 130-33-1 143-10-2 144-10-1 200-20-2 300-12-1 500-8-2 40-99-1 41-99-1 "
    "100-50-2 30-200-3 5-6-8 3-3-9 10-20-33 4-12-70 17-40-11 40-100-10 6-37-64 1-20-150 60-540-1 150-540-1 "
    "500-500-2 1500-300-1 3000-40-1"
)


def name_of_fit(kernel: str, shape: str, n: int, dtype: str, options: list[str], iterations: int) -> str:
    return f"fit {kernel} {shape} n={n} {', '.join([dtype, *options])}, {iterations} iteration{'s' * (iterations > 1)}"


def sizes(shape: str) -> tuple[int, int, int]:
    d, h, o = map(int, shape.split("-"))
    return d, h, o


def fit(
    group: str, kernel: str, shape: str, n: int, dtype: str, iterations: int, *, alpha: float = 0.0,
    weighted: bool = False, scale: float = 1.0, threads: int | None = None,
) -> Row:  # fmt: skip
    """Return a row of `fit`, on one thread where no number is named; a large scale makes the outputs very sure."""

    def compute() -> Any:
        d, h, o = sizes(shape)
        X, Y, init, weights = problem(d, h, o, n, dtype)
        X, init["W2"] = X * X.dtype.type(scale), init["W2"] * X.dtype.type(10 * scale if scale > 1 else 1)
        return fastnn2.fit(
            X, Y, RATE, h, iterations, init=init, alpha=alpha, sample_weight=weights if weighted else None,
            n_threads=threads or 1,
        )  # fmt: skip

    options = [f"alpha {alpha:g}"] * (alpha != 0) + ["weights"] * weighted + ["sure"] * (scale != 1)
    return Row(group, name_of_fit(kernel, shape, n, dtype, options, iterations), of_threads(threads), compute)


BOTH = {"alpha": 0.5, "weighted": True}
OPTIONS = ({"alpha": 0.5}, {"weighted": True}, BOTH)
PENALTY = {"alpha": 20.0}  # most of the cost of a few samples; of a smaller penalty, the sum hides the last bits
# shape, n, iterations, options; by kernel
OF_THREADS: dict[str, tuple[tuple[str, int, int, dict[str, Any]], ...]] = {
    "train_narrow": (
        ("2-5-1", 500, 40, {}),
        ("2-20-1", 3000, 10, BOTH),
        ("1-64-1", 9000, 4, {"weighted": True}),
        ("2-5-1", 31_000, 4, {}),
        ("2-3-1", 70_000, 3, {"alpha": 1.0}),
    ),
    "train": (
        ("9-7-3", 700, 20, BOTH),
        ("20-30-1", 3000, 5, {}),
        ("100-50-2", 900, 4, {"weighted": True}),
        ("200-20-2", 900, 4, {"alpha": 0.5}),
        ("5-6-12", 1500, 5, {"weighted": True}),
        ("70-40-1", 2500, 3, {"alpha": 0.5}),
        ("10-64-1", 6000, 3, {}),
        ("64-300-10", 1100, 2, BOTH),
        ("12-20-1", 20_000, 2, {"weighted": True}),
        ("100-500-5", 5000, 1, {"alpha": 0.5}),
        ("100-50-2", 5000, 6, {}),
    ),
    "train_wide": (("220-601-1", 600, 2, {}), ("130-1030-2", 290, 3, BOTH)),
}


def rows_of_threads(kernel: str) -> Iterator[Row]:
    for dtype in DTYPES:
        for shape, n, iterations, options in OF_THREADS[kernel]:
            for threads in THREADS:
                group = f"fit {kernel}, threads, {dtype}"
                yield fit(group, kernel, shape, n, dtype, iterations, threads=threads, **options)


def narrow_rows() -> Iterator[Row]:
    """Yield fits with one or two inputs and one output."""
    kernel = "train_narrow"
    for dtype in DTYPES:
        for n in COUNTS:
            yield fit(f"fit {kernel}, samples, {dtype}", kernel, "2-12-1", n, dtype, 10)
        for d in (1, 2):
            for h in (1, 2, 3, 4, 5, 7, 8, 9, 12, 33, 100):
                group = f"fit {kernel}, shapes, {dtype}"
                yield fit(group, kernel, f"{d}-{h}-1", 130, dtype, 5, alpha=(h % 3) / 8, weighted=h % 2 == 0)
        group = f"fit {kernel}, options, {dtype}"
        for options in OPTIONS:
            for n in (7, 300):
                yield fit(group, kernel, "2-5-1", n, dtype, 20, **options)
        yield fit(group, kernel, "2-100-1", 9, dtype, 5, **PENALTY)
        for shape in ("1-7-1", "2-7-1"):
            for weighted in (False, True):
                yield fit(group, kernel, shape, 700, dtype, 40, scale=20, weighted=weighted)
        for iterations in (1, 2, 3, 50, 200):
            yield fit(group, kernel, "2-5-1", 500, dtype, iterations)


def layered_rows() -> Iterator[Row]:
    """Yield fits of other networks, but for the widest."""
    kernel = "train"
    for dtype in DTYPES:
        for n in COUNTS:
            yield fit(f"fit {kernel}, samples, {dtype}", kernel, "9-16-3", n, dtype, 5)
        for n in (1025, 2500):
            yield fit(f"fit {kernel}, samples, {dtype}", kernel, "3-2-2", n, dtype, 5)
        for n in COUNTS[:-2]:
            yield fit(f"fit {kernel}, samples, panels, {dtype}", kernel, "70-36-2", n, dtype, 3)
        for place, shape in enumerate(SHAPES.split()):
            group = f"fit {kernel}, shapes, {dtype}"
            yield fit(group, kernel, shape, 150, dtype, 3, alpha=(place % 3) / 8, weighted=place % 2 == 0)
        group = f"fit {kernel}, options, {dtype}"
        for shape in ("9-7-3", "100-50-2"):
            for options in OPTIONS:
                yield fit(group, kernel, shape, 300, dtype, 10, **options)
            yield fit(group, kernel, shape, 9, dtype, 5, **PENALTY)
        for weighted in (False, True):
            yield fit(group, kernel, "3-4-2", 300, dtype, 40, scale=20, weighted=weighted)
        for iterations in (1, 2, 3, 50, 200):
            yield fit(group, kernel, "5-6-2", 100, dtype, iterations)


def wide_rows() -> Iterator[Row]:
    """Yield fits of hidden layers so wide that their units are shared among the threads."""
    kernel = "train_wide"
    for dtype in DTYPES:
        for n in WIDE_COUNTS:
            yield fit(f"fit {kernel}, samples, {dtype}", kernel, "220-600-1", n, dtype, 2)
        group = f"fit {kernel}, options, {dtype}"
        for options in OPTIONS:
            yield fit(group, kernel, "220-600-1", 100, dtype, 3, **options)
        yield fit(group, kernel, "220-600-1", 9, dtype, 3, **PENALTY)
        yield fit(group, kernel, "400-640-2", 5, dtype, 3)
        yield fit(group, kernel, "12-9500-1", 70, dtype, 2, alpha=0.5)
        yield fit(group, kernel, "60-1900-12", 40, dtype, 3, weighted=True)


# What is done to an array of small integers in float64; no bit of the result may depend on it.
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "as drawn": lambda A: A,
    "in order of Fortran": np.asfortranarray,
    "every third of more": lambda A: np.repeat(A, 3, axis=1)[:, ::3],
    "backwards in memory": lambda A: A[::-1, ::-1].copy()[::-1, ::-1],
    "big-endian": lambda A: A.astype(">f8"),
    "as lists": lambda A: A.tolist(),
    "float32": lambda A: A.astype(np.float32),
    "float32, every second of more": lambda A: np.repeat(A, 2, axis=1).astype(np.float32)[:, ::2],
    "int64": lambda A: A.astype(np.int64),
    "int8": lambda A: A.astype(np.int8),
}


def layout_rows() -> Iterator[Row]:
    """Yield fits of the same numbers in other layouts and dtypes."""

    def row(kernel: str, shape: str, dtype: str, layout: str) -> Row:
        def compute() -> Any:
            d, h, o = sizes(shape)
            X, Y, init, _ = problem(d, h, o, 100)
            change = LAYOUTS[layout]
            X, Y = change(np.floor(2 * X)), change(np.floor(Y + 0.5))
            init = {name: change(np.floor(8 * value)) for name, value in init.items()}
            return fastnn2.fit(X, Y, RATE / 8, h, 10, init=init, dtype=dtype, n_threads=1)

        case = name_of_fit(kernel, shape, 100, dtype, ["integers"], 10)
        return Row(f"fit {kernel}, layouts", case, f", {layout}", compute)

    for kernel, shape in (("train_narrow", "2-5-1"), ("train", "9-7-3")):
        for dtype in DTYPES:
            for layout in LAYOUTS:
                yield row(kernel, shape, dtype, layout)


def special_rows() -> Iterator[Row]:
    """Yield fits in parts, of denormal numbers, and such that diverge."""

    def in_parts(kernel: str, shape: str, n: int, dtype: str, parts: tuple[int, ...]) -> Row:
        def compute() -> Any:
            d, h, o = sizes(shape)
            X, Y, params, weights = problem(d, h, o, n, dtype)
            costs = []
            for iterations in parts:
                params, cost_ = fastnn2.fit(
                    X, Y, RATE, h, iterations, init=params, alpha=0.5, sample_weight=weights, n_threads=1
                )
                costs.append(cost_)
            return params, np.concatenate(costs)

        case = name_of_fit(kernel, shape, n, dtype, ["alpha 0.5", "weights"], sum(parts))
        variant = f", in parts of {' and '.join(map(str, parts))}" if len(parts) > 1 else ", at once"
        return Row("fit in parts", case, variant, compute)

    def denormal(kernel: str, shape: str, dtype: str) -> Row:
        def compute() -> Any:
            d, h, o = sizes(shape)
            X, Y, init, weights = problem(d, h, o, 200, dtype)
            tiny = np.finfo(dtype).tiny
            X[0] *= tiny * 4
            init["W1"][:, 0] *= tiny / 16
            return fastnn2.fit(X, Y, RATE, h, 10, init=init, alpha=0.5, sample_weight=weights, n_threads=1)

        case = name_of_fit(kernel, shape, 200, dtype, ["alpha 0.5", "weights", "denormal"], 10)
        return Row("fit to the limits", case, "", compute)

    def diverging(kernel: str, shape: str, dtype: str, alpha: float) -> Row:
        def compute() -> Any:
            d, h, o = sizes(shape)
            X, Y, init, _ = problem(d, h, o, 100, dtype)
            rate = 0.5 * float(np.finfo(dtype).max)
            try:
                fastnn2.fit(X, Y, rate, h, 10, init=init, alpha=alpha, n_threads=1)
            except fastnn2.TrainingDiverged as error:
                return error.params, error.cost_
            raise AssertionError("this fit should have diverged")

        case = f"fit {kernel} {shape} n=100 {dtype}, alpha {alpha:g}, diverges"
        return Row("fit to the limits", case, "", compute)

    for kernel, shape, n in (("train_narrow", "2-5-1", 300), ("train", "9-7-3", 300), ("train_wide", "220-600-1", 70)):
        for dtype in DTYPES:
            for parts in ((6,), (1, 5), (3, 1, 2)):
                yield in_parts(kernel, shape, n, dtype, parts)
            yield denormal(kernel, shape, dtype)
            for alpha in (1.0, 1000.0):
                yield diverging(kernel, shape, dtype, alpha)


def step_rows() -> Iterator[Row]:
    """Yield forward, predict, cost, backward and update, each from inputs of its own."""

    def forward(problem: Any, options: dict[str, Any]) -> Any:
        X, _, params, _ = problem
        return fastnn2.forward(X, params)

    def predict(problem: Any, options: dict[str, Any]) -> Any:
        X, _, params, _ = problem
        return fastnn2.predict(X, params)

    def cost(problem: Any, options: dict[str, Any]) -> Any:
        _, Y, params, _ = problem
        o, n = Y.shape
        # Some are certain and right. Squares of eighths are exact, in whatever order they are added for the penalty.
        y = np.random.RandomState([o, n]).random_sample((o, n)).astype(Y.dtype)
        y = np.where((np.arange(n) % 4 == 1) & (Y % 1 == 0), Y, y)
        params = {name: np.floor(8 * value) / 8 for name, value in params.items()}
        return fastnn2.cost(y, Y, params=params, **options)

    def backward(problem: Any, options: dict[str, Any]) -> Any:
        X, Y, params, _ = problem
        h, n = len(params["W1"]), X.shape[1]
        source = np.random.RandomState([h, n])
        cache = {"A1": 2 * source.random_sample((h, n)) - 1, "y": source.random_sample(Y.shape)}
        cache = {name: value.astype(X.dtype) for name, value in cache.items()}
        return fastnn2.backward(X, Y, params, cache, **options)

    def update(problem: Any, options: dict[str, Any]) -> Any:
        _, _, params, _ = problem
        source = np.random.RandomState(len(params["W1"]))
        slopes = {"d" + name: source.random_sample(value.shape) - 0.5 for name, value in params.items()}
        return fastnn2.update(slopes, params, RATE)

    def row(
        step: Callable[..., Any], shape: str, n: int, dtype: str, *, alpha: float = 0, weighted: bool = False
    ) -> Row:
        def compute() -> Any:
            inputs = problem(*sizes(shape), n, dtype)
            options = {"sample_weight": inputs[3] if weighted else None, "alpha": alpha}
            return step(inputs, options)

        name = step.__name__
        case = f"{name} {shape} n={n} {dtype}" + ", alpha 0.5" * (alpha != 0) + ", weights" * weighted
        return Row(name, case, "", compute)

    for dtype in DTYPES:
        for shape in ("1-1-1", "2-5-1", "9-7-3", "31-33-2", "70-36-1", "5-6-12", "200-20-2"):
            for n in (1, 65, 300):
                yield row(forward, shape, n, dtype)
                yield row(backward, shape, n, dtype)
            yield row(backward, shape, 300, dtype, **BOTH)
            yield row(update, shape, 1, dtype)
            yield row(predict, shape, PREDICTED[dtype], dtype)
        # More numbers than are computed at a time.
        yield row(forward, "100-500-2", 2100, dtype)
        yield row(backward, "100-500-2", 2100, dtype, alpha=0.5)
        yield row(predict, "100-500-2", 4 * PREDICTED[dtype], dtype)
        for shape, n in (
            ("2-5-1", 1),
            ("2-5-1", 700),
            ("9-7-3", 65),
            ("9-7-3", 2500),
            ("2-2-40", 300),
            ("2-2-300", 2000),
        ):
            yield row(cost, shape, n, dtype)
            yield row(cost, shape, n, dtype, **BOTH)


def rows() -> Iterator[Row]:
    """Yield all rows of fits and steps."""
    yield from narrow_rows()
    yield from layered_rows()
    yield from wide_rows()
    for kernel in OF_THREADS:
        yield from rows_of_threads(kernel)
    yield from layout_rows()
    yield from special_rows()
    yield from step_rows()
