"""Predictions of few rows, as a service makes them: scikit-learn's class and fastnn2's, and what else fastnn2 offers.

Both classes have the same weights: scikit-learn fits, and ``from_sklearn`` takes the model over. They are timed only if
they predict the same. Both are warm, and take turns. For scikit-learn, the faster of two settings counts: one thread of
BLAS, or all.
"""

import itertools
from functools import partial

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

import fastnn2
from bench import cases, estimators, measure

ROWS = (1, 10, 100, 1_000)
DTYPES = ("float64", "float32")
ROUNDS, QUICK_ROUNDS = 15, 7
SECONDS = 0.003  # of one measurement, which repeats a call
FITTED = 2_000  # rows
WANTED = 1.0  # times as fast as scikit-learn, at least


def labels(X):
    """Return two classes, ten classes, and a target for a regression, by name."""
    _, two = estimators.two_classes(len(X))
    target = X[:, 0] * X[:, 1] + X[:, 2]
    ten = np.digitize(target, np.quantile(target, np.linspace(0.1, 0.9, 9)))
    return {"two classes": two, "ten classes": ten, "regression": target}


def models(kind, dtype):
    """Return scikit-learn's model and fastnn2's, with the same weights, and the name of the method to time."""
    X, _ = estimators.two_classes(FITTED)
    theirs, own, method = MLPClassifier, fastnn2.MLPClassifier, "predict_proba"
    if kind == "regression":
        theirs, own, method = MLPRegressor, fastnn2.MLPRegressor, "predict"
    model = theirs(max_iter=3, random_state=0)
    estimators.silently(model.fit, X.astype(dtype), labels(X)[kind])
    return {"sklearn": model, "fastnn2": own.from_sklearn(model)}, method


def repeated(call):
    """Return a run that repeats a call for about SECONDS, and how often it does."""
    seconds = min(measure.seconds_of(call) for _ in range(5))
    count = max(1, round(SECONDS / seconds))

    def run():
        for _ in range(count):
            call()

    return run, count


def run(quick=False, say=print):
    """Time all predictions.

    Returns
    -------
    dict
        ``rounds``; ``rows``: kind, dtype, n, method, wanted, and what :func:`bench.estimators.compared` returns;
        ``single``: name, dtype, median seconds of one call and quartiles, and the microseconds that are wanted or None;
        ``skipped``: why there are no rows, or None.
    """
    count = QUICK_ROUNDS if quick else ROUNDS
    rows, skipped = [], estimators.why_not()
    if skipped:
        say(f"  skipped: {skipped}")
        return {"rounds": count, "rows": rows, "single": [], "skipped": skipped}
    for kind, dtype in itertools.product(("two classes", "ten classes", "regression"), DTYPES[: 1 if quick else None]):
        rows += pairs(kind, dtype, count, say)
    return {"rounds": count, "rows": rows, "single": singles(count, say), "skipped": None}


def pairs(kind, dtype, count, say):
    """Return the rows of one kind of model."""
    both, method = models(kind, dtype)
    rows = []
    for n in ROWS:
        X = np.ascontiguousarray(estimators.two_classes(n)[0], dtype)
        calls = {who: partial(getattr(model, method), X) for who, model in both.items()}
        check(calls, f"{kind}, {dtype}, {n} rows", dtype)
        runs = {who: repeated(call) for who, call in calls.items()}
        sides = [(runs[who][0], threads) for who, threads in estimators.SIDES]
        seconds = measure.rounds(sides, count)
        per_call = [
            [all_calls / runs[who][1] for all_calls in by_round]
            for (who, _), by_round in zip(estimators.SIDES, seconds, strict=True)
        ]
        row = {
            "kind": kind,
            "dtype": dtype,
            "n": n,
            "method": method,
            "wanted": WANTED,
            **estimators.compared(*per_call),
        }
        rows.append(row)
        say(
            f"  {method} of {n:5,} rows, {kind}, {dtype}: scikit-learn {row['sklearn'] * 1e6:7.1f} us, fastnn2 "
            f"{row['fastnn2'] * 1e6:7.1f} us, {row['ratio']:.2f} times as fast"
        )
    return rows


def check(calls, title, dtype):
    """Assert that both predict the same."""
    theirs, own = calls["sklearn"](), calls["fastnn2"]()
    if own.shape != theirs.shape or own.dtype != theirs.dtype:
        raise AssertionError(f"{title}: {own.dtype} {own.shape}, but scikit-learn has {theirs.dtype} {theirs.shape}")
    difference = np.abs(own - theirs).max()
    if not difference <= measure.TOLERANCE[dtype]:
        raise AssertionError(f"{title}: a number differs by {difference:g} from scikit-learn's")


def single_calls(dtype):
    """Return what is called in a hot loop: name -> (call, microseconds that are wanted at most, or None)."""
    X = np.ascontiguousarray(estimators.two_classes(1)[0], dtype)
    moons, _, params = cases.problem(cases.TUTORIAL)
    params = {name: array.astype(dtype) for name, array in params.items()}
    column = np.ascontiguousarray(moons[:, :1], dtype)
    found = {"fastnn2.predict, one column, 2 x 5": (partial(fastnn2.predict, column, params), 30)}
    model = models("two classes", dtype)[0]["fastnn2"]
    found["predictor(), one row, 30 x 100"] = partial(model.predictor(), X[0]), 15
    found["fastnn2.predictor, one column, 2 x 5"] = partial(fastnn2.predictor(params), column), None
    return found


def singles(count, say):
    """Return the time of one call of each, in every dtype."""
    rows = []
    for dtype in DTYPES:
        calls = single_calls(dtype)
        runs = [repeated(call) for call, _ in calls.values()]
        times = measure.rounds([(run, None) for run, _ in runs], count)
        for (name, (_, wanted)), (_, repeats), by_round in zip(calls.items(), runs, times, strict=True):
            seconds = [all_calls / repeats for all_calls in by_round]
            row = {"name": name, "dtype": dtype, **measure.summary(seconds), "wanted": wanted}
            rows.append(row)
            limit = f" (at most {wanted} are wanted)" if wanted else ""
            say(f"  {name}, {dtype}: {row['median'] * 1e6:.1f} us{limit}")
    return rows
