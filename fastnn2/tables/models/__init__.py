"""Models of tables: ``predict`` makes predictions by a ``trained_model``, and ``writers`` write them.

``samples`` has a row such as the model takes. May import tables.training, tables.reading, files and below.
"""
