"""The memory of a process that trains on files larger than its limit."""

import json
import subprocess
import sys

import numpy as np
import pytest
from data import PATIENCE

MB = 1_000_000
ROWS, FEATURES = 1_600_000, 30  # 192 MB in float32
LIMIT, SPARE = 50 * MB, 20 * MB
CODE = """
import gc, json, sys, threading, time
import numpy as np
import fastnn2

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))

files, limit, dtype = json.loads(sys.argv[1])
source = np.random.RandomState(0).standard_normal((100_000, 30)).astype("float32")
fastnn2.fit_blocks((source, source[:, 0] > 0), 0.5, 10, 1, memory_limit="5MB", dtype=dtype)  # loads the kernels
del source
gc.collect()
before, peak, is_over = anonymous(), [0], []

def watch():
    while not is_over:
        peak[0] = max(peak[0], anonymous())
        time.sleep(0.002)

thread = threading.Thread(target=watch, daemon=True)
thread.start()
params, costs = fastnn2.fit_blocks(tuple(files), 0.5, 10, 2, memory_limit=limit, dtype=dtype)
is_over.append(True)
thread.join()
print(json.dumps([peak[0] - before, len(costs)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/self/status")
def test_memory_of_a_run_on_files(tmp_path):
    files = [str(tmp_path / name) for name in ("X.npy", "Y.npy")]
    X = np.lib.format.open_memmap(files[0], "w+", "float32", (ROWS, FEATURES))
    source = np.random.default_rng(0)
    for first in range(0, ROWS, 100_000):
        X[first : first + 100_000] = source.standard_normal((100_000, FEATURES), dtype="float32")
    np.save(files[1], (X[:, 0] > 0).astype("float32"))
    del X
    for dtype in ("float32", "float64"):
        command = [sys.executable, "-W", "ignore", "-c", CODE, json.dumps([files, LIMIT, dtype])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        peak, iterations = json.loads(done.stdout)
        print(f"{dtype}: {peak / MB:.0f} MB above the state before, with a limit of {LIMIT / MB:.0f} MB")
        assert iterations == 2
        assert peak < LIMIT + SPARE
        assert peak > LIMIT / 4
