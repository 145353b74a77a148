"""Ctrl-C: training stops at once, at any point, and no completed iteration is lost."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from data import PATIENCE, STORE_KERNELS, assert_same_bits
from interrupt_data import LIMIT, PREAMBLE, run
from numpy.testing import assert_array_equal

import fastnn2
from fastnn2.codegen import provider
from fastnn2.engine import training_run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")

INTERRUPTED = """
n, h, iterations, dtype, n_threads, delay, after, progress, signals = ARGUMENTS
X, Y = data(n, dtype)
fastnn2.fit(X[:, :10], Y[:, :10], 0.5, h, 1)  # loads the kernel
started.clear()
sent = []

def send():
    sent.append(time.perf_counter())
    for _ in range(signals):
        os.kill(os.getpid(), signal.SIGINT)

in_background(send, delay, after)
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

SMALL = (500, 5, 100_000_000, "float64", 0.05)
LARGE = (20_000_000, 5, 10_000, "float32", 0.3)  # many tiles
SLOW = (5_000_000, 600, 1000, "float32", 1.5)  # about a second an iteration


def interrupt(job, n_threads, progress, signals=1, after=0):
    """Interrupt a job, assert that the error has all completed iterations, and return their number."""
    n, h, iterations, dtype, delay = job
    arguments = f"ARGUMENTS = {(n, h, iterations, dtype, n_threads, delay, after, progress, signals)}\n"
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
def test_interrupt_of_a_small_job(n_threads, progress):
    assert interrupt(SMALL, n_threads, progress, after=1) > 0


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("job", [LARGE, SLOW], ids=["many samples", "long iterations"])
def test_interrupt_of_a_large_job(job, n_threads):
    interrupt(job, n_threads, None)


@pytest.mark.parametrize("job", [SMALL, SLOW], ids=["small", "long iterations"])
def test_more_signals_while_training_stops(job):
    interrupt(job, 2, None, signals=5)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("signals", [1, 5])
@pytest.mark.parametrize("where", ["in the callback", "in the kernel"])
def test_interrupt_of_a_job_with_a_callback(where, signals, n_threads):
    code = f"""
X, Y = data(2000, "float64")
sent, callback = [], lambda *_: None
if {where!r} == "in the callback":
    callback = lambda *_: time.sleep(10)
options = dict(random_state=5, n_threads={n_threads})
fastnn2.fit(X, Y, 0.5, 5, 1)
started.clear()

def send():
    sent.append(time.perf_counter())
    for _ in range({signals}):
        os.kill(os.getpid(), signal.SIGINT)

in_background(send, 0.3, 1000)
try:
    fastnn2.fit(X, Y, 0.5, 5, 100_000_000, callback=callback, callback_every=1000, **options)
except fastnn2.TrainingInterrupted as caught:
    seconds, error = time.perf_counter() - sent[0], caught
done = len(error.cost_)
params, costs = fastnn2.fit(X, Y, 0.5, 5, done, **options)
equal = bool((costs == error.cost_).all()) and all((params[name] == error.params[name]).all() for name in params)
print(json.dumps([seconds, done, equal, no_threads_left()]))
"""
    seconds, done, equal, ended = run(code)
    print(f"stopped {seconds * 1000:.1f} ms after the signal, after {done} iterations")
    assert done == 1000 or where == "in the kernel"
    assert done >= 1000
    assert seconds < LIMIT
    assert equal
    assert ended


def test_signal_at_any_point_of_short_fits_is_neither_lost_nor_harmful():
    """The signal always ends a loop of short fits, and the next fit is right."""
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
def test_signal_from_another_thread(call):
    # That thread receives the signal, which does not wake the main thread from a wait without a timeout.
    code = f"""
main = threading.main_thread().ident
X, Y = data(500, "float64")
sent = []

def send():
    sent.append(time.perf_counter())
    {call}

in_background(send, 0.05)
try:
    fastnn2.fit(X, Y, 0.5, 5, 100_000_000, n_threads=2)
except fastnn2.TrainingInterrupted as error:
    print(json.dumps([time.perf_counter() - sent[0], len(error.cost_)]))
"""
    latency, done = run(code)
    print(f"stopped {latency * 1000:.1f} ms after the signal, after {done} iterations")
    assert latency < LIMIT


@pytest.mark.parametrize("progress", [None, True])
def test_other_exception_from_a_signal_handler_ends_the_team(progress):
    """The team must end before the exception leaves fit, as it works on arrays that fit then releases.

    The exception is no plain Exception, which tqdm may swallow while it examines the terminal. It does not come while
    tqdm is imported, as Python drops exceptions in the callbacks of an import.
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
    fastnn2.fit(X, Y, 0.5, 5, 100_000_000, n_threads=2, progress={progress})
except Alarm:
    print(json.dumps([time.perf_counter() - begin, no_threads_left()]))
"""
    seconds, ended = run(code)
    assert ended
    assert seconds < LIMIT


def test_error_of_the_progress_bar_ends_the_team():
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
    assert outcome in ("none", "OSError")  # either train without a bar or raise the error
    assert ended


