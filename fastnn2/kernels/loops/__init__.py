"""The training loops, in which a team of threads stays for a whole run, and the entries that Python calls.

May import nn, simd and shared.
"""
