"""A trained network as one file of C99.

``to_c`` has the public function; ``models`` says what a model is to the C code: ``preprocessing`` before ``network``;
``names`` are those that C allows, ``functions`` writes numbers and the functions of ``float32.c`` and ``float64.c``.
May import functional, estimators and below.
"""
