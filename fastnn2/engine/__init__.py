"""A run of the kernels: the buffers it needs, the arguments of its threads, and what comes back.

``full_batch`` is the run behind ``fit``, ``mini_batch`` and ``inference`` are those behind the estimators, ``layout``
brings arrays into the kernels' layout and back. May import threads and below.
"""
