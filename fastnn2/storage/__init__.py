"""Files that are written whole or not at all, locks that die with their process, and checkpoints.

This room imports nothing of the project.
"""
