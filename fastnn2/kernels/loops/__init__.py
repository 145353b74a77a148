"""Training and inference, one kernel call per thread for a whole run; and the entries that Python calls.

May import nn, simd and shared.
"""
