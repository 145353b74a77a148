"""Mini-batch descent over rows of samples: buffers, and the team for some epochs.

What the estimators share with nobody else; scikit-learn is not known here. Parameters are handed in as W1 (h, d),
b1 (h,), W2 (o, h), b2 (o,), flat and one after the other, as the kernels want them, or with the order in which they
are.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastnn2.codegen import store
from fastnn2.engine.layout import address, aligned_zeros, padded, places_of_params
from fastnn2.kernels.shared import choices, control_words, tuning
from fastnn2.threads.cores import usable_cores
from fastnn2.threads.native import KernelCall
from fastnn2.threads.team import Team, is_short_job, run_team
from fastnn2.threads.worker_pool import WorkerPool

Array = np.ndarray[Any, Any]

# Multiplications of a call, for each thread, that are worth the start of a team, which takes a fifth of a millisecond.
WORK_OF_START = 12_000_000
# The same where threads wait for the next call, up to what a call may have: one that wakes may begin on the caller's
# core, and a longer call would gain less from the time saved than it loses by that.
WORK_OF_HELPER, WORK_WITH_HELPERS = 2_000_000, 60_000_000
# Tiles are kept from epoch to epoch where they hold no more samples, with their padding, than so many times those that
# there are, or so many.
KEPT_SAMPLES, KEPT_ALWAYS = 1.25, 5000


@dataclasses.dataclass(frozen=True)
class Network:
    """The shape of a network, and its activation and loss by number (see :mod:`fastnn2.kernels.shared.tuning`)."""

    d: int
    h: int
    o: int
    activation: int
    loss: int

    @property
    def count(self) -> int:
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

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments of a kernel that stand for X."""
        return address(self.values), address(self.columns), address(self.starts), int(self.sparse)


def tiles_of(rows: tuple[int, ...], groups: int, dtype: Any) -> list[Array]:
    """Return scratch for so many groups of matrices over samples with so many rows."""
    return [aligned_zeros(groups * tuning.group_size(dtype) * count, dtype) for count in rows]


