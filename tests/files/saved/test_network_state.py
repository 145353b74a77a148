"""The check of a network that comes from a file: its kernels read as far as its sizes say."""

import warnings

import numpy as np
import pytest
from sklearn.preprocessing import LabelBinarizer

from fastnn2 import MLPClassifier, MLPRegressor
from fastnn2.files.pipelines import network_in
from fastnn2.files.saved.network_state import check_network, from_stored, to_stored

X = np.arange(30.0).reshape(10, 3) % 7


def fitted(**options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return MLPClassifier(4, max_iter=2, random_state=0, **options).fit(X, np.array([0, 1, 2, 3, 4] * 2))


def ones(*shapes, dtype=np.float64):
    return [np.ones(shape, dtype=dtype) for shape in shapes]


def binarizer(classes):
    return LabelBinarizer().fit(np.arange(classes))


def all_of(dtype):
    return {"coefs_": ones((3, 4), (4, 5), dtype=dtype), "intercepts_": ones((4,), (5,), dtype=dtype)}


SHAPES = (3, 4), (4, 5), (4,), (5,)

FAULTS = {
    "n_threads": ({"n_threads": -1}, "n_threads should be None or a number above 0"),
    "n_threads as text": ({"n_threads": "all"}, "n_threads"),
    "no coefs_": ({"coefs_": None}, "two arrays each"),
    "three layers": ({"coefs_": ones((3, 4), (4, 5), (5, 5))}, "two arrays each"),
    "a tuple": ({"coefs_": tuple(ones((3, 4), (4, 5)))}, "two arrays each"),
    "lists in lists": ({"coefs_": [[[1.0]], [[1.0]]]}, "two arrays each"),
    "a vector": ({"coefs_": ones((3,), (4, 5))}, "two dimensions"),
    "layers that do not fit": (
        {"coefs_": ones((3, 4), (3, 5))},
        r"the shapes \[\(3, 4\), \(4, 5\), \(4,\), \(5,\)\], and has",
    ),
    "short intercepts": ({"intercepts_": ones((3,), (5,))}, "the shapes"),
    "a matrix of intercepts": ({"intercepts_": ones((4, 1), (5,))}, "the shapes"),
    "two dtypes": ({"intercepts_": ones((4,), (5,), dtype=np.float32)}, "one dtype"),
    "another byte order": (
        {"coefs_": ones((3, 4), (4, 5), dtype=">f8"), "intercepts_": ones((4,), (5,), dtype=">f8")},
        "one",
    ),
    "float16": ({"coefs_": ones((3, 4), (4, 5), dtype="f2"), "intercepts_": ones((4,), (5,), dtype="f2")}, "one dtype"),
    "objects": ({"coefs_": ones((3, 4), (4, 5), dtype=object)}, "one dtype"),
    "nothing": ({"coefs_": ones((0, 4), (4, 5)), "n_features_in_": 0}, "at least one feature"),
    "other features": ({"n_features_in_": 4}, "n_features_in_ should be 3, as coefs_ have"),
    "features as text": ({"n_features_in_": "3"}, "n_features_in_"),
    "other outputs": ({"n_outputs_": 500}, "n_outputs_ should be 5"),
    "more layers": ({"n_layers_": 4}, "n_layers_ should be 3"),
    "activation": ({"activation": "sin"}, "activation should be one of"),
    "activation of outputs": ({"out_activation_": None}, "out_activation_ should be one of"),
    "classes": ({"classes_": np.arange(4)}, "as many classes as outputs, 5"),
    "classes as a list": ({"classes_": [1, 2, 3, 4, 5]}, "an array of classes"),
    "no binarizer": ({"_label_binarizer": 5}, "a LabelBinarizer"),
    "other classes of the binarizer": ({"_label_binarizer": binarizer(500)}, "one of the classes of classes_"),
    "best arrays": ({"_best_coefs": ones((9, 9), (9, 9)), "_best_intercepts": ones((9,), (9,))}, "the shapes"),
    "optimizer": ({"_optimizer": MLPClassifier()}, "an optimizer of scikit-learn"),
}


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("name", FAULTS)
def test_faults(name, solver):
    changes, message = FAULTS[name]
    model = fitted(solver=solver)
    check_network(model)
    vars(model).update(changes)
    with pytest.raises(ValueError, match=message):
        check_network(model)


@pytest.mark.parametrize(("solver", "names"), [("adam", ("ms", "vs")), ("sgd", ("velocities",))])
def test_faults_of_optimizers(solver, names):
    for name in names:
        for arrays in (ones(*SHAPES[:3]), ones(*SHAPES[:3], (50,)), ones(*SHAPES, dtype=np.int64), [1, 2, 3, 4]):
            model = fitted(solver=solver)
            setattr(model._optimizer, name, arrays)
            with pytest.raises(ValueError, match=rf"_optimizer\.{name}"):
                check_network(model)
    model = fitted()
    model._optimizer.t = -3
    with pytest.raises(ValueError, match=r"_optimizer\.t should be a number of updates"):
        check_network(model)


def test_a_model_that_is_not_fitted():
    check_network(MLPRegressor())
    model = MLPRegressor()
    model.intercepts_ = []
    with pytest.raises(ValueError, match="coefs_"):
        check_network(model)


def test_the_form_that_a_file_keeps():
    model = fitted(class_weight={0: 1.0, True: 2.0}, early_stopping=False)
    stored = to_stored(model)
    assert stored is not model
    assert stored.coefs_ is model.coefs_
    assert stored.loss_curve_.dtype == np.float64
    assert stored.class_weight == [(0, 1.0), (True, 2.0)]
    from_stored(stored)
    assert stored.loss_curve_ == model.loss_curve_
    assert stored.class_weight == model.class_weight
    assert network_in(stored) is stored


def test_a_curve_that_is_a_matrix():
    stored = to_stored(fitted())
    stored.loss_curve_ = np.ones((2, 2))
    with pytest.raises(ValueError, match="loss_curve_ should be a list of numbers"):
        from_stored(stored)
