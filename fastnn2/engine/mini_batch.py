"""Mini-batch training for the estimators, without any knowledge of scikit-learn.

:class:`MiniBatchTrainer` allocates the buffers once; each call of its ``run`` trains for some epochs in one kernel call
per thread. Long runs start a new team of threads; short runs that follow each other closely may use a pool of threads
that keeps waiting between them (:meth:`MiniBatchTrainer.persistent_workers`).

Parameters are packed (see :func:`fastnn2.engine.layout.pack_params`), or in another order that the caller gives.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastnn2.codegen import store
from fastnn2.engine.layout import aligned_zeros, padded_length, param_positions
from fastnn2.kernels.shared import choices, control_words, tuning
from fastnn2.kernels.shared.records import BatchesRecord, EpochsRecord, UnitEpochsRecord
from fastnn2.threads.cores import usable_cores
from fastnn2.threads.native import KernelCall
from fastnn2.threads.team import Team, is_short_job, run_team
from fastnn2.threads.worker_pool import WorkerPool

Array = np.ndarray[Any, Any]

# Work is counted in multiplications, here for one call of run.
# The work per thread from which on starting a team, which takes a fifth of a millisecond, pays off.
MIN_WORK_PER_NEW_THREAD = 12_000_000
# The same for threads of a pool, and the work up to which the pool is used. A waking thread may begin on the caller's
# core, which costs a longer call more than the pool saves.
MIN_WORK_PER_POOL_THREAD, MAX_WORK_WITH_POOL = 2_000_000, 60_000_000
# Tiles are kept for the next epoch if, with their padding, they have at most this many samples for each one of X, plus
# a number that is always allowed.
MAX_KEPT_RATIO, ALWAYS_KEPT_SAMPLES = 1.25, 5000

INPUT_TILES = ("X_tile", "Y_tile", "weight_tile")  # what a thread lays out of its input, and what it computes from it
TILES = (*INPUT_TILES, "A1", "dZ2", "scratch")


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
            self.columns = self.starts = np.zeros(1, dtype=np.int64)
        self.n, self.d = X.shape

    def check_network(self, network: Network) -> None:
        """Raise ValueError if the network has another number of inputs: kernels would read outside the samples."""
        if self.d != network.d:
            raise ValueError(
                f"X has {self.d} features, but the coefficients of the model are for {network.d}; fit the model again"
            )

    def fields(self) -> dict[str, Any]:
        """Return the fields of a record that stand for X."""
        return {"X": self.values, "columns": self.columns, "starts": self.starts, "is_sparse": self.sparse}


def allocate_tiles(rows: tuple[int, ...], groups: int, dtype: Any) -> list[Array]:
    """Return a zeroed buffer of `groups` groups of samples for each number of rows."""
    return [aligned_zeros(groups * tuning.group_size(dtype) * count, dtype) for count in rows]


class MiniBatchTrainer:
    """Stochastic gradient descent over one set of samples; or only the gradient of its loss, for L-BFGS.

    Parameters
    ----------
    network : Network
    X : SampleMatrix
    Y : ndarray (n, o)
        Targets in the dtype of the run.
    sample_weight : ndarray (n,) or None
    params : ndarray (parameters,)
        The initial parameters. The attributes `params`, `first_moments` and `second_moments` are the state, which the
        caller may read and set.
    alpha : float
        L2 penalty.
    optimizer : int
        GRADIENT, SGD or ADAM of :mod:`fastnn2.kernels.shared.choices`. GRADIENT updates nothing and writes the gradient
        to `first_moments`.
    batch : int
        Number of samples in a mini-batch.
    n_threads : int, optional
        Maximum number of threads; it does not change the result.
    beta_1, beta_2, epsilon : float
        Hyperparameters of Adam; `beta_1` is also the momentum of SGD.
    nesterov : bool
    params_order : ndarray (parameters,) of int64, optional
        If the caller orders parameters and moments in another way: the packed position of each of them.
    """

    def __init__(
        self,
        network: Network,
        X: SampleMatrix,
        Y: Array,
        sample_weight: Array | None,
        params: Array,
        *,
        alpha: float,
        optimizer: int,
        batch: int,
        n_threads: int | None = None,
        beta_1: float = 0.0,
        beta_2: float = 0.0,
        epsilon: float = 1.0,
        nesterov: bool = False,
        params_order: Array | None = None,
    ) -> None:
        X.check_network(network)
        dtype = X.values.dtype
        self.network, self.X, self.batch, self.optimizer, self.n_threads = network, X, batch, optimizer, n_threads
        self.Y = np.ascontiguousarray(Y, dtype=dtype)
        self.weights = None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype=dtype)
        epsilon = max(float(epsilon), float(np.finfo(dtype).tiny))  # else the padding after the parameters is 0 / 0
        self.hyperparameters = float(beta_1), float(beta_2), epsilon, int(nesterov)
        self.batches_done = 0
        self.pool: WorkerPool | None = None
        self.is_persistent = False
        self._persistent_call: tuple[Array, Array, Callable[[int, int], None]] | None = None
        d, h, o = network.d, network.h, network.o
        self.parts = tuning.count_parts(batch, d, h, o, dtype)
        self.chunks = 1 if self.parts > 1 else tuning.count_chunks(batch, d, h, o, dtype)
        batch_groups = tuning.count_groups(batch, dtype)
        self.tile_groups = batch_groups
        if self.parts == 1:
            self.tile_groups = tuning.even_tiles(-(-batch_groups // self.chunks), tuning.count_tile_groups(d, h, o))
        self.threads = count_threads(tuning.work_of_iteration(d, batch, h, o), max(self.parts, self.chunks), n_threads)

        # The kernel adds 4 gradients and updates UPDATE_WIDTH parameters at a time. The last two numbers of a gradient
        # are the sum of its chunk's weights and its loss.
        units = tuning.most_units(self.parts, h)
        self.stride = padded_length(tuning.count_params(d, units, o) + 2 * tuning.UPDATE_WIDTH, np.float64)
        packed_positions = param_positions(d, h, o, self.parts, self.stride)
        self.positions = packed_positions if params_order is None else packed_positions[params_order]
        self._inverse_order: Array | None = None  # to set parameters by a gather, which is twice as fast as a scatter
        if params_order is not None and self.parts == 1:
            self._inverse_order = np.empty_like(self.positions)
            self._inverse_order[self.positions] = np.arange(network.n_params)
        self._params, self._first, self._second = (aligned_zeros(self.parts * self.stride, dtype) for _ in range(3))
        self.params = params
        self.l2 = aligned_zeros(self.parts * self.stride, np.float64)
        for weights in tuning.weights_of(network.d, network.h, network.o):
            self.l2[packed_positions[weights]] = alpha
        self.gradients = aligned_zeros(max(self.parts, self.chunks) * self.stride, np.float64)
        self.penalties = np.zeros(max(2 * self.parts, self.chunks))
        self.input_rows = (d, o, 1)  # of the tiles of X, Y and weights
        self.keep_mode, self.kept_tiles = choices.DROP, dict[str, Array]()
        self.scratch = [
            allocate_tiles((*self.input_rows, h, o), self.tile_groups, dtype)
            + allocate_tiles((tuning.count_scratch_rows(h),), 1, dtype)
            for _ in range(self.threads)
        ]
        self.Z2_stride = batch_groups * o * tuning.group_size(dtype)
        self.Z2 = aligned_zeros(2 * self.parts * self.Z2_stride if self.parts > 1 else 0, dtype)
        self.db2 = [aligned_zeros(o, np.float64) for _ in range(self.threads)]

    @property
    def params(self) -> Array:
        """Return the parameters, packed or in the caller's order."""
        flat: Array = self._params[self.positions]
        return flat

    @params.setter
    def params(self, flat: Array) -> None:
        if self._inverse_order is None:
            self._params[self.positions] = flat
        else:
            self._params[: len(flat)] = flat[self._inverse_order]

    @property
    def first_moments(self) -> Array:
        """Return the velocities of SGD, the first moments of Adam, or the gradient, in the order of `params`."""
        flat: Array = self._first[self.positions]
        return flat

    @first_moments.setter
    def first_moments(self, flat: Array) -> None:
        self._first[self.positions] = flat

    @property
    def second_moments(self) -> Array:
        """Return the second moments of Adam, in the order of `params`."""
        flat: Array = self._second[self.positions]
        return flat

    @second_moments.setter
    def second_moments(self, flat: Array) -> None:
        self._second[self.positions] = flat

    @property
    def n_batches(self) -> int:
        """Return the number of mini-batches in an epoch."""
        n_batches: int = -(-self.X.n // self.batch)
        return n_batches

    def run(
        self, rates: Array, order: Array | None = None, prepare: Callable[[], object] | None = None
    ) -> tuple[Array, bool]:
        """Run epochs.

        Parameters
        ----------
        rates : ndarray (epochs * n_batches,)
            The learning rate of each mini-batch.
        order : ndarray (epochs, n) of int64, optional
            The order of the samples in each epoch; by default the order of X.
        prepare : callable, optional
            Called before training, for example to set the parameters. Meanwhile, the threads of the pool wake.

        Returns
        -------
        losses : ndarray
            float64; for each completed epoch, the mean loss over its samples, with the L2 penalty.
        interrupted : bool
            Whether Ctrl-C was pressed; the parameters are then those after the last complete mini-batch.
        """
        network = self.network
        epochs = len(rates) // self.n_batches
        work = epochs * tuning.work_of_iteration(network.d, self.X.n, network.h, network.o)
        pool = None
        is_short = is_short_job(work, len(rates), network.n_params)
        if self.is_persistent and is_short and work <= MAX_WORK_WITH_POOL:
            pool = self.pool = self.pool or WorkerPool(self.threads - 1)
        threads = self.threads
        if self.n_threads is None:
            work_per_thread = MIN_WORK_PER_NEW_THREAD if pool is None else MIN_WORK_PER_POOL_THREAD
            threads = max(1, min(threads, work // work_per_thread))
        self._choose_keep_mode(order is None and not self.X.sparse and self.parts == 1, epochs)
        # Calls for one gradient of all samples differ only in what is in the arrays, so the workers stay in the kernel.
        persistent = pool is not None and self.optimizer == choices.GRADIENT and order is None and len(rates) == 1
        call = self._persistent_call if persistent else None
        if call is None:
            call = self._make_call(np.ascontiguousarray(rates, dtype=np.float64), order, threads)
            self._persistent_call = call if persistent else None
        control, losses, kernel_call = call

        if pool is not None:
            control[[control_words.COMPLETED, control_words.BATCHES_DONE]] = 0  # a persistent call keeps them
            try:
                pool.run(control, kernel_call, threads, prepare, persistent)
            except BaseException as error:
                self._persistent_call = None
                if not isinstance(error, KeyboardInterrupt):
                    raise
                return self._collect(control, losses), True
            return self._collect(control, losses), False

        if prepare is not None:
            prepare()
        interrupted = run_team(Team(control), threads, kernel_call, is_short, epochs, progress=False)
        return self._collect(control, losses), interrupted

    def _make_call(self, rates: Array, order: Array | None, threads: int) -> tuple[Array, Array, KernelCall]:
        """Return the control words, the losses, and the kernel call of each thread."""
        epochs = len(rates) // self.n_batches
        losses = np.zeros(epochs)
        control = aligned_zeros(control_words.CONTROL_SIZE, np.int64)
        control[[control_words.ABANDONED, control_words.SERIAL_FROM]] = -1
        kernel = store.kernel("epochs" if self.parts == 1 else "unit_epochs", self.Y.dtype)
        fields = self._fields() | {
            "control": control,
            "epochs": epochs,
            "order": self.X.columns if order is None else order,
            "has_order": order is not None,
            "rates": rates,
            "losses": losses,
        }
        return control, losses, KernelCall(kernel, functools.partial(self._record, fields))

    def _fields(self) -> dict[str, Any]:
        """Return the fields of a record that are the same for all threads and runs."""
        network = self.network
        beta_1, beta_2, epsilon, nesterov = self.hyperparameters
        return {
            "d": network.d,
            "h": network.h,
            "o": network.o,
            "n": self.X.n,
            "batch": self.batch,
            "activation": network.activation,
            "loss": network.loss,
            "optimizer": self.optimizer,
            **self.X.fields(),
            "Y": self.Y,
            "weights": self.Y if self.weights is None else self.weights,
            "has_weights": self.weights is not None,
            "params": self._params,
            "stride": self.stride,
            "l2": self.l2,
            "gradients": self.gradients,
            "penalties": self.penalties,
            "first_moments": self._first,
            "second_moments": self._second,
            "beta_1": beta_1,
            "beta_2": beta_2,
            "epsilon": epsilon,
            "nesterov": nesterov,
        }

    def _record(self, fields: dict[str, Any], thread: int, threads: int) -> BatchesRecord:
        """Return what one of `threads` threads is given, in addition to `fields`."""
        tiles: dict[str, Any] = dict(zip(TILES, self.scratch[thread], strict=True))
        if self.parts > 1:
            return UnitEpochsRecord(
                **fields,
                **tiles,
                thread=thread,
                threads=threads,
                parts=self.parts,
                Z2=self.Z2,
                Z2_stride=self.Z2_stride,
                db2=self.db2[thread],
            )
        return EpochsRecord(
            **fields,
            **(tiles | self.kept_tiles),
            thread=thread,
            threads=threads,
            chunks=self.chunks,
            tile_groups=self.tile_groups,
            keep=self.keep_mode,
        )

    def _collect(self, control: Array, losses: Array) -> Array:
        """Count the mini-batches of a run; return the losses of its completed epochs."""
        completed = int(control[control_words.COMPLETED])
        self.batches_done += int(control[control_words.BATCHES_DONE])
        if self.keep_mode == choices.KEEP and completed:
            self.keep_mode = choices.KEPT
        return losses[:completed].copy()

    @contextlib.contextmanager
    def persistent_workers(self) -> Iterator[None]:
        """Let short runs inside the ``with`` statement share a pool of threads, which ends after it."""
        self.is_persistent = True
        try:
            yield
        finally:
            self.is_persistent = False
            pool, self.pool, self._persistent_call = self.pool, None, None
            if pool is not None:
                pool.end()

    def _choose_keep_mode(self, same_order: bool, epochs: int) -> None:
        """Keep the tiles of all samples if every epoch has the same ones and there is another epoch to come."""
        if not same_order:
            self.keep_mode, self.kept_tiles = choices.DROP, {}
        elif self.keep_mode == choices.DROP and (epochs > 1 or self.optimizer == choices.GRADIENT):
            groups = self.n_batches * tuning.count_groups(self.batch, self.Y.dtype)
            if groups * tuning.group_size(self.Y.dtype) > MAX_KEPT_RATIO * self.X.n + ALWAYS_KEPT_SAMPLES:
                return  # padding each mini-batch to whole groups takes too much memory
            tiles = allocate_tiles(self.input_rows, groups, self.Y.dtype)
            self.keep_mode, self.kept_tiles = choices.KEEP, dict(zip(INPUT_TILES, tiles, strict=True))


def count_threads(work: int, maximum: int, n_threads: int | None, work_per_thread: int = tuning.WORK_PER_THREAD) -> int:
    """Return the number of threads for `work` multiplications: at most `maximum`, and at most `n_threads`.

    Without `n_threads` it is at most the number of usable cores, with `work_per_thread` or more for each thread. Inside
    a worker of joblib it is 1, as the other workers use the other cores.
    """
    if n_threads is not None:
        return max(1, min(n_threads, maximum))
    if _is_inside_joblib():
        return 1
    return max(1, min(maximum, work // work_per_thread, usable_cores()))


def _is_inside_joblib() -> bool:
    import sys

    joblib = sys.modules.get("joblib")
    if joblib is None:
        return False
    backend, _ = joblib.parallel.get_active_backend()
    return bool(getattr(backend, "nesting_level", 0))
