"""scikit-learn's class and fastnn2's, on the same data with the same parameters: whole fits and predictions.

They are timed only if they reach the same loss or probabilities. For scikit-learn, the faster of two settings counts:
one thread of BLAS, or all.
"""

import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from bench import held, levels, measure
from bench.inside import Processor

SIDES = (("sklearn", 1), ("sklearn", None), ("fastnn2", None))  # and how many threads BLAS may use
L_BFGS_TOLERANCE = 1e-3  # relative, of the last loss: rounding changes the path of L-BFGS
FITTED = 5_000  # rows for the fit of the model that then predicts all rows


def two_classes(n):
    """Return samples of 30 features, of which three decide on the class."""
    X = np.random.default_rng(7).standard_normal((n, 30))
    return X, (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(int)


def standardised(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@dataclass(frozen=True)
class Job:
    """Data and parameters for both classes.

    `wanted` says for each dtype how many times faster fastnn2 should be, and `without_avx512` where that is less on
    processors that have no AVX-512.
    """

    title: str
    data: Callable
    wanted: dict
    params: dict = field(default_factory=dict)
    predicts: bool = False  # whether predict_proba is timed, not fit
    quick: bool = True  # whether it is part of the quick run
    without_avx512: dict = field(default_factory=dict)

    def wanted_here(self, dtype):
        """Return what is wanted of the processor that is compiled for."""
        less = {} if "avx512f" in Processor.here().features else self.without_avx512
        return less.get(dtype, self.wanted[dtype])


MOONS = {"hidden_layer_sizes": 5, "activation": "tanh"}
FULL_BATCH = {"solver": "sgd", "batch_size": 500, "shuffle": False, "momentum": 0, "learning_rate_init": 0.3}
TO_THE_END = {"tol": 0, "max_iter": 5000, "n_iter_no_change": 5000}
JOBS = (
    Job(
        "10,000 x 30, two classes",
        partial(two_classes, 10_000),
        {"float64": 10, "float32": 13},
        {"max_iter": 50},
        without_avx512={"float64": 9, "float32": 11.5},
    ),
    Job(
        "digits",
        partial(standardised, load_digits),
        {"float64": 6, "float32": 8},
        without_avx512={"float64": 5.5, "float32": 5.8},
    ),
    Job(
        "breast cancer",
        partial(standardised, load_breast_cancer),
        {"float64": 8, "float32": 8},
        without_avx512={"float64": 6, "float32": 6},
    ),
    Job(
        "moons, full batch",
        partial(make_moons, 500, noise=0.2, random_state=0),
        {"float64": 25, "float32": 25},
        MOONS | FULL_BATCH | TO_THE_END,
    ),
    Job(
        "digits, L-BFGS",
        partial(standardised, load_digits),
        {"float64": 3},
        {"solver": "lbfgs"},
        without_avx512={"float64": 2.8},
    ),
    Job(
        "predict_proba of 1,000,000 x 30",
        partial(two_classes, 1_000_000),
        {"float64": 4, "float32": 4},
        {"max_iter": 3},
        predicts=True,
        quick=False,
    ),
)


def run(quick=False, say=print):
    """Time every job in every dtype; in a quick run only the short ones in float64.

    Returns
    -------
    dict
        ``rounds``; ``rows``: title, dtype, median seconds of sklearn and fastnn2 and the ``quartiles`` of both, threads
        (1, or None for all, with which scikit-learn was faster), ratio and ratio_quartiles, wanted;
        ``skipped``: why there are no rows, or None.
    """
    result = {"rounds": measure.count_rounds(quick), "rows": [], "skipped": why_not()}
    if result["skipped"]:
        say(f"  skipped: {result['skipped']}")
        return result
    for job in JOBS:
        for dtype in job.wanted:
            if quick and (dtype != "float64" or not job.quick):
                continue
            wanted = job.wanted_here(dtype)
            row = {"title": job.title, "dtype": dtype, **timed(prepare(job, dtype), result["rounds"]), "wanted": wanted}
            result["rows"].append(row)
            say(
                f"  {job.title:31} {dtype}: scikit-learn {row['sklearn'] * 1e3:6.1f} ms, fastnn2 "
                f"{row['fastnn2'] * 1e3:5.1f} ms, {row['ratio']:4.1f} times as fast ({wanted} are wanted)"
            )
    return result


def why_not():
    """Return why the two classes cannot be compared, or None."""
    try:
        classes()
    except ImportError as error:
        return str(error)
    if reason := held.reason("scikit_learn"):
        return f"scikit-learn is not held to {levels.held()}: {reason}"
    return None


def timed(calls, count):
    """Return the figures of a row from `count` rounds."""
    return compared(*measure.rounds([(calls[who], threads) for who, threads in SIDES], count))


def compared(one, several, own):
    """Return the figures of a row from the seconds of each of SIDES; the ratio is the median of those of the rounds."""
    theirs, threads = (one, 1) if statistics.median(one) <= statistics.median(several) else (several, None)
    ratios = measure.ratios_by_round(theirs, own)
    return {
        "sklearn": statistics.median(theirs),
        "fastnn2": statistics.median(own),
        "threads": threads,
        "quartiles": {"sklearn": measure.quartiles(theirs), "fastnn2": measure.quartiles(own)},
        "ratio": statistics.median(ratios),
        "ratio_quartiles": measure.quartiles(ratios),
    }


def classes():
    """Return the class of each side; raise ImportError where scikit-learn is too old for fastnn2's."""
    from fastnn2 import MLPClassifier as Own

    return {"sklearn": MLPClassifier, "fastnn2": Own}


def prepare(job, dtype):
    """Return the calls to time, one for each class. Each has run once, and both reached the same.

    Raises
    ------
    AssertionError
        Losses, epochs or probabilities differ.
    """
    X, y = job.data()
    return (predictions if job.predicts else fits)(job, X.astype(dtype), y, dtype)


def fits(job, X, y, dtype):
    calls = {who: partial(silently, model(random_state=0, **job.params).fit, X, y) for who, model in classes().items()}
    theirs, own = calls["sklearn"](), calls["fastnn2"]()
    l_bfgs = job.params.get("solver") == "lbfgs"
    tolerance = L_BFGS_TOLERANCE if l_bfgs else measure.TOLERANCE[dtype]
    if not abs(own.loss_ - theirs.loss_) <= tolerance * abs(theirs.loss_):
        raise AssertionError(f"{job.title}, {dtype}: last loss {own.loss_!r}, but scikit-learn has {theirs.loss_!r}")
    if dtype == "float64" and not l_bfgs and own.n_iter_ != theirs.n_iter_:
        raise AssertionError(f"{job.title}: {own.n_iter_} iterations, but scikit-learn has {theirs.n_iter_}")
    return calls


def predictions(job, X, y, dtype):
    """Return predict_proba of both classes for one model, which scikit-learn has fitted."""
    theirs, own = classes().values()
    model = silently(theirs(random_state=0, **job.params).fit, X[:FITTED], y[:FITTED])
    models = {"sklearn": model, "fastnn2": own.from_sklearn(model)}
    calls = {who: partial(model.predict_proba, X) for who, model in models.items()}
    difference = np.abs(calls["fastnn2"]() - calls["sklearn"]()).max()
    if not difference <= measure.TOLERANCE[dtype]:
        raise AssertionError(f"{job.title}, {dtype}: a probability differs by {difference:g} from scikit-learn's")
    return calls


def silently(call, *arguments):
    """Call without warnings about convergence, as the number of iterations is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return call(*arguments)
