"""Every compiled function of fastnn2, and what compiles, keeps and loads them.

Read layers.py and train.py first; simd.py, bits.py, lanes.py and blocks.py are the vocabulary they are written in,
elementary.py and update.py the rest of the arithmetic, team.py how threads meet. narrow.py is layers.py for networks
as small as the tutorial's; train_wide.py is train.py for very wide hidden layers, cut into parts (parts.py). plan.py
has the numbers behind choices by shape, target.py the blocks that a processor's registers hold. products.py and sums.py
are the matrix products of large gradients; steps.py is one step at a time, for the functions of the tutorial.
epochs.py and unit_epochs.py are the estimators' training loops, rows.py, activations.py, losses.py and optimisers.py
what they are made of. entries.py, estimator_entries.py, signatures.py, compiler.py, store.py, sources.py, processor.py,
pipeline.py and elf.py bring them to Python.
"""

from fastnn2.kernels.sources import source_hash

# Taken before any kernel is imported. Where the files have changed since, nothing is compiled.
LOADED_SOURCES = source_hash()
