"""The command ``fastnn2``: its options, one module for each command, pictures and memory limits.

May import every other room; nothing imports this one.
"""
