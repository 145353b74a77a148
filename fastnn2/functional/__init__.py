"""The tutorial's functions on dicts of parameters: check the arguments, run the kernels, pack the results.

May import engine and below, and reference; not estimators.
"""
