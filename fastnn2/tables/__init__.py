"""A user's own tables in files: ``reading`` and checking them, ``training`` on them, and predictions by ``models``.

May import blocks, files, functional, estimators and below; polars and skops are imported where they are used, so that
all else works without them.
"""
