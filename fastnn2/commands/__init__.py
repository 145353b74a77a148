"""The command line ``fastnn2``: options, one module for each command, pictures and memory limits.

May import every other room; nothing imports this one.
"""
