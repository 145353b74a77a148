"""Ctrl-C in fit_many: it stops at once, and the error has the results of the networks that are finished."""

import contextlib
import copy
import gc
import os
import pickle
import re
import signal
import weakref

import numpy as np
import pytest
from data import assert_ended, assert_same_bits
from interrupt_data import LIMIT, run
from thread_data import count_threads, raise_at_bytecode

import fastnn2
from fastnn2.engine import full_batch, network_pool, networks
from fastnn2.functional import fit_many as module
from fastnn2.threads import team

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")

INTERRUPTED = """
from fastnn2.engine import networks

count, n, h, iterations, n_threads, delay, after, signals, options = ARGUMENTS
X, Y = data(n, "float64")
fastnn2.fit_many([X, X.astype("float32")] * 2, Y, 0.5, h, 1)  # loads the kernels
fastnn2.fit(X, Y, 0.5, h, 1)
started.clear()
sent = []

def send():
    sent.append(time.perf_counter())
    for _ in range(signals):
        os.kill(os.getpid(), signal.SIGINT)

in_background(send, delay, after)
rates = [0.1 + i / count for i in range(count)]
try:
    fastnn2.fit_many(X, Y, rates, h, iterations, n_threads=n_threads, **options)
    kind, seconds, error = "none", 0, None
except KeyboardInterrupt as caught:
    seconds = time.perf_counter() - sent[0]
    kind, error = type(caught).__name__, caught
finished = [i for i, result in enumerate(error.results) if result is not None]
wrong = 0
for i in finished[:3] + finished[-3:]:
    params, costs = fastnn2.fit(X, Y, rates[i], h, iterations)
    if options.get("costs") == "last":
        costs = costs[-1:]
    found, found_costs = error.results[i]
    wrong += not ((costs == found_costs).all() and all((params[name] == found[name]).all() for name in params))
print(json.dumps([kind, seconds, len(error.results), len(finished), wrong, str(error), no_threads_left()]))
"""


def interrupt(*arguments, after=0, signals=1, **options):
    """Interrupt fit_many; assert that the error has what is finished, and return the number of finished networks."""
    found = run(f"ARGUMENTS = {(*arguments, after, signals, options)}\n" + INTERRUPTED)
    kind, seconds, count, finished, wrong, message, ended = found
    print(f"stopped {seconds * 1000:.1f} ms after the signal, after {finished} of {count} networks")
    assert kind == "TrainingInterrupted"
    assert count == arguments[0]
    assert wrong == 0
    assert message.startswith(f"stopped after {finished} of {count} networks; the error's .results have theirs")
    assert seconds < LIMIT
    assert ended
    return finished


@pytest.mark.parametrize("n_threads", [1, 2, 7])
@pytest.mark.parametrize("signals", [1, 5])
def test_threads_that_take_the_next_network(n_threads, signals):
    finished = interrupt(100_000, 500, 5, 2000, n_threads, 0.3, after=1, signals=signals, costs="last")
    assert 0 < finished < 100_000


@pytest.mark.parametrize("progress", [None, True])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_networks_of_which_none_is_finished(n_threads, progress):
    assert interrupt(10, 500, 5, 20_000_000, n_threads, 0.1, costs="last", progress=progress) == 0


@pytest.mark.parametrize("signals", [1, 5])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_network_that_all_threads_share(n_threads, signals):
    assert interrupt(3, 100_000, 20, 100_000, n_threads, 0.3, signals=signals, costs="last") == 0


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3])
def test_signal_while_networks_are_checked_and_prepared(delay):
    """Before training begins it is a plain KeyboardInterrupt, as for fit."""
    code = f"""
X, Y = data(20, "float64")
fastnn2.fit_many([X] * 2, Y, 0.5, 5, 1)
sent = []

def send():
    time.sleep({delay})
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)

inputs = [X + i for i in range(100_000)]
threading.Thread(target=send, daemon=True).start()
try:
    fastnn2.fit_many(inputs, Y, 0.5, 5, 20_000, costs="last")
except KeyboardInterrupt as error:
    seconds = time.perf_counter() - sent[0]
    results = getattr(error, "results", [])
print(json.dumps([seconds, sum(result is not None for result in results), no_threads_left()]))
"""
    seconds, finished, ended = run(code)
    print(f"stopped {seconds * 1000:.1f} ms after the signal, after {finished} networks")
    assert seconds < LIMIT
    assert finished < 100_000
    assert ended


X = np.random.RandomState(1).standard_normal((2, 300))
Y = (X[0] > 0).astype(float)
RATES = [0.1, 0.2, 0.3, 0.4, 0.5]
SIZES = [5, 3, 5, 4, 2]


def train(**options):
    inputs = [X, X.astype("float32"), X, X, X.astype("float32")]
    return fastnn2.fit_many(inputs, Y, RATES, SIZES, [20, 10, 20, 30, 5], n_threads=2, **options)


