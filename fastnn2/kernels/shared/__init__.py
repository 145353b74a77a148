"""What kernels share with those who call them: control words, choices by number, numbers chosen by shape. No Numba.

Imports nothing of the project.
"""
