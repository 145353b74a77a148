"""A run of the kernels: its buffers, the record of each thread, and its results.

``full_batch`` is the run behind ``fit``, ``block_job`` that behind ``fit_blocks``, and ``training_run`` what they
share; ``mini_batch`` and ``inference`` are those behind the estimators, with what they share in ``samples``;
``forward_pass`` is that of the tutorial's ``forward`` and ``predict``. ``layout`` converts arrays to the kernels'
layout and back, ``rows_to_groups`` does so with samples as rows, ``workspaces`` keeps the buffers of short jobs.
May import threads and below.
"""
