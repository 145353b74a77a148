"""Teams and processes: forks, process pools, too few cores, and what a thousand fits leave behind."""

import multiprocessing
import os
import subprocess
import sys

import pytest
from data import PATIENCE, can_use_native_threads
from interrupt_data import PREAMBLE
from thread_data import N, run

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@needs_fork
@pytest.mark.parametrize("before", ["", "digest(3)"], ids=["fresh", "after a fit"])
def test_fit_in_forked_children(before, expected_digest):
    code = f"""
{before}
import signal
reading, writing = os.pipe()
for _ in range(3):
    child = os.fork()
    if child == 0:
        signal.alarm(300)  # ends a child that hangs
        os.write(writing, digest().encode() + b"\\n")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
os.close(writing)
print(digest())
print(os.fdopen(reading).read())
"""
    assert run(code).split() == [expected_digest] * 4


@needs_fork
def test_fit_in_a_child_forked_while_other_threads_train(expected_digest):
    code = """
import signal, threading
stop = threading.Event()
def train():
    while not stop.is_set():
        digest(2, 50)
digest()
threads = [threading.Thread(target=train) for _ in range(2)]
for thread in threads: thread.start()
ends = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        signal.alarm(300)
        os._exit(0 if digest() == EXPECTED else 3)
    ends.append(os.waitpid(child, 0)[1])
stop.set()
for thread in threads: thread.join()
print(ends)
"""
    assert run(f"EXPECTED = {expected_digest!r}\n" + code) == f"{[0] * 10}\n"


POOL = """
import multiprocessing, sys
import numpy as np
import fastnn2

def work(n_threads):
    source = np.random.RandomState(0)
    X = source.standard_normal((2, {n}))
    params, costs = fastnn2.fit(X, (X[0] * X[1] > 0).astype(float), 0.5, 5, 100, random_state=0, n_threads=n_threads)
    return costs.tolist()

if __name__ == "__main__":
    if sys.argv[2] == "after":
        work(2)
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        results = pool.map_async(work, [1, 2, 3, 7]).get(timeout=300)
    assert all(costs == results[0] for costs in results)
    print(results[0] == work(1))
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize("when", ["fresh", "after"])
def test_fit_in_a_process_pool(method, when, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(POOL.format(n=N))
    command = [sys.executable, "-W", "ignore", str(script), method, when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_fit_ends_while_other_processes_use_all_cores(expected_digest):
    """Threads that wait at a barrier yield their cores."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        out = run("print(digest(2), digest(7))\ndigest(2, 1000)", timeout=180)
        assert all(process.poll() is None for process in busy)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert out.split() == [expected_digest] * 2


MINI_BATCHES = """
import warnings
warnings.simplefilter("ignore")
from fastnn2 import MLPClassifier
X, Y = X.T, Y.ravel() > 0
def model(n_threads, batch_size, solver):
    options = {"solver": solver, "batch_size": batch_size, "max_iter": 12, "random_state": 0}
    fitted = MLPClassifier((30,), n_threads=n_threads, **options)
    fitted.fit(X, Y)
    return fitted.loss_curve_ if solver == "adam" else [fitted.loss_], fitted.coefs_[0].tolist()
for batch_size, solver in ((100, "adam"), (1500, "adam"), (100, "lbfgs")):
    for n_threads in (2, 3):
        print(model(n_threads, batch_size, solver) == model(1, batch_size, solver))
"""


def test_mini_batches_end_while_other_processes_use_all_cores():
    """Thread 0 goes on alone once; a worker that is late must not miss that, and wait at a barrier for ever."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        out = run(MINI_BATCHES)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert out == "True\n" * 6


def test_fit_on_one_core(expected_digest):
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs an affinity mask")
    core = min(os.sched_getaffinity(0))
    assert run(f"os.sched_setaffinity(0, {{{core}}})\nprint(digest(2), digest(7))").split() == [expected_digest] * 2


# A long fit that is interrupted once a child has been forked amid it; the error has what was complete then.
LONG_FIT = """
signal.alarm(300)  # ends a process that hangs
digest(2)  # loads the kernel
started.clear()
children = []

def fit(iterations, n_threads):
    return fastnn2.fit(X, Y, 0.5, 5, iterations, random_state=0, n_threads=n_threads)

def end_soon():
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

def report(error):
    params, costs = fit(len(error.cost_), 1)
    is_right = (costs == error.cost_).all() and all((params[name] == error.params[name]).all() for name in params)
    print(len(costs) > 0, is_right, os.waitpid(children[0], 0)[1])
