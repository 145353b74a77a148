"""The members of an ensemble: which rows each of them holds out, and what it begins with."""

from typing import Any

import numpy as np

from fastnn2.engine.tabular_shape import TabularShape
from fastnn2.engine.tabular_training import Member

Array = np.ndarray[Any, Any]

LARGEST_SEED = 2**31 - 1


def new_members(
    count: int, random_state: np.random.RandomState, shape: TabularShape, zero_rows: Array, n: int,
    classes: Array | None, held_fraction: float,
) -> list[Member]:  # fmt: skip
    """Return members that have a seed each, drawn from `random_state`, from which all else of them follows.

    Parameters
    ----------
    count : int
    random_state : RandomState
    shape : TabularShape
    zero_rows : ndarray of bool (category_rows,)
        The rows of categories that begin at 0.
    n : int
        Samples.
    classes : ndarray of int (n,) or None
        The class of each sample, to hold out the same share of each.
    held_fraction : float
        The share of samples that are held out, 0 for none.
    """
    members = []
    for seed in random_state.randint(LARGEST_SEED, size=count).tolist():
        own = np.random.RandomState(seed)
        training, held = split(n, classes, held_fraction, own)
        members.append(Member(initial_params(shape, zero_rows, own), training, held, seed))
    return members


def count_held(n: int, classes: Array | None, held_fraction: float) -> Array:
    """Return how many samples of each class are held out, of all n if there are no classes; never all of a class."""
    counts = np.array([n]) if classes is None else np.bincount(classes)
    held: Array = np.clip(np.rint(held_fraction * counts), 0, np.maximum(counts - 1, 0)).astype(np.int64)
    return held


def split(
    n: int, classes: Array | None, held_fraction: float, random_state: np.random.RandomState
) -> tuple[Array, Array]:
    """Return the samples to train on, in a random order, and those to hold out.

    Of each class the same share is held out, rounded, and at least one sample stays in training.
    """
    order = random_state.permutation(n)
    wanted = count_held(n, classes, held_fraction)
    is_held = np.zeros(n, dtype=bool)
    if classes is None:
        is_held[: wanted[0]] = True
    else:
        by_class = np.argsort(classes[order], kind="stable")
        first = 0
        for count, held in zip(np.bincount(classes).tolist(), wanted.tolist(), strict=True):
            is_held[by_class[first : first + held]] = True
            first += count
    return order[~is_held], order[is_held]


def initial_params(shape: TabularShape, zero_rows: Array, random_state: np.random.RandomState) -> Array:
    """Return packed initial parameters.

    They are uniform, up to sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio, "Understanding the difficulty of training
    deep feedforward neural networks", 2010), where the fan-in of the hidden layer is the number of numbers, binned
    features and categories, not of bins; those of bins are divided by sqrt(T). What missing values add begins at 0, as
    do the rows of `zero_rows` and b2.
    """
    packed = np.zeros(shape.count, dtype=shape.dtype)
    views = shape.views(packed)
    hidden = np.sqrt(6 / (shape.d + shape.p + shape.q + shape.h))
    bounds = {
        "W1": hidden, "V": hidden / np.sqrt(max(shape.bins, 1)), "C": hidden, "b1": hidden,
        "W2": np.sqrt(6 / (shape.h + shape.o)),
    }  # fmt: skip
    for name, bound in bounds.items():
        views[name][...] = random_state.uniform(-bound, bound, views[name].shape)
    views["V"][:, shape.bins] = 0
    views["C"][zero_rows] = 0
    return packed
