"""Every compiled function of fastnn2, and nothing else. Nothing here imports another room.

Each folder may import those above it:

shared   records and control words, what is chosen by shape, features of processors; no Numba
simd     types of vectors and records for Numba, blocks of vectors in registers, exp, tanh and log
nn       one tile of samples through a network: layers, losses, optimizers, updates
loops    whole runs, training or inference, one call on each thread of a team; the entries that Python calls

Read shared/records.py, nn/layers.py and loops/train.py first.
"""

from fastnn2.kernels.shared.sources import source_hash

# Taken before any kernel is imported. If a file has changed since then, nothing is compiled.
LOADED_SOURCES = source_hash()
