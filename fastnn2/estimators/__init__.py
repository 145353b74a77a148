"""scikit-learn's MLPClassifier and MLPRegressor for one hidden layer, on fastnn2's kernels.

All that knows scikit-learn's private names lives here: the classes (``mlp``), what they replace of scikit-learn
(``sklearn_hooks``), its optimizers' state (``optimizer_state``) and the limit on BLAS threads (``blas``). May import
engine and below, not functional.
"""

from fastnn2.estimators.mlp import TESTED, MLPClassifier, MLPRegressor

__all__ = ["TESTED", "MLPClassifier", "MLPRegressor"]
