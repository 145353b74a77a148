"""Everything that the bench imports from fastnn2's private modules: the one place to change when a module moves.

What is compared with peers goes through the public functions and classes. Measuring the machine needs the kernels' own
vectors, and a count of cores that agrees with the package's.
"""

from fastnn2.codegen.processor import Processor
from fastnn2.kernels.shared.tuning import VECTOR_BYTES
from fastnn2.kernels.simd.vector import INLINE, fma, load, store
from fastnn2.threads.cores import usable_cores
from fastnn2.threads.parallel_for import on_threads

__all__ = ["INLINE", "VECTOR_BYTES", "Processor", "fma", "load", "on_threads", "store", "usable_cores"]
