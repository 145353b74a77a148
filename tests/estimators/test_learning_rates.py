"""Learning rates are those of exact powers, as near to scikit-learn's as its powers are to exact ones.

They, and fits with them, have the same bits whatever NumPy and the C library make of the processor. Both choose
routines when a process starts, so subprocesses, which run this file as a script, are kept from using instructions.
"""

import functools
import json
import math
import os
import pathlib
import platform
import subprocess
import sys
import time

import mpmath
import numpy as np
import pytest
import results_estimators
import results_fits
from data import PATIENCE
from results_rows import digest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

import fastnn2
from fastnn2.estimators import learning_rates, optimizer_state

TESTS = pathlib.Path(__file__).parents[1]
EPS = 2.0**-52

# Zero, tiny, powers that are exact, the usual ones, and so near 1 that 1 - beta^t is tiny for many t.
BETAS = (0.0, 1e-300, 1e-9, 0.3, 0.5, 0.625, 0.9, 0.999, 0.999999, 1 - 1e-9, 1 - 2.0**-53)
FIRST = (1, 200, 36_900, 999_990, 10**7, 10**9 + 7)
POWERS_T = (0.0, 5e-324, 1e-9, 0.1, 0.25, 0.3, 1 / 3, 0.5, 0.7, 1.0, 1.5, 2.0, 10.0, 25.0)
BASES = (2, 3, 5, 16, 101, 201, 1801, 12_346, 10**6 + 1, 10**7 + 1, 10**12 + 39, *range(2, 20_000, 197))


def exact_power(base, exponent):
    """Return base^exponent, rounded once to float64."""
    with mpmath.workprec(300):
        return float(mpmath.mpf(base) ** mpmath.mpf(exponent))


def adam(beta_1=0.9, beta_2=0.999, rate=1e-3):
    return AdamOptimizer([], rate, beta_1, beta_2)


def invscaling(power_t, rate=0.1):
    return SGDOptimizer([], rate, "invscaling", power_t=power_t)


# Powers


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("beta", BETAS)
def test_powers_of_betas_are_rounded_once(beta, first):
    expected = [1.0 - exact_power(beta, t) for t in range(first, first + 25)]
    assert learning_rates.one_minus_powers(beta, first, 25).tolist() == expected


@pytest.mark.parametrize("exponent", POWERS_T)
def test_powers_of_samples_are_rounded_once(exponent):
    assert [learning_rates.power(base, exponent) for base in BASES] == [exact_power(b, exponent) for b in BASES]


def test_a_power_that_is_too_large_is_refused_as_python_refuses_it():
    assert learning_rates.power(10, 308.0) == pytest.approx(1e308)
    for power in (pow, learning_rates.power):
        assert math.isinf(power(10, math.inf))
        for exponent in (309.0, 1e300):
            with pytest.raises(OverflowError):
                power(10, exponent)


# Rates


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("beta_2", BETAS)
@pytest.mark.parametrize("beta_1", [0.0, 0.9, 0.999999, 1 - 1e-9])
def test_rates_of_adam_are_as_near_to_scikit_learns_as_its_powers_are(beta_1, beta_2, first):
    """A power of the C library has up to one unit in the last place more or less, which 1 - beta^t magnifies."""
    optimizer, parameter = adam(beta_1, beta_2), [np.zeros(1)]
    optimizer.ms, optimizer.vs, optimizer.t = parameter, parameter, first - 1
    ours = learning_rates.adam_rates(optimizer, first, 40)
    for t, rate in enumerate(ours, first):
        optimizer._get_updates(parameter)
        assert optimizer.t == t
        magnified = sum(beta**t / (1 - beta**t) for beta in (beta_1, beta_2))
        assert rate == pytest.approx(optimizer.learning_rate, rel=(4 + magnified) * EPS, abs=0)


def test_usual_rates_are_within_four_units_of_scikit_learns():
    optimizer, parameter = adam(), [np.zeros(1)]
    optimizer.ms, optimizer.vs = parameter, parameter
    for rate in learning_rates.adam_rates(optimizer, 1, 5000):
        optimizer._get_updates(parameter)
        assert abs(rate - optimizer.learning_rate) <= 4 * np.spacing(rate)


