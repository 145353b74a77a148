"""fit_many and threads: those that fail or are refused, forks, other threads of the caller, and handlers of signals."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from data import PATIENCE, assert_ended, assert_same_bits, fail_before_kernel
from interrupt_data import PREAMBLE
from thread_data import ThreadLimit, count_threads, run, use_python_threads

import fastnn2
from fastnn2.engine import network_pool
from fastnn2.threads import native

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

X = np.random.RandomState(0).standard_normal((2, 400))
Y = (X[0] * X[1] > 0).astype(float)
COUNT = 60


def train(n_threads=3, seed=0, count=COUNT, **options):
    """Train networks of both dtypes."""
    inputs = [X if i % 2 else X.astype("float32") for i in range(count)]
    states = list(range(seed, seed + count))
    return fastnn2.fit_many(inputs, Y, 0.5, 5, 30, random_state=states, n_threads=n_threads, **options)


def expected(seed=0, count=COUNT):
    return [
        fastnn2.fit(X if i % 2 else X.astype("float32"), Y, 0.5, 5, 30, random_state=seed + i) for i in range(count)
    ]


def assert_same(results, right):
    for result, one in zip(results, right, strict=True):
        assert_same_bits(result, one)


@pytest.fixture(params=[True, False], ids=["short", "long"])
def is_short(request, monkeypatch):
    monkeypatch.setattr(network_pool, "is_short_job", lambda *_: request.param)
    return request.param


@pytest.mark.parametrize("n_threads", [1, 2, 7, 100])
def test_kinds_of_threads(n_threads, is_short, kind):
    before = count_threads()
    assert_same(train(n_threads), expected())
    assert_ended(before, count_threads)


@pytest.mark.parametrize("granted", [0, 1, 2])
def test_the_system_refuses_threads(granted, is_short, kind, monkeypatch):
    """A long job needs one thread beside the caller."""
    right, before = expected(), count_threads()
    limit = ThreadLimit(granted + (not is_short), monkeypatch)
    assert_same(train(4), right)
    assert limit.requests > granted
    assert_ended(before, count_threads)
    assert limit.left == granted + (not is_short)


def test_error_if_the_system_refuses_every_thread_of_a_long_job(monkeypatch):
    monkeypatch.setattr(network_pool, "is_short_job", lambda *_: False)
    before = count_threads()
    ThreadLimit(0, monkeypatch)
    with pytest.raises(RuntimeError, match="thread"):
        train(2)
    assert_ended(before, count_threads)


class FailedError(Exception):
    """What a worker raises."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_error_of_a_worker_is_raised_in_the_caller(when, is_short, monkeypatch):
    """The other threads finish their network and stop."""
    run_worker, before = native.PythonThreads._run, count_threads()
    use_python_threads(monkeypatch)

    def failing(self, job, running):
        def kernel(job):
            if when == "after":
                self._kernel(job)
            raise FailedError

        broken = native.PythonThreads(kernel, [], self._on_failure)
        run_worker(broken if job is self._jobs[0] else self, job, running)

    monkeypatch.setattr(native.PythonThreads, "_run", failing)
    with pytest.raises(FailedError):
        train(3)
    assert_ended(before, count_threads)
    monkeypatch.undo()
    assert_same(train(3), expected())


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_thread_that_cannot_enter_the_kernel(failing, is_short, monkeypatch):
    before = count_threads()
    fail_before_kernel(failing, monkeypatch)
    with pytest.raises(RuntimeError, match="no way into the kernel"):
        train(3)
    assert_ended(before, count_threads)


def test_no_room_for_the_buffers_of_a_thread(is_short, monkeypatch):
    before = count_threads()
    with pytest.raises(MemoryError):  # the last cost alone is kept, but a thread has room for all: eight petabytes
        fastnn2.fit_many(X, Y, 0.5, 5, [10, 10**15], costs="last", n_threads=1)
    assert_ended(before, count_threads)


def test_calls_in_several_threads_at_once():
    right = [expected(seed) for seed in range(5)]
    start = threading.Barrier(5)

    def together(seed):
        start.wait(timeout=PATIENCE)
        return [train(n_threads, seed) for n_threads in (1, 2, 3)]

    with ThreadPoolExecutor(5) as pool:
        for found, one in zip(pool.map(together, range(5)), right, strict=True):
            for results in found:
                assert_same(results, one)


def test_a_call_in_another_thread_than_the_main_one(is_short):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(2)))
    thread.start()
    thread.join(timeout=PATIENCE)
    assert not thread.is_alive()
    assert_same(results[0], expected())


# Processes of their own, in which a digest tells what all networks have reached

