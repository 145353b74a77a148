"""A grid search with scikit-learn's class or fastnn2's, and as a script: one in a process with new workers.

``python -m bench.search_run`` prints the seconds as JSON. Workers write down each kernel that they compile, if
FASTNN2_BENCH_COMPILES names a file.
"""

import json
import os
import time

from joblib import Parallel, delayed
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from bench import inside
from bench.estimators import classes, silently

GRID = {"model__alpha": (1e-4, 1e-2, 1.0), "model__hidden_layer_sizes": ((10,), (50,))}
FOLDS, WORKERS = 5, 2
COMPILES = "FASTNN2_BENCH_COMPILES"


def note_compiles(path):
    """Let this process append a line, the name and the dtype, to a file for each kernel that it compiles."""
    compile_and_keep = inside.kernel_store.compile_and_keep

    def noted(name, dtype, processor):
        content = compile_and_keep(name, dtype, processor)
        with open(path, "a") as file:
            file.write(f"{name} {dtype}\n")
        return content

    inside.kernel_store.compile_and_keep = noted


if os.environ.get(COMPILES):
    note_compiles(os.environ[COMPILES])


def search(model):
    """Return the search of a class, which has run."""
    pipeline = Pipeline([("scale", StandardScaler()), ("model", model(random_state=0))])
    X, y = load_breast_cancer(return_X_y=True)
    return silently(GridSearchCV(pipeline, GRID, cv=FOLDS, n_jobs=WORKERS).fit, X, y)


def start_workers():
    """Start the workers and let each import all that a search needs; both are busy at the same time."""
    Parallel(WORKERS)(delayed(imports)() for _ in range(WORKERS))


def imports():
    """Import what a fit needs, partly by having this module loaded; take so long that no worker does it twice."""
    classes()
    time.sleep(0.5)


def main():
    begin = time.perf_counter()
    start_workers()
    started = time.perf_counter()
    search(classes()["fastnn2"])
    print(json.dumps({"start": started - begin, "search": time.perf_counter() - started}))


if __name__ == "__main__":
    from bench import search_run  # workers import this module by its name, so it must not be the script

    search_run.main()
