"""The methods of scikit-learn's MLP classes that fastnn2 replaces, in a mixin for both classes.

They are those that take the time: the stochastic fit, the loss and gradient for L-BFGS, and the forward pass. Each does
what scikit-learn's own does, on fastnn2's kernels. ``hook_signatures`` lists the names.
"""

import warnings
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network._base import LOSS_FUNCTIONS
from sklearn.utils.validation import check_array, validate_data

from fastnn2.engine.mini_batch import MiniBatchTrainer
from fastnn2.engine.orders import Shuffler
from fastnn2.engine.samples import Network, SampleMatrix
from fastnn2.estimators.blas import one_blas_thread
from fastnn2.estimators.checked_inputs import CheckedData
from fastnn2.estimators.fit_callbacks import WithCallbacks
from fastnn2.estimators.hook_signatures import warn_of_changed_signatures
from fastnn2.estimators.labels import are_integers
from fastnn2.estimators.networks import dtype_of_run, network_of, options_of, prepared_network
from fastnn2.estimators.optimizer_state import (
    copy_count,
    end_epochs,
    flatten,
    kernel_options,
    learning_rates,
    load_state,
    new_optimizer,
    packed_order,
    store_state,
    write,
)
from fastnn2.estimators.predictor import WithPredictor
from fastnn2.estimators.seats import Seat
from fastnn2.estimators.sparse_input import checked
from fastnn2.kernels.shared import choices

Array = np.ndarray[Any, Any]

# The most entries in the arrays of sample orders, or of learning rates, that are made for one call of the kernel.
ENTRIES_PER_CALL = 1_000_000

# Below this share of nonzero numbers SciPy's product with a sparse matrix is faster than the kernels, which unpack
# sparse rows to dense tiles.
SPARSE = 0.1

# Attributes that exist only while a fit runs; pickles and conversions leave them out.
TRANSIENT = ("_task", "_trainer", "_checkpoint_run", "_raises_interrupt", "_seat")


class _Stopped(Exception):
    """A callback stops L-BFGS; the arguments are the number of evaluations and the last loss."""


