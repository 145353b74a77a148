"""Checkpoints, callbacks and the end of a run of fit_blocks, whose samples come from blocks again and again."""

import json
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest
from data import PATIENCE, assert_same_bits, wait_for_change
from fit_blocks_data import Blocks, fit, fit_blocks, samples, smallest_limit

import fastnn2
from fastnn2.storage import checkpoint_file

ARRAYS = samples("layers", 8000)
KILLS = 8


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


@pytest.fixture(params=["blocks", "in memory"])
def limit(request):
    return smallest_limit(ARRAYS, "layers", iterations=20) if request.param == "blocks" else "1GB"


def done_in(path):
    """Return the number of iterations in a checkpoint."""
    return checkpoint_file.read(path, "fit_blocks")[0]["iterations"]


def stop_at(iteration):
    return lambda done, cost, params: done == iteration


def test_a_callback_sees_what_it_sees_in_fit(limit):
    ours, theirs = [], []
    result = fit_blocks(ARRAYS, "layers", 7, memory_limit=limit, callback=lambda *given: ours.append(given))
    expected = fit(ARRAYS, "layers", 7, callback=lambda *given: theirs.append(given))
    assert_same_bits(result, expected)
    assert len(ours) == len(theirs) == 7
    for (iteration, cost, params), other in zip(ours, theirs, strict=True):
        assert (iteration, cost) == other[:2]
        assert_same_bits(params, other[2])


def test_a_callback_ends_the_run(limit):
    seen = []

    def callback(iteration, cost, params):
        seen.append(iteration)
        return iteration == 6

    result = fit_blocks(ARRAYS, "layers", 20, memory_limit=limit, callback=callback, callback_every=2)
    assert seen == [2, 4, 6]
    assert_same_bits(result, fit(ARRAYS, "layers", 6))


def test_an_error_of_the_callback(limit, path):
    error = RuntimeError("mine")

    def fail(iteration, cost, params):
        if iteration == 4:
            raise error

    options = {"memory_limit": limit, "checkpoint": path}
    with pytest.raises(RuntimeError, match="mine") as caught:
        fit_blocks(ARRAYS, "layers", 9, callback=fail, **options)
    assert caught.value is error
    assert_same_bits(error.training, fit(ARRAYS, "layers", 4))
    assert done_in(path) == 4
    assert_same_bits(fit_blocks(ARRAYS, "layers", 9, resume=True, **options), fit(ARRAYS, "layers", 9))


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("shape", ["narrow", "outputs", "shared"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_end_is_that_of_the_undisturbed_run(shape, dtype, n_threads, path):
    """Each part has its own way to get the same rows, and another limit."""
    arrays = samples(shape, 3000, dtype, weighted=True)
    cut = Blocks(arrays, [0, 5, 1234, 1234])
    options = {"alpha": 0.5, "n_threads": n_threads}
    small = smallest_limit(arrays, shape, **options), smallest_limit(cut, shape, **options)
    parts = ((arrays, small[0], 3), (cut, "1GB", 4), (cut, small[1], 7), (arrays, "1GB", 9))
    for blocks, limit, stop in parts:
        result = fit_blocks(
            blocks, shape, 9, memory_limit=limit, checkpoint=path, resume=True, callback=stop_at(stop), **options
        )
        assert done_in(path) == stop
        assert_same_bits(result, fit(arrays, shape, stop, alpha=0.5))
    assert os.listdir(path.parent) == [path.name]


def test_more_iterations_than_before(limit, path):
    options = {"memory_limit": limit, "checkpoint": path, "resume": True}
    fit_blocks(ARRAYS, "layers", 4, **options)
    seen = []
    result = fit_blocks(ARRAYS, "layers", 7, callback=lambda done, *_: seen.append(done), **options)
    assert_same_bits(result, fit(ARRAYS, "layers", 7))
    assert seen == [5, 6, 7]
    assert_same_bits(fit_blocks(ARRAYS, "layers", 7, **options), result)
    with pytest.raises(ValueError, match=r"number_of_iterations is 6, but the checkpoint .* has 7 iterations; pass 7"):
        fit_blocks(ARRAYS, "layers", 6, **options)


X, Y = ARRAYS
OTHERS = {
    "X": ((X + 1, Y), {}, "the data"),
    "Y": ((X, 1 - Y), {}, "the data"),
    "weights": ((X, Y, np.ones(len(X))), {}, "the data"),
    "rows": ((X[1:], Y[1:]), {}, "the number of samples is 8000 there and 7999 here"),
    "dtype": ((X, Y), {"dtype": "float32"}, "dtype is 'float64' there and 'float32' here"),
    "alpha": ((X, Y), {"alpha": 1.0}, "alpha is 0.0 there and 1.0 here"),
    "init": ((X, Y), {"init": "small"}, "the initial parameters"),
    "random state": ((X, Y), {"random_state": 4}, "the initial parameters"),
}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("change", OTHERS)
def test_a_checkpoint_of_another_run_is_refused(change, resume, limit, path):
    fit_blocks(ARRAYS, "layers", 3, memory_limit=limit, checkpoint=path)
    content = path.read_bytes()
    blocks, options, message = OTHERS[change]
    with pytest.raises(ValueError, match=f"is of another run: .*{message}.*Choose another file, or"):
        fit_blocks(blocks, "layers", 9, memory_limit="1GB", checkpoint=path, resume=resume, **options)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_a_checkpoint_of_another_function_is_refused(path):
    fit(ARRAYS, "layers", 3, checkpoint=path)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="checkpoint"):
        fit_blocks(ARRAYS, "layers", 9, checkpoint=path, resume=True)
    assert path.read_bytes() == content
    path.unlink()
    fit_blocks(ARRAYS, "layers", 3, checkpoint=path)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="checkpoint"):
        fit(ARRAYS, "layers", 9, checkpoint=path, resume=True)
    assert path.read_bytes() == content


