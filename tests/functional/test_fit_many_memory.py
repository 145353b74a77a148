"""The memory of fit_many follows from threads and results, not from the number of networks times their buffers."""

import json
import subprocess
import sys

import pytest
from data import PATIENCE

MB = 1_000_000
CODE = '''
import gc, json, os, sys, threading, time
import numpy as np
import fastnn2
from fastnn2.engine.layout import param_views

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))

def memory_of_results():
    """Return what as many results take, from a child, in which nothing else is freed."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        before = anonymous()
        results = [(param_views(np.ones(21), 2, 5, 1), np.ones(1)) for _ in range(networks)]
        os.write(writing, str(anonymous() - before).encode())
        os._exit(0)
    os.wait()
    return int(os.read(reading, 99))

networks, shares_samples = json.loads(sys.argv[1])
source = np.random.RandomState(0)
X = source.standard_normal((2, 20))
Y = (X[0] > 0).astype(float)
fastnn2.fit_many(X, Y, [0.1] * 20, 5, 20, costs="last", n_threads=2)  # loads the kernels
inputs = X if shares_samples else [X + i for i in range(networks)]
rates = [0.1 + i / networks for i in range(networks)]
gc.collect()
own = memory_of_results()
before, peak, is_over = anonymous(), [0], []

def watch():
    while not is_over:
        peak[0] = max(peak[0], anonymous())
        time.sleep(0.002)

thread = threading.Thread(target=watch, daemon=True)
thread.start()
begin = time.perf_counter()
results = fastnn2.fit_many(inputs, Y, rates, 5, 20, costs="last", n_threads=2)
seconds = time.perf_counter() - begin
is_over.append(True)
thread.join()
peak[0] = max(peak[0], anonymous())  # with all results
params, cost = fastnn2.fit(X if shares_samples else inputs[-1], Y, rates[-1], 5, 20)
assert all((params[name] == results[-1][0][name]).all() for name in params) and cost[-1] == results[-1][1]
print(json.dumps([peak[0] - before, own, seconds, len(results)]))
'''


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/self/status")
@pytest.mark.parametrize("shares_samples", [True, False], ids=["shared samples", "own samples"])
def test_memory_of_a_hundred_thousand_networks(shares_samples):
    """At most 64 MB beside the results and the data."""
    networks = 100_000
    command = [sys.executable, "-W", "ignore", "-c", CODE, json.dumps([networks, shares_samples])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    peak, own, seconds, count = json.loads(done.stdout)
    print(f"{(peak - own) / MB:.0f} MB beside {own / MB:.0f} MB of results, in {seconds:.1f} s")
    assert count == networks
    assert peak > own > 20 * MB  # the watcher has seen the call
    assert peak - own < 64 * MB
