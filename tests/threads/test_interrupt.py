"""Ctrl-C: training stops at once, wherever it is, and nothing trained is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from data import PATIENCE, assert_same_bits
from numpy.testing import assert_array_equal

import fastnn2
from fastnn2.codegen import store
from fastnn2.engine import full_batch

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")

# Promised is a tenth of a second; a machine that does other things too gets more.
LIMIT = 2.0

# `started` is set when the first thread enters the kernel: only then is a signal sent.
PREAMBLE = """
import gc, json, os, random, signal, sys, threading, time, _thread
import numpy as np
import fastnn2
from fastnn2.codegen import store

started = threading.Event()
kernel = store.kernel

def with_event(name, dtype):
    function = kernel(name, dtype)

    def call(*arguments):
        started.set()
        return function(*arguments)

    return call

store.kernel = with_event

def data(n, dtype):
    X = np.empty((2, n), dtype=dtype)
    X[0] = np.linspace(-1, 1, n)
    X[1] = np.modf(X[0] * 777)[0]
    return X, (X[0] * X[1] > 0)[np.newaxis]

def in_background(function, delay):
    def wait():
        started.wait()
        time.sleep(delay)
        function()
    threading.Thread(target=wait, daemon=True).start()

def no_threads_left():
    give_up = time.monotonic() + 5
    while _thread._count() > threading.active_count() - 1 and time.monotonic() < give_up:
        time.sleep(0.001)
    return _thread._count() <= threading.active_count() - 1  # those of the test itself; the main one is not counted
"""


def run(code, **environment):
    """Run a script in a process of its own; return the JSON that it printed last."""
    command = [sys.executable, "-c", PREAMBLE + code]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


INTERRUPTED = """
n, h, iterations, dtype, n_threads, delay, progress, signals = ARGUMENTS
X, Y = data(n, dtype)
fastnn2.fit(X[:, :10], Y[:, :10], 0.5, h, 1)  # the kernel is loaded
started.clear()
sent = []

def send():
    sent.append(time.perf_counter())
    for _ in range(signals):
        os.kill(os.getpid(), signal.SIGINT)

in_background(send, delay)
options = dict(n_threads=n_threads, random_state=5)
caught = []
try:
    fastnn2.fit(X, Y, 0.5, h, iterations, progress=progress, **options)
except fastnn2.TrainingInterrupted as error:
    latency = time.perf_counter() - sent[0]
    caught.append(error)
error, = caught
done = len(error.cost_)
params, costs = fastnn2.fit(X, Y, 0.5, h, done, **options)
equal = bool((costs == error.cost_).all()) and all((params[name] == error.params[name]).all() for name in params)
dtypes = {array.dtype.name for array in error.params.values()} | {error.cost_.dtype.name}
print(json.dumps([latency, done, equal, sorted(dtypes), str(error), no_threads_left()]))
"""

SMALL = (500, 5, 20_000_000, "float64", 0.05)
LARGE = (20_000_000, 5, 10_000, "float32", 0.3)  # many tiles
SLOW = (5_000_000, 600, 1000, "float32", 1.5)  # about a second an iteration


def interrupted(job, n_threads, progress, signals=1):
    n, h, iterations, dtype, delay = job
    arguments = f"ARGUMENTS = {(n, h, iterations, dtype, n_threads, delay, progress, signals)}\n"
    latency, done, equal, dtypes, message, ended = run(arguments + INTERRUPTED)
    print(f"stopped {latency * 1000:.1f} ms after the signal, after {done} iterations")
    assert latency < LIMIT
    assert equal
    assert dtypes == sorted({dtype, "float64"})
    assert f"after {done} of {iterations} iterations" in message
    assert "init=error.params" in message
    assert ended
    return done


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("progress", [None, True])
def test_a_small_job(n_threads, progress):
    assert interrupted(SMALL, n_threads, progress) > 0


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("job", [LARGE, SLOW], ids=["many samples", "long iterations"])
def test_a_large_job(job, n_threads):
    interrupted(job, n_threads, None)


@pytest.mark.parametrize("job", [SMALL, SLOW], ids=["small", "long iterations"])
def test_more_signals_while_it_stops(job):
    interrupted(job, 2, None, signals=5)


def test_no_signal_is_lost_and_none_crashes():
    """Wherever in a loop of short fits a signal lands, it ends the loop, and the arrays of the next fit are right."""
    code = """
X, Y = data(2000, "float64")
expected = fastnn2.fit(X, Y, 0.5, 5, 60, n_threads=2)[1]
source, lost, wrong = random.Random(1), 0, 0
for round in range(150):
    sent, looping = threading.Event(), threading.Event()

    def send():
        looping.wait()
        time.sleep(source.random() * 0.01)
        os.kill(os.getpid(), signal.SIGINT)
        sent.set()

    sender = threading.Thread(target=send)
    try:
        sender.start()
        looping.set()
        while not sent.is_set():
            costs = fastnn2.fit(X, Y, 0.5, 5, 60, n_threads=2)[1]
            wrong += not (costs == expected).all()
        lost += 1
    except fastnn2.TrainingInterrupted as error:
        wrong += not (error.cost_ == expected[: len(error.cost_)]).all()
    except KeyboardInterrupt:  # before or after training
        pass
    sender.join()
