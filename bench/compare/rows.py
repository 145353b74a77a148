"""The rows of a comparison: the jobs of the bench with fewer iterations, start-up, and how soon Ctrl-C stops a fit."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from bench import cases, estimators

DTYPES = ("float64", "float32")
PARTS = ("grid", "one-thread", "estimators", "startup", "first-fit", "busy", "interrupt")

# Fewer iterations for the larger cells, so that a run takes at most half a second; other cells keep those of the grid.
ITERATIONS = {
    "1000000x2x5": 10, "100000x30x32": 10, "20000x64x64": 10, "50000x100x100": 5, "20000x784x128": 3,
    "5000x784x1024": 2, "10000x64x64x10": 10,
}  # fmt: skip
ON_ONE_THREAD = (
    ("500x2x5", "float64"), ("500x2x5", "float32"), ("10000x2x5", "float32"), ("2000x10x16", "float64"),
    ("20000x64x64", "float64"), ("20000x784x128", "float32"), ("5000x784x1024", "float32"),
)  # fmt: skip
# Fewer epochs for some estimators, so that a run takes about 30 ms.
EPOCHS = {"10,000 x 30, two classes": 10, "digits": 40}
# What one measurement takes at least. Beside busy loops, the system gives out the cores in slices of milliseconds.
TARGET_SECONDS, BUSY_SECONDS = 0.03, 0.2
STOPS = 15  # signals in one measurement
ENDLESS = 1_000_000  # iterations or epochs
ENDLESS_TRAINING = {"max_iter": ENDLESS, "tol": 0, "n_iter_no_change": ENDLESS}

IMPORT = ("-c", "import fastnn2")
MOONS = ("-m", "fastnn2", "moons", "--no-plot")
# The tutorial's job as a script, whose output is compared.
FIT_SCRIPT = """
import numpy, fastnn2
with numpy.load({data!r}) as data:
    X, Y, init = data["X"], data["Y"], {{name: data[name] for name in ("W1", "b1", "W2", "b2")}}
params, cost_ = fastnn2.fit(X, Y, 0.3, 5, 5000, init=init, progress=False)
print(cost_[-1].hex(), *(float(array.sum()).hex() for array in params.values()))
"""


@dataclass(frozen=True)
class Row:
    """Something that both sides do.

    A row with a `job` is done in a worker that stays alive (see :mod:`bench.compare.worker`). One without a job is a
    new process for each measurement; its arguments are `script`, with the path of the data filled in.
    """

    part: str
    name: str
    data: Callable | None = None  # returns a dict of arrays, the data of both sides
    dtype: str = "float64"
    job: str | None = None
    options: dict = field(default_factory=dict)
    short: dict = field(default_factory=dict)  # options for a short run before an endless one
    way: str = "repeated"
    seconds: float = TARGET_SECONDS  # of one measurement, at least
    busy: bool = False  # whether busy loops run beside it
    script: tuple[str, ...] = ()
    fresh: bool = False  # whether the process begins without compiled kernels
    printed: bool = True  # whether what it prints is a result

    def repeats(self, seconds):
        """Return how often a run of this duration is repeated in one measurement."""
        return STOPS if self.way == "interrupted" else max(1, round(self.seconds / seconds))


def fit_data(case):
    """Return X, Y and initial parameters."""
    X, Y, params = cases.problem(case)
    return {"X": X, "Y": Y, **params}


def fit_row(part, case, dtype, name=None, threads=None, **more):
    case = replace(case, iterations=ITERATIONS.get(case.name, case.iterations))
    options = {"learning_rate": case.learning_rate, "iterations": case.iterations, "threads": threads}
    data = partial(fit_data, case)
    return Row(part, name or f"{case.name}-{dtype}", data, dtype, "fit", options, **more)


def estimator_data(load):
    X, y = load()
    return {"X": X, "y": y}


def two_classes_data(n):
    return estimator_data(partial(estimators.two_classes, n))


def regression_data():
    X, _ = estimators.two_classes(10_000)
    return {"X": X, "y": X[:, 0] * X[:, 1] + X[:, 2]}


def estimator_rows():
    for job in estimators.JOBS:
        if job.predicts:
            continue
        name = job.title.replace(",", "").replace(" ", "-").replace("-x-", "x")
        params = job.params | ({"max_iter": EPOCHS[job.title]} if job.title in EPOCHS else {})
        for dtype in DTYPES:
            options = {"name": "MLPClassifier", "params": params}
            yield Row("estimators", f"{name}-{dtype}", partial(estimator_data, job.data), dtype, "estimator", options)
    options = {"name": "MLPRegressor", "params": {"max_iter": 10, "solver": "sgd", "learning_rate_init": 0.01}}
    yield Row("estimators", "regression-float64", regression_data, "float64", "estimator", options)
    predicted = [(1, "predict"), *((n, "predict_proba") for n in (1, 100, 1_000, 1_000_000))]
    for rows, method in predicted:
        name = f"{method}-{rows}x30"
        for dtype in DTYPES:
            options = {
                "method": method, "fitted": estimators.FITTED, "predicted": rows, "params": {"max_iter": 3}
            }  # fmt: skip
            data = partial(two_classes_data, max(rows, estimators.FITTED))
            yield Row("estimators", f"{name}-{dtype}", data, dtype, "prediction", options)


def process_rows():
    tutorial = partial(fit_data, cases.TUTORIAL)
    yield Row("startup", "import-fastnn2", script=IMPORT)
    yield Row("startup", "script-500x2x5", tutorial, script=("-c", FIT_SCRIPT))
    yield Row("startup", "moons-command", script=MOONS, printed=False)
    yield Row("first-fit", "first-fit-500x2x5", tutorial, script=("-c", FIT_SCRIPT), fresh=True)


def interrupt_rows():
    endless = replace(cases.TUTORIAL, iterations=ENDLESS)
    yield fit_row("interrupt", endless, "float64", name="stop-fit-500x2x5", way="interrupted", short={"iterations": 10})
    options = {"name": "MLPClassifier", "params": ENDLESS_TRAINING}
    short = {"params": {"max_iter": 1}}
    data = partial(two_classes_data, 10_000)
    yield Row(
        "interrupt", "stop-MLPClassifier-10000x30", data, "float64", "estimator", options, short, way="interrupted"
    )


def all_rows():
    """Return every row, in the order in which they are measured."""
    by_name = {case.name: case for case in cases.GRID}
    rows = [fit_row("grid", case, dtype) for case in cases.GRID for dtype in DTYPES]
    rows += [fit_row("one-thread", by_name[name], dtype, f"{name}-{dtype}-1thread", 1) for name, dtype in ON_ONE_THREAD]
    rows += [*estimator_rows(), *process_rows()]
    rows += [
        fit_row("busy", cases.TUTORIAL, dtype, f"busy-500x2x5-{dtype}", 2, seconds=BUSY_SECONDS, busy=True)
        for dtype in DTYPES
    ]
    return [*rows, *interrupt_rows()]


def known_names():
    """Return what :func:`chosen` knows: parts, and rows."""
    return [*PARTS, *(row.name for row in all_rows())]


def chosen(names):
    """Return the rows of these parts or with these names; all where there are no names."""
    return [row for row in all_rows() if not names or row.part in names or row.name in names]


def write_data(row, path):
    """Write the arrays of a row to a file that both sides read."""
    np.savez(path, **row.data())
