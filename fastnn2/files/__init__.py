"""Models in files: what is saved and loaded, and what other programs can run.

It may import `functional`, `estimators` and what is below them. The libraries of the extras are imported where they are
used, so that all else works without them.
"""
