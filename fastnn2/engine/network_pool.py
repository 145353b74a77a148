"""Training runs of one call of the kernel :mod:`fastnn2.kernels.loops.networks`: each thread takes the next run."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.layout import aligned_zeros
from fastnn2.engine.network_run import NetworkRun, Samples
from fastnn2.engine.sample_layout import SampleLayout, sample_layout
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.kernels.shared.record import RecordTable, address
from fastnn2.kernels.shared.records import NetworkJobRecord, NetworksRecord
from fastnn2.threads.progress import NetworksProgress
from fastnn2.threads.team import Team, is_short_job, monitor, run_team

Array = np.ndarray[Any, Any]


class NetworkPool:
    """Runs of one dtype, with their samples and initial parameters."""

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
        buffers = {name: aligned_zeros(size, dtype) for name, (size, dtype) in self._sizes.items()}
        return NetworksRecord(
            control=self.controls[0], networks=self.table.words, networks_count=len(self.runs),
            own_control=self.controls[1 + thread], **buffers,
        )  # fmt: skip

    def run(self, bar: NetworksProgress, work_beside: Callable[[], None]) -> bool:
        """Train all runs, and call `work_beside`; return whether Ctrl-C came."""
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
            work_beside()
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
