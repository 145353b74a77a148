"""Lazy predictions: what the local class predicts, where the samples are, and nothing computed before it is asked."""

import warnings

import numpy as np
import pytest
from data import extra

extra("distributed", "dask")
import dask.array  # noqa: E402
import dask.dataframe  # noqa: E402
import pandas  # noqa: E402
from dask_estimator_data import cut, forget_sizes, samples  # noqa: E402

from fastnn2.dask import DaskMLPClassifier, DaskMLPRegressor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

LABELS = {"two": ["no", "yes"], "three": [1, 5, 9]}


@pytest.fixture(scope="module")
def models(client_of):
    """Fitted models by name: two classes, three, several labels, one number, several numbers, and one in float32."""
    with client_of(2).as_current():
        return fitted_models()


def fitted_models():
    X, numbers, _ = samples(dtype="float32")
    lazy, settings = cut(X, [500] * 4), {"hidden_layer_sizes": 5, "max_iter": 5, "random_state": 0}
    found = {
        name: DaskMLPClassifier(**settings).fit(
            lazy, cut(np.array(labels)[(numbers * 3).astype(int) % len(labels)], [2000])
        )
        for name, labels in LABELS.items()
    }
    several = np.column_stack([numbers > 0, numbers > 1])
    found["labels"] = DaskMLPClassifier(**settings).fit(lazy, cut(several, [2000]))
    found["number"] = DaskMLPRegressor(**settings).fit(lazy, cut(numbers, [2000]))
    found["numbers"] = DaskMLPRegressor(**settings).fit(lazy, cut(np.column_stack([numbers, 2 * numbers]), [2000]))
    found["float32"] = DaskMLPClassifier(solver="gradient_descent", **settings).fit(lazy, cut(numbers > 0, [2000]))
    return found


def methods(model):
    return ["predict"] if isinstance(model, DaskMLPRegressor) else ["predict", "predict_proba", "predict_log_proba"]


@pytest.mark.parametrize("name", ["two", "three", "labels", "number", "numbers", "float32"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
def test_predictions_are_those_of_the_local_class(models, name, dtype):
    model = models[name]
    X = samples(600, seed=1)[0].astype(dtype)
    for method in methods(model):
        expected = getattr(model.to_local(), method)(X)
        for lazy in (cut(X, [100, 0, 500]), cut(X, [600], (2, 2)), forget_sizes(cut(X, [1, 599]))):
            found = getattr(model, method)(lazy)
            assert isinstance(found, dask.array.Array)
            assert found.chunks[0] == lazy.chunks[0] or np.isnan(found.shape[0])
            assert found.shape[1:] == expected.shape[1:]
            computed = found.compute()
            assert found.dtype == computed.dtype == expected.dtype
            assert np.array_equal(computed, expected, equal_nan=False)


@pytest.mark.parametrize("name", ["two", "numbers", "float32"])
def test_dataframes_give_arrays_of_unknown_size(models, name):
    model, X = models[name], samples(600, seed=1)[0]
    frame = pandas.DataFrame(X, columns=list("abcd")).assign(b=np.float32(0.5))
    lazy = dask.dataframe.from_pandas(frame, npartitions=3)
    lazy = lazy[lazy["a"] > -0.1]  # whose partitions have fewer rows, or none
    frame = frame[frame["a"] > -0.1]
    for method in methods(model):
        with pytest.warns(UserWarning, match="X has feature names, but DaskMLP.* was fitted without feature names"):
            found = getattr(model, method)(lazy)
        with pytest.warns(UserWarning, match="X has feature names, but MLP.* was fitted without feature names"):
            expected = getattr(model.to_local(), method)(frame)
        assert np.isnan(found.shape[0])
        assert found.numblocks[0] == 3
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.array_equal(found.compute(), expected)
        assert found.dtype == expected.dtype


def test_nothing_is_computed_before_it_is_asked(models):
    def fail(block):
        raise RuntimeError("computed")

    lazy = cut(np.zeros((600, 4)), [300, 300]).map_blocks(fail, meta=np.empty((0, 0)))
    predicted = models["two"].predict_proba(lazy)
    assert predicted.shape == (600, 2)
    with pytest.raises(RuntimeError, match="computed"):
        predicted.compute(scheduler="sync")


def test_the_model_is_one_task(models):
    lazy = models["two"].predict(cut(np.zeros((600, 4)), [100] * 6))
    assert sum("MLPClassifier" in key for key in map(str, lazy.__dask_graph__())) == 1


def test_samples_of_one_machine_are_answered_at_once(models):
    X = samples(10)[0]
    found = models["three"].predict(X)
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, models["three"].to_local().predict(X))
    assert models["number"].predict(X.tolist()).shape == (10,)


def test_features_are_checked_at_once(current_client, models):
    with pytest.raises(ValueError, match="X has 3 features, but DaskMLPClassifier is expecting 4"):
        models["two"].predict(cut(np.zeros((5, 3)), [5]))
    X, numbers, _ = samples()
    frame = dask.dataframe.from_pandas(pandas.DataFrame(X, columns=list("abcd")), npartitions=2)
    model = DaskMLPRegressor(hidden_layer_sizes=3, max_iter=2, random_state=0).fit(frame, cut(numbers, [2000]))
    with pytest.raises(ValueError, match="The feature names should match"):
        model.predict(frame[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match="The feature names should match"):
        model.predict(frame[["a", "b", "c"]])
    with pytest.raises(ValueError, match="X has 1 dimensions"):
        model.predict(frame["a"])
    X[3] = np.nan
    predicted = model.predict(dask.dataframe.from_pandas(pandas.DataFrame(X, columns=list("abcd")), npartitions=2))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        predicted.compute()
