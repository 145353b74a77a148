"""Many training runs of fit side by side: each is trained by one thread, and the threads take the next one that is left.

Runs of one dtype are trained by one call of the kernel (:mod:`fastnn2.kernels.loops.networks`), in slabs if they are
many. While the threads train a slab, the caller prepares the next one, and completes the one before. Runs that would be
left to some of the threads at the end, and very wide ones, have all threads one after the other, as a job of
:mod:`full_batch` (see :func:`fastnn2.engine.shares.runs_to_share`).
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.full_batch import MIN_WORK_FOR_TEAM, count_threads, job_class
from fastnn2.engine.layout import aligned_zeros, pack_params, padded_length, to_groups
from fastnn2.engine.sample_layout import SampleLayout, sample_layout
from fastnn2.engine.shares import runs_to_share
from fastnn2.exceptions import Params, TrainingDiverged, TrainingInterrupted
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.kernels.shared.record import RecordTable, address
from fastnn2.kernels.shared.records import DTYPES, NetworkJobRecord, NetworksRecord
from fastnn2.threads.cores import usable_cores
from fastnn2.threads.progress import NetworksProgress
from fastnn2.threads.team import Team, is_short_job, monitor, run_team

Array = np.ndarray[Any, Any]

SLAB = 4096  # the most records that there are at once: about 1.5 MB
# Runs of less work than this, on average, take Python more than a hundredth of their time to prepare. Their slabs begin
# with FIRST_SLAB runs and grow, so that the threads begin early, and all but the first are prepared meanwhile.
SHORT_RUN_WORK, FIRST_SLAB = 50_000_000, 128


@dataclasses.dataclass(slots=True)
class Samples:
    """Numbers of samples as a kernel reads them: a matrix (rows, n) of the dtype of the run, or groups.

    Attributes
    ----------
    array : ndarray
        A matrix with any strides that are multiples of the item size, or flat groups.
    address : int
    stride, step : int
        The distances of two rows and of two samples, in numbers; 0 for groups.
    """

    array: Array
    address: int
    stride: int
    step: int

    @classmethod
    def in_groups(cls, groups: Array) -> "Samples":
        """Return samples that are laid out."""
        return cls(groups, address(groups), 0, 0)

    @classmethod
    def in_rows(cls, matrix: Array) -> "Samples":
        """Return samples as columns of a matrix."""
        (stride, step), size = matrix.strides, matrix.itemsize
        return cls(matrix, address(matrix), stride // size, step // size)

    def groups(self, n_threads: int | None) -> Array:
        """Return them in groups."""
        return to_groups(self.array, self.array.dtype, n_threads)[0] if self.step else self.array


@dataclasses.dataclass(slots=True)
class NetworkRun:
    """A run of one network, and what it has reached.

    Attributes
    ----------
    index : int
        Among all runs.
    shape : tuple
        (d, h, o, n)
    X, Y : Samples
    weights : Samples or None
    learning_rate, alpha, total_weight : float
    iterations : int
    costs : ndarray
        (iterations,), or (1,) for the last one alone, or (0,) where there is none.
    packed : ndarray or None
        The initial parameters, which those that were reached replace; None until they are needed.
    completed : int
        Iterations.
    outcome : int
        See :mod:`fastnn2.kernels.shared.control_words`; RUNNING before, and where the run was stopped.
    result : object
        For the caller, once it has one.
    """

    index: int
    shape: tuple[int, int, int, int]
    X: Samples
    Y: Samples
    weights: Samples | None
    learning_rate: float
    alpha: float
    total_weight: float
    iterations: int
    costs: Array
    packed: Array | None = None
    completed: int = 0
    outcome: int = control_words.RUNNING
    result: Any = None

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Return the dtype of the run."""
        return self.X.array.dtype

    @property
    def work(self) -> int:
        """Return about how many multiplications the run takes."""
        d, h, o, n = self.shape
        return self.iterations * tuning.work_of_iteration(d, n, h, o)

    @property
    def keeps_costs(self) -> bool:
        """Return whether all costs are kept, not only the last one."""
        return len(self.costs) == self.iterations

    def finite_costs(self) -> Array:
        """Return the costs of the completed iterations, or the last one of them, where there are any."""
        count = self.completed + (self.outcome == control_words.PARAMS_NOT_FINITE)
        return self.costs if count >= len(self.costs) else self.costs[:count]


