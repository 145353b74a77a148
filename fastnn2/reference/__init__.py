"""The NumPy specification of the network; every kernel is tested against it. Imports nothing else of the project.

``fastnn2.reference`` has the tutorial's functions (``network``), ``fastnn2.reference_mlp`` what the estimators compute
(``mlp``).
"""

from fastnn2.reference.network import backward, cost, fit, forward, init_params, predict, sigmoid, update
from fastnn2.reference.network import penalty as penalty

__all__ = ["backward", "cost", "fit", "forward", "init_params", "predict", "sigmoid", "update"]
