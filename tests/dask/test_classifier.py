"""DaskMLPClassifier: the models of the local class, bit by bit, for all kinds of labels, partitions and weights."""

import numpy as np
import pytest
from data import extra
from sklearn.exceptions import DataConversionWarning

extra("distributed", "dask")
import dask.dataframe  # noqa: E402
import pandas  # noqa: E402
from dask import delayed  # noqa: E402
from dask_estimator_data import PARTITIONS, assert_same_model, cut, forget_sizes, samples  # noqa: E402

import fastnn2  # noqa: E402
from fastnn2.dask import DaskMLPClassifier  # noqa: E402
from fastnn2.kernels.shared import tuning  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("current_client"),
]

SETTINGS = {"hidden_layer_sizes": 6, "max_iter": 8, "random_state": 1}


def labels_of(numbers, classes):
    """Return labels by the size of numbers, of as many classes."""
    return np.array(classes)[np.digitize(numbers, np.quantile(numbers, np.arange(1, len(classes)) / len(classes)))]


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("classes", [["no", "yes"], [3, 5, 9]])
def test_models_are_those_of_the_local_class(activation, classes):
    X, numbers, weights = samples()
    y = labels_of(numbers, classes)
    settings = {**SETTINGS, "activation": activation}
    lengths = PARTITIONS["even"]
    for given in (None, weights):
        local = fastnn2.MLPClassifier(solver="lbfgs", **settings).fit(X, y, given)
        model = DaskMLPClassifier(**settings).fit(
            cut(X, lengths), cut(y, lengths), None if given is None else cut(given, [1, 1999])
        )
        assert_same_model(model, local)


