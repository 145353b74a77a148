"""How the threads of a job start, are watched, and end; and how many there should be.

May import codegen and below.
"""
