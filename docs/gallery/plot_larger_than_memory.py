"""Does it learn from more data than fits in memory?
=================================================

:func:`fastnn2.fit_blocks` reads samples from files, a block at a time, and trains as :func:`fastnn2.fit` does. Here
half a million rows are written part by part, as a program would do whose data never fit in memory at once.
"""

import tempfile
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fastnn2

folder = tempfile.TemporaryDirectory()
files = Path(folder.name) / "X.npy", Path(folder.name) / "Y.npy"
n, d = 500_000, 12
X = np.lib.format.open_memmap(files[0], mode="w+", dtype=np.float32, shape=(n, d))
random = np.random.default_rng(0)
for k in range(0, n, 50_000):
    X[k : k + 50_000] = random.standard_normal((50_000, d))
X.flush()
np.save(files[1], X[:, 0] * X[:, 1] + X[:, 2] > 0)
del X
print(f"the files have {sum(file.stat().st_size for file in files) / 1e6:.0f} MB")

# %%
# Training from the files may take 4 MB, a sixth of what they have. What each call takes at its peak is measured by
# Python's ``tracemalloc``, which counts NumPy's arrays. A rate of 2 is large, and right for these data.


def measured(train):
    """Return the costs of 60 iterations, and the megabytes that they took."""
    train(1)  # a first call imports modules, which would be counted
    tracemalloc.start()
    _, cost_ = train(60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return cost_, peak / 1e6


from_file, file_memory = measured(lambda n: fastnn2.fit_blocks(files, 2.0, 8, n, memory_limit="4MB"))
in_memory, whole_memory = measured(lambda n: fastnn2.fit(np.load(files[0]).T, np.load(files[1]), 2.0, 8, n))
same = np.array_equal(from_file, in_memory)
print("same costs, bit for bit:", same)

# %%
# Both runs learn the same; only the memory differs.

# sphinx_gallery_alt_1 = "Left, cost against the iteration: the curve of the run from files lies on that of the run "
# sphinx_gallery_alt_2 = "in memory, and both fall. Right, memory: about 4 megabytes from files, "
# sphinx_gallery_alt_3 = "and many times as much in memory."
fig, (left, right) = plt.subplots(1, 2, width_ratios=(3, 2))
left.plot(in_memory, linewidth=6, label="in memory")
left.plot(from_file, "--", label="from files, in 4 MB")
left.set(xlabel="iteration", ylabel="cost (mean cross-entropy)")
left.set_title("The same costs" if same else "Other costs")
left.legend()
bars = right.bar(["in memory", "from files"], [whole_memory, file_memory], color=["#0b5fa5", "#c2410c"])
right.bar_label(bars, fmt="%.0f MB", padding=3)
right.margins(y=0.12)
right.set(ylabel="memory at the peak (MB)")
right.set_title(f"{whole_memory / file_memory:.0f} times less memory")
right.grid(axis="x", visible=False)
folder.cleanup()

# %%
# What to take from it:
#
# - ``memory_limit`` is for samples and buffers. By default it is half of the memory that the process may still use.
# - Every iteration reads the whole file, so its time is that of the disk where this is slower than the processor.
# - Where the gradient of all samples is more than is needed, mini-batches learn more from each pass:
#   :func:`fastnn2.partial_fit_blocks` trains the classes with Adam from the same files.
# - Parquet, and blocks from a function of yours, are taken, too: :doc:`/guide/larger-than-memory`.
