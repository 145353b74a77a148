"""Blocks of the cases of checkpoint_fits, and the loop of partial_fit that partial_fit_blocks is compared with."""

import itertools
import warnings

from checkpoint_fits import CASES, bits, data_of, left_by, new_model
from sklearn.base import is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import unique_labels

import fastnn2

CUTS = (0, 70, 70, 160, 161, 300)  # blocks of 70, 0, 90, 1 and 139 rows
EPOCHS = 3
NAMES = tuple(name for name in CASES if name != "early stopping")


class Reiterable:
    """Gives the blocks of a list in their order only."""

    def __init__(self, blocks):
        self.blocks, self.passes = blocks, 0

    def __iter__(self):
        self.passes += 1
        return iter(self.blocks)


class Failing:
    """A sequence of blocks that fails when a block is asked for the n-th time of all."""

    def __init__(self, blocks, at, error):
        self.blocks, self.left, self.error = blocks, at, error

    def __len__(self):
        return len(self.blocks)

    def __getitem__(self, index):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.blocks[index]


def model_of(name, **changes):
    """Return the estimator of a case."""
    return new_model(name, early_stopping=False, **changes)


def cut(X, y, weights=None, cuts=CUTS):
    """Return X, y and the weights as a list of blocks."""
    arrays = (X, y) if weights is None else (X, y, weights)
    return [tuple(array[first:last] for array in arrays) for first, last in itertools.pairwise(cuts)]


def blocks_of(name):
    """Return the blocks of a case."""
    return cut(*data_of(name))


def classes_of(model, blocks):
    """Return what a classifier gets as classes, None for a regressor."""
    return unique_labels(*[block[1] for block in blocks if len(block[1])]) if is_classifier(model) else None


def trained(model, blocks, epochs=EPOCHS, **options):
    """Call partial_fit_blocks; a block of one row has a smaller batch, of which partial_fit warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got `batch_size`")
        return fastnn2.partial_fit_blocks(model, blocks, epochs, **options)


def looped(model, blocks, epochs=EPOCHS, shuffle=True, random_state=None):
    """Call partial_fit in the loop of the documentation."""
    classes = classes_of(model, blocks)
    options = {} if classes is None else {"classes": classes}
    orders = check_random_state(random_state)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got `batch_size`")
        for _ in range(epochs):
            for i in orders.permutation(len(blocks)) if shuffle else range(len(blocks)):
                X, y, *weights = blocks[i]
                if X.shape[0]:
                    model.partial_fit(X, y, *weights, **options)
    return model


def everything(model, X):
    """Return the bits of all that a fitted model has."""
    return {**left_by(model, X), "binarizer": bits(getattr(model, "_label_binarizer", None))}


def moons(n=2000):
    """Return X and y of two moons."""
    from sklearn.datasets import make_moons

    X, y = make_moons(n, noise=0.2, random_state=0)
    return X, y
