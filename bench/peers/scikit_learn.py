"""MLPClassifier, with parameters that make it do the tutorial's full-batch gradient descent."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

TITLE = "scikit-learn"
THREADS = (1, None)


class GivenWeights(MLPClassifier):
    """MLPClassifier that begins with given weights, for which `fit` has no parameter."""

    def _init_coef(self, fan_in, fan_out, dtype):
        coef, intercept = next(self.given)
        return coef.astype(dtype), intercept.astype(dtype)


def prepare(X, Y, params, learning_rate, iterations, dtype, threads):
    X = np.ascontiguousarray(X.T, dtype=dtype)
    labels = np.ascontiguousarray(Y.T.astype(int))
    labels = labels.ravel() if labels.shape[1] == 1 else labels
    model = GivenWeights(
        hidden_layer_sizes=(len(params["W1"]),),
        activation="tanh",
        solver="sgd",
        alpha=0.0,
        batch_size=len(X),
        learning_rate="constant",
        learning_rate_init=learning_rate,
        max_iter=iterations,
        shuffle=False,
        tol=0.0,
        momentum=0.0,
        nesterovs_momentum=False,
        n_iter_no_change=iterations + 1,
    )
    layers = [(params[f"W{layer}"].T, params[f"b{layer}"].ravel()) for layer in (1, 2)]

    def run():
        model.given = iter(layers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is given
            model.fit(X, labels)
        trained = {f"W{layer}": coef.T for layer, coef in enumerate(model.coefs_, 1)}
        trained |= {f"b{layer}": intercept[:, None] for layer, intercept in enumerate(model.intercepts_, 1)}
        return model.loss_curve_[-1], trained

    return run