@pytest.mark.parametrize("power_t", POWERS_T)
def test_rates_of_invscaling_are_within_four_units_of_scikit_learns(power_t):
    optimizer = invscaling(power_t)
    for base in BASES:
        optimizer.iteration_ends(base - 1)
        ours = learning_rates.invscaling_rate(optimizer, base - 1)
        assert abs(ours - optimizer.learning_rate) <= 4 * np.spacing(ours)


@pytest.mark.parametrize("optimizer", [adam(), adam(0.0, 0.999999), adam(0.3, 1 - 1e-9)])
def test_a_rate_of_adam_depends_on_its_number_alone(optimizer):
    together = learning_rates.adam_rates(optimizer, 1, 2000)
    for count in (1, 7, learning_rates.SPAN, 999):
        parts = [learning_rates.adam_rates(optimizer, t, min(count, 2001 - t)) for t in range(1, 2001, count)]
        assert np.concatenate(parts).tobytes() == together.tobytes()


def test_negligible_powers_are_where_one_minus_them_is_one():
    """Spans that are not computed are as they would be."""
    for beta in (0.9, 0.999):
        number = next(k for k in range(1000) if learning_rates._span(beta, k) is learning_rates._ones())
        assert exact_power(beta, number * learning_rates.SPAN) < 2.0**-54
        assert exact_power(beta, (number - 1) * learning_rates.SPAN) >= 2.0**-54


@pytest.mark.parametrize("power_t", [0.5, 0.3, 1.0])
def test_the_rate_that_a_model_keeps_is_the_next_that_a_kernel_gets(power_t):
    together = optimizer_state.learning_rates(invscaling(power_t), 6, 2, 0, 150)
    one_by_one = invscaling(power_t)
    found = []
    for epoch in range(6):
        found += optimizer_state.learning_rates(one_by_one, 1, 2, 150 * epoch, 150).tolist()
        optimizer_state.end_epochs(one_by_one, 150 * (epoch + 1))
    assert found == together.tolist()
    assert one_by_one.learning_rate == learning_rates.invscaling_rate(one_by_one, 900)


@pytest.mark.parametrize("options", [{"solver": "adam"}, *({"solver": "sgd", "power_t": p} for p in (0.5, 0.3))])
def test_epochs_of_one_call_are_those_of_calls_of_one_epoch(options, monkeypatch):
    for optimizer in (AdamOptimizer, SGDOptimizer):
        monkeypatch.setattr(optimizer, "iteration_ends", None)  # it would take a power of the C library
    source = np.random.RandomState(0)
    X, y = source.random_sample((150, 4)), source.random_sample(150)
    options = options | {"learning_rate": "invscaling", "random_state": 1, "shuffle": False, "batch_size": 60}
    together = fastnn2.MLPRegressor(hidden_layer_sizes=5, max_iter=8, tol=0, **options)
    with pytest.warns(ConvergenceWarning):
        together.fit(X, y)
    one_by_one = fastnn2.MLPRegressor(hidden_layer_sizes=5, **options)
    for _ in range(8):
        one_by_one.partial_fit(X, y)
    assert digest(one_by_one.coefs_) == digest(together.coefs_)
    assert one_by_one._optimizer.learning_rate == together._optimizer.learning_rate


def test_other_schedules_keep_their_rate():
    for optimizer in (adam(), SGDOptimizer([], 0.1, "constant"), SGDOptimizer([], 0.1, "adaptive")):
        before = optimizer.learning_rate
        optimizer_state.end_epochs(optimizer, 1000)
        assert optimizer.learning_rate == before


def test_a_rate_takes_little_time():
    """Less than a Python loop over the powers of both betas, which takes five times as long."""
    taken = []
    for _ in range(5):  # the fastest of several, as other processes may want the core
        learning_rates._span.cache_clear()
        begin = time.process_time()
        learning_rates.adam_rates(adam(), 1, 30_000)
        middle = time.process_time()
        for number in range(1, 30_001):
            learning_rates.power(number, 0.5), learning_rates.power(number, 0.25)
        taken.append((middle - begin, time.process_time() - middle))
    own, loop = (min(each) for each in zip(*taken, strict=True))
    assert own < loop


