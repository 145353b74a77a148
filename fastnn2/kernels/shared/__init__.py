"""What kernels and their callers share: control words, enumerations, and all that is chosen by shape. No Numba.

Imports nothing of the project.
"""
