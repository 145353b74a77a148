"""Kernels built ahead: shared libraries for every platform, and wheels that have them, made on one machine.

``platforms`` lists the platforms and levels of processors, ``compile_level`` compiles the kernels for one of them,
``link`` makes a shared library of the objects, ``inspection`` and ``code_signature`` look into it, ``libraries`` does
all that for a platform, ``wheels`` makes wheels. Nothing else of fastnn2 imports this. May import what codegen may, and
the packages of the extra `build`.
"""
