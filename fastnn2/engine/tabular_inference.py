"""The outputs of a tabular ensemble, for encoded rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.encoded_rows import EncodedRows
from fastnn2.engine.layout import aligned_zeros
from fastnn2.engine.samples import count_threads
from fastnn2.engine.tabular_shape import TabularShape
from fastnn2.engine.tabular_training import allocate_batch, work_of_sample
from fastnn2.kernels.shared import control_words
from fastnn2.kernels.shared.tabular_records import TabularOutputsRecord
from fastnn2.threads.team import Team, is_short_job, run_team

Array = np.ndarray[Any, Any]

BATCH = 128  # samples of a batch
WORK_PER_THREAD = 4_000_000  # multiplications that pay for another thread


class TabularNetworks:
    """The networks of an ensemble as the kernel takes them; they never change, so threads may share them.

    Parameters
    ----------
    shape : TabularShape
    params : sequence of ndarray
        Packed, those of each network.
    loss : int
        See :mod:`fastnn2.kernels.shared.choices`.
    """

    def __init__(self, shape: TabularShape, params: Sequence[Array], loss: int) -> None:
        self._shape, self._loss, self._members = shape, loss, len(params)
        self._params = aligned_zeros(len(params) * shape.count, shape.dtype).reshape(len(params), -1)
        self._params[:] = params
        self._E = aligned_zeros(max(1, len(params) * shape.E_count), shape.dtype)
        if shape.p:
            E = self._E.reshape(len(params), shape.p, shape.bins + 1, shape.units)
            offsets = shape.offsets()
            V = self._params[:, offsets["V"] : offsets["C"]].reshape(E.shape)
            np.cumsum(V[:, :, : shape.bins - 1], axis=2, out=E[:, :, 1 : shape.bins])

    def outputs(self, samples: EncodedRows, n_threads: int | None = None) -> Array:
        """Return the outputs (members, n, o) for encoded rows of the dtype of the networks."""
        n, shape = samples.n, self._shape
        out = np.empty((self._members, n, shape.o), dtype=shape.dtype)
        batches, work = -(-n // BATCH), n * self._members * work_of_sample(shape)
        threads = count_threads(work, batches, n_threads, WORK_PER_THREAD)
        control = aligned_zeros(control_words.CONTROL_SIZE, np.int64)
        kernel = provider.kernel("tabular_outputs", shape.dtype)

        def record(thread: int, threads: int) -> TabularOutputsRecord:
            return TabularOutputsRecord(
                **shape.fields(), **samples.fields(), **allocate_batch(shape, min(n, BATCH)), control=control, n=n,
                batch=BATCH, loss=self._loss, members=self._members, params=self._params, stride=shape.count,
                E=self._E, E_stride=shape.E_count, out=out,
            )  # fmt: skip

        is_short = is_short_job(work, 1, 0)
        if threads == 1 and is_short:
            kernel(record(0, 1))
        elif run_team(Team(kernel, record, control, threads), is_short, 1, progress=False):
            raise KeyboardInterrupt
        return out