@pytest.mark.parametrize("name", PARTITIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_partitions_change_no_bit(name, dtype):
    X, numbers, weights = samples(dtype=dtype)
    y, weights = labels_of(numbers, ["a", "bb", "c"]), weights.astype(dtype)
    local = fastnn2.MLPClassifier(solver="lbfgs", **SETTINGS).fit(X, y, weights)
    lengths = PARTITIONS[name]
    model = DaskMLPClassifier(**SETTINGS).fit(cut(X, lengths), cut(y, lengths[::-1]), cut(weights, [700, 1300]))
    assert_same_model(model, local)


def test_sizes_may_be_unknown_and_columns_in_chunks():
    X, numbers, _ = samples()
    y = numbers > 0
    local = fastnn2.MLPClassifier(solver="lbfgs", **SETTINGS).fit(X, y)
    model = DaskMLPClassifier(**SETTINGS)
    assert_same_model(model.fit(forget_sizes(cut(X, [300, 1700])), forget_sizes(cut(y, [1900, 100]))), local)
    assert_same_model(model.fit(cut(X, [300, 1700], columns=(1, 3)), cut(y, [2000])), local)


KINDS = {
    "integers": lambda numbers: pandas.Series(labels_of(numbers, [-1, 4, 7])),
    "int8": lambda numbers: pandas.Series(labels_of(numbers, [0, 1]).astype(np.int8)),
    "numbers": lambda numbers: pandas.Series(labels_of(numbers, [1.0, 2.0, 5.0])),
    "booleans": lambda numbers: pandas.Series(numbers > 0.5),
    "strings": lambda numbers: pandas.Series(labels_of(numbers, ["x", "yy", "zzz"])),
    "objects": lambda numbers: pandas.Series(labels_of(numbers, ["x", "yy", "zzz"]).astype(object), dtype=object),
    "categories": lambda numbers: pandas.Series(pandas.Categorical(labels_of(numbers, ["x", "yy", "z"]))),
    "nullable integers": lambda numbers: pandas.Series(labels_of(numbers, [-1, 4, 7])).astype("Int64"),
    "nullable booleans": lambda numbers: pandas.Series(numbers > 0).astype("boolean"),
    "one": lambda numbers: pandas.Series(np.full(len(numbers), "same")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_every_kind(kind):
    X, numbers, _ = samples(700)
    y = KINDS[kind](numbers)
    local = fastnn2.MLPClassifier(solver="lbfgs", **SETTINGS).fit(X, y)
    model = DaskMLPClassifier(**SETTINGS).fit(cut(X, [300, 400]), dask.dataframe.from_pandas(y, npartitions=3))
    assert_same_model(model, local)
    predicted = model.predict(cut(X, [300, 400]))
    expected = local.predict(X)
    assert predicted.dtype == predicted.compute().dtype == expected.dtype
    assert np.array_equal(predicted.compute(), expected)


def test_classes_may_be_missing_in_partitions():
    X, numbers, _ = samples()
    y = np.sort(labels_of(numbers, ["a", "b", "long name", "d"]))  # one class in most partitions
    local = fastnn2.MLPClassifier(solver="lbfgs", **SETTINGS).fit(X, y)
    assert_same_model(DaskMLPClassifier(**SETTINGS).fit(cut(X, [400] * 5), cut(y, [500] * 4)), local)


def test_several_labels_a_sample():
    X, numbers, weights = samples()
    y = np.column_stack([numbers > 0, X[:, 3] > 0.5, numbers > 1]).astype(int)
    local = fastnn2.MLPClassifier(solver="lbfgs", **SETTINGS).fit(X, y, weights)
    model = DaskMLPClassifier(**SETTINGS).fit(cut(X, [400] * 5), cut(y, [500] * 4, (2, 1)), cut(weights, [2000]))
    assert_same_model(model, local)
    assert np.array_equal(model.predict(cut(X, [2000])).compute(), local.predict(X))
    wrong = y.astype(float)
    wrong[599, 2] = 2
    with pytest.raises(ValueError, match=r"y has 2\.0 at row 99 of partition 1, column 2; expected labels from 0 to 1"):
        model.fit(cut(X, [2000]), cut(wrong, [500] * 4))
    with pytest.raises(ValueError, match="class_weight needs one class for each sample"):
        DaskMLPClassifier(class_weight="balanced").fit(cut(X, [2000]), cut(y, [2000]))


@pytest.mark.parametrize("class_weight", ["balanced", {"b": 3.0, "a": 0.0}])
@pytest.mark.parametrize("weighted", [False, True])
def test_class_weight(class_weight, weighted):
    X, numbers, weights = samples()
    y = np.where(numbers > 1, "b", np.where(numbers < -1, "a", "c"))
    given = weights if weighted else None
    local = fastnn2.MLPClassifier(solver="lbfgs", class_weight=class_weight, **SETTINGS).fit(X, y, given)
    model = DaskMLPClassifier(class_weight=class_weight, **SETTINGS).fit(
        cut(X, [0, 400, 1600]), cut(y, [500, 0, 1500]), cut(weights, [900, 1100]) if weighted else None
    )
    assert_same_model(model, local)


def test_labels_that_are_computed_from_others_have_class_weights():
    X, numbers, weights = samples()
    y = numbers > 0
    local = fastnn2.MLPClassifier(solver="lbfgs", class_weight="balanced", **SETTINGS).fit(X, y, weights)
    lazy = cut(numbers.astype(float), [500, 1500]).map_blocks(lambda rows: rows > 0, dtype=bool)
    given = cut(weights, [900, 1100]).map_blocks(lambda rows: rows, dtype=weights.dtype)
    model = DaskMLPClassifier(class_weight="balanced", **SETTINGS).fit(cut(X, [2000]), lazy, given)
    assert_same_model(model, local)


def test_class_weight_is_checked():
    X, numbers, _ = samples(700)
    y = cut(numbers > 0, [700])
    with pytest.raises(ValueError, match=r"class_weight has \['a'\]; expected some of the classes \[False, True\]"):
        DaskMLPClassifier(class_weight={"a": 1}).fit(cut(X, [700]), y)
    with pytest.raises(ValueError, match="class_weight is 0 for the classes of all samples"):
        DaskMLPClassifier(class_weight={False: 0, True: 0}).fit(cut(X, [700]), y)


@pytest.mark.parametrize("weighted", [False, True])
def test_few_samples_are_fitted_on_the_client(weighted):
    """The local class sums them in parts of the hidden units."""
    X, numbers, weights = samples(300)
    assert tuning.count_parts(300, 4, 100, 3, np.float64) > 1
    y, given = labels_of(numbers, [1, 2, 3]), weights if weighted else None
    local = fastnn2.MLPClassifier(solver="lbfgs", max_iter=5, random_state=0).fit(X, y, given)
    model = DaskMLPClassifier(max_iter=5, random_state=0)
    model.fit(cut(X, [0, 100, 200]), cut(y, [300]), cut(weights, [150, 150]) if weighted else None)
    assert_same_model(model, local)
    X[120, 2] = np.nan
    with pytest.raises(ValueError, match="X has nan at row 20 of partition 1, column 2"):
        model.fit(cut(X, [100, 200]), cut(y, [300]))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_few_samples(n):
    X, numbers, _ = samples(n)
    local = fastnn2.MLPClassifier(3, solver="lbfgs", max_iter=5, random_state=0).fit(X, numbers > 0)
    model = DaskMLPClassifier(3, max_iter=5, random_state=0).fit(cut(X, [0, n]), cut(numbers > 0, [n]))
    assert_same_model(model, local)


@pytest.mark.parametrize("labels", [2, "several"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradient_descent_has_the_bits_of_fit(labels, dtype):
    X, numbers, weights = samples(dtype=dtype)
    y = numbers > 0 if labels == 2 else np.column_stack([numbers > 0, numbers > 1])
    settings = {"solver": "gradient_descent", "activation": "tanh", "alpha": 0.3, "learning_rate_init": 0.4}
    given = [cut(X, [500] * 4), cut(y, [100, 1900]), cut(weights, [2000])]
    begin = fastnn2.MLPClassifier(5, "tanh", random_state=1)
    model = DaskMLPClassifier(5, max_iter=12, random_state=1, **settings).fit(*given)
    begin._label_binarizer, begin._random_state = model._label_binarizer, np.random.RandomState(1)
    begin._initialize(y.reshape(2000, -1), [4, 5, model.n_outputs_], dtype)
    init = {"W1": begin.coefs_[0].T, "b1": begin.intercepts_[0][:, np.newaxis]}
    init |= {"W2": begin.coefs_[1].T, "b2": begin.intercepts_[1][:, np.newaxis]}
    params, costs = fastnn2.fit(X.T, y.reshape(2000, -1).T, 0.4, 5, 12, init=init, alpha=0.3, sample_weight=weights)
    assert model.loss_curve_ == costs.tolist()
    assert model.loss_ == costs[-1]
    assert model.n_iter_ == 12
    for layer, name in enumerate(("1", "2")):
        assert model.coefs_[layer].dtype == dtype
        assert np.array_equal(model.coefs_[layer], params["W" + name].T)
        assert np.array_equal(model.intercepts_[layer], params["b" + name].ravel())


def test_gradient_descent_of_other_networks():
    """It goes down, in the same way for any partitions; the local class makes the same steps, to rounding."""
    X, numbers, weights = samples()
    y = labels_of(numbers, [1, 2, 3])
    settings = {"hidden_layer_sizes": 7, "activation": "relu", "learning_rate_init": 0.2, "random_state": 0}
    models = [
        DaskMLPClassifier(solver="gradient_descent", max_iter=15, **settings).fit(
            cut(X, lengths), cut(y, [2000]), cut(weights, [2000])
        )
        for lengths in PARTITIONS.values()
    ]
    for model in models[1:]:
        assert model.loss_curve_ == models[0].loss_curve_
        assert np.array_equal(model.coefs_[0], models[0].coefs_[0])
    local = fastnn2.MLPClassifier(
        solver="sgd", momentum=0, batch_size=2000, max_iter=15, shuffle=False, **settings
    ).fit(X, y, weights)
    assert np.allclose(models[0].loss_curve_, local.loss_curve_, rtol=1e-12)
    assert np.allclose(models[0].coefs_[0], local.coefs_[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["lbfgs", "gradient_descent"])
def test_warm_start(solver):
    X, numbers, _ = samples()
    y = labels_of(numbers, ["a", "b", "c"])
    settings = {**SETTINGS, "max_iter": 4, "warm_start": True, "activation": "tanh", "solver": solver}
    model = DaskMLPClassifier(**settings)
    given = cut(X, [500] * 4), cut(y, [2000])
    model.fit(*given).fit(*given)
    if solver == "lbfgs":
        assert_same_model(model, fastnn2.MLPClassifier(**settings).fit(X, y).fit(X, y))
    else:
        whole = DaskMLPClassifier(**{**settings, "max_iter": 8}).fit(*given)
        assert model.loss_curve_ == whole.loss_curve_
        assert np.array_equal(model.coefs_[1], whole.coefs_[1])
    with pytest.raises(ValueError, match="same classes as in the previous call to fit"):
        model.fit(given[0], cut(np.where(y == "a", "d", y), [2000]))
    with pytest.raises(ValueError, match="X has 3 features, but DaskMLPClassifier is expecting 4"):
        model.fit(given[0][:, :3], given[1])


def test_wrong_numbers_are_named_with_partition_and_row():
    X, numbers, weights = samples()
    y = labels_of(numbers, ["a", "b"]).astype(object)
    model = DaskMLPClassifier(**SETTINGS)
    X[1203, 1] = np.inf
    with pytest.raises(ValueError, match="X has inf at row 203 of partition 2, column 1"):
        model.fit(cut(X, [500] * 4), cut(y, [2000]))
    assert not hasattr(model, "coefs_")
    y[700] = None
    with pytest.raises(ValueError, match=r"y has a missing label \(NaN or None\) at row 200 of partition 1"):
        model.fit(cut(X, [2000]), cut(y, [500] * 4))
    with pytest.raises(ValueError, match=r"Unknown label type: continuous. y has .* at row 0 of partition"):
        model.fit(cut(X, [2000]), cut(numbers, [500] * 4))
    X[1203, 1], weights[30] = 0, -1
    with pytest.raises(ValueError, match=r"sample_weight has -1\.0 at row 30 of partition 0"):
        model.fit(cut(X, [2000]), cut(numbers > 0, [2000]), cut(weights, [500] * 4))
    with pytest.raises(ValueError, match="sample_weight is zero for all samples"):
        model.fit(cut(X, [2000]), cut(numbers > 0, [2000]), cut(0 * weights, [500] * 4))


def test_a_column_of_labels_warns():
    X, numbers, _ = samples(700)
    y = (numbers > 0)[:, np.newaxis]
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        model = DaskMLPClassifier(**SETTINGS).fit(cut(X, [700]), cut(y, [300, 400]))
    assert_same_model(model, fastnn2.MLPClassifier(solver="lbfgs", **SETTINGS).fit(X, y.ravel()))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_other_solvers_are_refused_by_name(solver):
    with pytest.raises(ValueError, match=f"solver is '{solver}'.*fastnn2.partial_fit_blocks"):
        DaskMLPClassifier(solver=solver).fit(None, None)


def test_other_input_is_refused():
    X, numbers, _ = samples(700)
    lazy = cut(X, [700]), cut(numbers > 0, [700])
    with pytest.raises(TypeError, match=r"X is ndarray; expected a dask array.*dask.array.from_array\(X"):
        DaskMLPClassifier().fit(X, lazy[1])
    with pytest.raises(TypeError, match=r"y is Series; expected a dask array"):
        DaskMLPClassifier().fit(lazy[0], pandas.Series(numbers > 0))
    with pytest.raises(ValueError, match="X has 1 dimensions; expected two"):
        DaskMLPClassifier().fit(lazy[0][:, 0], lazy[1])
    with pytest.raises(ValueError, match=r"hidden_layer_sizes is \(3, 3\), 2 hidden layers"):
        DaskMLPClassifier((3, 3)).fit(*lazy)
    with pytest.raises(ValueError, match="'alpha' parameter of DaskMLPClassifier"):
        DaskMLPClassifier(alpha=-1).fit(*lazy)
    with pytest.raises(ValueError, match=r"sample_weight has shape \(700, 4\)"):
        DaskMLPClassifier().fit(*lazy, lazy[0])
    with pytest.raises(ValueError, match=r"X has 700 samples \(rows\) and y has 699"):
        DaskMLPClassifier().fit(lazy[0], lazy[1][:699])


def test_labels_that_change_between_two_computations():
    """Whoever makes the labels anew, such as from random numbers, gets an error and not a wrong model."""
    X, _, _ = samples(3000)
    counter = dask.array.from_delayed(
        delayed(np.random.default_rng, pure=False)().integers(0, 2**62, 3000), (3000,), int
    )
    with pytest.raises(ValueError, match="which was not there when its classes were found"):
        DaskMLPClassifier(**SETTINGS).fit(cut(X, [3000]), counter // 2**50)