def run_networks(
    runs: Sequence[NetworkRun],
    n_threads: int | None,
    progress: bool | None,
    prepare: Callable[[Sequence[NetworkRun]], None],
    complete: Callable[[Sequence[NetworkRun]], None],
) -> bool:
    """Train all runs; return whether Ctrl-C came. What a run has reached is written to it.

    A run that diverges does not stop the others. After Ctrl-C, `outcome` is RUNNING where a run is not finished.

    Parameters
    ----------
    runs : sequence of NetworkRun
    n_threads, progress
        As for fit_many.
    prepare, complete : callable
        Called with the next runs before they are trained, and with some that are trained; after Ctrl-C, `complete` has
        not seen all.
    """
    threads = n_threads or (1 if sum(run.work for run in runs) < MIN_WORK_FOR_TEAM else usable_cores())
    shared, single = runs_to_share(runs, threads, TeamChoice(n_threads))
    try:
        with NetworksProgress(len(runs), progress) as bar:
            for run in shared:
                prepare([run])
                if _run_by_all(run, n_threads):
                    return True
                complete([run])
                bar.add_network()
            slabs = [slab for dtype in DTYPES for slab in _slabs([run for run in single if run.dtype == dtype])]
            if slabs:
                prepare(slabs[0])
            for before, slab, after in zip([[], *slabs], slabs, [*slabs[1:], []], strict=False):

                def meanwhile(before: Sequence[NetworkRun] = before, after: Sequence[NetworkRun] = after) -> None:
                    complete(before)
                    prepare(after)

                if Pool(slab, threads).run(bar, meanwhile):
                    return True
            for slab in slabs[-1:]:
                complete(slab)
    except KeyboardInterrupt:  # between two teams
        return True
    return False


def _slabs(runs: Sequence[NetworkRun]) -> Iterator[Sequence[NetworkRun]]:
    """Yield runs in slabs."""
    are_short = sum(run.work for run in runs) < SHORT_RUN_WORK * len(runs)
    first, size = 0, FIRST_SLAB if are_short else SLAB
    while first < len(runs):
        yield runs[first : first + size]
        first, size = first + size, min(2 * size, SLAB)


class TeamChoice:
    """Tells whether the threads must share a run (True), may do so (None), or had better not (False)."""

    def __init__(self, n_threads: int | None) -> None:
        self._n_threads = n_threads
        self._known: dict[Any, bool | None] = {}  # many runs are alike

    def __call__(self, run: NetworkRun) -> bool | None:
        key = run.shape, run.iterations, run.dtype
        if key not in self._known:
            self._known[key] = self._choose(*key)
        return self._known[key]

    def _choose(self, shape: tuple[int, int, int, int], iterations: int, dtype: Any) -> bool | None:
        d, h, o, n = shape
        if tuning.train_kernel(d, h, o) == "train_wide":
            return True
        return None if count_threads(d, n, h, o, iterations, dtype, self._n_threads) > 1 else False


def _run_by_all(run: NetworkRun, n_threads: int | None) -> bool:
    """Train a run as fit does; return whether Ctrl-C came."""
    d, h, o, _ = run.shape
    weights = None if run.weights is None else run.weights.groups(n_threads)
    job = job_class(d, h, o)(
        run.X.groups(n_threads), run.Y.groups(n_threads), weights, run.packed, run.shape, run.alpha, run.iterations,
        n_threads,
    )  # fmt: skip
    outcome = control_words.FINISHED
    try:
        params, costs = job.run(run.learning_rate, run.total_weight, progress=False)
    except TrainingInterrupted:
        return True
    except TrainingDiverged as error:
        params, costs = error.params, error.cost_
        outcome = int(job.control[control_words.OUTCOME])
    _write_result(run, params, costs)
    run.completed, run.outcome = int(job.control[control_words.COMPLETED]), outcome
    return False


def _write_result(run: NetworkRun, params: Params, costs: Array) -> None:
    run.packed[:] = pack_params(params, run.dtype)
    if run.keeps_costs:
        run.costs[: len(costs)] = costs
    else:
        run.costs[:] = costs[-1:]


