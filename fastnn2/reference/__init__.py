"""The NumPy specification of the network; every kernel is tested against it. Imports nothing else of the project.

``network`` has the tutorial's functions, which users find in ``fastnn2.reference``; ``mlp`` has the algorithm of the
estimators, which users find in ``fastnn2.reference_mlp``. ``tabular`` has that of the tabular networks.
"""

from fastnn2.reference.network import backward, cost, fit, forward, init_params, predict, sigmoid, update
from fastnn2.reference.network import penalty as penalty

__all__ = ["backward", "cost", "fit", "forward", "init_params", "predict", "sigmoid", "update"]
