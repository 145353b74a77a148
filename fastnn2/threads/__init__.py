"""How the threads of a job start, are monitored, and end; and how many cores there are for them.

``team`` runs a job, or many short ones after each other, on several threads; ``native`` starts those that run no
Python; ``parallel_for`` is a loop over items that Python works on; ``cores`` and ``cgroups`` count the usable cores.
May import codegen and below.
"""
