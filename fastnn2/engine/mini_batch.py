"""Mini-batch training for the estimators, without any knowledge of scikit-learn.

:class:`MiniBatchTrainer` allocates the buffers once; each call of its ``run`` trains for some epochs in one kernel call
per thread. Long runs start a new team of threads; short runs that follow each other closely may have one team, whose
workers wait in the kernel between them (:meth:`MiniBatchTrainer.persistent_workers`).

Parameters are packed (see :func:`fastnn2.engine.layout.pack_params`), or in another order that the caller gives.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.layout import aligned_zeros, padded_length, param_positions
from fastnn2.engine.samples import Network, SampleMatrix, allocate_tiles, count_threads
from fastnn2.kernels.shared import choices, control_words, tuning
from fastnn2.kernels.shared.records import EpochsRecord, UnitEpochsRecord
from fastnn2.threads import system
from fastnn2.threads.team import Team, is_short_job, run_team

Array = np.ndarray[Any, Any]

# Work is counted in multiplications, here for one call of run.
# The work per thread from which on starting a team, which takes a fifth of a millisecond, pays off.
MIN_WORK_PER_NEW_THREAD = 12_000_000
# The same for workers that wait for the run.
MIN_WORK_PER_WAITING_THREAD = 2_000_000
# Tiles are kept for the next epoch if, with their padding, they have at most this many samples for each one of X, plus
# a number that is always allowed.
MAX_KEPT_RATIO, ALWAYS_KEPT_SAMPLES = 1.25, 5000

INPUT_TILES = ("X_tile", "Y_tile", "weight_tile")  # what a thread lays out of its input, and what it computes from it
TILES = (*INPUT_TILES, "A1", "dZ2", "scratch")


def epochs_kernel(parts: int) -> str:
    """Return the name of the kernel for a network whose hidden units are in so many parts."""
    return "epochs" if parts == 1 else "unit_epochs"


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
        self._last_run: tuple[int, RunArrays | None] = 0, None  # the mini-batches before a run, and its arrays
        self.is_persistent = self.is_stopped = False
        self.has_slow_workers = False  # for short runs; a long one finds out for itself
        self._waiting: tuple[Team, RunArrays] | None = None
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
        self._fixed_fields = {  # of the records of all threads and runs
            **network.fields(), **X.fields(), "batch": batch, "optimizer": optimizer, "Y": self.Y,
            "weights": self.Y if self.weights is None else self.weights, "has_weights": self.weights is not None,
            "params": self._params, "first_moments": self._first, "second_moments": self._second,
            "l2": self.l2, "gradients": self.gradients, "stride": self.stride, "penalties": self.penalties,
            "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon, "nesterov": nesterov,
        }  # fmt: skip

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

    @property
    def batches_done(self) -> int:
        """Return the number of mini-batches of all runs; the caller may set it before a run."""
        before, arrays = self._last_run
        return before if arrays is None else before + int(arrays.control[control_words.BATCHES_DONE])

    @batches_done.setter
    def batches_done(self, count: int) -> None:
        self._last_run = count, None

    def run(self, rates: Array, order: Array | None = None) -> tuple[Array, bool]:
        """Run epochs.

        Parameters
        ----------
        rates : ndarray (epochs * n_batches,)
            The learning rate of each mini-batch.
        order : ndarray (epochs, n) of int64, optional
            The order of the samples in each epoch; by default the order of X.

        Returns
        -------
        losses : ndarray
            float64; for each completed epoch, the mean loss over its samples, with the L2 penalty.
        interrupted : bool
            Whether Ctrl-C was pressed or :meth:`stop` called; parameters are then those after the last complete batch.
        """
        network = self.network
        epochs = len(rates) // self.n_batches
        work = epochs * tuning.work_of_iteration(network.d, self.X.n, network.h, network.o)
        is_short = is_short_job(work, len(rates), network.n_params)
        waits = self.is_persistent and is_short and system.WORKERS_CAN_WAIT
        threads = self.threads
        if self.n_threads is None:
            work_per_thread = MIN_WORK_PER_WAITING_THREAD if waits else MIN_WORK_PER_NEW_THREAD
            threads = max(1, min(threads, work // work_per_thread))
        if waits and self.has_slow_workers:
            threads = 1
        self._choose_keep_mode(order is None and not self.X.sparse and self.parts == 1, epochs)
        self._last_run = self.batches_done, None
        if not waits:
            self._end_waiting_team()
            arrays = RunArrays(rates, order, epochs)
            self._last_run = self._last_run[0], arrays
            self._heed_stop(arrays)
            interrupted = run_team(self._new_team(threads, arrays), is_short, epochs, progress=False)
            return self._losses(), interrupted or self.is_stopped

        interrupted = False
        try:
            team = self._prepare_waiting_team(threads, rates, order, epochs)
            team.call()
            if team.control[control_words.SERIAL_FROM] >= 0:  # other processes want the cores
                self.has_slow_workers = True
        except BaseException as error:
            with contextlib.suppress(KeyboardInterrupt):  # a second one
                self._end_waiting_team()
            if not isinstance(error, KeyboardInterrupt):
                raise
            interrupted = True
        return self._losses(), interrupted or self.is_stopped

    def stop(self) -> None:
        """Let the present run, and all further ones, end after a mini-batch as after Ctrl-C; any thread may call it."""
        self.is_stopped = True
        arrays = self._last_run[1]
        if arrays is not None:
            self._heed_stop(arrays)

    def _heed_stop(self, arrays: "RunArrays") -> None:
        if self.is_stopped:
            arrays.control[control_words.STOP] = 1

    def _prepare_waiting_team(self, threads: int, rates: Array, order: Array | None, epochs: int) -> Team:
        """Return the team that waits, or a new one, with the records of a run."""
        if self._waiting is not None and not self._waiting[0].is_usable(threads):
            self._end_waiting_team()
        if self._waiting is None:
            arrays = RunArrays(rates, copy_of(order), epochs)
            team = self._new_team(threads, arrays)
            self._waiting = team, arrays  # before it starts: a signal may come at any time
            team.start()
        else:
            team, arrays = self._waiting
            is_stale = arrays.keep_mode != self.keep_mode or (order is None) != (arrays.order is None)
            if arrays.renew(rates, order, epochs, self.keep_mode):
                for thread, job in enumerate(team.jobs):
                    if is_stale:
                        job.write(**self._fields(arrays, thread, len(team.jobs)))
                    else:
                        job.point(**arrays.fields(self.X))
        self._last_run = self._last_run[0], arrays
        self._heed_stop(arrays)
        return team

    def _new_team(self, threads: int, arrays: "RunArrays") -> Team:
        kernel = provider.kernel(epochs_kernel(self.parts), self.Y.dtype)
        record = EpochsRecord if self.parts == 1 else UnitEpochsRecord
        arrays.keep_mode = self.keep_mode
        return Team(kernel, lambda thread, size: record(**self._fields(arrays, thread, size)), arrays.control, threads)

    def _end_waiting_team(self) -> None:
        """Let the workers that wait for a further run end; raise what was raised in them, or here meanwhile."""
        if self._waiting is not None:
            team, _ = self._waiting
            raised = team.stop() or team.failure
            self._waiting = None  # only now: a signal that came before must leave a team that can be ended
            if raised is not None:
                raise raised

    def _fields(self, arrays: "RunArrays", thread: int, threads: int) -> dict[str, Any]:
        """Return the fields of the record of one of `threads` threads."""
        fields = {
            **self._fixed_fields, "control": arrays.control, "thread": thread, "threads": threads,
            **arrays.fields(self.X), "has_order": arrays.order is not None,
            **dict(zip(TILES, self.scratch[thread], strict=True)),
        }  # fmt: skip
        if self.parts > 1:
            return fields | {"parts": self.parts, "Z2": self.Z2, "Z2_stride": self.Z2_stride, "db2": self.db2[thread]}
        of_chunks = {"chunks": self.chunks, "tile_groups": self.tile_groups, "keep": self.keep_mode}
        return fields | of_chunks | ({} if self.keep_mode == choices.DROP else self.kept_tiles)

    def _losses(self) -> Array:
        """Return the losses of the completed epochs of a run."""
        _, arrays = self._last_run
        if arrays is None:  # a signal came before it began
            return np.zeros(0)
        completed = int(arrays.control[control_words.COMPLETED])
        if self.keep_mode == choices.KEEP and completed:
            self.keep_mode = choices.KEPT
        return arrays.losses[:completed].copy()

    @contextlib.contextmanager
    def persistent_workers(self) -> Iterator[None]:
        """Let short runs inside the ``with`` statement have one team, whose workers end after it."""
        self.is_persistent = True
        try:
            yield
        finally:
            try:
                self.is_persistent = False
                self._end_waiting_team()
            finally:  # once more, as a signal may have come just before the team was told to stop
                self.is_persistent = False
                self._end_waiting_team()

    def _choose_keep_mode(self, same_order: bool, epochs: int) -> None:
        """Keep the tiles of all samples if every epoch has the same ones and there is another epoch to come."""
        if not same_order:
            self.keep_mode, self.kept_tiles = choices.DROP, {}
        elif self.keep_mode == choices.DROP and (epochs > 1 or self.optimizer == choices.GRADIENT):
            groups = self.n_batches * tuning.count_groups(self.batch, self.Y.dtype)
            if groups * tuning.group_size(self.Y.dtype) > MAX_KEPT_RATIO * self.X.n + ALWAYS_KEPT_SAMPLES:
                return  # padding each mini-batch to whole groups takes too much memory
            tiles = allocate_tiles(self.input_rows, groups, self.Y.dtype)
            self.kept_tiles = dict(zip(INPUT_TILES, tiles, strict=True))
            self.keep_mode = choices.KEEP  # only now: a signal may come in between


class RunArrays:
    """The arrays of a run, which a team that waits has again and again.

    Attributes
    ----------
    control : ndarray of int64
        The control words.
    rates : ndarray (epochs * n_batches,)
        The learning rate of each mini-batch.
    order : ndarray (epochs, n) of int64 or None
    losses : ndarray (epochs,)
        Written by the kernel.
    keep_mode : int
        DROP, KEEP or KEPT of :mod:`fastnn2.kernels.shared.choices`, as it is in the records of the threads; STALE while
        the records have other arrays than these.
    """

    STALE = -1
    AT_START = (
        (control_words.ABANDONED, -1),
        (control_words.SERIAL_FROM, -1),
        (control_words.COMPLETED, 0),
        (control_words.BATCHES_DONE, 0),
    )

    def __init__(self, rates: Array, order: Array | None, epochs: int) -> None:
        self.control = aligned_zeros(control_words.CONTROL_SIZE, np.int64)
        self.control[[control_words.ABANDONED, control_words.SERIAL_FROM]] = -1
        self._replace(rates, order, epochs)

    def _replace(self, rates: Array, order: Array | None, epochs: int) -> None:
        self.keep_mode = self.STALE  # first: a signal may come in between
        self.rates, self.order, self.losses = np.array(rates, dtype=np.float64), order, np.zeros(epochs)

    def fields(self, X: SampleMatrix) -> dict[str, Any]:
        """Return the fields of a record that a run of another length changes."""
        order = X.columns if self.order is None else self.order  # not read without an order
        return {"epochs": len(self.losses), "rates": self.rates, "losses": self.losses, "order": order}

    def renew(self, rates: Array, order: Array | None, epochs: int, keep_mode: int) -> bool:
        """Prepare for a further run; return whether the records have to be written anew, as other arrays are new."""
        for word, value in self.AT_START:
            self.control[word] = value
        is_same = len(rates) == len(self.rates) and (order is None) == (self.order is None)
        if is_same and keep_mode == self.keep_mode:
            self.rates[:] = rates
            if order is not None and self.order is not None:
                self.order[:] = order
            return False
        self._replace(rates, copy_of(order), epochs)
        return True


def copy_of(order: Array | None) -> Array | None:
    """Return a copy of an order that is the caller's: further runs overwrite it."""
    return None if order is None else order.copy()
