"""Models in files: ``saved`` and loaded again, in the format ``onnx``, and as ``c``. ``pipelines`` is what they all
know of scikit-learn's Pipelines.

May import functional, tabular and what is below them. The libraries of the extras are imported where they are used,
so that all else works without them.
"""
