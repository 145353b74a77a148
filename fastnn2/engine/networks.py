"""Many training runs of fit side by side: each is trained by one thread, and threads take the next one that is left.

Runs of one dtype are trained by one call of the kernel (:mod:`fastnn2.kernels.loops.networks`), in slabs if they are
many. While the threads train a slab, the caller prepares the next one, and completes the one before. Runs that would be
left to some of the threads at the end, and very wide ones, have all threads one after the other, as a job of
:mod:`full_batch` (see :func:`fastnn2.engine.shares.runs_to_share`).
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastnn2.engine.full_batch import MIN_WORK_FOR_TEAM, count_threads, job_class
from fastnn2.engine.network_pool import NetworkPool
from fastnn2.engine.network_run import NetworkRun
from fastnn2.engine.shares import runs_to_share
from fastnn2.exceptions import TrainingDiverged, TrainingInterrupted
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.kernels.shared.records import DTYPES
from fastnn2.threads.cores import usable_cores
from fastnn2.threads.progress import NetworksProgress

Step = Callable[[Sequence[NetworkRun]], None]

SLAB = 4096  # the most records that there are at once: about 1.5 MB
# Runs of less work than this, on average, take Python more than a hundredth of their time to prepare. Their slabs begin
# with FIRST_SLAB runs and grow, so that the threads begin early, and all but the first are prepared meanwhile.
SHORT_RUN_WORK, FIRST_SLAB = 50_000_000, 128


def run_networks(
    runs: Sequence[NetworkRun],
    n_threads: int | None,
    progress: bool | None,
    prepare: Step,
    complete: Step,
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
    shared, slabs, choice = list[NetworkRun](), list[Sequence[NetworkRun]](), TeamChoice(n_threads)
    for dtype in DTYPES:  # one after the other, so that threads are without work at the end of each
        to_share, single = runs_to_share([run for run in runs if run.dtype == dtype], threads, choice)
        shared += to_share
        slabs += _slabs(single)
    try:
        with NetworksProgress(len(runs), progress) as bar:
            for run in shared:
                prepare([run])
                if _run_by_all(run, n_threads):
                    return True
                complete([run])
                bar.add_network()
            return _run_slabs(iter(slabs), threads, bar, prepare, complete)
    except KeyboardInterrupt:  # between two teams
        return True


def _slabs(runs: Sequence[NetworkRun]) -> Iterator[Sequence[NetworkRun]]:
    """Yield runs in slabs."""
    are_short = sum(run.work for run in runs) < SHORT_RUN_WORK * len(runs)
    first, size = 0, FIRST_SLAB if are_short else SLAB
    while first < len(runs):
        yield runs[first : first + size]
        first, size = first + size, min(2 * size, SLAB)


def _run_slabs(
    slabs: Iterator[Sequence[NetworkRun]], threads: int, bar: NetworksProgress, prepare: Step, complete: Step
) -> bool:
    """Train slabs, one after the other; return whether Ctrl-C came."""
    prepared, trained = list[NetworkPool](), list[NetworkPool]()  # one of each at most

    def work_beside() -> None:
        while trained:
            complete(trained.pop().runs)
        for slab in itertools.islice(slabs, 1):
            prepare(slab)
            prepared.append(NetworkPool(slab, threads))

    work_beside()
    while prepared:
        pool = prepared.pop()
        if pool.run(bar, work_beside):
            return True
        trained.append(pool)
    work_beside()
    return False


class TeamChoice:
    """Tells whether the threads must share a run (True), may do so (None), or had better not (False)."""

    def __init__(self, n_threads: int | None) -> None:
        self._n_threads = n_threads
        self._known: dict[Any, bool | None] = {}  # many runs are alike

    def __call__(self, run: NetworkRun) -> bool | None:
        """Return the choice for a run."""
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
    interrupted = False
    try:
        params, costs = job.run(run.learning_rate, run.total_weight, progress=False)
    except TrainingDiverged as error:
        params, costs = error.params, error.cost_
    except TrainingInterrupted as error:
        if job.control[control_words.OUTCOME] != control_words.FINISHED:
            return True
        interrupted, params, costs = True, error.params, error.cost_  # it came when all was done
    run.write_result(params, costs)
    run.completed, run.outcome = (int(job.control[word]) for word in (control_words.COMPLETED, control_words.OUTCOME))
    return interrupted
