"""A run of the kernels: its buffers, the kernel arguments of each thread, and its results.

``full_batch`` is the run behind ``fit``; ``mini_batch`` and ``inference`` are those behind the estimators; ``layout``
converts arrays to the kernels' layout and back. May import threads and below.
"""
