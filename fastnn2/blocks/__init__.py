"""Samples in blocks, on disk or from an iterable, that need not fit in memory: fit_blocks and partial_fit_blocks.

May import functional, estimators and below.
"""