print(json.dumps([lost, wrong, no_threads_left()]))
"""
    assert run(code) == [0, 0, True]


@pytest.mark.parametrize(
    "call",
    ["signal.raise_signal(signal.SIGINT)", "_thread.interrupt_main()", "signal.pthread_kill(main, signal.SIGINT)"],
)
def test_a_signal_from_another_thread(call):
    # The signal itself then arrives in that thread: nothing wakes the main thread out of a wait without an end.
    code = f"""
main = threading.main_thread().ident
X, Y = data(500, "float64")
sent = []

def send():
    sent.append(time.perf_counter())
    {call}

in_background(send, 0.05)
try:
    fastnn2.fit(X, Y, 0.5, 5, 3_000_000, n_threads=2)
except fastnn2.TrainingInterrupted as error:
    print(json.dumps([time.perf_counter() - sent[0], len(error.cost_)]))
"""
    latency, done = run(code)
    print(f"stopped {latency * 1000:.1f} ms after the signal, after {done} iterations")
    assert latency < LIMIT


@pytest.mark.parametrize("progress", [None, True])
def test_another_exception_from_a_signal_handler(progress):
    """A handler may raise anything; the team then ends too, as the arrays that it works on are about to go.

    No plain Exception here, which tqdm may swallow where it asks for the terminal, and not while tqdm is imported, as
    Python drops what is raised in the callbacks of an import.
    """
    code = f"""
class Alarm(BaseException):
    pass

def ring(*_):
    raise Alarm

signal.signal(signal.SIGALRM, ring)
X, Y = data(2000, "float64")
fastnn2.fit(X, Y, 0.5, 5, 1, progress={progress})
started.clear()
in_background(lambda: os.kill(os.getpid(), signal.SIGALRM), 0.05)
begin = time.perf_counter()
try:
    fastnn2.fit(X, Y, 0.5, 5, 1_000_000, n_threads=2, progress={progress})
except Alarm:
    print(json.dumps([time.perf_counter() - begin, no_threads_left()]))
"""
    seconds, ended = run(code)
    assert ended
    assert seconds < LIMIT


def test_standard_error_that_breaks_under_the_bar():
    code = """
class Broken:
    def write(self, text):
        raise OSError("broken")
    def flush(self):
        pass
    def isatty(self):
        return True
X, Y = data(2000, "float64")
stderr, sys.stderr = sys.stderr, Broken()
outcome = "none"
try:
    fastnn2.fit(X, Y, 0.5, 5, 100_000, n_threads=2, progress=True)
except OSError:
    outcome = "OSError"
finally:
    sys.stderr = stderr
print(json.dumps([outcome, no_threads_left()]))
"""
    outcome, ended = run(code)
    assert outcome in ("none", "OSError")  # to train without a bar is as good as to say why not
    assert ended


@pytest.mark.parametrize(("d", "h"), [(2, 5), (220, 600)], ids=["chunks", "wide"])
@pytest.mark.parametrize("signals", [1, 2])
def test_while_the_result_is_copied(signals, d, h, monkeypatch):
    """All iterations were done, and no signal makes what they trained be lost."""
    copy = full_batch.unpack_params
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) <= signals:
            signal.raise_signal(signal.SIGINT)
        return copy(*arguments)

    X = np.linspace(-1, 1, d * 40).reshape(d, 40)
    expected = fastnn2.fit(X, X[0] > 0, 0.01, h, 3)
    monkeypatch.setattr(full_batch, "unpack_params", interrupted)
    with pytest.raises(fastnn2.TrainingInterrupted, match="stopped after 3 of 3 iterations") as caught:
        fastnn2.fit(X, X[0] > 0, 0.01, h, 3)
    assert len(calls) == signals + 1
    assert_same_bits((caught.value.params, caught.value.cost_), expected)


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.5])
def test_while_kernels_are_compiled(delay, tmp_path):
    """Nothing is trained yet, so this is a plain KeyboardInterrupt; the next fit is right.

    The signal comes while Numba is imported, or in the compiler, and harms neither.
    """
    code = """
def send():
    while "fastnn2.codegen.compile" not in sys.modules:
        time.sleep(0.01)
    time.sleep(DELAY)
    os.kill(os.getpid(), signal.SIGINT)
    sent.append(time.perf_counter())

sent = []
X, Y = data(500, "float64")
threading.Thread(target=send, daemon=True).start()
kind = None
try:
    fastnn2.fit(X, Y, 0.5, 5, 100, n_threads=2)
except KeyboardInterrupt as error:
    kind = type(error).__name__
