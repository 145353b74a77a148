"""The outputs of a trained network, for rows of samples."""

from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.layout import BLOCK_BYTES, aligned_zeros, padded_length
from fastnn2.engine.samples import Network, SampleMatrix, allocate_tiles, count_threads
from fastnn2.engine.workspaces import Workspace, Workspaces, most_groups
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.kernels.shared.records import InferRecord
from fastnn2.threads.team import Team, is_short_job, run_team

Array = np.ndarray[Any, Any]

# Multiplications of a call that pay for another thread. Its start and end take 50 us, and milliseconds while other
# processes use the cores.
WORK_PER_THREAD = 4_000_000

_workspaces = Workspaces()


class PreparedNetwork:
    """A network and its parameters as the kernel takes them; they never change, so threads may share it.

    Parameters
    ----------
    network : Network
    params : ndarray
        W1, b1, W2, b2, flat; they are copied.
    dtype : dtype
        float32 or float64: that of the samples, and of the arithmetic.
    """

    def __init__(self, network: Network, params: Array, dtype: Any) -> None:
        self.network, self.dtype = network, np.dtype(dtype)
        self._params = aligned_zeros(padded_length(network.n_params, np.float64), dtype)
        self._params[: network.n_params] = params
        self._rows, self._n_params = (network.d, network.h, network.o), network.n_params
        self._tile_groups = tuning.count_tile_groups(*self._rows)
        self._lanes = tuning.group_size(dtype)
        self._kept_groups = most_groups(sum(self._rows))
        self._most_short = 0  # the largest number of samples that is known to be a short job
        self._identity = object()  # workspaces know a network by it, and do not keep the network alive

    @property
    def params(self) -> Array:
        """Return a copy of the parameters, flat."""
        return self._params[: self._n_params].copy()

    def outputs(self, X: SampleMatrix, n_threads: int | None = None) -> tuple[Array, bool]:
        """Return the outputs (n, o) for samples of the network's dtype, and whether all of X is finite.

        Rows are computed in blocks, by several threads if the call is large enough; each thread takes the next block.
        """
        X.check_network(self.network)
        assert X.values.dtype == self.dtype  # the kernel reads addresses
        n = X.n
        groups, threads = -(-n // self._lanes), 1
        if groups > self._tile_groups:
            groups, tiles = self._tile_groups, -(-groups // self._tile_groups)
            threads = min(count_threads(n * self._n_params, tiles, n_threads, WORK_PER_THREAD), tiles)
        if threads > 1 or X.sparse or groups > self._kept_groups or not self._is_short(n):
            return self._run(X, groups, threads)
        return self._run_kept(X, groups)

    def _is_short(self, n: int) -> bool:
        """Return whether a call for n samples is a short job."""
        if n > self._most_short:
            d, h, o = self._rows
            if not is_short_job(tuning.work_of_iteration(d, n, h, o), 1, self._n_params):
                return False
            self._most_short = n
        return True

    def _job(self, X: SampleMatrix, out: Array, groups: int, threads: int, control: Array, tiles: Any) -> InferRecord:
        """Return the record of one of about `threads` threads; its tiles have `groups` groups."""
        lanes = groups * self._lanes
        bytes_of_tile = lanes * self.network.d * self.dtype.itemsize
        tiles_per_block = max(1, min(BLOCK_BYTES // bytes_of_tile, -(-X.n // (lanes * threads))))
        X_tile, A1, y = tiles
        return InferRecord(
            **self.network.fields(), **X.fields(), control=control, block=tiles_per_block * lanes, tile_groups=groups,
            params=self._params, X_tile=X_tile, A1=A1, y=y, out=out,
        )  # fmt: skip

    def _run(self, X: SampleMatrix, groups: int, asked: int) -> tuple[Array, bool]:
        """Do as :meth:`outputs` with up to `asked` threads, and tiles of `groups` groups."""
        out = np.empty((X.n, self.network.o), dtype=self.dtype)
        control = aligned_zeros(control_words.CONTROL_SIZE, np.int64)
        kernel = provider.kernel("infer", self.dtype)

        def job(thread: int, threads: int) -> InferRecord:  # blocks have one size, also if fewer threads start
            return self._job(X, out, groups, asked, control, allocate_tiles(self._rows, groups, self.dtype))

        if asked == 1 and self._is_short(X.n):
            kernel(job(0, 1))  # without a team, which would take a tenth of the time of one row
        elif run_team(Team(kernel, job, control, asked), self._is_short(X.n), 1, progress=False):
            raise KeyboardInterrupt
        return out, not control[control_words.NOT_FINITE]

    def _run_kept(self, X: SampleMatrix, groups: int) -> tuple[Array, bool]:
        """Do as :meth:`_run` for a short job of dense samples on one thread, in a workspace that is kept.

        A group of samples or less is copied to the workspace, and its outputs from there, which takes less time than
        to look up the addresses of the caller's arrays.
        """
        workspace, n = _workspaces.take(), X.n
        if workspace.network is not self._identity or workspace.groups < groups:
            self._lay_out(workspace, groups)
        if n <= self._lanes:
            samples, out = workspace.rows
            samples[:n] = X.values
        else:
            samples, out = X.values, np.empty((n, self.network.o), dtype=self.dtype)
        if n != workspace.n or n > self._lanes:
            workspace.record.point(n=n, X=samples, out=out)
            workspace.n = n
        control = workspace.control
        control[control_words.NEXT_BLOCK] = control[control_words.NOT_FINITE] = 0
        provider.kernel("infer", self.dtype)(workspace.record)
        result = out[:n].copy() if n <= self._lanes else out
        is_finite = not control[control_words.NOT_FINITE]
        _workspaces.put(workspace)
        return result, is_finite

    def _lay_out(self, workspace: Workspace, groups: int) -> None:
        """Make the record and the buffers of a workspace for this network."""
        d, _, o = self._rows
        samples, out = (np.zeros((self._lanes, count), dtype=self.dtype) for count in (d, o))
        tiles = allocate_tiles(self._rows, groups, self.dtype)
        X = SampleMatrix(samples, self.dtype)
        workspace.record = self._job(X, out, groups, X.n, workspace.control, tiles)
        workspace.record.release()
        workspace.network, workspace.groups, workspace.n = self._identity, groups, X.n
        workspace.tiles, workspace.rows = tiles, (samples, out)
