"""Probabilities of the tutorial's network in hot loops: parameters are checked and packed once, not at each call."""

from typing import Any

import numpy as np

from fastnn2.engine.forward_pass import forward_blocks
from fastnn2.engine.layout import from_groups, unpack_params
from fastnn2.engine.samples import check_ready
from fastnn2.functional import checks

Array = np.ndarray[Any, Any]


class Predictor:
    """What :func:`predictor` returns: call it with X (d, n) for the probabilities (o, n).

    Attributes
    ----------
    dtype : dtype
        Of X and of the probabilities.
    """

    def __init__(self, params: Any, dtype: Any) -> None:
        arrays, self._d, self._h, self._o = checks.as_params(params)
        self.dtype = checks.choose_dtype(arrays["W1"], dtype)
        self._flat = checks.pack_finite_params(arrays, self.dtype)

    def __call__(self, X: Array) -> Array:
        """Return the probabilities (o, n) for a C-contiguous X (d, n) of the predictor's dtype."""
        check_ready(X, self.dtype)
        if X.ndim != 2:
            raise ValueError(f"X has shape {X.shape}; expected two dimensions, (features, samples)")
        checks.check_features(X, self._d)
        probabilities = np.empty((self._o, X.shape[1]), dtype=self.dtype)
        for block, results in forward_blocks(X, self._flat, self._d, self._h, self._o, finite=False):
            assert results is not None
            from_groups(results[3], self._o, probabilities[:, block])
        return probabilities

    def __reduce__(self) -> Any:
        return predictor, (unpack_params(self._flat, self._d, self._h, self._o), self.dtype.name)

    def __repr__(self) -> str:
        return f"<fastnn2.predictor: {self._d} inputs, {self._h} units, {self._o} outputs, {self.dtype.name}>"


def predictor(params: Any, dtype: Any = None) -> Predictor:
    """Return a function for hot loops: X (d, n) -> probabilities (o, n), those of :func:`forward`, bit by bit.

    It leaves out what :func:`predict` does at each call: parameters are checked and copied once, here, and later
    changes of `params` do not count; X is not converted, and not searched for NaN and infinity. Several threads may
    call it at once, it may be called after a fork, and it can be pickled.

    Parameters
    ----------
    params : dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1), of any real numbers.
    dtype : {"float32", "float64"}, optional
        The dtype of X, of the arithmetic, and of the probabilities; by default float32 if W1 is, else float64.

    Returns
    -------
    callable
        It takes X of shape (d, n), a C-contiguous array of `dtype`, and returns a new array of shape (o, n). Another
        shape or dtype, an empty X, or one that is not C-contiguous raises TypeError or ValueError. Where X has NaN or
        infinity, so may the probabilities of that sample.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid.

    Examples
    --------
    >>> import fastnn2, numpy as np
    >>> params, _ = fastnn2.fit([[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1], 1.0, 2, 200)
    >>> probabilities = fastnn2.predictor(params)
    >>> probabilities(np.array([[0.2, 2.8]])).round()
    array([[0., 1.]])
    """
    return Predictor(params, dtype)


predictor.__module__ = "fastnn2"  # the public name, which pickles contain
