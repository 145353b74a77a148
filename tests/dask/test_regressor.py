"""DaskMLPRegressor: the models of the local class, bit by bit."""

import numpy as np
import pytest
from data import extra
from sklearn.exceptions import DataConversionWarning

extra("distributed", "dask")
import dask.dataframe  # noqa: E402
import pandas  # noqa: E402
from dask_estimator_data import PARTITIONS, assert_same_model, cut, samples  # noqa: E402

import fastnn2  # noqa: E402
from fastnn2.dask import DaskMLPRegressor  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("current_client"),
]

SETTINGS = {"hidden_layer_sizes": 6, "max_iter": 8, "random_state": 1}


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_models_are_those_of_the_local_class(loss, outputs):
    X, numbers, weights = samples()
    y = np.abs(numbers) if outputs == 1 else np.abs(numbers)[:, np.newaxis] * [1, 2, 0.5]
    settings = {**SETTINGS, "loss": loss, "activation": "tanh"}
    local = fastnn2.MLPRegressor(solver="lbfgs", **settings).fit(X, y, weights)
    model = DaskMLPRegressor(**settings)
    for lengths in PARTITIONS.values():
        model.fit(cut(X, lengths), cut(y, lengths[::-1]), cut(weights, [300, 1700]))
        assert_same_model(model, local)


def test_dataframes():
    """Columns have names, and y may be a column; mixed dtypes become float64, as in the local class."""
    X, numbers, _ = samples(dtype="float32")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    for mixed in (frame, frame.assign(b=(10 * frame["b"]).astype("int64"), c=frame["c"] > 0)):
        local = fastnn2.MLPRegressor(solver="lbfgs", **SETTINGS).fit(mixed, numbers)
        lazy = dask.dataframe.from_pandas(mixed, npartitions=3)
        y = dask.dataframe.from_pandas(pandas.DataFrame({"y": numbers}), npartitions=2)
        model = DaskMLPRegressor(**SETTINGS).fit(lazy, y["y"])
        assert_same_model(model, local)
        assert model.feature_names_in_.tolist() == list("abcd")
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        assert_same_model(model.fit(lazy, y), local)


def test_gradient_descent_is_the_same_for_all_partitions():
    X, numbers, weights = samples(dtype="float32")
    models = [
        DaskMLPRegressor(solver="gradient_descent", learning_rate_init=0.05, **SETTINGS).fit(
            cut(X, lengths), cut(numbers, [2000]), cut(weights, lengths)
        )
        for lengths in PARTITIONS.values()
    ]
    assert models[0].coefs_[0].dtype == np.float32
    assert models[0].loss_curve_[-1] < models[0].loss_curve_[0]
    for model in models[1:]:
        assert model.loss_curve_ == models[0].loss_curve_
        assert np.array_equal(model.coefs_[0], models[0].coefs_[0])


def test_divergence_keeps_the_last_finite_parameters():
    X, numbers, _ = samples(700)
    model = DaskMLPRegressor(solver="gradient_descent", learning_rate_init=1e3, **{**SETTINGS, "max_iter": 500})
    with pytest.raises(fastnn2.TrainingDiverged) as caught:
        model.fit(cut(100 * X, [700]), cut(numbers, [700]))
    assert np.array_equal(model.coefs_[0], caught.value.params["W1"].T)
    assert np.isfinite(model.coefs_[0]).all()
    assert model.loss_curve_ == caught.value.cost_.tolist()


def test_wrong_numbers_are_named_with_partition_and_row():
    X, numbers, _ = samples(700)
    numbers[650] = np.nan
    with pytest.raises(ValueError, match="y has nan at row 50 of partition 1"):
        DaskMLPRegressor().fit(cut(X, [700]), cut(numbers, [600, 100]))
