"""docs/benchmarks/, README's table and the pictures of the site's first page, made from bench/results/*.json.

``python -m bench.docs`` writes all of them and measures nothing. Each page is a function of what is in the JSON files.
"""
