"""Tables in files: read and checked, prepared by a Pipeline, trained on, and predicted for.

``open_table`` finds the format of a file (``file_format``) and returns a ``table``, whose ``columns`` have a kind and
whose ``column_names`` are checked; what is wrong is a ``table_error``, with ``near_names`` and other ``messages``. A
``csv_table`` takes a ``text_stream``, the ``text_header`` and the ``text_records``, finds ``text_kinds`` and converts
``text_values``, all columns of a chunk at once (``text_frames``). A ``typed_table`` takes a query of ``scans`` or
``npz_arrays``, plans ``parquet_reads`` by the ``parquet_footer``, runs them in ``quiet_panics``, and converts
``typed_columns``. ``predict`` makes predictions by a ``trained_model``, whose summary passes ``summary_checks``, and
``writers`` write them; ``samples`` has a row such as it takes. May import blocks, files, functional, estimators and
below; polars and skops are imported where they are used, so that all else works without them.
"""
