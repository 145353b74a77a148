"""Start-up: the time of whole processes that do one short job.

Scripts take turns (A B C A B C ...), and each process is timed from start to end. The job is the tutorial's; its data
and weights come from a file, and its last cost is checked. Kernels come from the store, but for the rows of bundled
kernels, which need libraries in the checkout:

    python -m fastnn2.codegen.build --platform linux-x86-64 --out fastnn2/libraries

A row "first fit" is not of a whole process: a process does the job twice, and says by how much the first one is longer.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench import cases, held, levels, measure
from bench.environment import ROOT

ROUNDS, QUICK_ROUNDS = 10, 2
JOB = """
import sys
import numpy as np
from bench.peers import {peer} as peer
with np.load(sys.argv[1]) as data:
    X, Y, params = data["X"], data["Y"], {{name: data[name] for name in ("W1", "b1", "W2", "b2")}}
print(repr(float(peer.prepare(X, Y, params, 0.3, 5000, "float64", None)()[0])))
"""
TWICE = """
import sys, time
import numpy as np
from bench.peers import {peer} as peer
with np.load(sys.argv[1]) as data:
    X, Y, params = data["X"], data["Y"], {{name: data[name] for name in ("W1", "b1", "W2", "b2")}}
job, times = peer.prepare(X, Y, params, 0.3, 5000, "float64", None), []
for _ in range(2):
    begin = time.perf_counter()
    cost = job()[0]
    times.append(time.perf_counter() - begin)
