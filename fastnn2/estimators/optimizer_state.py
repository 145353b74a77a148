"""scikit-learn's optimizer, whose numbers and state the kernels work with.

The object stays what ``partial_fit`` and a pickle carry along: it keeps its hyperparameters, whatever is set on the
model meanwhile. Its lists hold one array for each of the model's, weights first.
"""

from typing import Any

import numpy as np
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from fastnn2.engine.mini_batch import MiniBatchTrainer
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
    """Return whether it is Adam, and not stochastic descent with momentum."""
    return isinstance(optimizer, AdamOptimizer)


def kernel_options(optimizer: Any) -> dict[str, Any]:
    """Return the optimizer's numbers as :class:`fastnn2.engine.mini_batch.MiniBatchTrainer` takes them."""
    if is_adam(optimizer):
        return {
            "optimizer": choices.ADAM,
            "beta_1": optimizer.beta_1,
            "beta_2": optimizer.beta_2,
            "epsilon": optimizer.epsilon,
        }
    return {"optimizer": choices.SGD, "beta_1": optimizer.momentum, "nesterov": optimizer.nesterov}


def rates(optimizer: Any, epochs: int, n_batches: int, seen: int, n: int) -> Array:
    """Return the learning rate of every step of the next epochs, after `seen` samples, `n` an epoch."""
    if is_adam(optimizer):
        by_step: Array = _adam_rates(optimizer, optimizer.t + 1.0 + np.arange(epochs * n_batches))
        return by_step
    by_epoch = np.full(epochs, float(optimizer.learning_rate))
    if optimizer.lr_schedule == "invscaling":
        by_epoch[1:] = optimizer.learning_rate_init / (seen + n * np.arange(1, epochs) + 1.0) ** optimizer.power_t
    return np.repeat(by_epoch, n_batches)


def _adam_rates(optimizer: Any, t: Any) -> Any:
    """Return the learning rate of Adam's steps number t, with the corrections of its moments' bias."""
    return optimizer.learning_rate_init * np.sqrt(1 - optimizer.beta_2**t) / (1 - optimizer.beta_1**t)


def _lists(optimizer: Any) -> dict[str, str]:
    """Return what the optimizer's lists are in the kernel."""
    if is_adam(optimizer):
        return {"ms": "first_moments", "vs": "second_moments"}
    return {"velocities": "first_moments"}


def load(optimizer: Any, descent: MiniBatchTrainer) -> None:
    """Bring the optimizer's state to the kernel."""
    for name, of_kernel in _lists(optimizer).items():
        lists = getattr(optimizer, name)
        setattr(descent, of_kernel, flatten(lists[:2], lists[2:]))
    if is_adam(optimizer):
        descent.batches_done = optimizer.t


def count_steps(optimizer: Any, descent: MiniBatchTrainer) -> None:
    """Take over the number of Adam's steps, from which its rate follows."""
    if is_adam(optimizer) and optimizer.t != descent.batches_done:
        optimizer.t = descent.batches_done
        optimizer.learning_rate = _adam_rates(optimizer, float(optimizer.t))


def store(optimizer: Any, descent: MiniBatchTrainer, like: list[Array]) -> None:
    """Bring the optimizer's state from the kernel to new arrays like those of the model."""
    count_steps(optimizer, descent)
    for name, of_kernel in _lists(optimizer).items():
        lists = [np.empty_like(array) for array in like]
        write(getattr(descent, of_kernel), lists[:2], lists[2:])
        setattr(optimizer, name, lists)


def flatten(coefs: Any, intercepts: Any) -> Array:
    """Return W1, b1, W2, b2 one after the other from scikit-learn's lists, whose matrices are transposed."""
    (first, second), (b1, b2) = coefs, intercepts
    return np.concatenate([first.T.ravel(), b1, second.T.ravel(), b2])


def packed_order(coefs: Any, intercepts: Any) -> Array:
    """Return where in a flat set each parameter stands, in the order in which scikit-learn packs its lists."""
    lists = [np.empty(array.shape, dtype=np.int64) for array in (*coefs, *intercepts)]
    write(np.arange(sum(array.size for array in lists)), lists[:2], lists[2:])
    return np.concatenate([array.ravel() for array in lists])


def write(flat: Array, coefs: Any, intercepts: Any) -> None:
    """Write a flat set to scikit-learn's lists, in place."""
    (first, second), (b1, b2) = coefs, intercepts
    d, h = first.shape
    o = second.shape[1]
    ends = np.cumsum([h * d, h, o * h, o])
    parts = np.split(flat[: ends[-1]], ends[:-1])
    first[...], second[...] = parts[0].reshape(h, d).T, parts[2].reshape(o, h).T
    b1[...], b2[...] = parts[1], parts[3]
