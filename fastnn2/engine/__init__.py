"""A run of the kernels: its buffers, the record of each thread, and its results.

``full_batch`` is the run behind ``fit``; ``mini_batch`` and ``inference`` are those behind the estimators, with what
they share in ``samples``; ``layout`` converts arrays to the kernels' layout and back. May import threads and below.
"""