ended = no_threads_left()
print(json.dumps([kind, ended, fastnn2.fit(X, Y, 0.5, 5, 100)[1].tolist()]))
"""
    kind, ended, costs = run(code.replace("DELAY", str(delay)), FASTNN2_CACHE_DIR=str(tmp_path), FASTNN2_STORE="")
    assert kind == "KeyboardInterrupt"
    assert ended
    X = np.empty((2, 500))
    X[0] = np.linspace(-1, 1, 500)
    X[1] = np.modf(X[0] * 777)[0]
    assert costs == fastnn2.fit(X, X[0] * X[1] > 0, 0.5, 5, 100)[1].tolist()


def test_ctrl_c_of_a_terminal():
    """The signal comes from outside, to a script that does not catch it."""
    code = (
        PREAMBLE
        + """
X, Y = data(500, "float64")
in_background(lambda: print("started", flush=True), 0)
fastnn2.fit(X, Y, 0.5, 5, 20_000_000)
"""
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "started\n"
        begin = time.perf_counter()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    print(f"ended {time.perf_counter() - begin:.2f} s after the signal")
    assert process.returncode != 0
    assert "TrainingInterrupted: stopped after" in errors


@pytest.fixture
def started(monkeypatch):
    """Return an event that is set when training has begun."""
    event, kernel = threading.Event(), store.kernel

    def with_event(name, dtype):
        function = kernel(name, dtype)

        def call(*arguments):
            event.set()
            return function(*arguments)

        return call

    monkeypatch.setattr(store, "kernel", with_event)
    return event


X = np.random.RandomState(1).standard_normal((2, 500))
Y = (X[0] > 0).astype(float)


def test_in_this_process(started):
    def send():
        started.wait(timeout=PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with pytest.raises(fastnn2.TrainingInterrupted, match=r"stopped after \d+ of 20000000 iterations") as caught:
            fastnn2.fit(X, Y, 0.5, 5, 20_000_000)
    finally:
        sender.join()
    assert isinstance(caught.value, KeyboardInterrupt)
    params, costs = fastnn2.fit(X, Y, 0.5, 5, len(caught.value.cost_))
    assert_array_equal(caught.value.cost_, costs)
    for name, array in params.items():
        assert_array_equal(caught.value.params[name], array)


def test_going_on_from_what_was_reached(started):
    sender = threading.Thread(target=lambda: started.wait(PATIENCE) and os.kill(os.getpid(), signal.SIGINT))
    sender.start()
    with pytest.raises(fastnn2.TrainingInterrupted) as caught:
        fastnn2.fit(X, Y, 0.5, 5, 20_000_000)
    sender.join()
    done = len(caught.value.cost_)
    _, more = fastnn2.fit(X, Y, 0.5, 5, 100, init=caught.value.params)
    _, costs = fastnn2.fit(X, Y, 0.5, 5, done + 100)
    assert_array_equal(np.concatenate([caught.value.cost_, more]), costs)


def test_in_another_thread_than_the_main_one():
    results = []
    thread = threading.Thread(target=lambda: results.append(fastnn2.fit(X, Y, 0.5, 5, 200, n_threads=2)))
    thread.start()
    thread.join(timeout=PATIENCE)
    assert not thread.is_alive()
    assert_array_equal(results[0][1], fastnn2.fit(X, Y, 0.5, 5, 200)[1])


# The client runs in a process of its own, where its warnings are its own affair.
NOTEBOOK = """
import sys, time
from jupyter_client.manager import start_new_kernel

def shell(message_id):
    while True:
        reply = client.get_shell_msg(timeout=300)
        if reply["parent_header"].get("msg_id") == message_id:
            return reply["content"]

def printed(text):
    while True:
        message = client.get_iopub_msg(timeout=300)
        if message["msg_type"] == "stream" and text in message["content"]["text"]:
            return message["content"]["text"]

manager, client = start_new_kernel(kernel_name="python3", startup_timeout=300)
try:
    preamble, code, check = sys.argv[1:]
    reply = shell(client.execute(preamble))
    assert reply["status"] == "ok", reply
    running = client.execute(code, stop_on_error=False)  # else what comes just after the error may be aborted
    printed("started")
    begin = time.perf_counter()
    manager.interrupt_kernel()
    reply = shell(running)
    print(reply["status"], reply["ename"], time.perf_counter() - begin)
    reply = shell(client.execute(check))
    assert reply["status"] == "ok", reply
    print(printed("equal").strip())
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""
NOTEBOOK_CODE = """
X, Y = data(500, "float64")
in_background(lambda: print("started", flush=True), 0.05)
fastnn2.fit(X, Y, 0.5, 5, 20_000_000)
"""
NOTEBOOK_CHECK = """
error = sys.last_value
params, costs = fastnn2.fit(X, Y, 0.5, 5, len(error.cost_))
print("equal", (costs == error.cost_).all(), all((params[name] == error.params[name]).all() for name in params))
"""


def test_in_a_notebook(tmp_path):
    pytest.importorskip("ipykernel")
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", NOTEBOOK, PREAMBLE, NOTEBOOK_CODE, NOTEBOOK_CHECK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    reply, equal = done.stdout.splitlines()
    status, name, latency = reply.split()
    print(f"stopped {float(latency) * 1000:.1f} ms after the interrupt")
    assert (status, name) == ("error", "TrainingInterrupted")
    assert float(latency) < LIMIT
    assert equal == "equal True True"
