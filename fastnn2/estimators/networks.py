"""The network of a fitted model as the engine takes it, kept beside the model from one prediction to the next.

scikit-learn's checks forbid a prediction to change the attributes of a model, so it is kept here, for as long as the
model lives. Before each use the model's parameters are compared with those that were packed, bit by bit: changes in
place, new arrays and further fits all show in the next prediction.
"""

import functools
import weakref
from typing import Any

import numpy as np

from fastnn2.engine.inference import PreparedNetwork
from fastnn2.engine.samples import Network
from fastnn2.estimators.optimizer_state import flatten
from fastnn2.kernels.shared import choices

Array = np.ndarray[Any, Any]

ACTIVATIONS = {"identity": choices.IDENTITY, "logistic": choices.LOGISTIC, "tanh": choices.TANH, "relu": choices.RELU}
LOSSES = {
    "logistic": choices.LOG_LOSS,
    "softmax": choices.CROSS_ENTROPY,
    "identity": choices.SQUARED_ERROR,
    "exp": choices.POISSON,
}  # by the activation of the outputs

# Parameters of more bytes are packed for each prediction: two more copies of them would take memory for good.
MOST_BYTES = 1 << 24


def network_of(coefs: list[Array], options: tuple[str, str, int]) -> Network:
    """Return the network of a model with these coefficients and :func:`options_of`."""
    (d, h), (activation, out_activation, o) = coefs[0].shape, options
    return Network(d, h, o, ACTIVATIONS[activation], LOSSES[out_activation])


def options_of(model: Any) -> tuple[str, str, int]:
    """Return what a model's network follows from, beside the parameters."""
    return model.activation, model.out_activation_, model.n_outputs_


@functools.cache
def dtype_of_run(X_dtype: np.dtype[Any], model_dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which a model predicts: float32 if neither samples nor parameters need more, else float64."""
    single = np.result_type(X_dtype, model_dtype, np.float32) == np.float32
    return np.dtype(np.float32 if single else np.float64)


# It compares the memory of an array of any type, without a copy, and gives NotImplemented where there are gaps.
_is_equal = bytearray.__eq__


class _Snapshot:
    """The bytes of a model's parameters, and the network that they make."""

    def __init__(self, model: Any, dtype: Any) -> None:
        self._options = options_of(model)
        coefs, intercepts = model.coefs_, model.intercepts_
        self._kinds = [(array.dtype, array.shape) for array in (*coefs, *intercepts)]
        self._bytes = [bytearray(array.tobytes()) for array in (*coefs, *intercepts)]
        # The network is made of these bytes, as a fit in another thread may have changed the arrays meanwhile.
        arrays = [
            np.frombuffer(content, own_dtype).reshape(shape)
            for content, (own_dtype, shape) in zip(self._bytes, self._kinds, strict=True)
        ]
        coefs, intercepts = arrays[: len(coefs)], arrays[len(coefs) :]
        self.network = PreparedNetwork(network_of(coefs, self._options), flatten(coefs, intercepts), dtype)

    def is_of(self, model: Any) -> bool:
        """Return whether the model has these parameters, bit by bit: NaN is equal to itself, and 0.0 not to -0.0."""
        arrays = (*model.coefs_, *model.intercepts_)
        if [(array.dtype, array.shape) for array in arrays] != self._kinds or options_of(model) != self._options:
            return False
        return all(map(_has_bytes, arrays, self._bytes))


def _has_bytes(array: Array, content: bytearray) -> bool:
    """Return whether an array's numbers, in the order of its indices, have these bytes."""
    return _is_equal(content, array if array.flags.c_contiguous else np.ascontiguousarray(array)) is True


class _Kept(weakref.ref[Any]):
    """A reference to a model, with its snapshots by dtype."""

    __slots__ = ("key", "snapshots")

    key: int
    snapshots: dict[Any, _Snapshot]


_kept: dict[int, _Kept] = {}  # by id, as a class of models may define == and have no hash


def _forget(reference: _Kept, kept: dict[int, _Kept] = _kept) -> None:
    if kept.get(reference.key) is reference:
        del kept[reference.key]


def prepared_network(model: Any, dtype: Any) -> PreparedNetwork:
    """Return the network of a fitted model as the kernel takes it in `dtype`: the kept one, if it is still right."""
    kept = _kept.get(id(model))
    if kept is None or kept() is not model:
        kept = _Kept(model, _forget)
        kept.key, kept.snapshots = id(model), {}
        _kept[kept.key] = kept
    snapshot = kept.snapshots.get(dtype)
    if snapshot is None or not snapshot.is_of(model):
        kept.snapshots.pop(dtype, None)
        if not _can_be_kept(model):
            params = flatten(model.coefs_, model.intercepts_)
            return PreparedNetwork(network_of(model.coefs_, options_of(model)), params, dtype)
        snapshot = kept.snapshots[dtype] = _Snapshot(model, dtype)
    return snapshot.network


def _can_be_kept(model: Any) -> bool:
    arrays = [*model.coefs_, *model.intercepts_]
    return sum(array.nbytes for array in arrays) <= MOST_BYTES and not any(array.dtype.hasobject for array in arrays)
