"""From a kernel to machine code that Python can call: compiler, processors, store and loader of objects.

``numba_internals`` and ``compile`` import Numba, so they are imported only when a kernel has to be compiled. May import
kernels and storage; ``compile`` finds the modules of the entries by name.
"""
