"""Samples in blocks, on disk or from an iterable, that need not fit in memory: fit_blocks and partial_fit_blocks.

For ``fit_blocks``, ``open_source`` makes one of the ``sources`` of what the caller names: ``array_source`` (with
``npy_file`` and ``file_status``), or a ``counted_source``, which is ``iterable_source`` or ``parquet_source``.
``row_checks`` has the checks of their rows, ``row_digests`` what a checkpoint knows of them. ``memory_limit`` and
``budget`` decide what stays in memory, ``plan`` cuts samples into blocks, ``block_reader`` reads these.

For ``partial_fit_blocks``, ``open_blocks`` makes ``labelled_blocks`` of what the caller names, of which
``labelled_arrays`` and ``labelled_parquet`` are two kinds. ``partial_fit_checkpoints`` has the state between two
blocks, ``block_progress`` the progress bar. Both functions read by the thread of ``read_ahead``. May import functional,
estimators and below.
"""
