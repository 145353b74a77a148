"""The state of scikit-learn's optimizer, copied to the kernels and back.

The model keeps scikit-learn's optimizer object, so that ``partial_fit`` and pickles work as in scikit-learn: the object
keeps its hyperparameters even if the model's change later. Its lists hold one array for each array of parameters,
weights first.
"""

from typing import Any

import numpy as np
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from fastnn2.engine.mini_batch import MiniBatchTrainer
from fastnn2.estimators.learning_rates import adam_rates, invscaling_rate
from fastnn2.kernels.shared import choices

Array = np.ndarray[Any, Any]


def new_optimizer(model: Any) -> Any:
    """Return scikit-learn's optimizer for a model's solver and parameters."""
    params = model.coefs_ + model.intercepts_
    if model.solver == "adam":
        return AdamOptimizer(params, model.learning_rate_init, model.beta_1, model.beta_2, model.epsilon)
    return SGDOptimizer(
        params,
        model.learning_rate_init,
        model.learning_rate,
        model.momentum,
        model.nesterovs_momentum,
        model.power_t,
    )


def is_adam(optimizer: Any) -> bool:
    """Return whether the optimizer is Adam; else it is SGD."""
    return isinstance(optimizer, AdamOptimizer)


def kernel_options(optimizer: Any) -> dict[str, Any]:
    """Return the optimizer's hyperparameters as :class:`fastnn2.engine.mini_batch.MiniBatchTrainer` takes them."""
    if is_adam(optimizer):
        return {
            "optimizer": choices.ADAM,
            "beta_1": optimizer.beta_1,
            "beta_2": optimizer.beta_2,
            "epsilon": optimizer.epsilon,
        }
    return {"optimizer": choices.SGD, "beta_1": optimizer.momentum, "nesterov": optimizer.nesterov}


def learning_rates(optimizer: Any, epochs: int, n_batches: int, samples_seen: int, n: int) -> Array:
    """Return the learning rate of every mini-batch of the next `epochs`, which have `n` samples each."""
    if is_adam(optimizer):
        return adam_rates(optimizer, optimizer.t + 1, epochs * n_batches)
    by_epoch = np.full(epochs, float(optimizer.learning_rate))
    if optimizer.lr_schedule == "invscaling":
        by_epoch[1:] = [invscaling_rate(optimizer, samples_seen + n * epoch) for epoch in range(1, epochs)]
    return np.repeat(by_epoch, n_batches)


def end_epochs(optimizer: Any, samples_seen: int) -> None:
    """Set the learning rate of "invscaling" as scikit-learn's ``iteration_ends`` does, but to the kernel's next one."""
    if not is_adam(optimizer) and optimizer.lr_schedule == "invscaling":
        optimizer.learning_rate = invscaling_rate(optimizer, samples_seen)


def _moments(optimizer: Any) -> dict[str, str]:
    """Return which attribute of the trainer each list of the optimizer corresponds to."""
    if is_adam(optimizer):
        return {"ms": "first_moments", "vs": "second_moments"}
    return {"velocities": "first_moments"}


def load_state(optimizer: Any, trainer: MiniBatchTrainer) -> None:
    """Copy the optimizer's state to the trainer."""
    for name, moment in _moments(optimizer).items():
        arrays = getattr(optimizer, name)
        setattr(trainer, moment, flatten(arrays[:2], arrays[2:]))
    if is_adam(optimizer):
        trainer.batches_done = optimizer.t


def copy_count(optimizer: Any, trainer: MiniBatchTrainer, rates: Array | None = None) -> None:
    """Set Adam's number of updates to the trainer's, and the learning rate, which `rates` of its last run may have."""
    new = trainer.batches_done - optimizer.t if is_adam(optimizer) else 0
    if new:
        optimizer.t += new
        optimizer.learning_rate = adam_rates(optimizer, optimizer.t, 1)[0] if rates is None else rates[new - 1]


def store_state(optimizer: Any, trainer: MiniBatchTrainer, like: list[Array]) -> None:
    """Copy the trainer's state to new arrays of the optimizer, with the shapes and dtypes of those in `like`."""
    copy_count(optimizer, trainer)
    for name, moment in _moments(optimizer).items():
        arrays = [np.empty_like(array) for array in like]
        write(getattr(trainer, moment), arrays[:2], arrays[2:])
        setattr(optimizer, name, arrays)


def flatten(coefs: Any, intercepts: Any) -> Array:
    """Return W1, b1, W2, b2 in one flat array; scikit-learn's matrices are their transposes."""
    (first, second), (b1, b2) = coefs, intercepts
    return np.concatenate([first.T.ravel(), b1, second.T.ravel(), b2])


def packed_order(coefs: Any, intercepts: Any) -> Array:
    """Return the place in :func:`flatten`'s array of each parameter, in the order in which scikit-learn packs them."""
    lists = [np.empty(array.shape, dtype=np.int64) for array in (*coefs, *intercepts)]
    write(np.arange(sum(array.size for array in lists)), lists[:2], lists[2:])
    return np.concatenate([array.ravel() for array in lists])


def write(flat: Array, coefs: Any, intercepts: Any) -> None:
    """Write an array of :func:`flatten` to scikit-learn's lists, in place."""
    (first, second), (b1, b2) = coefs, intercepts
    (d, h), o = first.shape, second.shape[1]
    end_1, end_2 = h * d, h * (d + 1 + o)
    first[...], b1[...] = flat[:end_1].reshape(h, d).T, flat[end_1 : end_1 + h]
    second[...], b2[...] = flat[end_1 + h : end_2].reshape(o, h).T, flat[end_2 : end_2 + o]
