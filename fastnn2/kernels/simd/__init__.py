"""The vocabulary of the kernels: vectors, lanes, blocks of vectors in registers, elementary functions, records.

May import shared.
"""
