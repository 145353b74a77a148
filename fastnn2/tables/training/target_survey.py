"""What the targets of a table are, found in one pass that keeps no rows."""

from typing import Any

import numpy as np

from fastnn2.storage.digest import digest
from fastnn2.tables.reading.messages import shown
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.rows import rows_with_target
from fastnn2.tables.training.split import check_number_of_rows
from fastnn2.tables.training.targets import as_labels, check_classes
from fastnn2.tables.training.training_job import TrainingJob

Array = np.ndarray[Any, Any]

MOST_VALUES = 100_000  # different values of the target that are counted
SURVEY_ROWS = 1_000_000  # that are read at a time, of two columns


class TargetSurvey:
    """The targets of a table.

    Parameters
    ----------
    job : TrainingJob
        Gets its task and notes.

    Attributes
    ----------
    n : int
        The number of rows that can be used: those with a target, and a weight above 0.
    classes : ndarray or None
        The labels of a classification, sorted.
    counts : ndarray or None
        How many rows each class has.
    digest : str
        Of what was counted, by which another run knows the same table.
    """

    def __init__(self, job: TrainingJob) -> None:
        import polars

        name, weight = job.target.name, job.options.weight
        counted, is_whole, sums, without_target, without_weight = None, True, np.zeros(2), 0, 0
        self.n = 0
        for batch in job.table.batches(job.wanted[len(job.names) :], 0, SURVEY_ROWS):
            rows = rows_with_target(job.table, batch, job.target, weight)
            self.n += len(rows)
            without_target += rows.without_target
            without_weight += rows.without_weight
            if rows.target.dtype.is_numeric() and len(rows):
                numbers = rows.target.to_numpy()
                sums += numbers.sum(), (numbers * numbers).sum()
            if is_whole:
                each = polars.DataFrame({"value": rows.target, "count": np.ones(len(rows), np.int64)})
                each = each if counted is None else polars.concat([counted, each])
                counted = each.group_by("value").agg(polars.col("count").sum()).sort("value")
                is_whole = len(counted) <= MOST_VALUES
        if counted is None or not self.n:
            raise job.no_rows(job.table)
        job.count_rows(self.n, without_target, without_weight)
        self._values = counted["value"]
        job.find_task(self._values, is_whole)
        check_number_of_rows(self.n)
        self.classes: Array | None = None
        self.counts: Array | None = None
        if job.is_classification:
            labels = as_labels(self._values, job.target)
            check_classes(labels, name)
            order = np.argsort(labels, kind="stable")
            self.classes = labels[order]
            self.counts = counted["count"].to_numpy()[order]
            self._numbers = np.argsort(order)  # of the values among the classes
        elif len(self._values) < 2:
            raise TableError(f"the target {name!r} is {self._values[0]} in all rows; expected different numbers")
        found = f"{self.n} {without_target} {sums.tolist()} {None if self.counts is None else counted.rows()}"
        self.digest = digest(np.frombuffer(found.encode(), np.uint8))

    def goals(self, target: Any) -> Array:
        """Return the labels or the numbers of some rows.

        Parameters
        ----------
        target : polars.Series
            Without missing values.

        Raises
        ------
        TableError
            A label is none of the classes.
        """
        import polars

        if self.classes is None:
            numbers: Array = target.to_numpy()
            return numbers
        places = target.replace_strict(self._values, self._numbers, default=None, return_dtype=polars.Int64)
        if places.null_count():
            unknown = target.filter(places.is_null())[0]
            raise TableError(
                f"the test has the class {shown(unknown)}, which no row of training has; leave such rows out"
            )
        labels: Array = self.classes[places.to_numpy()]
        return labels
