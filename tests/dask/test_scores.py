"""Scores from sums over partitions: those of scikit-learn, to rounding."""

import numpy as np
import pytest
from data import extra
from sklearn.exceptions import UndefinedMetricWarning

extra("distributed", "dask")
from dask_estimator_data import PARTITIONS, cut, samples  # noqa: E402

from fastnn2.dask import DaskMLPClassifier, DaskMLPRegressor  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("current_client"),
]

SETTINGS = {"hidden_layer_sizes": 5, "max_iter": 5, "random_state": 0}


@pytest.mark.parametrize("kind", ["classes", "labels", "number", "numbers"])
@pytest.mark.parametrize("weighted", [False, True])
def test_scores(kind, weighted):
    X, numbers, weights = samples()
    y = {
        "classes": np.where(numbers > 0, "yes", "no"),
        "labels": np.column_stack([numbers > 0, numbers > 1]),
        "number": numbers + 1e6,  # far from 0
        "numbers": np.column_stack([numbers, np.full(2000, 3.0)]),  # one does not vary
    }[kind]
    estimator = DaskMLPClassifier if kind in ("classes", "labels") else DaskMLPRegressor
    model = estimator(**SETTINGS).fit(cut(X, [2000]), cut(y, [2000]))
    given = weights if weighted else None
    expected = model.to_local().score(X, y, given)
    assert model.score(X, y, given) == expected
    for lengths in PARTITIONS.values():
        found = model.score(cut(X, lengths), cut(y, [700, 1300]), cut(weights, [1999, 1]) if weighted else None)
        assert found == pytest.approx(expected, rel=1e-9)


def test_one_sample_has_no_r2():
    X, numbers, _ = samples()
    model = DaskMLPRegressor(**SETTINGS).fit(cut(X, [2000]), cut(numbers, [2000]))
    with pytest.warns(UndefinedMetricWarning, match="less than two samples"):
        assert np.isnan(model.score(cut(X[:1], [1]), cut(numbers[:1], [1])))


def test_other_lengths_are_refused():
    X, numbers, _ = samples()
    model = DaskMLPRegressor(**SETTINGS).fit(cut(X, [2000]), cut(numbers, [2000]))
    with pytest.raises(ValueError, match=r"X has 2000 samples \(rows\) and y has 1999"):
        model.score(cut(X, [2000]), cut(numbers[1:], [1999]))
    with pytest.raises(TypeError, match="y is ndarray; expected a dask array"):
        model.score(cut(X, [2000]), numbers)
