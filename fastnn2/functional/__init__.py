"""The tutorial's functions on dicts of parameters: check the arguments, hand them on, pack the results.

May import engine and below, and reference; not estimators.
"""
