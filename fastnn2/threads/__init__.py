"""How the threads of a job start, are monitored, and end; and how many cores there are for them.

``team`` runs a job on several threads, ``native`` starts threads for kernel calls, ``parallel_for`` is a loop over
items, ``cores`` and ``cgroups`` count the usable cores, ``memory`` the bytes that may still be used. ``system`` is what
they ask of an operating system, ``windows`` and ``macos`` the answers of two. May import codegen and below.
"""
