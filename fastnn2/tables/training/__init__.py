"""Training on a table, in memory or in blocks.

``train`` takes a ``training_job`` by its ``options``: ``train_memory`` where the ``memory_plan`` says that the ``rows``
fit, else ``train_blocks``, whose ``target_survey`` and ``block_parts`` come before a ``block_run`` on ``table_blocks``
of ``regrouped`` rows, with its ``epoch_history``. Both find ``targets``, ``split`` rows, make a ``preparation`` and a
``network``, see by ``model_size`` that the model can be saved, and ``conclude``: they ``summarise`` with
``model_scores``, which are ``scores``, in a ``summary`` that ``summary_checks`` know. ``checkpoint_checks`` and a
``best_file`` let a training go on. May import tables.reading, blocks, files, estimators and below.
"""
