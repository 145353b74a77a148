"""Kernels built ahead: shared libraries for every platform, and wheels that have them, made on one machine.

``platforms`` lists the platforms and levels of processors, ``libraries`` compiles the kernels for one of them, ``link``
makes a shared library of the objects, ``wheels`` makes wheels. Nothing else of fastnn2 imports this. May import codegen, kernels.
"""
