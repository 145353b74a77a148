"""Training on a table, in memory or in blocks.

``train`` takes ``options`` and makes a ``training_job``. The ``memory_plan`` says whether the rows fit in memory:
``train_memory`` trains on all of them, ``train_blocks`` on ``table_blocks``. Both take the ``rows`` with ``targets``,
``split`` them, make a ``preparation`` and a ``network``, check by ``model_size`` that the model can be saved, and
``evaluate`` it: its ``scores`` beside those of ``baselines`` go into a ``summary``, which ``summary_checks`` checks
when a model file is read.

In blocks, a ``target_survey`` counts the targets, ``block_parts`` are the rows that stay in memory, and a ``block_run``
trains with an ``epoch_history``. A training goes on from a checkpoint after ``checkpoint_checks``; in blocks it also
has a ``best_file``. May import tables.reading, blocks, files, estimators and below.
"""
