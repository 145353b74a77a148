"""Models of tables: ``predict`` makes predictions by a ``trained_model``, and ``writers`` write them.

``example_row`` makes a row such as a model takes. May import tables.training, tables.reading, files and below.
"""
