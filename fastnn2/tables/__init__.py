"""Tables in files: read and checked, prepared by a Pipeline, trained on, and predicted for.

``open_table`` finds the format of a file and returns a ``table``: ``csv_table``, ``parquet_table``, ``arrow_table`` or
``npz_table``. ``columns`` says what a column can be. May import blocks, files, functional, estimators and below; polars
and skops are imported where they are used, so that all else works without them.
"""
