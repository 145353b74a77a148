"""Everything that the bench imports from fastnn2's private modules: the one place to change when a module moves.

Comparisons with peers use the public functions and classes only. Measuring the machine needs the vectors of the
kernels, and the same number of cores as the package. No public function tells how long a run has waited for its rows,
or how samples are cut into chunks, or makes the kernel calls of a run and nothing else. What needs the extra `dask` is
in :mod:`bench.inside_cluster`.
"""

import importlib

from fastnn2.blocks.memory_limit import as_memory_limit
from fastnn2.blocks.read_ahead import ReadAhead
from fastnn2.codegen import provider
from fastnn2.codegen import store as kernel_store
from fastnn2.codegen.loader import Kernel
from fastnn2.codegen.processor import Processor
from fastnn2.commands.out_of_core import read_speed
from fastnn2.engine.full_batch import SampleParallelJob
from fastnn2.engine.layout import pack_params, to_groups
from fastnn2.engine.objective import Objective
from fastnn2.kernels.shared import choices, tuning
from fastnn2.kernels.shared.tuning import VECTOR_BYTES
from fastnn2.kernels.simd.accumulators import rank1_update, zero_accumulators
from fastnn2.kernels.simd.blocks import load_scalars, load_vectors
from fastnn2.kernels.simd.vector import INLINE, fma, load, store
from fastnn2.threads.cores import usable_cores
from fastnn2.threads.memory import read_kilobytes
from fastnn2.threads.parallel_for import parallel_for

fit_blocks_module = importlib.import_module("fastnn2.blocks.fit_blocks")

__all__ = [
    "INLINE",
    "VECTOR_BYTES",
    "Kernel",
    "Objective",
    "Processor",
    "ReadAhead",
    "SampleParallelJob",
    "as_memory_limit",
    "choices",
    "fit_blocks_module",
    "fma",
    "kernel_store",
    "load",
    "load_scalars",
    "load_vectors",
    "pack_params",
    "parallel_for",
    "provider",
    "rank1_update",
    "read_kilobytes",
    "read_speed",
    "store",
    "to_groups",
    "tuning",
    "usable_cores",
    "zero_accumulators",
]
