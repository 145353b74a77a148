"""Files as tables: opened whatever their format is, checked, and read in batches.

``open_table`` finds the format of a file (``file_format``) and returns a ``table``, whose ``columns`` have a kind and
whose ``column_names`` are checked. A fault is a ``table_error``, whose text has parts from ``messages``.

Text: a ``csv_table`` reads a ``text_stream``, its ``text_header`` and its ``text_records``, finds the ``text_kinds`` of
the columns, and converts ``text_values``, all columns of a chunk at once where it can (``text_frames``).

Parquet, Arrow and npz (``npz_arrays``): a ``typed_table`` runs queries of polars in ``quiet_panics`` and converts
``typed_columns``. ``parquet_reads`` plans the reads by the ``parquet_footer``. May import blocks and below.
"""
