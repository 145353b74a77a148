"""Problems, published figures, tolerances and helper functions that the tests share."""

import _thread
import importlib
import itertools
import os
import time

import numpy as np
import pytest

import fastnn2
from fastnn2 import reference
from fastnn2.codegen import provider
from fastnn2.codegen.settings import is_store_on
from fastnn2.kernels.shared import tuning
from fastnn2.threads import system

DTYPES = ("float64", "float32")

# The tutorial prints the first cost. The last cost is that of the same run with the formulas of the reference.
PUBLISHED_FIRST_COST = 0.7383781203733911
PUBLISHED_LAST_COST = 0.06791109327547613
PUBLISHED_FIRST_TOLERANCE = 1e-15
PUBLISHED_LAST_TOLERANCE = 1e-12

# One step: |difference| <= TOLERANCE * (sum of the magnitudes of the terms). A bound relative to the result would not
# hold, as a sum may cancel to 0.
TOLERANCE = {"float64": 1e-13, "float32": 1e-6}
# Tens of iterations, relative to the largest number of an array, as rounding errors carry over from step to step.
ITERATIONS_TOLERANCE = {"float64": 2e-14, "float32": 4e-6}
# Elementary functions, in units in the last place (ulp) of the exact value.
ULP = 4
# A derivative by central differences, relative.
DIFFERENCES_TOLERANCE = 1e-6

# Seconds after which a process or a thread that a test waits for is considered to hang. On a slow or busy machine, a
# process that compiles every kernel takes minutes.
PATIENCE = 600

# Where all extras are installed, a test that needs one fails without it; elsewhere it is skipped by name.
EXTRAS_ARE_REQUIRED = os.environ.get("FASTNN2_TEST_EXTRAS") == "required"

# The environment in which kernels come from the store, also where the package has libraries of them. Tests of the store
# and of compiling run their subprocesses with it, and use the fixture `store_kernels`.
STORE_KERNELS = {"FASTNN2_KERNELS": "store"}

RATE = 0.3  # the learning rate of all tests that need no particular one


def extra(module, name):
    """Return a module of the extra `name`; skip the test, or the whole file of tests, where it is missing."""
    if EXTRAS_ARE_REQUIRED:
        return importlib.import_module(module)
    return pytest.importorskip(module, reason=f"needs the extra {name!r}: {module} is not installed")


def published_data():
    """Return X (2, 500), Y (1, 500) and the initial parameters of the published run.

    The tutorial's notebook seeds NumPy once, and draws first the initial weights, then the moons.
    """
    from sklearn.datasets import make_moons

    source = np.random.RandomState(3)
    params = {
        "W1": source.randn(5, 2) * np.sqrt(2 / 2),
        "b1": np.zeros((5, 1)),
        "W2": source.randn(1, 5) * np.sqrt(2 / 5),
        "b2": np.zeros((1, 1)),
    }
    X, Y = make_moons(n_samples=500, noise=0.2, random_state=source)
    return X.T, Y.reshape(1, -1), params


def problem(d, h, o, n, dtype="float64", seed=0):
    """Return X, Y, params and weights of a random problem, all rounded to `dtype`.

    Targets are 0, 1 and numbers between; biases are not zero; some sample weights are zero, but not the first.
    """
    source = np.random.default_rng([seed, d, h, o, n])
    X = source.standard_normal((d, n))
    Y = source.choice([0.0, 1.0, 0.25, 0.625], p=[0.4, 0.4, 0.1, 0.1], size=(o, n))
    params = {
        "W1": source.standard_normal((h, d)) / np.sqrt(d),
        "b1": source.standard_normal((h, 1)) / 2,
        "W2": source.standard_normal((o, h)) / np.sqrt(h),
        "b2": source.standard_normal((o, 1)) / 2,
    }
    weights = source.uniform(0.25, 4.0, n)
    weights[3::5] = 0.0
    params = {name: value.astype(dtype) for name, value in params.items()}
    return X.astype(dtype), Y.astype(dtype), params, weights.astype(dtype)


