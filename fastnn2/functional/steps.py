"""The tutorial's other functions, checked and compiled: init_params, forward, cost, backward, update and predict.

Each function checks its arguments and runs a kernel over blocks of samples, so that it needs little memory beyond its
result. The formulas are those of :mod:`fastnn2.reference`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2 import reference
from fastnn2.codegen import provider
from fastnn2.engine.forward_pass import forward_blocks, sample_blocks
from fastnn2.engine.layout import PARAM_NAMES, aligned_zeros, from_groups, padded_length, to_groups, unpack_params
from fastnn2.exceptions import Params
from fastnn2.functional import checks
from fastnn2.kernels.shared import tuning
from fastnn2.kernels.shared.records import BackwardRecord, CostRecord, UpdateRecord

Array = np.ndarray[Any, Any]


def _check_inputs(X: Any, params: Any) -> tuple[Array, Array, int, int, int]:
    """Return X as an array, the parameters flat in the dtype of the run, and d, h, o."""
    X = checks.as_matrix(X, "X")
    arrays, d, h, o = checks.as_params(params)
    checks.check_features(X, d)
    dtype = checks.choose_dtype(X, None)
    return X, checks.pack_finite_params(arrays, dtype), d, h, o


def _to_finite_groups(matrix: Array, block: slice, name: str, dtype: Any) -> Array:
    """Return a block of samples in groups; an error gives the position in the whole matrix."""
    groups, is_finite = to_groups(matrix[:, block], dtype)
    if not is_finite:
        checks.check_finite(matrix, name, dtype)
    return groups


def _finite_forward_blocks(X: Array, flat: Array, d: int, h: int, o: int) -> Iterator[tuple[slice, list[Array]]]:
    """Do as :func:`forward_blocks`, and raise ValueError if X is not finite."""
    for block, results in forward_blocks(X, flat, d, h, o):
        if results is None:
            checks.check_finite(X, "X", flat.dtype)
        else:
            yield block, results


def init_params(X: Any, Y: Any, hidden_size: int, *, init: str = "he", random_state: Any = 3) -> Params:
    """Return initial parameters, drawn as :func:`fastnn2.reference.init_params` draws them.

    Parameters
    ----------
    X : array_like (d, n)
    Y : array_like (o, n) or (n,)
        Of X and Y, only the numbers of rows are used; (n,) is one row.
    hidden_size : int
        Number of hidden units h.
    init : {"he", "small"}
        Standard normal weights times sqrt(2/d) and sqrt(2/h), or times 0.01; biases are zero.
    random_state : int, RandomState, Generator or None
        The source of the draws; None uses fresh entropy. The global state is neither read nor changed.

    Returns
    -------
    dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1), float64.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid.

    Examples
    --------
    >>> import fastnn2
    >>> fastnn2.init_params([[0.0, 1.0]], [0, 1], 5)["W2"].shape
    (1, 5)
    """
    h = checks.as_integer(hidden_size, "hidden_size", 1, 10**8)
    if init not in ("he", "small"):
        raise ValueError(f"init is {init!r}; expected 'he' or 'small'")
    X = checks.as_matrix(X, "X")
    Y = checks.as_targets(Y, "Y", X.shape[1], X)
    return checks.draw_from(random_state, lambda source: reference.init_params(X, Y, h, init=init, random_state=source))


def forward(X: Any, params: Any) -> tuple[Array, dict[str, Array]]:
    """Return the network's outputs and the intermediate results.

    Parameters
    ----------
    X : array_like (d, n)
        Inputs; float32 is computed in float32, everything else in float64.
    params : dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1), cast to that dtype.

    Returns
    -------
    y : ndarray (o, n)
        Probabilities: sigmoid(Z2).
    cache : dict
        Z1 = W1 X + b1 (h, n), A1 = tanh(Z1) (h, n), Z2 = W2 A1 + b2 (o, n), and y.

    Raises
    ------
    TypeError, ValueError
        X or params is invalid.

    Examples
    --------
    >>> import fastnn2
    >>> X = [[0.0, 1.0], [1.0, 0.0]]
    >>> y, cache = fastnn2.forward(X, fastnn2.init_params(X, [[0, 1]], 5))
    >>> y.shape, cache["A1"].shape
    ((1, 2), (5, 2))
    """
    X, flat, d, h, o = _check_inputs(X, params)
    n = X.shape[1]
    rows = {"Z1": h, "A1": h, "Z2": o, "y": o}
    cache = {name: np.empty((count, n), dtype=flat.dtype) for name, count in rows.items()}
    for block, results in _finite_forward_blocks(X, flat, d, h, o):
        for name, groups in zip(rows, results, strict=True):
            from_groups(groups, rows[name], cache[name][:, block])
    return cache["y"], cache


def predict(X: Any, params: Any) -> Array:
    """Return 1 where the probability is above 0.5, else 0.

    Parameters
    ----------
    X : array_like (d, n)
    params : dict
        As for :func:`forward`, whose y are the probabilities.

    Returns
    -------
    ndarray (o, n)
        Integers.

    Raises
    ------
    TypeError, ValueError
        X or params is invalid.

    Examples
    --------
    >>> import fastnn2
    >>> params, _ = fastnn2.fit([[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1], 1.0, 2, 200)
    >>> fastnn2.predict([[0.2, 2.8]], params)
    array([[0, 1]])
    """
    X, flat, d, h, o = _check_inputs(X, params)
    labels = np.empty((o, X.shape[1]), dtype=int)
    for block, (_, _, _, y) in _finite_forward_blocks(X, flat, d, h, o):
        probabilities = np.empty((o, block.stop - block.start), dtype=flat.dtype)
        from_groups(y, o, probabilities)
        labels[:, block] = probabilities > 0.5
    return labels


def cost(predict: Any, actual: Any, *, sample_weight: Any = None, params: Any = None, alpha: float = 0.0) -> float:
    """Return the mean cross-entropy, -1/n sum(Y log y + (1 - Y) log(1 - y)), and the L2 penalty.

    Parameters
    ----------
    predict : array_like (o, n)
        Probabilities; float32 is computed in float32 and summed in float64, everything else in float64.
    actual : array_like (o, n)
        Targets from 0 to 1.
    sample_weight : array_like (n,), optional
        Weights of the samples; n is then the sum of the weights.
    params : dict, optional
        The parameters; needed for the penalty.
    alpha : float
        L2 penalty: adds ``alpha/(2n) (|W1|^2 + |W2|^2)``.

    Returns
    -------
    float
        0 log 0 is taken as 0. A prediction of 0 or 1 that is wrong costs infinity.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid, or alpha is given without params.

    Examples
    --------
    >>> import fastnn2
    >>> round(fastnn2.cost([[0.5, 0.5]], [[0, 1]]), 6)
    0.693147
    """
    alpha = checks.as_non_negative_float(alpha, "alpha")
    y = checks.as_targets(predict, "predict", None)
    Y = checks.as_targets(actual, "actual", None)
    if y.shape != Y.shape:
        raise ValueError(
            f"predict has shape {y.shape} and actual {Y.shape}; expected the same shape, (outputs, samples)"
        )
    checks.check_in_unit_interval(y, "predict", "probabilities")
    checks.check_in_unit_interval(Y, "actual")
    dtype = checks.choose_dtype(y, None)
    o, n = Y.shape
    weights = checks.as_weights(sample_weight, n, dtype)
    cost_kernel = provider.kernel("cost", dtype)
    total = np.zeros(1)
    for block in sample_blocks(n, 2 * o, dtype):
        y_groups, Y_groups = to_groups(y[:, block], dtype)[0], to_groups(Y[:, block], dtype)[0]
        w_groups = Y_groups if weights is None else to_groups(weights[np.newaxis, block], dtype)[0]
        result = np.zeros(1)
        job = CostRecord(
            o=o, n=block.stop - block.start, y=y_groups, Y=Y_groups, weights=w_groups, has_weights=weights is not None,
            total=result,
        )  # fmt: skip
        cost_kernel(job)
        total += result
    return float((total[0] + _penalty(params, alpha)) / checks.total_weight(weights, n))


def _penalty(params: Any, alpha: float) -> float:
    if alpha == 0:
        return 0.0
    if params is None:
        raise ValueError("alpha is given without params; pass params=, whose W1 and W2 are penalised")
    arrays = checks.as_params(params)[0]
    checks.check_params_finite(arrays)
    return reference.penalty(arrays, alpha)


def backward(
    X: Any, Y: Any, params: Any, cache: Any, *, sample_weight: Any = None, alpha: float = 0.0
) -> dict[str, Array]:
    """Return the gradient of the cost.

    Parameters
    ----------
    X : array_like (d, n)
        Inputs; float32 is computed in float32, and tiles are summed in float64; everything else in float64.
    Y : array_like (o, n) or (n,)
        Targets from 0 to 1.
    params : dict
        W1, b1, W2, b2.
    cache : dict
        Returned by :func:`forward`; A1 and y are used.
    sample_weight : array_like (n,), optional
    alpha : float

    Returns
    -------
    dict
        dW1 (h, d), db1 (h, 1), dW2 (o, h), db2 (o, 1), with dZ2 = w (y - Y), dZ1 = (W2' dZ2) (1 - A1^2),
        dW2 = (dZ2 A1' + alpha W2)/n, db2 = sum(dZ2)/n, and dW1, db1 in the same way from dZ1 and X.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid.

    Examples
    --------
    >>> import fastnn2
    >>> X, Y = [[0.0, 1.0], [1.0, 0.0]], [[0, 1]]
    >>> params = fastnn2.init_params(X, Y, 5)
    >>> y, cache = fastnn2.forward(X, params)
    >>> sorted(fastnn2.backward(X, Y, params, cache))
    ['dW1', 'dW2', 'db1', 'db2']
    """
    alpha = checks.as_non_negative_float(alpha, "alpha")
    X, flat, d, h, o = _check_inputs(X, params)
    n, dtype = X.shape[1], flat.dtype
    Y = checks.as_targets(Y, "Y", n, X)
    checks.check_in_unit_interval(Y, "Y")
    A1, y = _from_cache(cache, "A1", (h, n)), _from_cache(cache, "y", (o, n))
    if len(Y) != o:
        raise ValueError(f"Y has {len(Y)} rows; expected {o}, as W2 has {o} rows")
    weights = checks.as_weights(sample_weight, n, dtype)
    backward_kernel = provider.kernel("backward", dtype)
    gradient = aligned_zeros(len(flat) + 4, np.float64)
    scratch = aligned_zeros(tuning.count_scratch_rows(h) * tuning.group_size(dtype), dtype)
    for block in sample_blocks(n, d + h + 2 * o, dtype):
        X_groups, Y_groups = _to_finite_groups(X, block, "X", dtype), to_groups(Y[:, block], dtype)[0]
        A1_groups = _to_finite_groups(A1, block, "cache['A1']", dtype)
        y_groups = _to_finite_groups(y, block, "cache['y']", dtype)
        w_groups = Y_groups if weights is None else to_groups(weights[np.newaxis, block], dtype)[0]
        job = BackwardRecord(
            d=d, h=h, o=o, n=block.stop - block.start, tile_groups=tuning.count_tile_groups(d, h, o), params=flat,
            X=X_groups, Y=Y_groups, weights=w_groups, has_weights=weights is not None, A1=A1_groups, y=y_groups,
            scratch=scratch, gradient=gradient,
        )  # fmt: skip
        backward_kernel(job)
    gradients = unpack_params(gradient[: len(flat)], d, h, o, "d")
    named = unpack_params(flat, d, h, o)
    for name in ("W1", "W2"):
        gradients["d" + name] += alpha * named[name].astype(np.float64)
    total = checks.total_weight(weights, n)
    return {name: (value / total).astype(dtype) for name, value in gradients.items()}


def _from_cache(cache: Any, name: str, shape: tuple[int, int]) -> Array:
    if not isinstance(cache, dict) or name not in cache:
        raise ValueError(f"cache has no {name}; pass the cache that forward returned")
    array = checks.as_matrix(cache[name], f"cache[{name!r}]")
    if array.shape != shape:
        raise ValueError(
            f"cache[{name!r}] has shape {array.shape}; expected {shape}. Pass the cache that forward returned for "
            "these X and params"
        )
    return array


def update(gradients: Any, params: Any, learning_rate: float) -> Params:
    """Return new parameters, ``p - learning_rate * dp``.

    Parameters
    ----------
    gradients : dict
        dW1, db1, dW2, db2.
    params : dict
        W1, b1, W2, b2; computed in float32 if W1 is float32, else in float64. Not changed.
    learning_rate : float

    Returns
    -------
    dict
        New arrays. Each number is computed in float64 and rounded once.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid.

    Examples
    --------
    >>> import fastnn2
    >>> ones = {"W1": [[1.0]], "b1": [[1.0]], "W2": [[1.0]], "b2": [[1.0]]}
    >>> new = fastnn2.update({"d" + name: value for name, value in ones.items()}, ones, 0.25)
    >>> float(new["W1"][0, 0])
    0.75
    """
    learning_rate = checks.as_positive_float(learning_rate, "learning_rate")
    arrays, d, h, o = checks.as_params(params)
    checks.check_keys(gradients, "gradients", "d")
    slopes = {name: checks.as_real_array(gradients["d" + name], f"gradients['d{name}']") for name in PARAM_NAMES}
    for name, slope in slopes.items():
        if slope.shape != arrays[name].shape:
            raise ValueError(f"gradients['d{name}'] has shape {slope.shape}; expected {arrays[name].shape}, as {name}")
    dtype = checks.choose_dtype(arrays["W1"], None)
    count = tuning.count_params(d, h, o)
    length = padded_length(count, dtype)  # the kernel reads and writes whole vectors
    flat, new = aligned_zeros(length, dtype), aligned_zeros(length, dtype)
    gradient, l2 = aligned_zeros(length, np.float64), aligned_zeros(length, np.float64)
    flat[:count] = checks.pack_finite_params(arrays, dtype)
    gradient[:count] = checks.pack_finite_params(slopes, np.float64, "gradients['d{}']")
    job = UpdateRecord(params=flat, new=new, count=length, gradient=gradient, l2=l2, learning_rate=learning_rate)
    provider.kernel("update", dtype)(job)
    return unpack_params(new[:count], d, h, o)