class MiniBatchTrainer:
    """A run of stochastic descent, or gradients of a loss, over one set of samples.

    Parameters
    ----------
    network : Network
    X : SampleMatrix
    Y : ndarray (n, o)
        Targets in the dtype of the run.
    sample_weight : ndarray (n,) or None
    params : ndarray (parameters,)
        Flat. `params`, `first_moments` and `second_moments` are the state, which a caller may read and set.
    alpha : float
        L2 penalty.
    optimizer : int
        GRADIENT, SGD or ADAM of :mod:`fastnn2.kernels.shared.tuning`; GRADIENT leaves its result in `first_moments`.
    batch : int
        Samples in a mini-batch.
    n_threads : int, optional
        At most so many threads; the result does not depend on it.
    beta_1, beta_2, epsilon : float
        As Adam calls them; `beta_1` is the momentum of SGD.
    nesterov : bool
    order : ndarray (parameters,) of int64, optional
        Where in the flat set the parameters of the caller stand, who has them in another order; moments too.
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
        order: Array | None = None,
    ) -> None:
        X.check_network(network)
        dtype = X.values.dtype
        self.network, self.X, self.batch, self.optimizer, self.n_threads = network, X, batch, optimizer, n_threads
        self.Y = np.ascontiguousarray(Y, dtype=dtype)
        self.weights = None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype=dtype)
        epsilon = max(float(epsilon), float(np.finfo(dtype).tiny))  # 0 / 0 behind the last parameter is not a number
        self.numbers = float(beta_1), float(beta_2), epsilon, int(nesterov)
        self.batches_done = 0
        self.pool: WorkerPool | None = None
        self.is_persistent = False
        self._buffers: dict[tuple[int, int], tuple[tuple[Any, ...], ...]] = {}
        self._persistent_call: tuple[Array, Array, Callable[[int, int], None]] | None = None
        d, h, o = network.d, network.h, network.o
        self.parts = tuning.count_parts(batch, d, h, o, dtype)
        self.chunks = 1 if self.parts > 1 else tuning.count_chunks(batch, d, h, o, dtype)
        batch_groups = tuning.count_groups(batch, dtype)
        self.tile_groups = batch_groups
        if self.parts == 1:
            self.tile_groups = tuning.even_tiles(-(-batch_groups // self.chunks), tuning.count_tile_groups(d, h, o))
        self.threads = threads_for(tuning.work_of_iteration(d, batch, h, o), max(self.parts, self.chunks), n_threads)

        # Sums are added in fours and parameters updated in eights; behind both, at the end of a chunk's gradient, stand
        # the sum of its weights and its loss.
        units = tuning.most_units(self.parts, h)
        self.stride = padded(tuning.count_params(d, units, o) + 2 * tuning.UPDATE_WIDTH, np.float64)
        flat_places = places_of_params(d, h, o, self.parts, self.stride)
        self.places = flat_places if order is None else flat_places[order]
        self._sources: Array | None = None  # the other way round, without gaps: to gather takes half as long
        if order is not None and self.parts == 1:
            self._sources = np.empty_like(self.places)
            self._sources[self.places] = np.arange(network.count)
        self._params, self._first, self._second = (aligned_zeros(self.parts * self.stride, dtype) for _ in range(3))
        self.params = params
        self.l2 = aligned_zeros(self.parts * self.stride, np.float64)
        for part in tuning.weights_of(network.d, network.h, network.o):
            self.l2[flat_places[part]] = alpha
        self.gradients = aligned_zeros(max(self.parts, self.chunks) * self.stride, np.float64)
        self.penalties = np.zeros(max(2 * self.parts, self.chunks))
        self.inputs = (d, o, 1)  # the rows of the tiles of X, Y and weights
        self.keep, self.kept = choices.DROP, tiles_of(self.inputs, 0, dtype)
        self.scratch = [
            tiles_of((*self.inputs, h, o), self.tile_groups, dtype)
            + tiles_of((tuning.count_scratch_rows(h),), 1, dtype)
            for _ in range(self.threads)
        ]
        self.Z2_stride = batch_groups * o * tuning.group_size(dtype)
        self.Z2 = aligned_zeros(2 * self.parts * self.Z2_stride if self.parts > 1 else 0, dtype)
        self.db2 = [aligned_zeros(o, np.float64) for _ in range(self.threads)]

    @property
    def params(self) -> Array:
        """Return the parameters, flat."""
        flat: Array = self._params[self.places]
        return flat

    @params.setter
    def params(self, flat: Array) -> None:
        if self._sources is None:
            self._params[self.places] = flat
        else:
            self._params[: len(flat)] = flat[self._sources]

    @property
    def first_moments(self) -> Array:
        """Return the velocities of SGD, the first moments of Adam, or the gradient, as the parameters are laid out."""
        flat: Array = self._first[self.places]
        return flat

    @first_moments.setter
    def first_moments(self, flat: Array) -> None:
        self._first[self.places] = flat

    @property
    def second_moments(self) -> Array:
        """Return the second moments of Adam, as the parameters are laid out."""
        flat: Array = self._second[self.places]
        return flat

    @second_moments.setter
    def second_moments(self, flat: Array) -> None:
        self._second[self.places] = flat

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
        rates : ndarray (epochs * steps,)
            The learning rate of every step.
        order : ndarray (epochs, n) of int64, optional
            In which order each epoch takes the samples; else as they are.
        prepare : callable, optional
            What is to be done before, such as to set the parameters; other threads may wake meanwhile.

        Returns
        -------
        losses : ndarray
            float64; of each epoch that was finished, the mean loss over its samples, with the L2 penalty.
        interrupted : bool
            Whether Ctrl-C came; the parameters are then those after the last whole step.
        """
        network = self.network
        count = len(rates) // self.n_batches
        work_of_call = count * tuning.work_of_iteration(network.d, self.X.n, network.h, network.o)
        pool = None
        short = is_short_job(work_of_call, len(rates), network.count)
        if self.is_persistent and short and work_of_call <= WORK_WITH_HELPERS:
            pool = self.pool = self.pool or WorkerPool(self.threads - 1)
        threads = self.threads
        if self.n_threads is None:
            threads = max(1, min(threads, work_of_call // (WORK_OF_START if pool is None else WORK_OF_HELPER)))
        self._choose_keep(order is None and not self.X.sparse and self.parts == 1, count)
        # One gradient of all samples is like another, whatever the rate: the helpers stay in the kernel.
        persistent = pool is not None and self.optimizer == choices.GRADIENT and order is None and len(rates) == 1
        call = self._persistent_call if persistent else None
        if call is None:
            call = self._new_call(np.ascontiguousarray(rates, dtype=np.float64), order, threads)
            self._persistent_call = call if persistent else None
        control, losses, work = call

        if pool is not None:
            control[[control_words.COMPLETED, control_words.BATCHES_DONE]] = 0  # of the call before, where they stay
            try:
                pool.run(control, work, threads, prepare, persistent)
            except BaseException as error:
                self._persistent_call = None
                if not isinstance(error, KeyboardInterrupt):
                    raise
                return self._finished(control, losses), True
            return self._finished(control, losses), False

        if prepare is not None:
            prepare()
        interrupted = run_team(Team(control), threads, work, short, count, progress=False)
        return self._finished(control, losses), interrupted

    def _new_call(self, rates: Array, order: Array | None, threads: int) -> tuple[Array, Array, KernelCall]:
        """Return the control words, the losses, and what a thread has to do, of a call of the kernel."""
        network = self.network
        count = len(rates) // self.n_batches
        losses = np.zeros(count)
        ordered = self.X.columns if order is None else order
        control = aligned_zeros(control_words.CONTROL_SIZE, np.int64)
        control[[control_words.ABANDONED, control_words.SERIAL_FROM]] = -1
        kernel = store.kernel("epochs" if self.parts == 1 else "unit_epochs", self.Y.dtype)
        arrays = control, ordered, rates, losses  # a helper that is late after Ctrl-C still finds them
        buffers = [self._buffers_of(thread) for thread in range(threads)]

        def arguments(thread: int, threads: int) -> tuple[Any, ...]:
            at_control, at_order, at_rates, at_losses = map(address, arrays)
            samples, parameters, scratch = buffers[thread]
            return (
                *(at_control, thread, threads, network.d, network.h, network.o, self.X.n, self.batch, count),
                *samples,
                *(at_order, int(order is not None)),
                *parameters,
                *(at_rates, *self.numbers, at_losses),
                *scratch,
            )

        return control, losses, KernelCall(kernel, arguments)

    def _buffers_of(self, thread: int) -> tuple[tuple[Any, ...], ...]:
        """Return what a kernel takes for samples, parameters and the scratch of a thread; once found it is kept."""
        if (thread, self.keep) not in self._buffers:
            tiles = self.scratch[thread]
            cut: tuple[Any, ...] = (self.chunks, self.tile_groups, self.keep)
            Z2: tuple[Any, ...] = ()
            db2: tuple[Any, ...] = ()
            if self.parts > 1:
                cut, Z2, db2 = (self.parts,), (address(self.Z2), self.Z2_stride), (address(self.db2[thread]),)
            elif self.keep:
                tiles = self.kept + tiles[len(self.kept) :]
            weights = self.Y if self.weights is None else self.weights
            samples = *self.X.arguments(), address(self.Y), address(weights), int(self.weights is not None)
            self._buffers[thread, self.keep] = (
                (*cut, self.network.activation, self.network.loss, self.optimizer, *samples),
                (*self._parameters(), address(self._first), address(self._second)),
                (*Z2, *map(address, tiles), *db2),
            )
        return self._buffers[thread, self.keep]

    def _finished(self, control: Array, losses: Array) -> Array:
        """Take note of what a run did; return the losses of the epochs that it finished."""
        completed = int(control[control_words.COMPLETED])
        self.batches_done += int(control[control_words.BATCHES_DONE])
        if self.keep == choices.KEEP and completed:
            self.keep = choices.KEPT
        return losses[:completed].copy()

    @contextlib.contextmanager
    def persistent_workers(self) -> Iterator[None]:
        """Keep threads waiting between runs, where many short ones follow each other closely."""
        self.is_persistent = True
        try:
            yield
        finally:
            self.is_persistent = False
            pool, self.pool, self._persistent_call = self.pool, None, None
            if pool is not None:
                pool.end()

    def _parameters(self) -> tuple[Any, ...]:
        """Return what a kernel takes for parameters, gradients and penalties."""
        params, l2, gradients = address(self._params), address(self.l2), address(self.gradients)
        if self.parts > 1:
            return params, self.stride, l2, gradients, address(self.penalties)
        return params, l2, gradients, self.stride, address(self.penalties)

    def _choose_keep(self, same_order: bool, epochs: int) -> None:
        """Keep the tiles of all samples where every epoch takes the same ones and there is another epoch to come."""
        if not same_order:
            self.keep = choices.DROP
        elif self.keep == choices.DROP and (epochs > 1 or self.optimizer == choices.GRADIENT):
            groups = self.n_batches * tuning.count_groups(self.batch, self.Y.dtype)
            if groups * tuning.group_size(self.Y.dtype) > KEPT_SAMPLES * self.X.n + KEPT_ALWAYS:
                return  # every mini-batch is padded to whole groups
            self.keep, self.kept = choices.KEEP, tiles_of(self.inputs, groups, self.Y.dtype)
            self._buffers.clear()


def threads_for(work: int, most: int, n_threads: int | None, least: int = tuning.WORK_PER_THREAD) -> int:
    """Return the size of a team for so many multiplications: no more than asked for, and by default than is worth it.

    Inside a worker of joblib the default is one thread: its other workers have the other cores.
    """
    if n_threads is not None:
        return max(1, min(n_threads, most))
    if _inside_joblib():
        return 1
    return max(1, min(most, work // least, usable_cores()))


def _inside_joblib() -> bool:
    import sys

    joblib = sys.modules.get("joblib")
    if joblib is None:
        return False
    backend, _ = joblib.parallel.get_active_backend()
    return bool(getattr(backend, "nesting_level", 0))