def as_double(*values):
    """Return arrays, dicts of arrays and None in float64, for the reference to start from the same rounded inputs."""
    return tuple(
        value
        if value is None
        else {name: array.astype(float) for name, array in value.items()}
        if isinstance(value, dict)
        else value.astype(float)
        for value in values
    )


def sample_counts(d, h, o, dtype):
    """Return the numbers of samples at which the layout or the division of the work changes: name -> n."""
    group = tuning.group_size(dtype)
    tile = tuning.count_tile_groups(d, h, o) * group
    return {
        "1": 1,
        "2": 2,
        "7": 7,
        "group-1": group - 1,
        "group": group,
        "group+1": group + 1,
        "halves-1": 2 * tuning.HALF_SAMPLES - 1,
        "halves": 2 * tuning.HALF_SAMPLES,
        "chunk+1": tuning.CHUNK_GROUPS * group + 1,
        "tile-1": tile - 1,
        "tile": tile,
        "tile+1": tile + 1,
    }


COUNT_NAMES = tuple(sample_counts(1, 1, 1, "float64"))
# Without those at which the number of chunks changes, as only training has chunks.
STEP_COUNT_NAMES = tuple(name for name in COUNT_NAMES if name not in ("halves-1", "halves", "chunk+1"))


# Sums of the magnitudes of the terms: the formulas of the reference, with + for - and the magnitudes of all numbers.
# A term that is itself the result of a sum contributes that sum's magnitude times its derivative.


def forward_magnitudes(X, params):
    """Return the magnitudes for Z1, A1, Z2 and y."""
    y, cache = reference.forward(X, params)
    Z1 = abs(params["W1"]) @ abs(X) + abs(params["b1"])
    A1 = abs(cache["A1"]) + (1 - cache["A1"] ** 2) * Z1
    Z2 = abs(params["W2"]) @ A1 + abs(params["b2"])
    return {"Z1": Z1, "A1": A1, "Z2": Z2, "y": y + y * (1 - y) * Z2}


def backward_magnitudes(X, Y, params, cache, weights, alpha, inherited=None):
    """Return the magnitudes for dW1, db1, dW2 and db2; `inherited` has those of the cache, None if it is exact."""
    w = np.ones(Y.shape[1]) if weights is None else weights
    A1, y = abs(cache["A1"]), cache["y"]
    of_A1, of_y = (A1, y) if inherited is None else (inherited["A1"], inherited["y"])
    W1, W2 = abs(params["W1"]), abs(params["W2"])
    dZ2, of_dZ2 = w * abs(y - Y), w * (of_y + Y)
    back, of_back = abs(params["W2"].T @ (w * (y - Y))), W2.T @ of_dZ2
    dZ1 = of_back * (1 - A1**2) + back * (1 + A1**2 + 2 * A1 * (of_A1 - A1))
    n = w.sum()
    return {
        "dW1": (dZ1 @ abs(X).T + alpha * W1) / n,
        "db1": dZ1.sum(axis=1, keepdims=True) / n,
        "dW2": (of_dZ2 @ A1.T + dZ2 @ of_A1.T + alpha * W2) / n,
        "db2": of_dZ2.sum(axis=1, keepdims=True) / n,
    }


def cost_magnitude(X, Y, params, weights, alpha):
    """Return the magnitude for the cost from Z2: max(z, 0), Y z and log(1 + e^-|z|) of all samples, and the penalty."""
    w = np.ones(Y.shape[1]) if weights is None else weights
    y, cache = reference.forward(X, params)
    z = cache["Z2"]
    terms = np.maximum(z, 0) + Y * abs(z) + np.log1p(np.exp(-abs(z))) + abs(y - Y) * forward_magnitudes(X, params)["Z2"]
    return ((w * terms).sum() + reference.penalty(params, alpha)) / w.sum()


def assert_close(result, expected, magnitude, dtype, what=""):
    """Assert |difference| <= TOLERANCE * magnitude for each number."""
    result = np.asarray(result, dtype=float)
    assert result.shape == np.shape(expected), what
    excess = abs(result - expected) / (TOLERANCE[dtype] * np.maximum(magnitude, np.finfo(float).tiny))
    # A comparison with NaN is false, so NaN fails.
    assert (excess <= 1).all(), f"{what}: {np.max(excess):.3g} times the tolerance"


