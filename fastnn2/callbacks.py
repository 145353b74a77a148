"""Callbacks of scikit-learn's protocol for :class:`fastnn2.MLPClassifier` and :class:`fastnn2.MLPRegressor`."""

from fastnn2.estimators.checkpoints import Checkpoint

__all__ = ["Checkpoint"]