class OneHiddenLayer(WithPredictor, WithCallbacks):
    """Both estimators' replacements for methods of ``sklearn.neural_network.BaseMultilayerPerceptron``."""

    _no_improvement_count: int
    best_loss_: Any
    validation_loss_curve_: Any
    _raises_interrupt = False  # set while partial_fit_blocks or fit_estimators fits
    _seat: Seat | None = None  # that of a fit beside others

    def __getstate__(self) -> Any:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in TRANSIENT}

    # Shapes and layouts
    def _network(self) -> Network:
        return network_of(self.coefs_, options_of(self))

    def _check_one_hidden_layer(self) -> None:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if len(sizes) != 1:
            name = type(self).__name__
            raise ValueError(
                f"hidden_layer_sizes is {self.hidden_layer_sizes!r}, {len(sizes)} hidden layers; fastnn2's {name} has "
                f"exactly one, for example (100,). For another number use sklearn.neural_network.{name}"
            )

    def _most_threads(self) -> int | None:
        return self.n_threads if self._seat is None else self._seat.n_threads(self.n_threads)

    # Forward
    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> Array:
        """Predict as scikit-learn's own method does.

        The kernel notes whether X is finite as it reads X, which saves scikit-learn's pass over X before it.
        """
        if check_input:
            X = checked(X, "X")
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False, ensure_all_finite=False)
        if hasattr(X, "nnz") and X.nnz < SPARSE * X.shape[0] * X.shape[1]:
            if check_input:
                self._check_finite(X)
            sparse: Array = super()._forward_pass_fast(X, check_input=False)
            return sparse
        dtype = dtype_of_run(X.dtype, self.coefs_[0].dtype)
        predicted, are_finite = prepared_network(self, dtype).outputs(SampleMatrix(X, dtype), self._most_threads())
        if check_input and not are_finite:
            self._check_finite(X)
        return predicted

    def _check_finite(self, X: Any) -> None:
        """Raise scikit-learn's error if X is not finite, unless its configuration allows that."""
        check_array(X, accept_sparse=["csr", "csc"], estimator=self, input_name="X")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return scikit-learn's score of the predictions for X: accuracy of a classifier, R2 of a regressor.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
        y : array_like (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like (n_samples,), optional

        Returns
        -------
        float
        """
        y = checked(y, "y")
        if sample_weight is None and are_integers(y) and is_classifier(self):
            predicted = self.predict(X)
            if predicted.dtype == y.dtype and predicted.shape == y.shape:
                return float((predicted == y).mean())  # scikit-learn's checks take twice as long as the prediction
        score: float = super().score(X, y, sample_weight)
        return score

    # Fit
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> Any:
        if isinstance(X, CheckedData):
            return X.set_attributes(self)
        return super()._validate_input(X, y, incremental, reset)  # type: ignore[misc]

    def _with_class_weight(self, y: Any, sample_weight: Any) -> Any:
        """Return the weights of samples times those of their classes; y is encoded for the network."""
        return sample_weight

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> Any:
        self._check_one_hidden_layer()
        if incremental:  # the caller is partial_fit; `fit` does this before it calls callbacks
            warn_of_changed_signatures()
            X, y = checked(X, "X"), checked(y, "y")
        return super()._fit(X, y, sample_weight=sample_weight, incremental=incremental)

    def _fit_stochastic(
        self, X: Any, y: Any, sample_weight: Any, activations: Any, deltas: Any, coef_grads: Any,
        intercept_grads: Any, layer_units: Any, incremental: bool,
    ) -> None:  # fmt: skip
        """Fit as scikit-learn's own method does, with as many epochs as possible in each call of the kernel."""
        if self._checkpoint_run is not None:
            self._checkpoint_run.before_draws(self)
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = new_optimizer(self)
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        validation, sample_weight = None, self._with_class_weight(y, sample_weight)
        if self.early_stopping:
            X, y, sample_weight, validation = self._split(X, y, sample_weight)
            if not hasattr(self, "validation_loss_curve_") or not self.warm_start:
                self.validation_loss_curve_ = []
        else:
            self.validation_loss_curve_ = None
        n = X.shape[0]
        if not all(array.flags.writeable for array in self.coefs_ + self.intercepts_):  # mapped by joblib
            self.coefs_ = [array.copy() for array in self.coefs_]
            self.intercepts_ = [array.copy() for array in self.intercepts_]
        dtype = np.result_type(X.dtype, self.coefs_[0].dtype)
        trainer = self._new_trainer(
            SampleMatrix(X, dtype), y, sample_weight, self._batch_size(n), **kernel_options(self._optimizer)
        )
        load_state(self._optimizer, trainer)
        if self._seat is not None:
            self._seat.take(trainer)
        try:
            with trainer.persistent_workers():
                self._run_epochs(trainer, validation, incremental)
            self._copy_back(trainer)
        except BaseException as error:
            self._copy_back(trainer)  # again, in case Ctrl-C has cut the first copy short
            if self._checkpoint_run is not None:
                self._checkpoint_run.write()
            if not isinstance(error, KeyboardInterrupt) or self._raises_interrupt:
                raise
            warnings.warn("Training interrupted by user.", stacklevel=2)
        if self.early_stopping:
            self.coefs_, self.intercepts_ = self._best_coefs, self._best_intercepts

    def _run_epochs(self, trainer: MiniBatchTrainer, validation: Any, incremental: bool) -> None:
        """Run epochs until the fit converges, reaches `max_iter`, or is stopped by a callback or KeyboardInterrupt."""
        n, run = trainer.X.n, self._checkpoint_run
        order = np.arange(n, dtype=np.int64)
        # Parameters are copied back after each epoch only if validation or a callback reads them: the copies would take
        # 4 % of a short fit.
        is_read_between_epochs = validation is not None or getattr(self, "_task", None) is not None
        shuffled = Shuffler(self._random_state, n, trainer.Y.dtype)
        self.n_iter_ = 0
        continues, is_stopped = True, False
        if run is not None:
            order, continues = run.start(self, trainer, order)
        while continues and self.n_iter_ < self.max_iter and not is_stopped:
            subtask = self._subtask("epoch")
            epochs = self._epochs_per_call(n, trainer.n_batches, incremental)
            if run is not None:
                epochs = run.limited(epochs)
            orders = None
            if self.shuffle:
                orders = shuffled(order, epochs)
                order = orders[-1]
            check_batch_weights(trainer, orders)
            rates = learning_rates(self._optimizer, epochs, trainer.n_batches, self.t_, n)
            losses, interrupted = trainer.run(rates, orders)
            copy_count(self._optimizer, trainer, rates)
            if is_read_between_epochs:
                self._copy_back(trainer)
            if len(losses):
                continues = self._epochs_end(losses.tolist(), n, validation) and not incremental
            if interrupted:
                raise KeyboardInterrupt
            if run is not None and continues:  # else `end` says that the fit has converged
                run.epochs_ended(self, trainer, order, epochs)
            is_stopped = self._subtask_ends(subtask)
        if run is not None:
            run.end(self, trainer, order, is_converged=not continues)
        if continues and not is_stopped:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization "
                "hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _copy_back(self, trainer: MiniBatchTrainer) -> None:
        """Copy the parameters and the state of the optimizer from the trainer to the model."""
        write(trainer.params, self.coefs_, self.intercepts_)
        store_state(self._optimizer, trainer, self.coefs_ + self.intercepts_)

    def _split(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any, tuple[Any, Any, Any, Any]]:
        """Return (X, y, weights) for training, then (X, y, encoded y, weights) for validation in one tuple."""
        stratify = y if is_classifier(self) and self.n_outputs_ == 1 else None
        arrays = (X, y) if sample_weight is None else (X, y, sample_weight)
        parts = train_test_split(
            *arrays, random_state=self._random_state, test_size=self.validation_fraction, stratify=stratify
        )
        training, held_out = parts[::2], parts[1::2]
        if held_out[0].shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        X_val, targets = held_out[:2]
        y_val = self._label_binarizer.inverse_transform(targets) if is_classifier(self) else targets
        weights = (None, None) if sample_weight is None else (training[2], held_out[2])
        return training[0], training[1], weights[0], (X_val, y_val, targets, weights[1])

    def _batch_size(self, n: int) -> int:
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=2
            )
        return int(min(self.batch_size, n))

    def _new_trainer(self, X: SampleMatrix, y: Any, sample_weight: Any, batch: int, **options: Any) -> MiniBatchTrainer:
        params = flatten(self.coefs_, self.intercepts_)
        return MiniBatchTrainer(
            self._network(), X, y, sample_weight, params, alpha=self.alpha, batch=batch, n_threads=self._most_threads(),
            **options,
        )  # fmt: skip

    def _epochs_per_call(self, n: int, n_batches: int, incremental: bool) -> int:
        """Return a number of epochs before the last of which the fit cannot stop, and nothing reads the model."""
        if incremental or self.early_stopping or self.verbose or getattr(self, "_task", None):
            return 1
        until_stop = self.n_iter_no_change + 1 - self._no_improvement_count
        entries = n if self.shuffle else n_batches
        return int(max(1, min(until_stop, self.max_iter - self.n_iter_, ENTRIES_PER_CALL // entries)))

    def _epochs_end(self, losses: list[float], n: int, validation: Any) -> bool:
        """Update the model as scikit-learn does after each epoch; return whether the fit continues."""
        self.loss_curve_ += losses
        self.n_iter_ += len(losses)
        self.t_ += n * len(losses)
        self.loss_ = losses[-1]
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
        if validation is not None:
            self._validate(*validation)
        else:
            for loss in losses:
                self._no_improvement_count = self._no_improvement_count + 1 if loss > self.best_loss_ - self.tol else 0
                self.best_loss_ = min(self.best_loss_, loss)
        end_epochs(self._optimizer, self.t_)
        if self._no_improvement_count <= self.n_iter_no_change:
            return True
        name = "Validation score" if self.early_stopping else "Training loss"
        message = f"{name} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."
        if self._optimizer.trigger_stopping(message, self.verbose):
            return False
        self._no_improvement_count = 0
        return True

    def _validate(self, X: Any, y: Any, targets: Any, weights: Any) -> None:
        """Append the score and the loss on the validation set; `targets` is y as the network learns it."""
        self._update_no_improvement_count(True, X, y, weights)
        name = "binary_log_loss" if self.out_activation_ == "logistic" else self.loss
        predicted = self._forward_pass_fast(X, check_input=False)
        loss = LOSS_FUNCTIONS[name](targets.reshape(len(targets), -1), predicted, weights)
        self.validation_loss_curve_.append(float(loss))

    # L-BFGS is SciPy's; it takes loss and gradient in float64
    def _fit_lbfgs(self, X: Any, y: Any, sample_weight: Any, *lists: Any) -> None:
        sample_weight = self._with_class_weight(y, sample_weight)
        try:
            self._trainer = self._new_gradient_trainer(X, y, sample_weight)
            check_batch_weights(self._trainer, None)
            if self._seat is not None:
                self._seat.take(self._trainer)
            with one_blas_thread(), self._trainer.persistent_workers():
                super()._fit_lbfgs(X, y, sample_weight, *lists)
        except _Stopped as stopped:
            self.n_iter_, self.loss_ = stopped.args
            self.coefs_ = [array.copy() for array in self.coefs_]
            self.intercepts_ = [array.copy() for array in self.intercepts_]
        finally:
            self.__dict__.pop("_trainer", None)

    def _new_gradient_trainer(self, X: Any, y: Any, sample_weight: Any) -> MiniBatchTrainer:
        """Return a trainer that computes loss and gradient, with parameters in the order of scikit-learn's packing."""
        order = packed_order(self.coefs_, self.intercepts_)
        params = np.concatenate([array.ravel() for array in self.coefs_ + self.intercepts_])
        return MiniBatchTrainer(
            self._network(), SampleMatrix(X, np.float64), y, sample_weight, params, alpha=self.alpha, batch=X.shape[0],
            n_threads=self._most_threads(), optimizer=choices.GRADIENT, params_order=order,
        )  # fmt: skip

    def _loss_grad_lbfgs(
        self, packed_coef_inter: Array, X: Any, y: Any, sample_weight: Any, *lists: Any
    ) -> tuple[float, Array]:
        subtask = self._subtask("evaluation")
        trainer = getattr(self, "_trainer", None)
        if trainer is None:  # the caller is not a fit
            trainer = self._new_gradient_trainer(X, y, sample_weight)

        self._unpack(packed_coef_inter)
        trainer.params = packed_coef_inter
        losses, interrupted = trainer.run(np.zeros(1))
        if interrupted:
            raise KeyboardInterrupt
        if self._subtask_ends(subtask):
            raise _Stopped(subtask.task_id + 1, float(losses[0]))
        return float(losses[0]), trainer.first_moments


def check_batch_weights(trainer: MiniBatchTrainer, orders: Array | None) -> None:
    """Raise ZeroDivisionError if the weights of a mini-batch sum to zero, as its mean loss would be 0 / 0."""
    weights = trainer.weights
    if weights is None or weights.all():
        return
    for order in [np.arange(len(weights))] if orders is None else orders:
        sums = np.add.reduceat(weights[order], np.arange(0, len(weights), trainer.batch))
        if not sums.all():
            raise ZeroDivisionError(
                "Weights sum to zero, can't be normalized: a mini-batch has only samples of weight 0. Leave such "
                "samples out, or take a larger batch_size"
            )
