"""Many estimators in one call: ``python -m bench.many_estimators`` measures fit_estimators, and joblib's backends.

- `crowd`: fit_estimators on hundreds of MLPClassifiers, 200 samples x 10 features, max_iter=50, beside a loop over the
  same, and beside scikit-learn's class in joblib's two workers, which are warm. Ours are the same models bit by bit in
  both ways, and predict what scikit-learn's do, before anything is timed.
- `share`: the processor time of a fit on one thread, in kernels and in Python.
- `joblib`: GridSearchCV and BaggingClassifier with our MLPClassifier, in one process, with the backend "threading", and
  in joblib's worker processes. All three give the same scores or probabilities first.

What is compared takes turns in one process; the median of the rounds counts.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from pathlib import Path
from unittest import mock

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as SklearnClassifier

import fastnn2
from bench import environment, measure, storage
from bench.environment import say
from bench.inside import Kernel

PARTS = ("crowd", "share", "joblib")
WORKERS = 2
SAME_PROBABILITIES = 1e-6  # between ours and scikit-learn's, which add in another order
SAME_MEANS = 1e-12  # workers add the probabilities of their bags first
GRID = {"alpha": [1e-5, 1e-4, 1e-3, 1e-2], "learning_rate_init": [1e-3, 3e-3, 1e-2]}
BAGS = 60
SIZES = {"200x10": (200, 10), "5000x20": (5000, 20)}
BACKENDS = {"one process": (1, "sequential"), "threading": (WORKERS, "threading"), "loky": (WORKERS, "loky")}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m bench.many_estimators", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=500, metavar="N", help="estimators")
    parser.add_argument("--rounds", type=int, default=measure.ROUNDS, metavar="N")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part, repeatable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where results are kept")
    options = parser.parse_args(arguments)
    if options.count < 1 or options.rounds < 1:
        parser.error("--count and --rounds: expected 1 or more")
    return options


def data(n, d):
    """Return X and two classes, which a straight line does not separate."""
    X = np.random.default_rng(0).standard_normal((n, d))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def new(count, kind=fastnn2.MLPClassifier):
    return [kind(max_iter=50, random_state=seed) for seed in range(count)]


def loop(models, X, y):
    for model in models:
        model.fit(X, y)
    return models


def fit_one(model, X, y):
    """Fit in a worker, whose own warnings would be printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def in_turn(runs, rounds):
    """Run all in turn; return the seconds of each by name."""
    seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            time.sleep(measure.PAUSE)
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def crowd(options, say):
    """Compare fit_estimators with a loop, and with scikit-learn in worker processes."""
    X, y = data(200, 10)
    few = min(options.count, 20)
    with joblib.Parallel(n_jobs=WORKERS) as parallel:

        def in_workers(count):
            return parallel(joblib.delayed(fit_one)(model, X, y) for model in new(count, SklearnClassifier))

        ours, alone, others = fastnn2.fit_estimators(new(few), X, y), loop(new(few), X, y), in_workers(few)
        for one, own, other in zip(ours, alone, others, strict=True):
            probabilities = one.predict_proba(X)
            assert np.array_equal(probabilities, own.predict_proba(X))
            assert np.abs(probabilities - other.predict_proba(X)).max() < SAME_PROBABILITIES
        runs = {
            "fit_estimators": lambda: fastnn2.fit_estimators(new(options.count), X, y),
            "loop": lambda: loop(new(options.count), X, y),
            "scikit-learn": lambda: in_workers(options.count),
        }
        in_turn(runs, 1)
        seconds = in_turn(runs, options.rounds)
    found = {"count": options.count, "seconds": seconds, "ratios": {}}
    say(f"{options.count} MLPClassifiers, 200 x 10, max_iter=50, median of {options.rounds} rounds")
    for name, each in seconds.items():
        ratios = [a / b for a, b in zip(each, seconds["fit_estimators"], strict=True)]
        found["ratios"][name] = statistics.median(ratios)
        milliseconds = 1e3 * statistics.median(each) / options.count
        say(f"  {name:15} {milliseconds:7.2f} ms an estimator   {found['ratios'][name]:6.2f} times fit_estimators")
    return found


def share(options, say):
    """Measure the processor time of a fit in kernels and in Python, on one thread."""
    X, y = data(200, 10)
    in_kernels = [0.0]

    def timed(call):
        def run(self, job):
            begin = time.thread_time()
            call(self, job)
            in_kernels[0] += time.thread_time() - begin

        return run

    found = {}
    for name, fit in {
        "fit_estimators": lambda models: fastnn2.fit_estimators(models, X, y, n_threads=1),
        "loop": lambda models: loop([model.set_params(n_threads=1) for model in models], X, y),
    }.items():
        fit(new(options.count))
        rows = []
        for _ in range(options.rounds):
            models = new(options.count)
            in_kernels[0] = 0.0
            begin = time.thread_time()
            with (
                mock.patch.object(Kernel, "__call__", timed(Kernel.__call__)),
                mock.patch.object(Kernel, "call_briefly", timed(Kernel.call_briefly)),
            ):
                fit(models)
            rows.append((in_kernels[0], time.thread_time() - begin - in_kernels[0]))
        kernels, python = (1e3 * statistics.median(each) / options.count for each in zip(*rows, strict=True))
        found[name] = {"kernels": kernels, "python": python}
        say(f"  {name:15} {kernels:5.2f} ms in kernels, {python:5.2f} ms in Python, of a fit on one thread")
    return found


def searched(X, y):
    search = GridSearchCV(fastnn2.MLPClassifier(max_iter=50, random_state=0), GRID, cv=5).fit(X, y)
    return search.cv_results_["mean_test_score"]


def bagged(X, y):
    bags = BaggingClassifier(fastnn2.MLPClassifier(max_iter=50), n_estimators=BAGS, random_state=0)
    return clone(bags).set_params(n_jobs=None).fit(X, y).predict_proba(X[:100])


def backends(options, say):
    """Compare joblib's backends for scikit-learn's ensembles and searches of our class."""
    found = {}
    for size, shape in SIZES.items():
        X, y = data(*shape)
        for name, job in (("GridSearchCV", searched), ("BaggingClassifier", bagged)):
            runs, results = {}, {}
            for backend, (n_jobs, kind) in BACKENDS.items():

                def run(n_jobs=n_jobs, kind=kind, job=job, X=X, y=y):
                    with joblib.parallel_config(kind, n_jobs=n_jobs):
                        return job(X, y)

                runs[backend], results[backend] = run, run()  # warm, too
            for each in results.values():
                assert np.abs(each - results["one process"]).max() < SAME_MEANS
            seconds = in_turn(runs, options.rounds)
            found[f"{name} {size}"] = seconds
            base = seconds["one process"]
            for backend, each in seconds.items():
                speedup = statistics.median(a / b for a, b in zip(base, each, strict=True))
                say(
                    f"  {name:18} {size:8} {backend:12} {statistics.median(each):7.3f} s   {speedup:5.2f} times as fast"
                )
    return found


def main(arguments=None):
    options = parse(arguments)
    found = {"environment": environment.describe(), "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}

    say("\n".join(environment.as_lines(found["environment"])))
    os.environ["PYTHONWARNINGS"] = "ignore"  # for joblib's workers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for part in options.only or PARTS:
            say(f"\n== {part}")
            found[part] = {"crowd": crowd, "share": share, "joblib": backends}[part](options, say)
            if options.json is not None:
                storage.write(options.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
