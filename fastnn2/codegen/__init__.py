"""From a kernel to machine code that Python can call: libraries built ahead, compiler, processors, store and loader.

``provider`` returns a kernel, wherever it comes from: ``settings`` reads what the user wants, ``bundled`` loads the
libraries that come with the package (``build`` makes them), and ``store`` compiles and keeps what they do not have.
``numba_internals`` and ``compile`` import Numba, so they are imported only when a kernel has to be compiled. May import
kernels and storage; ``compile`` finds the modules of the entries by name.
"""