def test_random_state_none(limit, path):
    options = {"memory_limit": limit, "checkpoint": path, "random_state": None}
    first = fit_blocks(ARRAYS, "layers", 3, **options)
    result = fit_blocks(ARRAYS, "layers", 7, resume=True, **options)
    assert_same_bits(result[1][:3], first[1])
    assert_same_bits((result[0], result[1][3:]), fit(ARRAYS, "layers", 4, init=first[0]))


def test_samples_that_cannot_be_used_leave_no_lock(path):
    with pytest.raises(ValueError, match="nan"):
        fit_blocks((X * np.nan, Y), "layers", checkpoint=path)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("what", ["cost", "parameters"])
def test_divergence_is_that_of_fit(what, limit, path):
    """The cost or the parameters are not finite; the error has the last that are."""
    rate, alpha = 1e308, 1e306 if what == "parameters" else 0.0
    init = fastnn2.init_params(X.T, Y.T, 9, random_state=3)
    if what == "cost":
        init["W2"] *= 1e308
        init["b2"] += 1e308
    errors = []
    for function in (
        lambda: fastnn2.fit(X.T, Y.T, rate, 9, 9, init=init, alpha=alpha),
        lambda: fastnn2.fit_blocks(
            (X, Y), rate, 9, 9, init=init, alpha=alpha, memory_limit=limit, checkpoint=path, resume=True
        ),
    ):
        with pytest.raises(fastnn2.TrainingDiverged) as caught:
            function()
        errors.append(caught.value)
    theirs, ours = errors
    assert str(ours) == str(theirs)
    assert {"cost": "cost is", "parameters": "parameters after the update are"}[what] in str(ours)
    assert_same_bits((ours.params, ours.cost_), (theirs.params, theirs.cost_))
    assert os.listdir(path.parent) == []


TRAIN = """
import json, os, sys
import numpy as np
import fastnn2
os.fsync = lambda descriptor: None  # a kill does not need it, and a slow disk would leave little of a run to kill
path, iterations, limit, kind = json.loads(sys.argv[1])
source = np.random.RandomState(0)
X = source.standard_normal((4000, 5))
Y = X[:, 0] * X[:, 1] > 0
weights = 1.0 + np.arange(4000) % 3
rows = X, Y, weights
blocks = rows if kind == "arrays" else [tuple(part[k : k + 700] for part in rows) for k in range(0, 4000, 700)]
options = {} if path is None else {"checkpoint": path, "checkpoint_seconds": 0, "resume": True}
fastnn2.fit_blocks(blocks, 0.5, 5, 1, memory_limit=limit, n_threads=2)  # loads the kernels
print("ready", flush=True)
params, cost_ = fastnn2.fit_blocks(blocks, 0.5, 5, iterations, alpha=0.1, memory_limit=limit, n_threads=2, **options)
print(json.dumps([cost_[-1].hex(), float(cost_.sum()).hex(), [a.tobytes().hex() for a in params.values()]]))
"""


def train(*arguments):
    command = [sys.executable, "-W", "ignore", "-c", TRAIN, json.dumps(arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("kind", ["arrays", "list"])
def test_a_run_that_is_killed_again_and_again(kind, path):
    """The undisturbed run has all samples in memory, the others have not.

    Runs that are killed have no end in sight, however fast they are; the last one ends a little later.
    """
    source, done = random.Random(1), [0]
    for _ in range(KILLS):
        process = train(str(path), 10**7, "400kB", kind)
        try:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
            for _ in range(source.randrange(1, 20)):
                wait_for_change(path, process)
            time.sleep(source.random() * 0.02)
            assert process.poll() is None
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)
        done.append(done_in(path))
    print(f"iterations in the checkpoint after each kill: {done}")
    assert done == sorted(set(done)), "each run goes on from where the last one was"
    iterations = done[-1] + 100
    expected = finish(train(None, iterations, "1GB", kind))
    assert finish(train(str(path), iterations, "400kB", kind)) == expected
    assert done_in(path) == iterations


FULL_DISK = """
import json, resource, sys, warnings
import numpy as np
import fastnn2
X = np.linspace(-1, 1, 20_000).reshape(4000, 5)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
options = {"checkpoint": sys.argv[1], "checkpoint_seconds": 0, "memory_limit": "400kB", "n_threads": 2}
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    params, cost_ = fastnn2.fit_blocks((X, X[:, 0] > 0), 0.5, 5, 200, **options)
expected = fastnn2.fit(X.T, X[:, 0] > 0, 0.5, 5, 200)
is_right = bool((cost_ == expected[1]).all()) and all((params[name] == expected[0][name]).all() for name in params)
print(json.dumps([is_right, [str(warning.message) for warning in found]]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for files")
def test_a_full_disk_is_told_once(path):
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    is_right, warnings = json.loads(done.stdout)
    assert is_right
    assert len(warnings) == 1, warnings
    assert str(path) in warnings[0]
    assert os.listdir(path.parent) == []
