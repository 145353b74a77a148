"""A trained model in the format ONNX.

``to_onnx`` has the public function; ``inputs`` names and types of what comes in, ``steps`` the steps of a Pipeline,
``transformers`` and ``network`` the nodes of each, ``graph`` writes nodes. May import functional, estimators and below.
"""