"""
FORK_AMID_A_RUN = """
def fork():
    children.append(os.fork())
    if children[0] == 0:
        signal.alarm(300)
        os._exit(0 if digest() == EXPECTED else 3)
    end_soon()

in_background(fork, 0.2, after=1)
try:
    fit(100_000_000, 2)
except fastnn2.TrainingInterrupted as error:
    report(error)
"""


@needs_fork
def test_fork_by_another_thread_while_a_long_fit_runs(expected_digest):
    """The fit goes on, and the child, which has only the thread that forked, can train."""
    code = f"EXPECTED = {expected_digest!r}\n" + LONG_FIT + FORK_AMID_A_RUN
    assert run(PREAMBLE + code) == "True True 0\n"


FORK_BY_A_HANDLER = """
def fork(*_):
    children.append(os.fork())
    if children[0] == 0:
        signal.alarm(300)
    else:
        threading.Thread(target=end_soon, daemon=True).start()

signal.signal(signal.SIGUSR1, fork)
in_background(lambda: os.kill(os.getpid(), signal.SIGUSR1), 0.2, after=1)
try:
    fit(100_000_000, 2)
except RuntimeError as error:
    os._exit(0 if "was forked during training" in str(error) and digest() == EXPECTED else 3)
except fastnn2.TrainingInterrupted as error:
    report(error)
"""


@needs_fork
def test_child_forked_by_the_handler_of_a_signal_does_not_wait_for_the_threads_of_its_parent(expected_digest):
    code = f"EXPECTED = {expected_digest!r}\n" + LONG_FIT + FORK_BY_A_HANDLER
    assert run(PREAMBLE + code) == "True True 0\n"


GROWTH = """
import gc, time, warnings
from fastnn2.threads import native
warnings.simplefilter("ignore")
if not JOINED:
    native.NativeThreads.join = lambda self: None
rows, labels = X.T.copy(), Y.astype(int)
model = fastnn2.MLPClassifier(5, max_iter=2, random_state=0, n_threads=2, batch_size=N)

def state():
    gc.collect()
    time.sleep(0.5)  # the system counts a thread for a moment after it is joined
    pages = open("/proc/self/statm").read().split()[1]
    return len(os.listdir("/proc/self/task")), int(pages) * os.sysconf("SC_PAGE_SIZE")

for number in range(1, FITS + 1):
    digest(2, 5)
    if number % 4 == 0:
        model.fit(rows, labels)
        model.predict(rows)
    if number == 10:
        threads, memory = state()
after, memory_after = state()
print(after - threads, memory_after - memory)
"""


@pytest.mark.skipif(not can_use_native_threads(), reason="needs two cores and native threads")
@pytest.mark.parametrize("joined", [True, False], ids=["joined", "joins left out"])
def test_a_thousand_fits_leave_no_more_threads_and_memory_than_ten(joined):
    """2 MB more are allowed; without the joins there are many times as much, so that the test can fail."""
    code = f"JOINED, N, FITS = {joined}, {N}, {1000 if joined else 300}\n" + GROWTH
    threads, memory = map(int, run(code, OMP_NUM_THREADS="1", MALLOC_ARENA_MAX="1").split())
    print(f"{threads} threads and {memory / 1e6:.1f} MB more after a thousand fits than after ten")
    assert (threads == 0 and memory < 2e6) == joined


FORK_AMID_A_SHORT_JOB = """
import signal, warnings
warnings.simplefilter("ignore")
from fastnn2 import MLPRegressor
from fastnn2.threads.team import Team
signal.alarm(300)  # ends a process that hangs
children, call = [], Team.call

def fit():
    options = {"batch_size": 200, "max_iter": 2, "random_state": 0, "early_stopping": WAITING}
    model = MLPRegressor(hidden_layer_sizes=(100,), n_threads=2, **options)
    return model.fit(X.T, Y).loss_

def forking(self):
    if not children:
        signal.raise_signal(signal.SIGUSR1)
    call(self)

def handler(*_):
    children.append(os.fork())
    signal.alarm(300)

expected = fit()
signal.signal(signal.SIGUSR1, handler)
Team.call = forking
try:
    same, error = fit() == expected, None
except RuntimeError as raised:
    same, error = False, str(raised)
if children[0] == 0:
    os._exit(0 if "was forked during training" in str(error) and fit() == expected else 3)
print(same, error, os.waitpid(children[0], 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("waiting", [False, True])
def test_child_forked_just_before_a_short_job_does_not_wait_for_the_workers_of_its_parent(waiting):
    assert run(f"WAITING = {waiting}\n" + FORK_AMID_A_SHORT_JOB) == "True None 0\n"
