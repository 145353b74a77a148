"""The recipe for tables beside boosting and other networks, on real tables: ``python -m bench.tabular``.

For each table and each of five splits, every model is fitted to the same raw frame and tested on the same rows: its
errors, the log loss of its probabilities, the time of the whole fit and that of the predictions. ``--ingredients``
fits the recipe with each of its ingredients off in turn. A model whose package is missing is left out, by name.

Tables are divided as :mod:`bench.tabular_sets` says. Those that are opened last are fitted only with ``--opened``, for
a recipe that is frozen. All models have one process and two cores; scikit-learn's are fitted with one thread (of BLAS
or OpenMP) and with two. Results are kept as JSON, to which further models, tables and splits are added; ``--report``
makes tables and a picture of it, and ``python -m bench.docs`` a page.
"""

import argparse
import contextlib
import datetime
import os
import time
from pathlib import Path

from bench import environment, storage
from bench.environment import say
from bench.peers import Unavailable
from bench.tabular_peers import ALL_CORES, MODELS, PEERS, RECIPE, VARIANTS
from bench.tabular_sets import FURTHER, OPENED_LAST, SETTLED, SPLITS, TABLES

RESULTS = Path(__file__).parent / "results"
# A first fit of a kind compiles, or imports what it needs: it is done on some rows, and not timed.
WARM_ROWS = 300


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m bench.tabular", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=TABLES, action="append", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--model", choices=MODELS, action="append", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--ingredients", action="store_true", help="the recipe with each ingredient off in turn")
    parser.add_argument("--opened", action="store_true", help="the recipe is frozen: the last tables, too")
    parser.add_argument("--further", action="store_true", help="further tables, beside those that count")
    parser.add_argument("--splits", type=int, default=SPLITS, metavar="N", help="the first N splits of each table")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where results are kept")
    parser.add_argument("--report", action="store_true", help="measure nothing: tables and the picture from the JSON")
    options = parser.parse_args(arguments)
    if not 1 <= options.splits <= SPLITS:
        parser.error(f"--splits {options.splits}: expected 1 to {SPLITS}")
    if options.json is None:
        options.json = RESULTS / f"tabular-{environment.file_name(environment.processor())}.json"
    if options.report and not options.json.is_file():
        parser.error(f"there is no {options.json}")
    options.tables = options.only or [*SETTLED, *(OPENED_LAST if options.opened else ())]
    options.tables += [name for name in FURTHER if options.further and name not in options.tables]
    closed = [name for name in options.tables if name in OPENED_LAST]
    if closed and not options.opened:
        parser.error(
            f"{', '.join(closed)}: opened last, when the recipe is frozen; one settled on all tables would look "
            f"better than it is. Pass --opened if it is frozen"
        )
    options.models = options.model or ([RECIPE, *VARIANTS] if options.ingredients else list(PEERS))
    return options


