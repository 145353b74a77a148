"""Scores from sums over partitions: those of scikit-learn, to rounding."""

import numpy as np
import pytest
import scipy.sparse
from data import extra
from sklearn.exceptions import UndefinedMetricWarning

extra("distributed", "dask")
import dask.array  # noqa: E402
import dask.dataframe  # noqa: E402
import pandas  # noqa: E402
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


@pytest.mark.parametrize("kind", ["class", "classes", "labels", "number", "numbers"])
def test_other_numbers_of_columns_are_refused(kind):
    """Of a dataframe, the first column alone would be a valid y."""
    X, numbers, _ = samples()
    y = {
        "class": numbers > 0,
        "classes": np.clip(numbers.astype(int), -1, 1),
        "labels": np.column_stack([numbers > 0, numbers > 1]),
        "number": numbers,
        "numbers": np.column_stack([numbers] * 2),
    }[kind]
    estimator = DaskMLPRegressor if kind.startswith("number") else DaskMLPClassifier
    X = cut(X, [2000])
    model = estimator(**SETTINGS).fit(X, cut(y, [2000]))
    other = dask.dataframe.from_pandas(pandas.DataFrame(np.column_stack([y, y, y])), npartitions=2)
    expected = 2 if kind in ("labels", "numbers") else 1
    with pytest.raises(ValueError, match=rf"y has {other.shape[1]} columns; expected {expected}, as in the fit"):
        model.score(X, other)


@pytest.mark.parametrize("estimator", [DaskMLPClassifier, DaskMLPRegressor])
def test_weights_of_no_use_are_refused(estimator):
    X, numbers, weights = samples()
    X, y = cut(X, [2000]), cut(np.sign(numbers), [500, 1500])
    model = estimator(**SETTINGS).fit(X, y)
    with pytest.raises(ValueError, match="sample_weight is zero for all samples"):
        model.score(X, y, dask.array.zeros(2000, chunks=700))
    with pytest.raises(ValueError, match=r"sample_weight has shape \(2000, 4\); expected \(samples,\)"):
        model.score(X, y, X)
    with pytest.raises(
        ValueError, match=r"sample_weight has -.* at row 0 of partition 1; expected weights of 0 or more"
    ):
        model.score(X, y, cut(np.where(np.arange(2000) == 700, -1.0, weights), [700, 1300]))


def test_sparse_partitions():
    X, numbers, _ = samples()
    X, y = cut(X, [500, 1500]), cut(numbers > 0, [2000])
    model = DaskMLPClassifier(**SETTINGS).fit(X, y)
    assert model.score(X.map_blocks(scipy.sparse.csr_matrix), y) == model.score(X, y)
