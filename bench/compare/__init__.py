"""Comparing this checkout with another one: ``python -m bench --against CHECKOUT``.

- :mod:`~bench.compare.rows`: what is compared;
- :mod:`~bench.compare.worker`: the script that each side runs, which uses fastnn2's public names alone;
- :mod:`~bench.compare.sides`: a copy of each checkout, and the processes that import fastnn2 from it;
- :mod:`~bench.compare.pairs`: ratios of pairs, their interval, and the verdict;
- :mod:`~bench.compare.command`: all rows in turn, what is printed, and the exit code.
"""
