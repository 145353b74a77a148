"""Tables in files: read and checked, prepared by a Pipeline, trained on, and predicted for.

``open_table`` finds the format of a file and returns a ``table``: rows with ``columns``, and a ``table_error`` for what
is wrong with it. ``train`` follows its ``options``: ``rows`` with a target (``targets``), held out in a ``split``,
``preparation`` of the columns, the ``network``, ``scores``, and the ``summary``, which travels with the model.
``predict`` makes predictions, which ``writers`` write. May import files, blocks, functional, estimators and below;
polars is imported where it is used, so that all else works without it.
"""
