"""A run of the kernels: its buffers, the record of each thread, and its results.

``full_batch`` is the run behind ``fit``, ``block_job`` that behind ``fit_blocks``, and ``training_run`` what they
share. ``networks`` are those behind ``fit_many``: each a ``network_run``, of which threads take the next one in a
``network_pool``, or share some, as ``shares`` tells; ``sample_layout`` has the sizes of their buffers, and of those of
``full_batch``. ``descent`` is what ``block_job`` shares with a cluster, whose steps Python takes. ``mini_batch`` and
``inference`` are those behind the estimators, with what they share in ``samples``, and the ``orders`` of samples;
``forward_pass`` is that of the tutorial's ``forward`` and ``predict``. For samples that machines share, ``objective``
says what is summed, ``held_sums`` sums over the samples of one machine, ``chunk_sums`` adds such sums, and
``mean_gradient`` makes a mean of them. ``pieces`` cuts samples into chunks, and these into calls of a kernel.
``layout`` converts arrays to the kernels' layout and back, ``rows_to_groups`` does so with samples as rows,
``workspaces`` keeps the buffers of short jobs. For networks on tables, ``encoded_rows`` are the samples,
``tabular_shape`` says where parameters are, ``tabular_training`` trains the members of an ensemble at the rates of
``schedule``, and ``tabular_inference`` computes their outputs. May import threads and below.
"""
