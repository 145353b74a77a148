"""Fits whose sums come from elsewhere: the attributes of the class, also where the fit ends in an error."""

import numpy as np
import pytest
from data import assert_same_bits
from sklearn.preprocessing import LabelBinarizer

import fastnn2
from fastnn2.estimators.optimizer_state import packed_order
from fastnn2.estimators.outside_fit import Form, Outside, binarizer_of, network_of_fit, run_outside_fit

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 900
X = np.random.RandomState(0).randn(N, 3)
Y = np.sin(X[:, 0]) + X[:, 1]


class Elsewhere(Outside):
    """The sums of a model of the local class; the evaluation number `fails_at` raises an error."""

    def __init__(self, model, targets, fails_at=10**9, error=None):
        self.model, self.targets, self.fails_at, self.error, self.count = model, targets, fails_at, error, 0

    def loss_and_gradient(self, params):
        self.count += 1
        if self.count == self.fails_at:
            raise self.error
        order = packed_order(self.model.coefs_, self.model.intercepts_)
        loss, gradient = self.model._loss_grad_lbfgs(params[order], X, self.targets, None)
        packed = np.empty_like(gradient)
        packed[order] = gradient
        return loss, packed

    def descend(self, params, network):
        error = self.error
        error.params = {"W1": params[:12].reshape(4, 3), "b1": params[12:16, np.newaxis]}
        error.params |= {"W2": params[16:20].reshape(1, 4), "b2": params[20:, np.newaxis]}
        error.cost_ = np.array([2.0, 1.0])
        raise error


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_the_attributes_are_those_of_the_class(kind):
    estimator = getattr(fastnn2, kind)
    y = Y if kind == "MLPRegressor" else np.where(Y > 0, "a", "b")
    binarizer = None if kind == "MLPRegressor" else LabelBinarizer().fit(["a", "b"])
    model = estimator(hidden_layer_sizes=4, solver="lbfgs", max_iter=6, random_state=0).fit(X, y)
    targets = (Y if binarizer is None else binarizer.transform(y)).reshape(-1, 1)
    target = estimator(hidden_layer_sizes=4)
    outside = Elsewhere(model, targets)
    about = {"n_features_in_": 3}
    run_outside_fit(
        target,
        model.get_params(),
        binarizer,
        about,
        Form((N, 3), np.float64),
        Form((N, 1), np.float64),
        outside=outside,
    )
    for found, expected in zip(target.coefs_ + target.intercepts_, model.coefs_ + model.intercepts_, strict=True):
        assert_same_bits(found, expected)
    assert target.loss_ == model.loss_
    assert target.n_iter_ == model.n_iter_
    assert np.array_equal(target.predict(X), model.predict(X))
    assert vars(target).keys() - vars(model).keys() == set()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("lost")])
def test_an_error_leaves_the_parameters_with_the_lowest_loss(error):
    model = fastnn2.MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", max_iter=6, random_state=0).fit(X, Y)
    forms = Form((N, 3), np.float64), Form((N, 1), np.float64)
    target = fastnn2.MLPRegressor(hidden_layer_sizes=4)
    targets = Y.reshape(-1, 1)
    with pytest.raises(type(error)):
        run_outside_fit(target, model.get_params(), None, {}, *forms, outside=Elsewhere(model, targets, 1, error))
    assert not hasattr(target, "coefs_")  # nothing is trained
    outside = Elsewhere(model, targets, 5, error)
    with pytest.raises(type(error)) as caught:
        run_outside_fit(target, model.get_params(), None, {}, *forms, outside=outside)
    if isinstance(error, KeyboardInterrupt):
        assert isinstance(caught.value, fastnn2.TrainingInterrupted)
        params, costs = caught.value.params, caught.value.cost_
    else:
        params, costs = caught.value.training
    assert target.n_iter_ == 4
    assert costs.tolist() == [target.loss_]
    assert_same_bits(params["W1"].T.copy(), target.coefs_[0])
    flat = np.concatenate([array.ravel() for array in target.coefs_ + target.intercepts_])
    assert model._loss_grad_lbfgs(flat, X, targets, None)[0] == target.loss_


@pytest.mark.parametrize("kind", [fastnn2.TrainingInterrupted, fastnn2.TrainingDiverged])
def test_gradient_descent_that_ends_early_leaves_its_parameters(kind):
    parameters = fastnn2.MLPRegressor(hidden_layer_sizes=4, solver="sgd", random_state=0).get_params()
    target = fastnn2.MLPRegressor(hidden_layer_sizes=4)
    outside = Elsewhere(None, None, error=kind("stopped", {}, np.zeros(0)))
    with pytest.raises(kind) as caught:
        run_outside_fit(
            target, parameters, None, {}, Form((N, 3), np.float32), Form((N, 1), np.float32), outside=outside
        )
    assert_same_bits(target.coefs_[0], caught.value.params["W1"].T.copy())
    assert target.coefs_[0].dtype == np.float32
    assert target.loss_curve_ == [2.0, 1.0]
    assert target.n_iter_ == 2


def test_gradient_descent_that_ends_before_its_first_iteration_says_so():
    class Interrupted(Elsewhere):
        def descend(self, params, network):
            raise fastnn2.TrainingInterrupted("stopped", {}, np.zeros(0))

    parameters = fastnn2.MLPRegressor(hidden_layer_sizes=4, solver="sgd", max_iter=7).get_params()
    target = fastnn2.MLPRegressor(hidden_layer_sizes=4)
    forms = Form((N, 3), np.float64), Form((N, 1), np.float64)
    with pytest.raises(fastnn2.TrainingInterrupted, match="stopped after 0 of 7 iterations; nothing is trained"):
        run_outside_fit(target, parameters, None, {}, *forms, outside=Interrupted(None, None))
    assert not hasattr(target, "coefs_")


def test_the_network_of_a_fit():
    classifier, regressor = fastnn2.MLPClassifier(5), fastnn2.MLPRegressor("poisson", 5)
    fitted = {2: classifier.fit(X, Y > 0), 3: fastnn2.MLPClassifier(5).fit(X, np.digitize(Y, [-1, 1]))}
    for classes, model in fitted.items():
        binarizer = binarizer_of(np.arange(classes))
        assert network_of_fit(classifier, binarizer, 3, 1 if classes == 2 else 3) == model._network()
    labels = fastnn2.MLPClassifier(5).fit(X, np.column_stack([Y > 0, Y > 1]).astype(int))
    assert network_of_fit(classifier, binarizer_of(2), 3, 2) == labels._network()
    assert np.array_equal(binarizer_of(2).classes_, labels.classes_)
    assert network_of_fit(regressor, None, 3, 1) == fastnn2.MLPRegressor("poisson", 5).fit(X, np.abs(Y))._network()