@pytest.mark.parametrize(("d", "h"), [(2, 5), (220, 600)], ids=["chunks", "wide"])
@pytest.mark.parametrize("signals", [1, 2])
def test_signal_while_the_result_is_copied(signals, d, h, monkeypatch):
    """All iterations are complete, and the error has their result."""
    copy = training_run.unpack_params
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) <= signals:
            signal.raise_signal(signal.SIGINT)
        return copy(*arguments)

    X = np.linspace(-1, 1, d * 40).reshape(d, 40)
    expected = fastnn2.fit(X, X[0] > 0, 0.01, h, 3)
    monkeypatch.setattr(training_run, "unpack_params", interrupted)
    with pytest.raises(fastnn2.TrainingInterrupted, match="stopped after 3 of 3 iterations") as caught:
        fastnn2.fit(X, X[0] > 0, 0.01, h, 3)
    assert len(calls) == signals + 1
    assert_same_bits((caught.value.params, caught.value.cost_), expected)


@pytest.mark.parametrize("where", ["<module>", "compile_module", "optimize"])
def test_signal_while_a_kernel_is_compiled(where, tmp_path):
    """Training has not begun, so this is a plain KeyboardInterrupt, and the next fit is right.

    The signal comes during the import of Numba or during the compile, while a thread is in this function of
    codegen/compile.py, and must not damage their state.
    """
    code = """
sys.setswitchinterval(0.0001)

def is_there():
    for frame in sys._current_frames().values():
        while frame is not None:
            if frame.f_code.co_name == WHERE and frame.f_globals["__name__"] == "fastnn2.codegen.compile":
                return True
            frame = frame.f_back
    return False

def send():
    while not is_there():
        time.sleep(0.0001)
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
kept = os.listdir(os.environ["FASTNN2_CACHE_DIR"])
print(json.dumps([kind, ended, kept, fastnn2.fit(X, Y, 0.5, 5, 100)[1].tolist()]))
"""
    kind, ended, kept, costs = run(
        f"WHERE = {where!r}\n{code}", FASTNN2_CACHE_DIR=str(tmp_path), FASTNN2_STORE="", **STORE_KERNELS
    )
    assert kind == "KeyboardInterrupt"
    assert ended
    assert [name.partition("-")[0] for name in kept] == ["train_narrow"]  # what was compiled is not lost
    X = np.empty((2, 500))
    X[0] = np.linspace(-1, 1, 500)
    X[1] = np.modf(X[0] * 777)[0]
    assert costs == fastnn2.fit(X, X[0] * X[1] > 0, 0.5, 5, 100)[1].tolist()


def test_uncaught_interrupt_ends_a_script():
    """The signal comes from another process, and the script does not catch the exception."""
    code = (
        PREAMBLE
        + """
X, Y = data(500, "float64")
in_background(lambda: print("started", flush=True), 0)
fastnn2.fit(X, Y, 0.5, 5, 100_000_000)
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
    """Return an event that is set when a thread enters the kernel."""
    event, kernel = threading.Event(), provider.kernel

    def with_event(name, dtype):
        function = kernel(name, dtype)

        def call(job):
            if not event.is_set():  # see interrupt_data.PREAMBLE
                event.set()
            return function(job)

        call.address = function.address
        return call

    monkeypatch.setattr(provider, "kernel", with_event)
    return event


X = np.random.RandomState(1).standard_normal((2, 500))
Y = (X[0] > 0).astype(float)


def test_error_has_the_completed_iterations(started):
    def send():
        started.wait(timeout=PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with pytest.raises(fastnn2.TrainingInterrupted, match=r"stopped after \d+ of 100000000 iterations") as caught:
            fastnn2.fit(X, Y, 0.5, 5, 100_000_000)
    finally:
        sender.join()
    assert isinstance(caught.value, KeyboardInterrupt)
    params, costs = fastnn2.fit(X, Y, 0.5, 5, len(caught.value.cost_))
    assert_array_equal(caught.value.cost_, costs)
    for name, array in params.items():
        assert_array_equal(caught.value.params[name], array)


def test_training_continues_from_the_interrupted_result(started):
    sender = threading.Thread(target=lambda: started.wait(PATIENCE) and os.kill(os.getpid(), signal.SIGINT))
    sender.start()
    with pytest.raises(fastnn2.TrainingInterrupted) as caught:
        fastnn2.fit(X, Y, 0.5, 5, 100_000_000)
    sender.join()
    done = len(caught.value.cost_)
    _, more = fastnn2.fit(X, Y, 0.5, 5, 100, init=caught.value.params)
    _, costs = fastnn2.fit(X, Y, 0.5, 5, done + 100)
    assert_array_equal(np.concatenate([caught.value.cost_, more]), costs)


def test_fit_in_another_thread_than_the_main_one():
    results = []
    thread = threading.Thread(target=lambda: results.append(fastnn2.fit(X, Y, 0.5, 5, 200, n_threads=2)))
    thread.start()
    thread.join(timeout=PATIENCE)
    assert not thread.is_alive()
    assert_array_equal(results[0][1], fastnn2.fit(X, Y, 0.5, 5, 200)[1])


# The client runs in a process of its own, where its warnings are no errors.
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
    running = client.execute(code, stop_on_error=False)  # else the next request may be aborted
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
fastnn2.fit(X, Y, 0.5, 5, 100_000_000)
"""
NOTEBOOK_CHECK = """
error = sys.last_value
params, costs = fastnn2.fit(X, Y, 0.5, 5, len(error.cost_))
print("equal", (costs == error.cost_).all(), all((params[name] == error.params[name]).all() for name in params))
"""


def test_interrupt_in_a_notebook(tmp_path):
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