# Routines of other processors

# Parts of the names of rows that have all that fits and predictions go through. Of rows that are bound to a machine
# those of L-BFGS are compared, as SciPy's BLAS is the same in all processes; others have NumPy's exp and tanh, or the C
# library's log.
ROWS = (
    "estimator adam ", "estimator adam-5/8 softmax 10-24 n=500 float64, activation=relu", "invscaling", "adaptive",
    "estimator lbfgs ", "early_stopping=True, n_iter", "early_stopping=True, validation_f", "class_weight",
    "predictions softmax 10-24 n=300 float", "fit train_narrow 2-4-1",
)  # fmt: skip


def in_subprocess():
    """Print name -> digest of rates and of rows."""
    from results_table import compute

    rates = {
        f"rates of Adam, {beta_1} and {beta_2}": digest(
            [learning_rates.adam_rates(adam(beta_1, beta_2), first, 3000) for first in FIRST]
        )
        for beta_1, beta_2 in ((0.9, 0.999), (0.0, 0.99), (0.999, 0.999999), (0.3, 1 - 1e-9))
    }
    for power_t in POWERS_T:
        found = [learning_rates.invscaling_rate(invscaling(power_t), seen) for seen in range(1, 20_000, 19)]
        rates[f"rates of invscaling, {power_t}"] = digest(found)
    rows = [
        row
        for row in (*results_fits.rows(), *results_estimators.rows())
        if any(name in row.name for name in ROWS) and row.bound_by in ("", results_estimators.BOUND_SOLVERS["lbfgs"])
    ]
    core = getattr(np, "_core", None) or np.core  # the latter before NumPy 2
    features = [name for name, found in core._multiarray_umath.__cpu_features__.items() if found]
    power = digest([0.999**t for t in range(1, 20_000)])  # whether the C library has other routines
    json.dump({"digests": rates | compute(rows), "features": features, "power": power}, sys.stdout)


def dispatched():
    """Return the features that NumPy has routines for and that this processor has."""
    core = getattr(np, "_core", None) or np.core
    module = core._multiarray_umath
    return [name for name in module.__cpu_dispatch__ if module.__cpu_features__.get(name)]


def is_avx512(feature):
    return feature.startswith("AVX512") or feature == "X86_V4"


# Which of NumPy's features are kept from it, and whether the C library does without fused multiply-add too.
MODES = {
    "as it is": (lambda feature: False, False),
    "without AVX-512": (is_avx512, False),
    "without any": (lambda feature: True, False),
    "without any, nor the C library's": (lambda feature: True, True),
}


@functools.cache
def run(mode):
    """Return what a process prints, and the features that it was kept from."""
    is_disabled, also_c_library = MODES[mode]
    disabled = [name for name in dispatched() if is_disabled(name)]
    environment = os.environ | {
        "NPY_DISABLE_CPU_FEATURES": ",".join([os.environ.get("NPY_DISABLE_CPU_FEATURES", ""), *disabled]).strip(","),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")])),
        "PYTHONWARNINGS": "error",  # NumPy warns of a name that it does not know
    }
    if also_c_library:
        environment["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=10 * PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), disabled


@pytest.mark.parametrize("mode", [name for name in MODES if name != "as it is"])
def test_other_routines_of_numpy_and_of_the_c_library_give_the_same_bits(mode):
    found, disabled = run(mode)
    expected, _ = run("as it is")
    if mode.endswith("C library's"):
        if platform.libc_ver()[0] != "glibc" or found["power"] == expected["power"]:
            pytest.skip("the C library has no other routines for this processor, or cannot be told to use them")
    elif not disabled:
        pytest.skip(f"NumPy has no routines {mode.replace('without', 'for')} that this processor could do without")
    assert not set(disabled) & set(found["features"])
    assert len(found["digests"]) > 60
    different = [name for name, each in found["digests"].items() if each != expected["digests"][name]]
    assert different == []


if __name__ == "__main__":
    in_subprocess()
