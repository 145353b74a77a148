"""``fastnn2 moons`` repeats the tutorial: it trains on scikit-learn's moons and shows the result."""

import argparse
import time
from typing import Any

import numpy as np

from fastnn2 import reference
from fastnn2.codegen import provider
from fastnn2.commands import plotting
from fastnn2.commands.memory import check_memory, reference_fits
from fastnn2.engine.full_batch import count_threads
from fastnn2.functional.fit import fit
from fastnn2.functional.steps import predict
from fastnn2.kernels.shared import tuning

Array = np.ndarray[Any, Any]

SAMPLE_BYTES = 100  # 24 bytes in float64, twice, as there is a test set, and temporary copies of make_moons
PUBLISHED_FIRST_COST = 0.7383781203733911
PUBLISHED = {
    "samples": 500, "noise": 0.2, "hidden": 5, "learning_rate": 0.3, "iterations": 5000, "dtype": "float64", "seed": 3,
}  # fmt: skip


def draw_run(samples: int, noise: float, hidden: int, seed: int) -> tuple[dict[str, Array], Array, Array]:
    """Return initial parameters, X (2, n) and Y (1, n), drawn from one RandomState in the tutorial's order."""
    from sklearn.datasets import make_moons

    random = np.random.RandomState(seed)
    params = reference.init_params(np.empty((2, 0)), np.empty((1, 0)), hidden, random_state=random)
    X, Y = make_moons(n_samples=samples, noise=noise, random_state=random)
    return params, X.T, Y[np.newaxis]


def run(options: argparse.Namespace) -> int:
    """Train, print the result, save the picture; return the exit code."""
    if options.published:
        vars(options).update(PUBLISHED)
    check_memory(options.samples, options.hidden, options.iterations, SAMPLE_BYTES, "--samples", 2)
    picture = plotting.picture_path(options, "moons.png")
    params, X, Y = draw_run(options.samples, options.noise, options.hidden, options.seed)
    _, test_X, test_Y = draw_run(options.samples, options.noise, options.hidden, options.seed + 1)
    provider.kernel(tuning.train_kernel(2, options.hidden, 1), options.dtype)  # load or compile it before timing

    arguments = (X, Y, options.learning_rate, options.hidden, options.iterations)
    begin = time.perf_counter()
    trained, cost_ = fit(*arguments, init=params, dtype=options.dtype, n_threads=options.threads)
    seconds = time.perf_counter() - begin
    threads = count_threads(2, options.samples, options.hidden, 1, options.iterations, options.dtype, options.threads)

    print(f"moons: {options.samples:,} samples, {options.hidden} hidden units, iterations: {options.iterations:,}")
    print(f"first cost            {cost_[0]:.16g}")
    print(f"last cost             {cost_[-1]:.16g}")
    print(f"accuracy, training    {np.mean(predict(X, trained) == Y):.2%}")
    print(f"accuracy, new sample  {np.mean(predict(test_X, trained) == test_Y):.2%}")
    per_iteration = format_duration(seconds / options.iterations)
    print(f"training time         {format_duration(seconds)}, {per_iteration} per iteration")
    print(f"threads, dtype        {threads}, {options.dtype}")
    if options.published:
        print(f"published first cost  {PUBLISHED_FIRST_COST}, difference {cost_[0] - PUBLISHED_FIRST_COST:.3g}")
    if picture is not None:
        title = f"{options.samples:,} samples, {options.hidden} hidden units: last cost {cost_[-1]:.4g}"
        plotting.save_training(picture, X, Y, trained, cost_, title)
        print(f"picture               {picture.resolve()}", flush=True)
    if options.compare:  # last, as it may take minutes
        if reference_fits(options.samples, options.hidden, options.iterations):
            _compare(arguments, params, trained, cost_, seconds)
        else:
            print("NumPy reference       not run: it does not fit in memory")
    return 0


def _compare(arguments: tuple[Any, ...], params: Any, trained: Any, cost_: Array, seconds: float) -> None:
    """Run the NumPy reference; print how its time and results differ."""
    begin = time.perf_counter()
    expected, expected_cost_ = reference.fit(*arguments, init=params)
    reference_seconds = time.perf_counter() - begin
    difference = max(float(np.abs(trained[name] - expected[name]).max()) for name in expected)
    print(
        f"NumPy reference       {format_duration(reference_seconds)}: {reference_seconds / seconds:.1f} times as long"
    )
    print(f"largest differences   cost {np.abs(cost_ - expected_cost_).max():.3g}, params {difference:.3g}")


def format_duration(seconds: float) -> str:
    """Return a time with three significant digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
