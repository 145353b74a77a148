"""Fits as runs: the bar, Ctrl-C, forks, memory, several at once."""

import os
import re
import subprocess
import sys

import pytest
from data import PATIENCE
from interrupt_data import LIMIT
from tabular_fits import FRAME, TARGETS, both, fit_bits, fitted, quick

from fastnn2 import TabularRegressor


@both
def test_progress_bar(kind, capsys):
    model = quick(kind(), max_iter=50)
    expected = fit_bits(model.fit(FRAME, TARGETS[kind]))
    assert capsys.readouterr().err == ""
    assert fit_bits(model.set_params(progress=True).fit(FRAME, TARGETS[kind])) == expected
    assert re.search("training: +100%|training: +0%", capsys.readouterr().err)


INTERRUPTED = """
import os, signal, sys, threading, time, warnings
import numpy as np, fastnn2
from fastnn2.engine import tabular_training
from fastnn2.kernels.shared import control_words
from fastnn2.tabular import base
X = np.random.default_rng(0).standard_normal((SAMPLES, 10))
kind, y = KIND, X[:, 0] > 0
fastnn2.TabularClassifier(max_iter=1, random_state=0).fit(X[:500], y[:500]).predict(X[:500])
fastnn2.TabularRegressor(max_iter=1, random_state=0).fit(X[:500], y[:500]).predict(X[:500])
before = threading.active_count()
train = base.train_members
class Progress(tabular_training.EpochsProgress):
    def __init__(self, controls, *arguments):
        super().__init__(controls, *arguments)
        threading.Thread(target=send, args=(controls[:, control_words.COMPLETED],), daemon=True).start()
def send(epochs):
    while epochs.sum() < LEAST:
        time.sleep(0.001)
    send.at = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)
def timed_train(*arguments):
    result = train(*arguments)
    send.seconds = time.perf_counter() - send.at
    return result
tabular_training.EpochsProgress = Progress
base.train_members = timed_train
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = getattr(fastnn2, kind)(max_iter=EPOCHS, random_state=0, n_threads=THREADS).fit(X, y)
print(send.seconds, file=sys.stderr)
assert send.seconds < LIMIT
assert [(str(w.message), w.category, w.filename) for w in caught] == [
    ("Training interrupted by user.", UserWarning, "<string>")], caught
lengths = [len(curve) for curve in model.loss_curves_]
assert [len(curve) for curve in model.validation_loss_curves_] == lengths
assert max(lengths) == model.n_iter_ < EPOCHS
assert np.isfinite(model.predict(X[:1000])).all()
assert threading.active_count() <= before + 1
assert len(model.params_) == len(lengths)
assert min(lengths) > 0 or max(lengths) == 0, lengths  # networks without an epoch are left out, unless all are
print(model.n_iter_ > 0, all(curve[-1] <= curve[0] for curve in model.loss_curves_ if curve))
"""


def interrupted(samples, epochs, threads, kind, least):
    """Run a fit that gets Ctrl-C when at least so many epochs of all networks together are complete."""
    settings = f"SAMPLES, EPOCHS, THREADS, KIND, LEAST = {samples}, {epochs}, {threads}, {kind.__name__!r}, {least}\n"
    return subprocess.run(
        [sys.executable, "-c", f"LIMIT = {LIMIT}\n{settings}{INTERRUPTED}"], capture_output=True, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("threads", [1, 2])
@both
def test_ctrl_c_keeps_what_was_reached(kind, threads):
    done = interrupted(5000, 20_000, threads, kind, 20)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True True\n"


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@both
def test_ctrl_c_before_the_end_of_the_first_epoch(kind):
    done = interrupted(400_000, 3, 2, kind, 0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("False ")


FORKED = """
import hashlib, os, signal
import numpy as np, fastnn2
X = np.random.default_rng(0).standard_normal((300, 4))
def digest():
    model = fastnn2.TabularRegressor(max_iter=3, random_state=0, n_threads=2).fit(X, X[:, 0])
    return hashlib.sha256(model.predict(X).tobytes()).hexdigest()
expected = digest()
ends = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        signal.alarm(300)  # ends a child that hangs
        os._exit(0 if digest() == expected else 3)
    ends.append(os.waitpid(child, 0)[1])
print(ends, digest() == expected)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fits_in_forked_children():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.stdout, done.returncode) == ("[0, 0, 0] True\n", 0), done.stderr


MEMORY = """
import gc, sys
import numpy as np, fastnn2
from sklearn.datasets import make_regression
kind = getattr(fastnn2, sys.argv[1])
source = np.random.default_rng(0)
def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))
small = source.standard_normal((5000, 20), dtype=np.float32)
kind(random_state=0, max_iter=1).fit(small, small[:, 0] > 0)
gc.collect()
X = source.standard_normal((ROWS, 20), dtype=np.float32)
y = X[:, 0] > 0
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # VmHWM begins anew
before = status("VmRSS")
kind(random_state=0, max_iter=1).fit(X, y)
print((status("VmHWM") - before) / X.nbytes)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="Linux measures the memory")
@both
def test_a_fit_takes_at_most_4_times_the_memory_of_float32_data(kind):
    code = f"ROWS = 250_000\n{MEMORY}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, kind.__name__], capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    print(f"{kind.__name__}: {float(done.stdout):.2f} times the data")
    assert 1 < float(done.stdout) < 4


def test_callers_may_train_in_several_threads():
    import concurrent.futures

    y = TARGETS[TabularRegressor]
    expected = fit_bits(fitted(TabularRegressor(), FRAME, y))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        found = [pool.submit(fitted, TabularRegressor(n_threads=2), FRAME, y) for _ in range(6)]
        assert {fit_bits(one.result(PATIENCE)) for one in found} == {expected}
