"""A run was killed: does it go on as if nothing had happened?
===========================================================

A process can be killed: by a time limit, by a lack of memory, by a restart of the machine. With ``checkpoint=``,
:func:`fastnn2.fit` keeps the run in a file, and with ``resume=True`` the same call goes on from there. Here a process
trains, and is killed as soon as its first checkpoint is written, without a chance to clean up.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

import fastnn2

program = """
import sys, time
import fastnn2
from sklearn.datasets import make_moons

X, Y = make_moons(500, noise=0.25, random_state=0)
fastnn2.fit(
    X.T, Y, 0.5, 8, 20_000, checkpoint=sys.argv[1], checkpoint_seconds=0.5, resume=True,
    callback=lambda *_: time.sleep(0.01), callback_every=100,  # slow, as a run of hours
)
"""
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "run.checkpoint"
process = subprocess.Popen([sys.executable, "-c", program, file])
while not file.exists() and process.poll() is None:
    time.sleep(0.01)
process.kill()
print("exit status of the process:", process.wait())

# %%
# Now the same call once more. It finds the file and goes on; its callback is there to see where it begins.

X, Y = make_moons(500, noise=0.25, random_state=0)
seen = []
params, cost_ = fastnn2.fit(
    X.T, Y, 0.5, 8, 20_000, checkpoint=file, resume=True,
    callback=lambda iteration, cost, params: seen.append(iteration), callback_every=100,
)  # fmt: skip
resumed = seen[0] - 100  # rounded to hundreds
folder.cleanup()

whole_params, whole_cost = fastnn2.fit(X.T, Y, 0.5, 8, 20_000)
same = np.array_equal(cost_, whole_cost) and all(np.array_equal(params[name], whole_params[name]) for name in params)
print("same bits as a run that was never stopped:", same)

# %%
# The costs before the kill come from the file, those after it from the resumed run.

# sphinx_gallery_alt_1 = "Cost against the iteration, on a logarithmic axis. One curve falls without a step: its first "
# sphinx_gallery_alt_2 = "part was trained before the kill, its second after it, and a dashed line, the run that was "
# sphinx_gallery_alt_3 = "never stopped, lies on both."
iterations = np.arange(1, len(cost_) + 1)
before = iterations <= resumed
fig, ax = plt.subplots()
ax.plot(iterations[before], cost_[before], linewidth=6, label="before the process was killed")
ax.plot(iterations[~before], cost_[~before], linewidth=6, label="resumed in another process")
ax.plot(iterations, whole_cost, "w--", linewidth=1.5)
ax.plot([], [], "--", color="#475569", linewidth=1.5, label="never stopped (white dashes)")
ax.set(xscale="log", xlabel="iteration", ylabel="cost (mean cross-entropy)")
ax.set_title(f"Resumed after {resumed:,} iterations: {'equal bits' if same else 'other bits'}")
ax.legend()

# %%
# What to take from it:
#
# - Pass ``checkpoint=FILE, resume=True`` from the start. Where there is no file yet, training begins at the first
#   iteration, so the same program serves for both.
# - At most the last ``checkpoint_seconds`` are lost, 60 by default.
# - Ctrl-C needs no file: :class:`fastnn2.TrainingInterrupted` has the parameters that were reached.
# - The classes have :class:`fastnn2.callbacks.Checkpoint`. :doc:`/guide/long-runs` has the details.