print(repr(float(cost)), times[0] - times[1])
"""
IMPORTS = {
    "python": "pass",
    "import numpy": "import numpy",
    "import numba": "import numba",
    "import fastnn2": "import fastnn2",
    "import numpy, sklearn.datasets": "import numpy, sklearn.datasets",
}
# The peer, and where kernels come from: a store that is warm or empty, no store ("off"), or the libraries ("bundled").
JOBS = {
    "job: NumPy": ("numpy_plain", "warm"),
    "job: fastnn2": ("fastnn2_fit", "warm"),
    "job: fastnn2, bundled": ("fastnn2_fit", "bundled"),
    "job: fastnn2, empty store": ("fastnn2_fit", "empty"),
    "job: fastnn2, no store": ("fastnn2_fit", "off"),
    "job: JAX": ("jax_scan", "warm"),
    "job: torch": ("torch_eager", "warm"),
    "job: scikit-learn": ("scikit_learn", "warm"),
}
# These take half of the time, and no figure in WANTED needs them; a quick run leaves them out.
LONG = ("job: fastnn2, no store", "job: JAX", "job: torch", "job: scikit-learn")
COMMAND = "fastnn2 moons --no-plot"
BUNDLED_COMMAND = f"{COMMAND}, bundled"
FIRST_FIT = "first fit - second: fastnn2, bundled"
# Limits: (script, how it is compared, with which other script, at most); differences are in seconds.
WANTED = (
    ("job: fastnn2", "times", "job: NumPy", 0.6),
    ("job: fastnn2, bundled", "times", "job: NumPy", 0.5),
    (FIRST_FIT, "more than", None, 0.030),
    ("import fastnn2", "more than", "import numpy", 0.040),
    ("job: fastnn2, empty store", "more than", None, 1.5),
    (COMMAND, "more than", "import numpy, sklearn.datasets", 0.15),
)


class Script:
    """A process to run: its command, its folder of kernels (`cache`), and where kernels come from (see JOBS).

    One with a `peer` does the job, and its cost is checked. One that is not `whole` prints the seconds that count.
    """

    def __init__(self, name, arguments, cache, kernels="warm", peer=None, whole=True):
        self.name, self.arguments, self.cache, self.kernels, self.peer = name, arguments, cache, kernels, peer
        self.whole = whole
        self.seconds = []

    def start(self):
        """Run the process for the first time, which fills the store, the byte code and the file cache."""
        if self.peer and (reason := held.reason(self.peer)):
            raise RuntimeError(f"it is not held to {levels.held()}: {reason}")
        self.run()

    def run(self):
        """Run the process once; return its time, or raise RuntimeError with its last line of errors."""
        environment = {**os.environ, "FASTNN2_CACHE_DIR": str(self.cache)}
        environment.pop("FASTNN2_STORE", None)
        environment["FASTNN2_KERNELS"] = "bundled" if self.kernels == "bundled" else "store"
        # Installed peers have their byte code beside them. So has fastnn2, even where the shell tells Python to write
        # none.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if self.kernels == "off":
            environment["FASTNN2_STORE"] = "off"
        if self.kernels in ("empty", "bundled"):
            shutil.rmtree(self.cache, ignore_errors=True)
        begin = time.perf_counter()
        done = subprocess.run(self.arguments, env=environment, cwd=ROOT, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
        if self.peer:
            cost, *counted = map(float, done.stdout.split())
            measure.check_cost(cost, cases.TUTORIAL, "float64", self.name)
        return seconds if self.whole else counted[0]


def scripts(folder):
    """Return all scripts. Data and stores of kernels are written to `folder`."""
    X, Y, params = cases.problem(cases.TUTORIAL)
    data = folder / "moons.npz"
    np.savez(data, X=X, Y=Y, **params)
    python, warm = sys.executable, folder / "warm"
    found = [Script(name, [python, "-c", line], warm) for name, line in IMPORTS.items()]
    for name, (peer, kernels) in JOBS.items():
        cache = warm if kernels == "warm" else folder / kernels
        found.append(Script(name, [python, "-c", JOB.format(peer=peer), str(data)], cache, kernels, peer))
    bundled = folder / "bundled"
    twice = [python, "-c", TWICE.format(peer="fastnn2_fit"), str(data)]
    found.append(Script(FIRST_FIT, twice, bundled, "bundled", "fastnn2_fit", whole=False))
    found.append(Script(COMMAND, [python, "-m", *COMMAND.split()], warm))
    found.append(Script(BUNDLED_COMMAND, [python, "-m", *COMMAND.split()], bundled, "bundled"))
    return found


def run(quick=False, say=print):
    """Time all scripts.

    Returns
    -------
    dict
        ``rows`` (name, rounds, median of the seconds, quartiles), ``skipped`` (name, reason), ``wanted`` (text, figure,
        limit).
    """
    count = QUICK_ROUNDS if quick else ROUNDS
    skipped = []
    with tempfile.TemporaryDirectory() as folder:
        ready = []
        for script in scripts(Path(folder)):
            if quick and script.name in LONG:
                continue
            try:
                script.start()
                ready.append(script)
            except RuntimeError as error:
                skipped.append({"name": script.name, "reason": str(error)})
                say(f"  {script.name} skipped: {error}")
        for _ in range(count):
            for script in ready:
                script.seconds.append(script.run())
    rows = [{"name": script.name, **measure.summary(script.seconds)} for script in ready]
    for row in rows:
        say(f"  {row['name']:32} {row['median'] * 1e3:8.0f} ms")
    wanted = judge({row["name"]: row["median"] for row in rows})
    for line in wanted:
        say(f"  {line['text']}: {line['figure']:.3f}, at most {line['limit']:g} is wanted")
    return {"rounds": count, "rows": rows, "skipped": skipped, "wanted": wanted}


def judge(medians):
    """Return each figure in WANTED that was measured, with its limit."""
    found = []
    for name, how, other, limit in WANTED:
        if name not in medians or (other and other not in medians):
            continue
        if how == "times":
            found.append({"text": f"{name} / {other}", "figure": medians[name] / medians[other], "limit": limit})
        else:
            less = medians[other] if other else 0.0
            text = f"{name} - {other}, s" if other else f"{name}, s"
            found.append({"text": text, "figure": medians[name] - less, "limit": limit})
    return found