@pytest.fixture(scope="module")
def expected():
    return train()


def assert_right(results, expected):
    """Assert that each result is right or None; return how many are there."""
    for result, right in zip(results, expected, strict=True):
        if result is not None:
            assert_same_bits(result, right)
    return sum(result is not None for result in results)


@pytest.mark.parametrize("signals", [1, 2, 5])
@pytest.mark.parametrize("which", ["_complete", "_has_diverged"])
def test_signals_while_results_are_collected(which, signals, expected, monkeypatch):
    """All networks are finished, and the error has them."""
    function, calls = getattr(module, which), []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) <= signals:
            signal.raise_signal(signal.SIGINT)
        return function(*arguments)

    monkeypatch.setattr(module, which, interrupted)
    with pytest.raises(fastnn2.TrainingInterrupted, match=r"^stopped after [0-9] of 5 networks") as caught:
        train()
    found = assert_right(caught.value.results, expected)
    assert f"after {found} of 5" in str(caught.value)
    assert found == 5 or which == "_complete"  # which is called between two slabs, too
    assert found >= 3


@pytest.mark.parametrize("signals", [1, 3])
def test_signals_while_a_slab_is_written(signals, expected, monkeypatch):
    write, calls = network_pool.NetworkPool._write_results, []

    def interrupted(self):
        calls.append(self)
        if len(calls) <= signals:
            signal.raise_signal(signal.SIGINT)
        write(self)

    monkeypatch.setattr(network_pool.NetworkPool, "_write_results", interrupted)
    with pytest.raises(fastnn2.TrainingInterrupted) as caught:
        train()
    assert assert_right(caught.value.results, expected) == 3  # the slab of the other dtype did not begin
    assert len(calls) == signals + 1


@pytest.mark.parametrize("after", [0, 1, 2])
def test_signal_at_the_end_of_a_shared_network(after, monkeypatch):
    """The network is finished, and the error has it."""
    monkeypatch.setattr(networks, "runs_to_share", lambda runs, *_: (list(runs), []))
    expected, calls, own = train(), [], full_batch.SampleParallelJob._params_after

    def interrupted(self, iterations):
        calls.append(iterations)
        if len(calls) == after + 1:
            signal.raise_signal(signal.SIGINT)
        return own(self, iterations)

    monkeypatch.setattr(full_batch.SampleParallelJob, "_params_after", interrupted)
    with pytest.raises(fastnn2.TrainingInterrupted) as caught:
        train()
    assert assert_right(caught.value.results, expected) == after + 1


@pytest.mark.parametrize("is_short", [True, False], ids=["short", "long"])
def test_signal_between_any_two_bytecodes(is_short, expected, kind, monkeypatch):
    """No thread is left, and each result is right."""
    monkeypatch.setattr(network_pool, "is_short_job", lambda *_: is_short)
    of_team, of_pool = team.Team, network_pool.NetworkPool
    functions = [
        of_team.start, of_team.call, of_team.end, of_team.run, of_team.run_beside, of_team.wait, of_team.stop,
        of_pool.run, of_pool._write_results, networks.run_networks, networks._run_slabs, team.run_team, team.monitor,
        module._complete,
    ]  # fmt: skip
    target, before, counts = 0, count_threads(), set()
    while True:
        target += 17
        try:
            with raise_at_bytecode(target, functions, KeyboardInterrupt) as seen:
                found = train()
            assert_right(found, expected)
        except fastnn2.TrainingInterrupted as interrupted:
            counts.add(assert_right(interrupted.results, expected))
        except KeyboardInterrupt:
            assert seen[target - 1][0] in ("run_networks", "run_team", "stop"), seen[-1]
        assert_ended(before, count_threads)
        if len(seen) < target:
            break
    assert target > 400
    assert {0, 3, 5} <= counts


def test_nothing_of_the_arguments_is_kept_once_the_error_is_handled(monkeypatch):
    """It does not take a collection of garbage, which may be far away where arrays are few and large."""
    monkeypatch.setattr(network_pool, "monitor", lambda *_: signal.raise_signal(signal.SIGINT))
    inputs = X.copy()
    is_alive = weakref.ref(inputs)
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(fastnn2.TrainingInterrupted):
            fastnn2.fit_many(inputs, Y, RATES, 5, 20)
            pytest.fail("it was not interrupted")
        del inputs
        assert is_alive() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_copies_keep_the_results(duplicate, expected, monkeypatch):
    monkeypatch.setattr(module, "_has_diverged", lambda run: monkeypatch.undo() or signal.raise_signal(signal.SIGINT))
    with pytest.raises(fastnn2.TrainingInterrupted) as caught:
        train()
    error = duplicate(caught.value)
    assert isinstance(error, fastnn2.TrainingInterrupted)
    assert re.match("stopped after 5 of 5", str(error))
    assert assert_right(error.results, expected) == 5
    assert (error.params, len(error.cost_)) == ({}, 0)
