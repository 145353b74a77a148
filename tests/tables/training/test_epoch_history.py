"""Epochs are counted as scikit-learn counts them, and forgotten ones are found again."""

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from fastnn2.tables.training.epoch_history import EpochHistory

TOL, MOST = 1e-2, 3


def epochs_of_scikit_learn(goals, has_scores):
    """Return after how many epochs scikit-learn's estimator stops, or all of them, and the number of the best one."""
    model = MLPRegressor(tol=TOL, n_iter_no_change=MOST, early_stopping=has_scores)
    model._no_improvement_count, model.loss_curve_, model.validation_scores_ = 0, [], []
    model.best_loss_, model.best_validation_score_ = np.inf, -np.inf
    model.coefs_, model.intercepts_ = [np.zeros(1)], []
    for epoch, goal in enumerate(goals):
        model.coefs_[0][:] = epoch
        model.loss_curve_.append(goal)
        model._score = lambda *_, goal=goal, **__: goal
        model._update_no_improvement_count(has_scores, None, None, None)
        if model._no_improvement_count > MOST:
            break
    return epoch + 1, int(model._best_coefs[0][0]) if has_scores else epoch


@pytest.mark.parametrize("has_scores", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_training_stops_where_scikit_learn_stops(seed, has_scores):
    source = np.random.default_rng(seed)
    goals = (source.integers(0, 6, 40) * TOL / 2 + np.linspace(0, 0.05, 40) * (1 if has_scores else -1)).tolist()
    history = EpochHistory(TOL, MOST, has_scores)
    for epoch, goal in enumerate(goals):
        history.add(goal, goal if has_scores else None, [np.full(1, epoch)])
        if history.is_converged:
            break
    assert (epoch + 1, int(history.best[0][0])) == epochs_of_scikit_learn(goals, has_scores)
    assert history.best_score == (max(history.scores) if has_scores else None)


@pytest.mark.parametrize("has_scores", [False, True])
def test_epochs_that_are_done_again_change_nothing(has_scores):
    goals = [0.1, 0.5, 0.3, 0.6, 0.2]
    whole, again = EpochHistory(TOL, MOST, has_scores), EpochHistory(TOL, MOST, has_scores)
    for history, order in ((whole, [0, 1, 2, 3, 4]), (again, [0, 1, 2, 3, 1, 2, 3, 4])):
        for epoch in order:
            history.truncate(epoch)
            history.add(goals[epoch], goals[epoch] if has_scores else None, [np.full(1, epoch)])
    assert vars(whole) == vars(again)
