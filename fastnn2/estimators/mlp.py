"""scikit-learn's MLPClassifier and MLPRegressor for one hidden layer, on fastnn2's kernels.

They are subclasses of scikit-learn's classes and inherit their parameters, checks, tags, routing and attributes.
:mod:`fastnn2.estimators.sklearn_hooks` has the methods that are replaced.
"""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from fastnn2.estimators.conversion import converted
from fastnn2.estimators.labels import IntegerLabels, weights_of_classes
from fastnn2.estimators.sklearn_hooks import OneHiddenLayer
from fastnn2.estimators.sparse_input import checked

N_THREADS = [Interval(Integral, 1, None, closed="left"), None]


class MLPClassifier(IntegerLabels, OneHiddenLayer, SklearnClassifier):
    """scikit-learn's MLPClassifier for one hidden layer: the same model, many times faster.

    Parameters are those of :class:`sklearn.neural_network.MLPClassifier`, in its order and with its defaults, and then
    two more.

    Parameters
    ----------
    hidden_layer_sizes : int or (int,)
        Number of hidden units. Exactly one hidden layer is supported; for another number use scikit-learn's class.
    activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state,\
 tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon,\
 n_iter_no_change, max_fun
        As in scikit-learn.
    class_weight : dict, "balanced" or None, default=None
        The weight of each sample is multiplied by that of its class, which is 1 for a class that is not in the dict.
        "balanced" gives all classes the same total weight. Multilabel y is not supported.
    n_threads : int or None, default=None
        Largest number of threads. None chooses by the available cores and the amount of work, and takes 1 inside a
        worker of joblib. The model does not depend on it.

    Attributes
    ----------
    validation_loss_curve_ : list of float or None
        With early stopping, the loss on the validation set after each epoch. All attributes of scikit-learn's class
        are there too.

    Examples
    --------
    >>> from fastnn2 import MLPClassifier
    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(500, noise=0.2, random_state=0)
    >>> model = MLPClassifier(max_iter=1000, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True

    Classes of different sizes, with weights that balance them:

    >>> y = (X[:, 0] > 1.5).astype(int)
    >>> model = MLPClassifier(max_iter=1000, random_state=0, class_weight="balanced").fit(X, y)
    >>> model.classes_
    array([0, 1])

    The loss on the validation set:

    >>> model = MLPClassifier(early_stopping=True, random_state=0, n_threads=1).fit(X, y)
    >>> len(model.validation_loss_curve_) == len(model.validation_scores_)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SklearnClassifier._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "n_threads": N_THREADS,
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
        n_threads: int | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.class_weight = class_weight
        self.n_threads = n_threads

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPClassifier":
        """Fit the model, as scikit-learn's ``fit`` does.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
        y : array_like (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like (n_samples,), optional

        Returns
        -------
        self
        """
        model: MLPClassifier = self._fit_with_callbacks(X, y, sample_weight)
        return model

    @available_if(lambda model: model._check_solver())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> "MLPClassifier":
        """Run one epoch, as scikit-learn's ``partial_fit`` does.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
        y : array_like (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like (n_samples,), optional
        classes : array_like (n_classes,), optional
            All classes, at the first call.

        Returns
        -------
        self
        """
        y = checked(y, "y")  # scikit-learn reads y before it calls _fit
        model: MLPClassifier = super().partial_fit(X, y, sample_weight=sample_weight, classes=classes)
        return model

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> Any:
        if incremental and isinstance(self.class_weight, str):
            raise ValueError(
                'class_weight is "balanced", which partial_fit cannot compute from a part of the samples; pass a dict '
                "of weights"
            )
        return super()._fit(X, y, sample_weight=sample_weight, incremental=incremental)

    def _with_class_weight(self, y: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        if self._label_binarizer.y_type_.startswith("multilabel"):
            raise ValueError(
                "class_weight needs one class for each sample, and y is multilabel; pass sample_weight instead"
            )
        class_numbers = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(int)
        by_class = weights_of_classes(
            self.class_weight,
            self.classes_.tolist(),
            lambda: np.bincount(class_numbers, minlength=len(self.classes_)),
        )
        by_sample = by_class[class_numbers]
        if not by_sample.any():
            raise ValueError("class_weight is 0 for the classes of all samples; expected at least one above 0")
        return by_sample if sample_weight is None else by_sample * sample_weight

    def to_sklearn(self) -> SklearnClassifier:
        """Return scikit-learn's own model with the same parameters and, if this one is fitted, the same predictions.

        Programs that know scikit-learn's class, such as exporters, accept it, and its pickle can be read
        without fastnn2. A class_weight is left out, as scikit-learn's class has none.

        Examples
        --------
        >>> from fastnn2 import MLPClassifier
        >>> model = MLPClassifier(5, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0, 1])
        >>> model.to_sklearn().predict([[0.0], [1.0]])
        array([0, 1])
        """
        return converted(self, SklearnClassifier)

    @classmethod
    def from_sklearn(cls, model: SklearnClassifier) -> "MLPClassifier":
        """Return a model of this class from one of scikit-learn's, fitted or not, with one hidden layer.

        Parameters
        ----------
        model : sklearn.neural_network.MLPClassifier
            Left as it is.

        Returns
        -------
        MLPClassifier
            Fitted if `model` is, with the same predictions.

        Examples
        --------
        >>> import sklearn.neural_network
        >>> from fastnn2 import MLPClassifier
        >>> theirs = sklearn.neural_network.MLPClassifier(5, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0, 1])
        >>> MLPClassifier.from_sklearn(theirs).predict([[0.0], [1.0]])
        array([0, 1])
        """
        ours: MLPClassifier = converted(model, cls, SklearnClassifier)
        return ours


class MLPRegressor(OneHiddenLayer, SklearnRegressor):
    """scikit-learn's MLPRegressor for one hidden layer: the same model, many times faster.

    Parameters are those of :class:`sklearn.neural_network.MLPRegressor`, in its order and with its defaults, and then
    one more.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
    hidden_layer_sizes : int or (int,)
        Number of hidden units. Exactly one hidden layer is supported; for another number use scikit-learn's class.
    activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state,\
 tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon,\
 n_iter_no_change, max_fun
        As in scikit-learn.
    n_threads : int or None, default=None
        Largest number of threads. None chooses by the available cores and the amount of work, and takes 1 inside a
        worker of joblib. The model does not depend on it.

    Attributes
    ----------
    validation_loss_curve_ : list of float or None
        With early stopping, the loss on the validation set after each epoch. All attributes of scikit-learn's class
        are there too.

    Examples
    --------
    >>> from fastnn2 import MLPRegressor
    >>> X = [[x / 10] for x in range(20)]
    >>> model = MLPRegressor(solver="lbfgs", random_state=0, n_threads=1).fit(X, [x * x for x, in X])
    >>> model.score(X, [x * x for x, in X]) > 0.99
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SklearnRegressor._parameter_constraints,
        "n_threads": N_THREADS,
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        n_threads: int | None = None,
    ) -> None:
        super().__init__(
            loss=loss,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.n_threads = n_threads

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Fit the model, as scikit-learn's ``fit`` does.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
        y : array_like (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like (n_samples,), optional

        Returns
        -------
        self
        """
        model: MLPRegressor = self._fit_with_callbacks(X, y, sample_weight)
        return model

    def to_sklearn(self) -> SklearnRegressor:
        """Return scikit-learn's own model with the same parameters and, if this one is fitted, the same predictions.

        Examples
        --------
        >>> from fastnn2 import MLPRegressor
        >>> model = MLPRegressor(hidden_layer_sizes=5, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])
        >>> model.to_sklearn().predict([[0.5]]).shape
        (1,)
        """
        return converted(self, SklearnRegressor)

    @classmethod
    def from_sklearn(cls, model: SklearnRegressor) -> "MLPRegressor":
        """Return a model of this class from one of scikit-learn's, fitted or not, with one hidden layer.

        Parameters
        ----------
        model : sklearn.neural_network.MLPRegressor
            Left as it is.

        Returns
        -------
        MLPRegressor
            Fitted if `model` is, with the same predictions.

        Examples
        --------
        >>> import sklearn.neural_network
        >>> from fastnn2 import MLPRegressor
        >>> theirs = sklearn.neural_network.MLPRegressor(hidden_layer_sizes=5, solver="lbfgs", random_state=0)
        >>> theirs = theirs.fit([[0.0], [1.0]], [0, 1])
        >>> MLPRegressor.from_sklearn(theirs).predict([[0.5]]).shape
        (1,)
        """
        ours: MLPRegressor = converted(model, cls, SklearnRegressor)
        return ours


# The public name, which pickles contain.
MLPClassifier.__module__ = MLPRegressor.__module__ = "fastnn2.estimators"