MANY = """
import signal, threading, time
signal.alarm(300)  # ends a process that hangs

def many(n_threads=2, iterations=30, count=200):
    rates = [0.1 + i / count for i in range(count)]
    results = fastnn2.fit_many(X, Y, rates, 5, iterations, n_threads=n_threads)
    return hashlib.sha256(b"".join(
        costs.tobytes() + b"".join(params[name].tobytes() for name in sorted(params)) for params, costs in results
    )).hexdigest()
"""


@needs_fork
@pytest.mark.parametrize("before", ["", "many(3)"], ids=["fresh", "after a call"])
def test_forked_children(before):
    code = f"""
{before}
reading, writing = os.pipe()
for _ in range(3):
    child = os.fork()
    if child == 0:
        signal.alarm(300)
        os.write(writing, many().encode() + b"\\n")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
os.close(writing)
print(os.fdopen(reading).read())
print(many(1))
"""
    digests = run(MANY + code).split()
    assert len(digests) == 4
    assert len(set(digests)) == 1


# Many networks that are interrupted once a child has been forked amid their training; the error has those of them that
# are finished.
LONG_RUN = """
many()  # loads the kernel
started.clear()
children, rates = [], [0.1 + i / 100_000 for i in range(100_000)]

def long_run():
    return fastnn2.fit_many(X, Y, rates, 5, 300, costs="last", n_threads=2)

def end_soon():
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

def report(error):
    finished = [i for i, result in enumerate(error.results) if result is not None]
    right = 0
    for i in finished[:3] + finished[-3:]:
        params, costs = fastnn2.fit(X, Y, rates[i], 5, 300)
        found, cost = error.results[i]
        right += costs[-1] == cost[0] and all((params[name] == found[name]).all() for name in params)
    print(right == len(finished[:3] + finished[-3:]) > 0, os.waitpid(children[0], 0)[1])
"""


@needs_fork
def test_child_forked_by_the_handler_of_a_signal_does_not_wait_for_the_threads_of_its_parent():
    code = """
def fork(*_):
    children.append(os.fork())
    if children[0] == 0:
        signal.alarm(300)
    else:
        threading.Thread(target=end_soon, daemon=True).start()

right = many(1)
started.clear()
signal.signal(signal.SIGUSR1, fork)
in_background(lambda: os.kill(os.getpid(), signal.SIGUSR1), 0.1, after=1)
try:
    long_run()
except RuntimeError as error:
    os._exit(0 if "was forked during training" in str(error) and many() == right else 3)
except fastnn2.TrainingInterrupted as error:
    report(error)
"""
    assert run(PREAMBLE + MANY + LONG_RUN + code) == "True 0\n"


@needs_fork
def test_fork_by_another_thread_while_networks_are_trained():
    code = """
def fork():
    children.append(os.fork())
    if children[0] == 0:
        signal.alarm(300)
        os._exit(0 if many() == right else 3)
    end_soon()

right = many(1)
started.clear()
in_background(fork, 0.1, after=1)
try:
    long_run()
except fastnn2.TrainingInterrupted as error:
    report(error)
"""
    assert run(PREAMBLE + MANY + LONG_RUN + code) == "True 0\n"


@pytest.mark.skipif(os.name != "posix", reason="needs SIGUSR1")
def test_a_call_in_the_handler_of_a_signal_during_another_call():
    code = """
found, equal = [], True
right, long = many(1), many(1, 3000)
started.clear()
signal.signal(signal.SIGUSR1, lambda *_: found.append(many(2)))
in_background(lambda: os.kill(os.getpid(), signal.SIGUSR1), 0)
while not found:  # the signal comes in one of these calls
    equal &= many(2, 3000) == long
print(equal, found == [right])
"""
    assert run(PREAMBLE + MANY + code) == "True True\n"


@pytest.mark.parametrize(
    "environment", [{"FASTNN2_KERNELS": "numba"}, {"FASTNN2_KERNELS": "store"}], ids=["plain Numba", "store"]
)
def test_kernels_from_elsewhere(environment):
    """Each network has the bits of its own fit there, too, and those of this process."""
    code = "print(many(2), many(1))"
    (digest,) = {*run(MANY + code).split()}
    assert run(MANY + code, **environment).split() == [digest] * 2


def test_error_without_a_compiler():
    code = """
try:
    many()
except ValueError as error:
    print("NUMBA_DISABLE_JIT is set" in str(error))
"""
    assert run(MANY + code, NUMBA_DISABLE_JIT="1", FASTNN2_KERNELS="store", FASTNN2_STORE="off") == "True\n"
