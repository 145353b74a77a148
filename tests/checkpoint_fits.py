"""Fits that are killed and go on from their checkpoints; run as a script, by test_checkpoints.py.

The script forks a process for each attempt, kills it at a random moment, and lets the last one end. The processes
share nothing but the file of the checkpoint.
"""

import json
import os
import pickle
import random
import resource
import signal
import sys
import time
import warnings

import numpy as np
import scipy.sparse

import fastnn2
from fastnn2.callbacks import Checkpoint
from fastnn2.storage import checkpoint_file

KILLS = 20
FEW_EPOCHS, MANY_EPOCHS = 300, 5000  # that are left to a fit: slow ones, with a validation each, and others
ATTEMPTS_ON_A_FULL_DISK = (7, 8, 15)
MOST_DELAY = 0.01  # seconds before a kill, at most
SMALL = 1000  # bytes that a file may have on the full disk
LONG = {"tol": 0.0, "n_iter_no_change": 1_000_000}

# name -> class, parameters, kind of y, dtype of X, and what else
CASES = {
    "adam": ("MLPClassifier", {}, "names", "float64", {}),
    "adam with weights": ("MLPClassifier", {"class_weight": {0: 2.0, 2: 0.5}}, "three", "float32", {"weights": True}),
    "early stopping": ("MLPClassifier", {"early_stopping": True, "n_threads": 1}, "three", "float64", {}),
    "labels": ("MLPClassifier", {"random_state": None}, "labels", "float64", {}),
    "sgd with momentum": ("MLPClassifier", {"solver": "sgd", "nesterovs_momentum": False}, "names", "float32", {}),
    "Nesterov": ("MLPRegressor", {"solver": "sgd", "learning_rate_init": 1e-3}, "number", "float64", {"weights": True}),
    "adaptive": (
        "MLPRegressor",
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1e-4, "n_iter_no_change": 1500, "activation": "tanh"},
        "numbers", "float64", {},
    ),
    "invscaling": ("MLPClassifier", {"solver": "sgd", "learning_rate": "invscaling"}, "three", "float32", {}),
    "sparse": ("MLPClassifier", {"random_state": "RandomState"}, "names", "float64", {"sparse": True}),
    "the order of X": (
        "MLPRegressor",
        {"loss": "poisson", "shuffle": False, "early_stopping": True, "activation": "logistic"},
        "counts", "float64", {"weights": True},
    ),
}  # fmt: skip


def data_of(name):
    """Return X, y and weights of a case."""
    _, _, kind, dtype, options = CASES[name]
    source = np.random.RandomState(7)
    X = source.standard_normal((300, 6)).astype(dtype)
    product, noise = X[:, 0] * X[:, 1], source.standard_normal((300, 3))
    y = {
        "names": np.array(["no", "yes"], dtype=object)[(product + noise[:, 0] > 0).astype(int)],
        "three": (product > 0.2).astype(int) + (X[:, 2] + noise[:, 0] > 0),
        "labels": np.column_stack([product > 0, X[:, 2] + noise[:, 1] > 0]).astype(int),
        "number": product + noise[:, 0],
        "numbers": np.column_stack([product, X[:, 1] + noise[:, 1]]),
        "counts": np.floor(abs(3 * product)),
    }[kind]
    weights = source.uniform(0.5, 2.0, 300) if options.get("weights") else None
    return scipy.sparse.csr_array(X * (X > 0)) if options.get("sparse") else X, y, weights


def new_model(name, **changes):
    """Return the estimator of a case."""
    kind, parameters, *_ = CASES[name]
    parameters = {"hidden_layer_sizes": (8,), "random_state": 3, "batch_size": 60, **LONG, **parameters, **changes}
    if parameters["random_state"] == "RandomState":
        parameters["random_state"] = np.random.RandomState(11)
    elif parameters["random_state"] is None:
        np.random.seed(5)
    return getattr(fastnn2, kind)(**parameters)


def fitted(model, name):
    """Return what a fit leaves: all attributes, predictions, and what is drawn next of the random state."""
    X, y, weights = data_of(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, weights)
    return left_by(model, X)


