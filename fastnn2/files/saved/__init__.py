"""Models that are saved and loaded again.

``save`` has the public functions; ``params_file`` dicts of parameters, ``estimator_file`` estimators and Pipelines, in
skops' format: a ``plain_zip`` of arrays (``array_header``) and of a schema, of which ``skops_schema`` knows what may be
in it; ``network_state`` is what a network may have, and ``tabular_state`` what an estimator of raw tables may.
``versions`` are those of the formats.
May import functional, tabular and below.
"""
