"""A network and its samples as the kernels of the estimators take them, and how many threads pay off for them."""

import dataclasses
from typing import Any

import numpy as np

from fastnn2.engine.layout import aligned_zeros
from fastnn2.kernels.shared import tuning
from fastnn2.threads.cores import usable_cores

Array = np.ndarray[Any, Any]

_NO_INDICES = np.zeros(1, dtype=np.int64)  # kernels are given an address, and do not read it for dense samples


@dataclasses.dataclass(frozen=True)
class Network:
    """The shape of a network, and its activation and loss as numbers of :mod:`fastnn2.kernels.shared.choices`."""

    d: int
    h: int
    o: int
    activation: int
    loss: int

    @property
    def n_params(self) -> int:
        """Return the number of parameters."""
        return tuning.count_params(self.d, self.h, self.o)

    def fields(self) -> dict[str, Any]:
        """Return the fields of a record that describe the network."""
        return {"d": self.d, "h": self.h, "o": self.o, "activation": self.activation, "loss": self.loss}


class SampleMatrix:
    """X as the kernels read it: samples as rows, dense or sparse, in the dtype of a run.

    The kernels follow the indices of a sparse X unchecked; the caller has checked them.
    """

    def __init__(self, X: Any, dtype: Any) -> None:
        self.sparse = hasattr(X, "tocsr")
        if self.sparse:
            X = X.tocsr()
            self.columns = np.ascontiguousarray(X.indices, dtype=np.int64)
            self.starts = np.ascontiguousarray(X.indptr, dtype=np.int64)
            self.values = np.ascontiguousarray(X.data, dtype=dtype)
        else:
            self.values = np.ascontiguousarray(X, dtype=dtype)
            self.columns = self.starts = _NO_INDICES
        self.n, self.d = X.shape

    def check_network(self, network: Network) -> None:
        """Raise ValueError if the network has another number of inputs: kernels would read outside the samples."""
        if self.d != network.d:
            raise ValueError(
                f"X has {self.d} features, but the coefficients of the model are for {network.d}; fit the model again"
            )

    def fields(self) -> dict[str, Any]:
        """Return the fields of a record that describe the samples."""
        return {"n": self.n, "X": self.values, "columns": self.columns, "starts": self.starts, "is_sparse": self.sparse}


def check_ready(X: Any, dtype: np.dtype[Any]) -> None:
    """Raise TypeError or ValueError if X is not a non-empty, C-contiguous array of `dtype`: it is used as it is."""
    if type(X) is not np.ndarray and not isinstance(X, np.memmap):
        raise TypeError(f"X is {type(X).__name__}; expected an array of {dtype}. {_convert(dtype)}")
    if X.dtype != dtype:
        found = X.dtype if X.dtype.isnative else f"{X.dtype}, in the byte order of other processors"
        raise TypeError(f"X has dtype {found}; expected {dtype}, as the parameters of the network. {_convert(dtype)}")
    if not X.flags.c_contiguous:
        raise ValueError(f"X of shape {X.shape} is not C-contiguous; expected an array that is. {_convert(dtype)}")
    if not X.size:
        raise ValueError(f"X has shape {X.shape}, which is empty; expected at least one sample")


def _convert(dtype: np.dtype[Any]) -> str:
    return f"Convert it first, for example np.ascontiguousarray(X, dtype={dtype.name!r})"


def allocate_tiles(rows: tuple[int, ...], groups: int, dtype: Any) -> list[Array]:
    """Return a zeroed buffer of `groups` groups of samples for each number of rows."""
    return [aligned_zeros(groups * tuning.group_size(dtype) * count, dtype) for count in rows]


def count_threads(work: int, maximum: int, n_threads: int | None, work_per_thread: int = tuning.WORK_PER_THREAD) -> int:
    """Return the number of threads for `work` multiplications: at most `maximum`, and at most `n_threads`.

    Without `n_threads` it is at most the number of usable cores, with `work_per_thread` or more for each thread. Inside
    a worker of joblib it is 1, as the other workers use the other cores.
    """
    if n_threads is not None:
        return max(1, min(n_threads, maximum))
    most = min(maximum, work // work_per_thread)
    if most <= 1 or _is_inside_joblib():
        return 1
    return min(most, usable_cores())


def _is_inside_joblib() -> bool:
    import sys

    joblib = sys.modules.get("joblib")
    if joblib is None:
        return False
    backend, _ = joblib.parallel.get_active_backend()
    return bool(getattr(backend, "nesting_level", 0))