def left_by(model, X):
    """Return the bits of a fitted model in a form that can be compared."""
    own = {
        name: value
        for name, value in vars(model).items()
        if name not in model.get_params() and name not in ("_label_binarizer", "_skl_callbacks", "_resumes_from")
    }
    generator = model._random_state if model.random_state is None else model.random_state
    drawn = generator if isinstance(generator, int) else generator.random_sample(3)
    found = {**own, "predicted": model.predict(X), "drawn": drawn}
    if hasattr(model, "predict_proba"):
        found["probabilities"] = model.predict_proba(X)
    return {name: bits(value) for name, value in found.items()}


def bits(value):
    """Return a value as it can be compared: exact, and with its type."""
    if isinstance(value, np.ndarray):
        content = value.tolist() if value.dtype.hasobject else value.tobytes()
        return "array", value.dtype.str, value.shape, content
    if isinstance(value, np.random.RandomState):
        state = value.get_state(legacy=False)
        return bits(state["state"]["key"]), state["state"]["pos"], state["has_gauss"]
    if isinstance(value, list | tuple):
        return [bits(each) for each in value]
    if type(value).__module__.startswith("sklearn"):
        return {name: bits(each) for name, each in vars(value).items()}
    return type(value).__name__, repr(value)


def in_another_process(function):
    """Return the number of a process that calls a function and writes nothing but what the function writes."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        function()
        status = 0
    finally:
        os._exit(status)


def ended(child):
    """Wait for a process; return whether it has ended well, and raise if it has failed."""
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
    return os.WIFEXITED(status)


def attempt(name, max_iter, file, result, disk_is_full):
    """Fit, or go on; write to `result` what that leaves."""
    if file.exists():
        model = Checkpoint.resume(file).set_params(max_iter=max_iter)
    else:
        model = new_model(name, max_iter=max_iter).set_callbacks(Checkpoint(file, seconds=0))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if disk_is_full:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, hard))
    found = fitted(model, name)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    result.write_bytes(pickle.dumps(found))


def wait_for_change(file, result):
    """Wait until there is another checkpoint in the file, or the fit has ended."""
    before = file.stat().st_mtime_ns if file.exists() else None
    while not result.exists() and (not file.exists() or file.stat().st_mtime_ns == before):
        time.sleep(0.001)


def killed(name, folder, source):
    """Kill a fit KILLS times; return the epochs in the checkpoint after each kill, and whether the end is right.

    There are always some epochs left, however fast they are: `max_iter` grows as the fit comes close to it. The fits of
    the process that is forked have one thread, so that there are no others.
    """
    file, result = folder / "checkpoint", folder / "result"
    step = FEW_EPOCHS if CASES[name][1].get("early_stopping") else MANY_EPOCHS
    fitted(new_model(name, max_iter=20, n_threads=1), name)  # it may have to compile
    epochs, kills, max_iter = [], 0, step

    def forked(disk_is_full):
        return in_another_process(lambda: attempt(name, max_iter, file, result, disk_is_full))

    while not result.exists():
        disk_is_full = kills in ATTEMPTS_ON_A_FULL_DISK
        before = file.read_bytes() if disk_is_full and file.exists() else None
        child = forked(disk_is_full)
        if kills < KILLS:
            for _ in range(0 if disk_is_full else source.randrange(5)):
                wait_for_change(file, result)
            time.sleep(source.uniform(0, MOST_DELAY))
            os.kill(child, signal.SIGKILL)
        kills += not ended(child)
        if before is not None:
            assert file.read_bytes() == before or result.exists()
        if file.exists():
            epochs.append(checkpoint_file.read(file, "estimator")[0]["state"]["n_iter_"])
            if max_iter - epochs[-1] < step / 2 and kills < KILLS:
                max_iter += step
                result.unlink(missing_ok=True)  # the fit has come to its end before the kill; now it goes on
    undisturbed = fitted(new_model(name, max_iter=max_iter, n_threads=1), name)
    return {"kills": kills, "epochs": epochs, "is_right": pickle.loads(result.read_bytes()) == undisturbed}


if __name__ == "__main__":
    import pathlib

    os.fsync = lambda descriptor: None  # a kill does not need it, and a slow disk would leave little of a fit to kill
    source = random.Random(31)
    for name in CASES:
        folder = pathlib.Path(sys.argv[1], name.replace(" ", "-"))
        folder.mkdir()
        print(json.dumps({"name": name, **killed(name, folder, source)}), flush=True)
