"""A grid search on two workers: scikit-learn's class and fastnn2's, and what an empty store of kernels costs.

With a warm store both classes take turns on the same two workers, which have been started. Both have to choose the same
parameters. With an empty store, each run is a process with new workers, which have imported everything. It is compared
with the same process with a warm store, and with the time in which one process compiles each of its kernels once.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from bench import estimators, measure, search_run
from bench.environment import ROOT
from bench.inside import kernel_store

ROUNDS, QUICK_ROUNDS = 9, 2
RUNS, QUICK_RUNS = 3, 1  # of processes
CLOSE = 0.005  # how much the mean score of a candidate may differ: one sample of a fold more or less is 0.0018
WANTED, ALLOWED = 9.0, 1.2  # times as fast; times the warm run and one compile of each kernel


def run(quick=False, say=print):
    """Time the searches.

    Returns
    -------
    dict
        ``rounds``; ``warm``: the median seconds of both classes, quartiles, ratio, ratio_quartiles, wanted;
        ``first``: see :func:`empty_store`; ``skipped``: why there is nothing else, or None.
    """
    result = {"rounds": QUICK_ROUNDS if quick else ROUNDS, "skipped": estimators.why_not()}
    if result["skipped"]:
        say(f"  skipped: {result['skipped']}")
        return result
    search_run.start_workers()
    check(*(search_run.search(model) for model in estimators.classes().values()))  # also warms both
    result["warm"] = warm = compared(result["rounds"]) | {"wanted": WANTED}
    say(
        f"  warm: scikit-learn {warm['sklearn']:.2f} s, fastnn2 {warm['fastnn2']:.2f} s, {warm['ratio']:.1f} times as "
        f"fast ({WANTED:g} are wanted)"
    )
    result["first"] = first = empty_store(QUICK_RUNS if quick else RUNS)
    say(
        f"  empty store: {first['empty']['search']:.2f} s after {first['empty']['start']:.2f} s until the workers are "
        f"ready; warm store {first['warm']['search']:.2f} s after {first['warm']['start']:.2f} s; at most "
        f"{first['limit']:.2f} s are wanted"
    )
    for one in first["kernels"]:
        say(f"    {one['name']} {one['dtype']}: compiled {one['compiles']} times, {one['seconds']:.2f} s alone")
    return result


def check(theirs, own):
    """Assert that both searches chose the same, with about the same scores."""
    if own.best_params_ != theirs.best_params_:
        raise AssertionError(f"fastnn2 chose {own.best_params_}, but scikit-learn {theirs.best_params_}")
    difference = np.abs(own.cv_results_["mean_test_score"] - theirs.cv_results_["mean_test_score"]).max()
    if not difference <= CLOSE:
        raise AssertionError(f"a score differs by {difference:g} from scikit-learn's")


def compared(count):
    """Return the figures of both classes from `count` rounds."""
    models = estimators.classes()
    runs = [(partial(search_run.search, model), None) for model in models.values()]
    times = dict(zip(models, measure.rounds(runs, count), strict=True))
    ratios = measure.ratios_by_round(times["sklearn"], times["fastnn2"])
    return {
        **{who: statistics.median(seconds) for who, seconds in times.items()},
        "quartiles": {who: measure.quartiles(seconds) for who, seconds in times.items()},
        "ratio": statistics.median(ratios), "ratio_quartiles": measure.quartiles(ratios),
    }  # fmt: skip


def empty_store(count):
    """Return the time of searches in processes of their own, with an empty store and with a warm one, in turn.

    Returns
    -------
    dict
        ``empty`` and ``warm``: the median seconds of ``start`` (until both workers are ready) and ``search``;
        ``kernels``: name, dtype, how often they were compiled in the last search with an empty store, and the seconds
        of one compile; ``limit``: the most that the search with an empty store should take.
    """
    found = {"empty": [], "warm": []}
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder:
            for store in found:  # the first run fills the store for the second
                compiles = Path(folder, f"{store}.txt")
                seconds = process("-m", "bench.search_run", store=Path(folder, "store"), compiles=compiles)
                found[store].append(seconds)
            names = Path(folder, "empty.txt").read_text().splitlines()
    kernels = [
        {"name": name, "dtype": dtype, "compiles": names.count(f"{name} {dtype}")}
        for name, dtype in sorted({tuple(line.split()) for line in names})
    ]
    for one, seconds in zip(kernels, seconds_of_compiles(kernels), strict=True):
        one["seconds"] = seconds
    medians = {
        store: {part: statistics.median(seconds[part] for seconds in all_runs) for part in ("start", "search")}
        for store, all_runs in found.items()
    }
    limit = ALLOWED * (medians["warm"]["search"] + sum(one["seconds"] for one in kernels))
    return {"runs": count, **medians, "kernels": kernels, "limit": limit}


def process(*arguments, store, compiles=""):
    """Return what a process with this store prints, from JSON."""
    environment = {**os.environ, "FASTNN2_CACHE_DIR": str(store), search_run.COMPILES: str(compiles)}
    environment.pop("FASTNN2_STORE", None)
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def seconds_of_compiles(kernels):
    """Return the seconds in which a new process compiles each kernel; the first one imports Numba, too."""
    pairs = [(one["name"], one["dtype"]) for one in kernels]
    with tempfile.TemporaryDirectory() as folder:
        script = f"from bench import search; print(search.json.dumps(search.compile_each({pairs!r})))"
        return process("-c", script, store=folder)


def compile_each(kernels):
    """Compile kernels in this process, one after the other; return the seconds of each."""
    found = []
    for name, dtype in kernels:
        begin = time.perf_counter()
        kernel_store.kernel(name, dtype)
        found.append(time.perf_counter() - begin)
    return found
