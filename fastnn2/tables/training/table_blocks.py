"""The rows of training of a table as blocks, each of which is read and prepared when it is asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn2.tables.reading.columns import Column
from fastnn2.tables.reading.table import Batch
from fastnn2.tables.training.preparation import as_input
from fastnn2.tables.training.rows import Rows, rows_with_target
from fastnn2.tables.training.target_survey import TargetSurvey
from fastnn2.tables.training.targets import Scale
from fastnn2.tables.training.training_job import TrainingJob

Array = np.ndarray[Any, Any]


class BlockPreparation:
    """The fitted preparation: makes X, y and weights of rows.

    Parameters
    ----------
    job : TrainingJob
    survey : TargetSurvey
    transformer : ColumnTransformer
        Fitted.
    columns : list of Column
        Those that it takes.
    width : int
        How many columns it makes.
    scale : Scale or None
        Of the numbers of a regression.
    """

    def __init__(
        self,
        job: TrainingJob,
        survey: TargetSurvey,
        transformer: Any,
        columns: list[Column],
        width: int,
        scale: Scale | None,
    ) -> None:
        self.job, self._survey, self._transformer, self._columns = job, survey, transformer, columns
        self._width, self._scale = width, scale

    @property
    def names(self) -> list[str]:
        """The names of the columns to read."""
        return [*(column.name for column in self._columns), *self.job.wanted[len(self.job.names) :]]

    def X(self, rows: Rows) -> Array:
        """Return the prepared columns of rows."""
        dtype = self.job.options.dtype
        if not len(rows):  # which transformers refuse
            return np.zeros((0, self._width), dtype)
        prepared: Array = self._transformer.transform(as_input(rows.frame, self._columns))
        return prepared.astype(dtype, copy=False)

    def y(self, rows: Rows) -> Array:
        """Return labels, or numbers on the scale of the network."""
        goals = self._survey.goals(rows.target)
        return goals if self._scale is None else self._scale.transform(goals, self.job.options.dtype)

    def block(self, batch: Batch, held_out: Array) -> tuple[Array, ...]:
        """Return a block of the rows of a batch that are not held out: X, y and the weights, where there are some."""
        rows = rows_with_target(self.job.table, batch, self.job.target, self.job.options.weight)
        begin, end = np.searchsorted(held_out, [batch.first, batch.first + len(batch.frame)])
        if begin < end:
            rows = rows.take(np.flatnonzero(~np.isin(rows.numbers, held_out[begin:end])))
        block = (self.X(rows), self.y(rows))
        return block if rows.weights is None else (*block, rows.weights)


class TableBlocks:
    """The blocks of a table, any of which can be read."""

    def __init__(self, preparation: BlockPreparation, held_out: Array, rows: int) -> None:
        self._preparation, self._held_out, self._rows = preparation, held_out, rows
        self._table = preparation.job.table

    def __len__(self) -> int:
        assert self._table.count is not None
        return -(-self._table.count // self._rows)

    def __getitem__(self, index: int) -> tuple[Array, ...]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        batch = self._read(index * self._rows)
        return self._preparation.block(batch, self._held_out)

    def _read(self, first: int) -> Batch:
        names = self._preparation.names
        return self._table.slice(names, first, self._rows) or next(
            rebatch(self._table.batches(names, first, self._rows), self._rows)
        )


class OrderedTableBlocks:
    """The blocks of a table that is read from its beginning, such as a compressed file."""

    def __init__(self, preparation: BlockPreparation, held_out: Array, rows: int) -> None:
        self._preparation, self._held_out, self._rows = preparation, held_out, rows

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        table = self._preparation.job.table
        for batch in rebatch(table.batches(self._preparation.names, 0, self._rows), self._rows):
            yield self._preparation.block(batch, self._held_out)


def rebatch(batches: Iterator[Batch], rows: int) -> Iterator[Batch]:
    """Yield the rows of batches in batches of `rows` rows, fewer only in the last one; those of a file vary in size."""
    import polars

    waiting: list[Batch] = []
    for batch in batches:
        waiting.append(batch)
        while sum(len(each.frame) for each in waiting) >= rows:
            first = waiting[0].first
            whole = polars.concat([each.frame for each in waiting])
            yield Batch(whole[:rows], first)
            waiting = [Batch(whole[rows:], first + rows)] if len(whole) > rows else []
    if waiting:
        yield Batch(polars.concat([each.frame for each in waiting]), waiting[0].first)