class Pool:
    """Runs of one dtype, of which each thread takes the next: at most SLAB of them, with their initial parameters."""

    def __init__(self, runs: Sequence[NetworkRun], threads: int) -> None:
        self.runs, self.dtype, self.threads = runs, runs[0].dtype, min(threads, len(runs))
        layouts = [sample_layout(*run.shape, self.dtype) for run in runs]
        self.table = RecordTable(NetworkJobRecord, len(runs))
        self._fill_table(layouts)
        # Behind the control words of the team, each thread has those of a team of one.
        size = control_words.NEXT_CHUNKS + 2 * control_words.WORD
        self.controls = aligned_zeros((1 + self.threads) * size, np.int64).reshape(-1, size)
        self._sizes = self._buffer_sizes(layouts)

    def _fill_table(self, layouts: Sequence[SampleLayout]) -> None:
        table, runs = self.table, self.runs
        d, h, o, n = np.array([run.shape for run in runs]).T
        entries = {shape: self._entry(shape) for shape in {run.shape[:3] for run in runs}}
        table.fill(
            d=d, h=h, o=o, n=n, threads=1, entry=[entries[run.shape[:3]] for run in runs],
            iterations=[run.iterations for run in runs], learning_rate=[run.learning_rate for run in runs],
            total_weight=[run.total_weight for run in runs], alpha=[run.alpha for run in runs],
            has_l2=[run.alpha != 0 for run in runs], packed=[address(run.packed) for run in runs],
            keeps_costs=[run.keeps_costs for run in runs], costs=[address(run.costs) for run in runs],
            outcome=control_words.RUNNING, count=[layout.count for layout in layouts],
            chunks=[layout.chunks for layout in layouts], tile_groups=[layout.tile_groups for layout in layouts],
            shared=[layout.shared for layout in layouts], params_stride=[layout.params_stride for layout in layouts],
            last=[layout.updated for layout in layouts], sums_offset=[layout.sums for layout in layouts],
            gradients_stride=[layout.gradients_stride for layout in layouts],
        )  # fmt: skip
        for name in ("X", "Y"):
            samples: list[Samples] = [getattr(run, name) for run in runs]
            table.fill(**{
                f"{name}_source": [one.address for one in samples],
                f"{name}_stride": [one.stride for one in samples], f"{name}_step": [one.step for one in samples],
            })  # fmt: skip
        weights = [run.X if run.weights is None else run.weights for run in runs]  # X is not read as weights
        table.fill(
            weight_source=[one.address for one in weights],
            weight_step=[0 if run.weights is None else run.weights.step for run in runs],
            has_weights=[run.weights is not None for run in runs],
        )  # fmt: skip

    def _entry(self, network: tuple[int, int, int]) -> int:
        return provider.kernel(tuning.train_kernel(*network), self.dtype).address

    def _buffer_sizes(self, layouts: Sequence[SampleLayout]) -> dict[str, tuple[int, Any]]:
        """Return the size of each buffer of a thread, and its dtype."""
        layouts = list(set(layouts))
        stride = max(layout.params_stride for layout in layouts)
        A1, dZ2, scratch = (
            max(layout.scratch_ends[part + 1] - layout.scratch_ends[part] for layout in layouts) for part in range(3)
        )
        return {
            "params": (2 * stride, self.dtype), "l2": (stride, np.float64),
            "gradients": (max(layout.sums + layout.sums_size(1, layout.shared) for layout in layouts), np.float64),
            "A1": (A1, self.dtype), "dZ2": (dZ2, self.dtype), "scratch": (scratch, self.dtype),
            "costs": (max((run.iterations for run in self.runs if not run.keeps_costs), default=0), np.float64),
            "X_groups": (self._own_samples("X"), self.dtype), "Y_groups": (self._own_samples("Y"), self.dtype),
            "weight_groups": (self._own_samples("weights"), self.dtype),
        }  # fmt: skip

    def _own_samples(self, name: str) -> int:
        """Return how many numbers the samples that a thread lays out may have, with their padding."""
        all_samples: list[Samples | None] = [getattr(run, name) for run in self.runs]
        shapes = {samples.array.shape for samples in all_samples if samples is not None and samples.step}
        lanes = tuning.group_size(self.dtype)
        return max((rows * tuning.count_groups(n, self.dtype) * lanes for rows, n in shapes), default=0)

    def _record(self, thread: int, threads: int) -> NetworksRecord:
        buffers = {
            name: aligned_zeros(padded_length(size, dtype), dtype) for name, (size, dtype) in self._sizes.items()
        }
        return NetworksRecord(
            control=self.controls[0], networks=self.table.words, networks_count=len(self.runs),
            own_control=self.controls[1 + thread], **buffers,
        )  # fmt: skip

    def run(self, bar: NetworksProgress, meanwhile: Callable[[], None]) -> bool:
        """Train all runs, and call `meanwhile`; return whether Ctrl-C came."""
        control = self.controls[0]
        team = Team(
            provider.kernel("networks", self.dtype), self._record, control, self.threads,
            stops=self.controls[:, control_words.STOP],
        )  # fmt: skip
        iterations = sum(run.iterations for run in self.runs)
        is_short = is_short_job(sum(run.work for run in self.runs), iterations, self._sizes["l2"][0])
        bar.begin_team(control)

        def work(team: Team) -> None:
            if is_short:
                team.run()
            else:
                team.run_beside()
            meanwhile()
            monitor(team, bar)

        interrupted = run_team(team, is_short, len(self.runs), False, work)
        while True:
            try:
                self._write_results()
                return interrupted
            except KeyboardInterrupt:  # start again: what is trained is kept
                interrupted = True

    def _write_results(self) -> None:
        table = self.table
        columns = (table.column(name).tolist() for name in ("completed", "outcome", "last_cost"))
        for run, completed, outcome, last_cost in zip(self.runs, *columns, strict=True):
            run.completed, run.outcome = completed, outcome
            if outcome == control_words.INTERRUPTED:
                run.outcome = control_words.RUNNING
            elif not run.keeps_costs:
                run.costs[:] = last_cost