def assert_same_bits(result, expected):
    """Assert that arrays, or dicts or tuples of arrays, are equal bit for bit."""
    if isinstance(expected, dict):
        assert result.keys() == expected.keys()
        for name in expected:
            assert_same_bits(result[name], expected[name])
    elif isinstance(expected, tuple):
        for one, other in zip(result, expected, strict=True):
            assert_same_bits(one, other)
    else:
        assert result.dtype == expected.dtype
        assert result.shape == expected.shape
        assert result.tobytes() == expected.tobytes()


def central_differences(cost, params, step=1e-5):
    """Return the derivative of ``cost(params)`` for each parameter, by central differences, in float64."""
    slopes = {}
    for name, value in params.items():
        slope = np.empty_like(value)
        for index in np.ndindex(value.shape):
            costs = []
            for sign in (1, -1):
                moved = {key: array.copy() for key, array in params.items()}
                moved[name][index] += sign * step
                costs.append(cost(moved))
            slope[index] = (costs[0] - costs[1]) / (2 * step)
        slopes["d" + name] = slope
    return slopes


# A step worked by hand. As tanh(ln 2) = 3/5, tanh(ln 3) = 4/5 and sigmoid(ln 3) = 3/4, all numbers of the step are
# fractions, some of them times ln 3.
#
#     Z1 = [[ln 2, 0], [0, ln 3]]   A1 = [[3/5, 0], [0, 4/5]]   Z2 = [[ln 3, -ln 3]]   y = [[3/4, 1/4]]
#
# without weights (n = 2):        dZ2 = [[-1/4, 1/4]], cost = log(4/3)
#   dZ1 = ln 3 [[-4/15, 5/12], [5/16, -9/80]]
#   dW1 = ln 3 [[-2/15, 5/24], [5/32, -9/160]]   db1 = ln 3 [[3/40], [1/10]]   dW2 = [[-3/40, 1/10]]   db2 = 0
# with weights 3 and 1 (n = 4), alpha = 2:   dZ2 = [[-3/4, 1/4]]
#   cost = log(4/3) + 1/4 ((ln 2)^2 + (ln 3)^2 + (25/9 + 25/16) (ln 3)^2)
#   dZ1 = ln 3 [[-4/5, 5/12], [15/16, -9/80]]
#   dW1 = ln 3 [[-1/5, 5/48], [15/64, -9/320]] + 1/2 W1   db1 = ln 3 [[-23/240], [33/160]]
#   dW2 = [[-9/80, 1/20]] + 1/2 W2                        db2 = -1/8
LN2, LN3 = 0.6931471805599453, 1.0986122886681098
HAND_X = np.array([[1.0, 0.0], [0.0, 1.0]])
HAND_Y = np.array([[1.0, 0.0]])
HAND_PARAMS = {
    "W1": np.array([[LN2, 0.0], [0.0, LN3]]),
    "b1": np.array([[0.0], [0.0]]),
    "W2": np.array([[5 / 3 * LN3, -5 / 4 * LN3]]),
    "b2": np.array([[0.0]]),
}
HAND_RATE = 0.5
HAND_TOLERANCE = 1e-15
# name -> (keywords, cost, gradients, parameters after the step): the fractions above to 16 digits
HAND_STEPS = {
    "plain": (
        {},
        0.2876820724517809,
        {
            "dW1": np.array([[-0.1464816384890813, 0.22887756013918953], [0.17165817010439213, -0.06179694123758117]]),
            "db1": np.array([[0.08239592165010823], [0.10986122886681098]]),
            "dW2": np.array([[-0.075, 0.1]]),
            "db2": np.array([[0.0]]),
        },
        {
            "W1": np.array([[0.7663879998044859, -0.11443878006959476], [-0.08582908505219607, 1.1295107592869003]]),
            "b1": np.array([[-0.041197960825054114], [-0.05493061443340549]]),
            "W2": np.array([[1.868520481113516, -1.423265360835137]]),
            "b2": np.array([[0.0]]),
        },
    ),
    "weights and alpha": (
        {"sample_weight": np.array([3.0, 1.0]), "alpha": 2.0},
        2.0191560045161845,
        {
            "dW1": np.array([[0.12685113254635072, 0.11443878006959476], [0.2574872551565882, 0.5184076737152643]]),
            "db1": np.array([[-0.10528367766402717], [0.22658878453779763]]),
            "dW2": np.array([[0.8030102405567581, -0.6366326804175686]]),
            "db2": np.array([[-0.125]]),
        },
        {
            "W1": np.array([[0.62972161428677, -0.05721939003479738], [-0.1287436275782941, 0.8394084518104775]]),
            "b1": np.array([[0.052641838832013586], [-0.11329439226889881]]),
            "W2": np.array([[1.4295153608351372, -1.0549490206263528]]),
            "b2": np.array([[0.0625]]),
        },
    ),
}


