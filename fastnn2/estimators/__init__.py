"""scikit-learn's MLPClassifier and MLPRegressor for one hidden layer, on fastnn2's kernels.

Only this folder knows scikit-learn's private names. ``mlp`` has the classes, ``sklearn_hooks`` the methods that replace
scikit-learn's, ``labels`` what becomes of y, ``optimizer_state`` the state of its optimizers, ``learning_rates`` the
rates of Adam and "invscaling", ``networks`` what predictions keep beside a model, ``predictor`` predictions in hot
loops, ``conversion`` models of one class from the other, ``sparse_input`` the check of sparse matrices, ``blas`` the
limit on BLAS threads.
``fit_callbacks`` calls scikit-learn's callbacks. ``checkpoints`` has the one of :mod:`fastnn2.callbacks`,
``checkpoint_run`` the checkpoints of one fit, ``checkpoint_state`` what is copied of a fit and brought back, and
``checkpoint_contents`` what tells one fit from another. ``partial_fit_state`` has the state between two calls of
``partial_fit``. ``outside_fit`` has fits whose sums come from a cluster.
``number_columns``, ``text_columns`` and ``date_columns`` have transformers for frames of any library,
``frame_columns`` what they share.
``fit_estimators`` fits many side by side: ``many_fits`` runs them, ``checked_inputs`` has the checks that they share,
``seats`` how one of them is stopped, and ``collected_warnings`` what they warn of.
``hook_signatures`` lists the private names and comes first: its import refuses a scikit-learn that lacks one.
May import engine and below, not functional.
"""

from fastnn2.estimators.date_columns import DateColumns
from fastnn2.estimators.hook_signatures import TESTED
from fastnn2.estimators.mlp import MLPClassifier, MLPRegressor
from fastnn2.estimators.number_columns import NumberColumns
from fastnn2.estimators.predictor import Predictor
from fastnn2.estimators.text_columns import TextColumns

__all__ = ["TESTED", "DateColumns", "MLPClassifier", "MLPRegressor", "NumberColumns", "Predictor", "TextColumns"]
