"""From a kernel to machine code that Python can call: signatures, compiler, processors, store and loader of objects.

``numba_internals`` and ``compile`` import Numba and are imported only when a kernel has to be compiled. May import
kernels: their numbers as modules, their entries by name.
"""