def assert_iteration_equals_the_reference(shape, n, dtype, weighted, alpha, n_threads=None):
    d, h, o = shape
    X, Y, init, weights = problem(d, h, o, n, dtype)
    weights = weights if weighted else None
    params, cost_ = fastnn2.fit(X, Y, RATE, h, 1, init=init, alpha=alpha, sample_weight=weights, n_threads=n_threads)
    assert cost_.dtype == np.float64
    X, Y, init, weights = as_double(X, Y, init, weights)
    expected, expected_cost = reference.fit(X, Y, RATE, h, 1, init=init, alpha=alpha, sample_weight=weights)
    assert_close(cost_[0], expected_cost[0], cost_magnitude(X, Y, init, weights, alpha), dtype, "cost")
    _, cache = reference.forward(X, init)
    inherited = forward_magnitudes(X, init)
    magnitudes = backward_magnitudes(X, Y, init, cache, weights, alpha, inherited)
    for name in expected:
        assert params[name].dtype == dtype
        magnitude = abs(init[name]) + RATE * magnitudes["d" + name]
        assert_close(params[name], expected[name], magnitude, dtype, name)


def assert_nearly(result, expected, dtype):
    """Assert that (params, costs) agree to the tolerance of tens of iterations."""
    bound = ITERATIONS_TOLERANCE[dtype]
    np.testing.assert_allclose(result[1], expected[1], rtol=0, atol=bound * expected[1].max())
    for name, value in expected[0].items():
        np.testing.assert_allclose(result[0][name], value, rtol=0, atol=bound * abs(value).max())


def fail_before_kernel(failing, monkeypatch):
    """Make the thread with number `failing` raise an error before it enters its kernel; workers are Python threads."""
    kernel, entered = provider.kernel, itertools.count()

    def failing_kernel(name, dtype):
        function = kernel(name, dtype)

        def call(job):
            if job._arrays.get("thread", next(entered)) == failing:  # threads of many networks have no number
                raise RuntimeError("no way into the kernel")
            function(job)

        call.address = function.address
        return call

    monkeypatch.setattr(provider, "kernel", failing_kernel)
    monkeypatch.setattr(system, "IS_POSIX", False)


def assert_ended(before, count=_thread._count):
    """Assert that at most `before` threads are left, soon: a thread reports that it is done just before it ends."""
    deadline = time.monotonic() + 60
    while count() > before and time.monotonic() < deadline:
        time.sleep(0.001)
    assert count() <= before


def wait_for_change(path, process):
    """Wait until there is another file, as a checkpoint that is written anew, or the process has ended."""
    before = path.stat().st_mtime_ns if path.exists() else None
    while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
        time.sleep(0.001)


def count_os_threads():
    """Return the number of threads of this process, native ones included."""
    return len(os.listdir("/proc/self/task"))


def can_use_native_threads():
    """Return whether a team of two can be the caller and a native thread."""
    return system.IS_POSIX and bool(system.other_cores(2)) and os.path.isdir("/proc/self/task") and is_store_on()
