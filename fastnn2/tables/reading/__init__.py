"""Files as tables: opened whatever their format is, checked, and read in batches.

``open_table`` finds the format of a file (``file_format``) and returns a ``table``, whose ``columns`` have a kind and
whose ``column_names`` are checked; what is wrong is a ``table_error``, with ``near_names`` and other ``messages``.
A ``csv_table`` takes a ``text_stream``, the ``text_header`` and the ``text_records``, finds ``text_kinds`` and converts
``text_values``, all columns of a chunk at once (``text_frames``). A ``typed_table`` takes a query of ``scans`` or
``npz_arrays``, plans ``parquet_reads`` by the ``parquet_footer``, runs them in ``quiet_panics``, and converts
``typed_columns``. May import blocks and below.
"""
