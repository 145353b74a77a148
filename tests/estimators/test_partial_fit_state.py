"""The state between calls of partial_fit; that it comes back whole is tested with the checkpoints of blocks."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import fastnn2
from fastnn2.engine.mini_batch import MiniBatchTrainer
from fastnn2.estimators.checkpoint_state import CURVES, Curve
from fastnn2.estimators.partial_fit_state import (
    captured_between_calls,
    drawing_from,
    raising_interrupts,
    rows_of,
)

X = np.random.RandomState(0).standard_normal((60, 3))
Y = (X[:, 0] > 0).astype(int)


def fitted(**parameters):
    return fastnn2.MLPClassifier(4, batch_size=30, random_state=0, **parameters).partial_fit(X, Y, classes=[0, 1])


def interrupted(self, rates, order=None):
    return np.zeros(0), True


def test_ctrl_c_in_partial_fit_is_raised_where_it_is_wanted(monkeypatch):
    model = fitted()
    monkeypatch.setattr(MiniBatchTrainer, "run", interrupted)
    with raising_interrupts(model):
        assert not pickle.loads(pickle.dumps(model))._raises_interrupt
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X, Y)
    with pytest.warns(UserWarning, match="interrupted"):
        model.partial_fit(X, Y)
    assert len(model.loss_curve_) == 1


def test_a_generator_in_place_of_numpys():
    model = fitted().set_params(random_state=None)
    source = np.random.RandomState(1)
    before = np.random.get_state()[1].copy()
    with drawing_from(model, source):
        model.partial_fit(X, Y)
    assert model.random_state is None
    assert np.array_equal(np.random.get_state()[1], before)
    with drawing_from(model, None):
        assert model.random_state is None


def test_what_is_captured_does_not_change():
    model = fitted()
    description, arrays = captured_between_calls(model, {name: Curve() for name in CURVES})
    copies = {name: array.copy() for name, array in arrays.items()}
    model.partial_fit(X, Y)
    for name, array in arrays.items():
        assert np.array_equal(array, copies[name]), name
    assert description["model"]["features"] == 3
    assert description["model"]["labels"]["classes"]["values"] == [0, 1]


def test_labels_that_a_checkpoint_cannot_hold():
    model = fitted()
    model.classes_ = np.array([b"a", b"b"])
    with pytest.raises(ValueError, match=r"the classes have dtype .S1, which a checkpoint cannot hold"):
        captured_between_calls(model, {name: Curve() for name in CURVES})


def test_rows():
    indices = np.array([0, 2])
    assert rows_of([[1], [2], [3]], indices) == [[1], [3]]
    assert np.array_equal(rows_of(X, indices), X[[0, 2]])
    assert np.array_equal(rows_of(scipy.sparse.csr_array(X), indices).toarray(), X[[0, 2]])
    assert np.array_equal(rows_of(pd.DataFrame(X), indices), X[[0, 2]])
