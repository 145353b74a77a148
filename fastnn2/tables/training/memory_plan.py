"""Whether a table fits in memory, and how many rows may be there at a time if it does not."""

from typing import Any

from fastnn2.blocks.labelled_blocks import BLOCK_ROWS
from fastnn2.blocks.memory_limit import as_memory_limit
from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, Column
from fastnn2.tables.reading.table import NUMBER_BYTES
from fastnn2.tables.training.training_job import TrainingJob

FRAMES, MATRICES = 2, 4  # copies of the rows that a training has at its peak: as read, and prepared
SAMPLE_ROWS = 10_000  # rows by which the width of prepared columns is estimated
DATE_WIDTH, INDICATOR = 7, 1
MOST_SAMPLE = 1_000_000  # rows to which the preparation is fitted
MOST_TEST, MOST_VALIDATION = 200_000, 100_000  # rows that are held out
FEWEST = 1000  # rows of a part or a block, however little memory there is


class MemoryPlan:
    """What a training would take in memory, and what may be there of a table that does not fit.

    Parameters
    ----------
    job : TrainingJob

    Attributes
    ----------
    limit, needed : int
        Bytes: those that rows may take, and those that all rows would take, about.
    """

    def __init__(self, job: TrainingJob) -> None:
        self.limit = as_memory_limit(job.options.memory_limit)
        count = job.table.count
        assert count is not None  # of a table whose columns were found
        self._frame = FRAMES * job.table.memory_bytes(job.wanted) / count
        most = job.options.max_categories
        widths = [_most_width(column, most) for column in job.features]
        self._count = count
        if not self._fits_with(widths):
            batch = next(job.table.batches(job.names, 0, SAMPLE_ROWS))
            widths = [_width(batch.frame[column.name], column, most) for column in job.features]
        self.needed = int(count * self._bytes_per_row(widths))
        rows = self.limit / self._bytes_per_row(widths)
        self.most_sample = _bounded(rows / 4, MOST_SAMPLE)
        self.most_test = _bounded(rows / 8, MOST_TEST)
        self.most_validation = _bounded(rows / 8, MOST_VALIDATION)
        self.block_rows = _bounded(rows / 8, BLOCK_ROWS)  # one is trained on, one or two are read meanwhile

    def _bytes_per_row(self, widths: list[int]) -> float:
        return self._frame + MATRICES * NUMBER_BYTES * sum(widths)

    def _fits_with(self, widths: list[int]) -> bool:
        return self._count * self._bytes_per_row(widths) <= self.limit

    @property
    def fits(self) -> bool:
        """Whether all rows fit in memory."""
        return self.needed <= self.limit


def _bounded(rows: float, most: int) -> int:
    return int(min(most, max(FEWEST, rows)))


def _most_width(column: Column, max_categories: int) -> int:
    """Return the most inputs that a column can become."""
    if column.kind == NUMBER:
        return 1 + INDICATOR
    if column.kind == DATE:
        return DATE_WIDTH + INDICATOR
    return 3 if column.kind == BOOLEAN else max_categories


def _width(values: Any, column: Column, max_categories: int) -> int:
    """Return how many inputs a column becomes if all rows are like some of them."""
    if column.kind == NUMBER:
        return 1 + INDICATOR * bool(values.null_count())
    if column.kind == DATE:
        return DATE_WIDTH + INDICATOR * bool(values.null_count())
    return int(min(values.n_unique(), max_categories))
