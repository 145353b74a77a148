"""Ctrl-C stops fit_blocks at once, while it computes and while it waits for samples; no iteration is lost."""

import json
import os
import subprocess
import sys

import pytest
from data import PATIENCE
from interrupt_data import LIMIT, PREAMBLE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")

BLOCKS = """
def rows(n, d):
    X = np.linspace(-1, 1, n * d).reshape(n, d)
    return X, (X[:, 0] > 0.1) * 1.0

class Blocks:
    # Calls a function before block `at` of each pass; the pass before the first only asks for the form.
    def __init__(self, arrays, size, at=-1, function=None):
        self.arrays, self.size, self.at, self.function, self.passes = arrays, size, at, function, -2

    def __iter__(self):
        self.passes += 1
        X, Y = self.arrays
        for k in range(0, len(X), self.size):
            if k // self.size == self.at:
                self.function(self.passes)
            yield X[k : k + self.size], Y[k : k + self.size]

sent = []

def interrupt():
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)

def later(delay):
    threading.Timer(delay, interrupt).start()

def caught(expected, function):
    try:
        function()
    except expected as error:
        sent.append(time.perf_counter())
        return error
    raise AssertionError("no error")

def report(error, X, Y, h, **options):
    done = len(error.cost_)
    params, costs = fastnn2.fit(X.T, Y, 0.5, h, done, **options)
    equal = bool((costs == error.cost_).all()) and all((params[name] == error.params[name]).all() for name in params)
    print(json.dumps([sent[1] - sent[0], done, equal, str(error)]))
"""


def run(code):
    """Run a script in a process of its own; return the JSON on the last line of its output."""
    command = [sys.executable, "-W", "ignore", "-c", PREAMBLE + BLOCKS + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check(code):
    """Return the number of iterations that an interrupted run has done."""
    latency, done, equal, message = run(code)
    print(f"stopped {latency * 1000:.0f} ms after the signal, after {done} iterations")
    assert latency < LIMIT
    assert equal
    assert f"stopped after {done} of " in message
    assert "fit_blocks(..., init=error.params) continues from it" in message
    return done


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("kind", ["arrays", "iterable", "in memory"])
def test_while_it_computes(kind, n_threads):
    done = check(f"""
X, Y = rows(300_000, 6)
blocks = Blocks((X, Y), 9999) if {kind == "iterable"} else (X, Y)
limit = "1GB" if {kind == "in memory"} else "8MB"
fastnn2.fit_blocks(blocks, 0.5, 20, 1, memory_limit=limit)  # loads the kernels
started.clear()
in_background(interrupt, 0.5)
error = caught(fastnn2.TrainingInterrupted, lambda: fastnn2.fit_blocks(
    blocks, 0.5, 20, 10**6, memory_limit=limit, n_threads={n_threads}))
report(error, X, Y, 20)
""")
    assert done < 10**5


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("wait", ["time.sleep(60)", "threading.Event().wait(60)", "os.read(os.pipe()[0], 1)"])
def test_while_it_waits_for_blocks(wait, passes):
    """The process ends soon, too, although its other thread is still at the block."""
    done = check(f"""
def wait(number):
    if number == {passes}:
        later(0.1)
        {wait}

X, Y = rows(40_000, 6)
blocks = Blocks((X, Y), 1000, 30, wait)
error = caught(fastnn2.TrainingInterrupted, lambda: fastnn2.fit_blocks(
    blocks, 0.5, 20, 10, memory_limit="1.5MB", n_threads=2))
report(error, X, Y, 20)
""")
    assert done == passes - 1


def test_while_blocks_come_slowly_in_the_first_pass():
    """There is no result yet, so the signal is an error as anywhere in Python."""
    latency, passes = run("""
X, Y = rows(40_000, 6)
blocks = Blocks((X, Y), 1000, 20, lambda number: (later(0.2), time.sleep(60)))
caught(KeyboardInterrupt, lambda: fastnn2.fit_blocks(blocks, 0.5, 20, 10, memory_limit="1.5MB"))
print(json.dumps([sent[1] - sent[0], blocks.passes]))
""")
    assert latency < LIMIT
    assert passes == 0


def test_a_checkpoint_at_the_interrupt(tmp_path):
    file = tmp_path / "run.checkpoint"
    code = f"""
def wait(number):
    if number == 3:
        later(0.1)
        time.sleep(60)

X, Y = rows(40_000, 6)
options = dict(memory_limit="1.5MB", n_threads=2, checkpoint={str(file)!r}, resume=True)
blocks = Blocks((X, Y), 1000, 30, wait)
error = caught(fastnn2.TrainingInterrupted, lambda: fastnn2.fit_blocks(blocks, 0.5, 20, 5, **options))
seen = []
params, costs = fastnn2.fit_blocks((X, Y), 0.5, 20, 5, callback=lambda done, *_: seen.append(done), **options)
same = bool((costs == fastnn2.fit(X.T, Y, 0.5, 20, 5)[1]).all())
print(json.dumps([len(error.cost_), seen, same]))
"""
    assert run(code) == [2, [3, 4, 5], True]


def test_several_signals():
    check("""
X, Y = rows(300_000, 6)
fastnn2.fit_blocks((X, Y), 0.5, 20, 1, memory_limit="8MB")
started.clear()

def send():
    sent.append(time.perf_counter())
    for _ in range(5):
        os.kill(os.getpid(), signal.SIGINT)

in_background(send, 0.5)
error = caught(fastnn2.TrainingInterrupted, lambda: fastnn2.fit_blocks((X, Y), 0.5, 20, 10**6, memory_limit="8MB"))
report(error, X, Y, 20)
""")