def hold_to_two_cores():
    """Let this process run on two cores, where the system can do so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:ALL_CORES])


def fitted(model, cut, threads):
    """Return an estimator that is fitted to a split, and the seconds of its fit."""
    from bench.measure import thread_limit

    with thread_limit(threads):
        estimator = model.make(cut)
        begin = time.perf_counter()
        estimator.fit(cut.X, cut.y)
        return estimator, time.perf_counter() - begin


def measured(model, cut, choices):
    """Return the scores of a model on a split, the seconds of its fit for each choice of threads, and of predictions.

    Predictions are those of the whole test, with all cores.
    """
    from bench.measure import thread_limit

    seconds = {}
    for threads in choices:
        estimator, seconds[str(threads)] = fitted(model, cut, threads)
    predict = estimator.predict_proba if cut.is_classification else estimator.predict
    with thread_limit(ALL_CORES):
        predict(cut.test_X)  # buffers and threads get ready
        begin = time.perf_counter()
        outputs = predict(cut.test_X)
        predicting = time.perf_counter() - begin
    return {**scores(cut, outputs), "fit": seconds, "predict": predicting}


def scores(cut, outputs):
    """Return the error, and the log loss of probabilities or None.

    The error is the rate of wrong classes, or the RMSE divided by the standard deviation of the target in training.
    """
    import numpy as np
    from sklearn.metrics import log_loss, root_mean_squared_error

    outputs = np.asarray(outputs, float)
    if not np.isfinite(outputs).all():
        raise AssertionError("an output is not a number, or infinite")
    if not cut.is_classification:
        return {"error": float(root_mean_squared_error(cut.test_y, outputs) / cut.y.std()), "log loss": None}
    outputs /= outputs.sum(axis=1, keepdims=True)  # float32 rounds the sums, and scikit-learn would warn
    return {
        "error": float((outputs.argmax(axis=1) != cut.test_y).mean()),
        "log loss": float(log_loss(cut.test_y, outputs, labels=np.arange(outputs.shape[1]))),
    }


def table(name, models, splits, found, say):
    """Measure models on a table; add to its entry in `found`, in place, and return those that are left out.

    Models take turns in each split, so that a slow minute hits all of them. A choice of threads is made in the first
    split: the others have the faster one.
    """
    from bench import tabular_sets

    data = tabular_sets.load(name)
    cuts = [tabular_sets.split(data, seed) for seed in range(splits)]
    entry = found.setdefault(name, {"models": {}})
    entry |= shape(data, cuts[0])
    ready, skipped = {}, {}
    for key in models:
        try:
            fitted(MODELS[key], tabular_sets.beginning(cuts[0], WARM_ROWS), ALL_CORES)
            ready[key] = entry["models"].setdefault(key, {"runs": {}})
        except Unavailable as error:
            skipped[key] = str(error)
    threads = {key: MODELS[key].threads for key in ready}
    when = {"date": now(), "commit": environment.commit()}
    for cut in cuts:
        for key, kept in ready.items():
            run = kept["runs"][str(cut.seed)] = measured(MODELS[key], cut, threads[key])
            threads[key] = (int(min(run["fit"], key=run["fit"].get)),)
            kept |= when
            log_loss = "" if run["log loss"] is None else f"log loss {run['log loss']:.4f}, "
            seconds = ", ".join(f"{value:.2f} s ({count})" for count, value in run["fit"].items())
            say(f"  {cut.seed} {key:15} error {run['error']:.4f}, {log_loss}{seconds}")
    return skipped


def shape(data, cut):
    """Return what a report says of a table."""
    X = data.features
    return {
        "rows": len(X), "training": len(cut.X), "test": len(cut.test_X), "columns": X.shape[1],
        "categories": len(X.select_dtypes("category").columns), "missing": float(X.isna().to_numpy().mean()),
        "classes": int(data.y.max()) + 1 if data.is_classification else None,
    }  # fmt: skip


def now():
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def ignore_convergence():
    """Let scikit-learn's MLP end at its 200 epochs in silence: these are its defaults."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)


def main(arguments=None):
    options = parse(arguments)
    environment.start_clean()

    if not options.report:
        hold_to_two_cores()
        found = {"tables": {}, "skipped": {}}
        with contextlib.suppress(FileNotFoundError):
            found = storage.read(options.json)
        found["environment"] = environment.describe()
        say("\n".join(environment.as_lines(found["environment"])))
        ignore_convergence()
        for name in options.tables:
            say(f"\n== {name}")
            try:
                skipped = table(name, options.models, options.splits, found["tables"], say)
            except Unavailable as error:
                say(f"  left out: {error}")
                continue
            found["skipped"] = {
                key: why for key, why in found["skipped"].items() if key not in options.models
            } | skipped
            storage.write(options.json, found)
        for key, why in found["skipped"].items():
            say(f"left out: {MODELS[key].title}: {why}")
    from bench import tabular_report

    results = storage.read(options.json)
    say("\n" + "\n\n".join(tabular_report.parts(results).values()))
    tabular_report.picture(results, options.json.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
