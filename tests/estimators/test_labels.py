"""Integer labels: what is made of them is what scikit-learn's LabelBinarizer makes."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.preprocessing import LabelBinarizer

from fastnn2 import MLPClassifier
from fastnn2.estimators.labels import are_integers, binarized

LABELS = {
    "one class": [7] * 9,
    "two classes": [3, -1, 3, 3, -1],
    "0 and 1": [0, 1] * 10,
    "three classes": [5, 0, -2] * 8,
    "ten classes": list(range(10)) * 12,
    "one sample": [4],
    "two samples": [4, 2],
    "three samples of three classes": [4, 2, 9],
    "large": [2**62, -(2**62), 0] * 10,
    "many classes": list(range(30)) * 2,
}


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8", "uint64"])
@pytest.mark.parametrize("values", LABELS.values(), ids=LABELS)
def test_as_scikit_learn(values, dtype):
    y = np.array(values).astype(dtype)
    assert are_integers(y)
    expected = LabelBinarizer().fit(y)
    targets = expected.transform(y).astype(bool)
    binarizer, encoded = binarized(y)
    assert type(binarizer) is LabelBinarizer
    ours, theirs = dict(vars(binarizer)), dict(vars(expected))
    our_classes, their_classes = ours.pop("classes_"), theirs.pop("classes_")
    assert (our_classes.dtype, our_classes.tolist()) == (their_classes.dtype, their_classes.tolist())
    assert ours == theirs
    assert (encoded.dtype, encoded.shape) == (targets.dtype, targets.shape)
    assert (encoded == targets).all()
    assert encoded.flags.c_contiguous
    assert (binarizer.inverse_transform(encoded) == expected.inverse_transform(targets)).all()


@pytest.mark.parametrize(
    "y",
    [[0, 1], np.array([0.0, 1.0]), np.array([True, False]), np.array(["a", "b"]), np.array([[0, 1]]), np.array([], int),
     np.array([0, 1], dtype=">i8"), np.ma.array([0, 1]), np.array([0, 1], dtype=object)],
    ids=lambda y: f"{type(y).__name__} {getattr(y, 'dtype', '')}",
)  # fmt: skip
def test_other_labels_are_left_to_scikit_learn(y):
    assert not are_integers(y)


def fitted(cls, y, **options):
    X = np.linspace(-1, 1, 3 * len(y)).reshape(-1, 3) ** 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cls(5, max_iter=3, random_state=0, **options).fit(X, y)


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"solver": "lbfgs"}], ids=str)
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_models(classes, options):
    y = np.arange(80) % classes * 3 - 4
    ours, theirs = fitted(MLPClassifier, y, **options), fitted(SklearnClassifier, y, **options)
    assert ours.classes_.tolist() == theirs.classes_.tolist()
    assert ours.n_features_in_ == 3
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-9)
    other = fitted(MLPClassifier, y.astype(float), **options)  # scikit-learn's way
    for name in ("coefs_", "intercepts_"):
        assert all((a == b).all() for a, b in zip(getattr(ours, name), getattr(other, name), strict=True))


def test_errors_are_scikit_learns():
    y = np.arange(4)
    for X, message in (([[1.0]] * 3, "inconsistent numbers"), ([[np.nan]] * 4, "contains NaN"), ([1.0] * 4, "2D")):
        for cls in (MLPClassifier, SklearnClassifier):
            with pytest.raises(ValueError, match=message):
                cls(2).fit(X, y)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_scores(classes):
    """Accuracy in every bit, also for labels that the model does not know, of other dtypes, and with weights."""
    random = np.random.RandomState(classes)
    X, y = random.standard_normal((101, 4)), random.randint(classes, size=101)
    model = MLPClassifier(6, max_iter=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    for truth in (y, random.permutation(y), y + 1, y * 0 - 5, y.astype(np.uint8), y.astype(float), y.tolist()):
        for n in (1, 3, 97, 101):
            for weights in (None, random.uniform(size=n)):
                found = model.score(X[:n], truth[:n], weights)
                assert type(found) is float
                assert found == accuracy_score(truth[:n], model.predict(X[:n]), sample_weight=weights)


def test_scores_of_other_shapes():
    model, y = fitted(MLPClassifier, np.arange(20) % 2), np.arange(20) % 2
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(np.ones((5, 3)), y)
    with pytest.raises(ValueError, match="2 features"):
        model.score(np.ones((20, 2)), y)
    labels = np.stack([y, 1 - y], axis=1)
    several = fitted(MLPClassifier, labels)
    with pytest.raises(ValueError, match="mix of"):
        several.score(np.ones((20, 3)), y)
    assert several.score(np.ones((20, 3)), labels) == accuracy_score(labels, several.predict(np.ones((20, 3))))
