"""The inputs and the result of a training on a table, in memory or in blocks."""

import dataclasses
from typing import Any

import numpy as np

from fastnn2.tables.reading.columns import Column
from fastnn2.tables.reading.table import Table
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.network import Notify, Watch
from fastnn2.tables.training.options import CLASSIFICATION, TrainingOptions
from fastnn2.tables.training.summary import Summary
from fastnn2.tables.training.targets import find_task

Array = np.ndarray[Any, Any]


@dataclasses.dataclass
class Trained:
    """The result of a training.

    Attributes
    ----------
    model : Pipeline
        It has the summary as an attribute.
    summary : Summary
    y : ndarray (n,)
        Labels or numbers of the test rows.
    predicted : ndarray
        For these the probabilities (n, classes), or the numbers (n,).
    is_interrupted : bool
        Whether Ctrl-C ended the training.
    """

    model: Any
    summary: Summary
    y: Array
    predicted: Array
    is_interrupted: bool


class TrainingJob:
    """The inputs of a training, and what is found on the way.

    Attributes
    ----------
    table : Table
    options : TrainingOptions
    test : Table or None
        Rows to test the model on.
    watch : callable
        Called after each epoch.
    features : list of Column
    target : Column
    task : str
        Empty until it is known.
    notes : list of str
        Those that are kept in the model.
    rows : dict of str
        Counts, as the summary has them.
    """

    def __init__(
        self,
        table: Table,
        options: TrainingOptions,
        test: Table | None,
        notify: Notify,
        watch: Watch,
        features: list[Column],
        target: Column,
    ) -> None:
        self.table, self.options, self.test, self.watch = table, options, test, watch
        self.features, self.target, self.task = features, target, ""
        self._notify = notify
        self.notes: list[str] = []
        self.rows: dict[str, int] = {}

    def notify(self, text: str) -> None:
        """Show a note that is not kept in the model, as it says something of this machine."""
        self._notify(text)

    def add_note(self, text: str) -> None:
        """Show a note, and keep it in the model."""
        self.notes.append(text)
        self._notify(text)

    def count_rows(self, used: int, without_target: int, without_weight: int) -> None:
        """Keep how many rows the file has, and add notes on those that are dropped."""
        self.rows |= {"file": used + without_target + without_weight, "without target": without_target}
        if without_weight:
            self.rows["without weight"] = without_weight
        reasons = (f"no value of the target {self.target.name!r}", f"the weight {self.options.weight!r} 0")
        for count, reason in zip((without_target, without_weight), reasons, strict=True):
            if count:
                rows, dropped = ("row has", "it is") if count == 1 else ("rows have", "they are")
                self.add_note(f"{count:,} {rows} {reason}: {dropped} dropped")

    def find_task(self, values: Any, is_all: bool = True) -> None:
        """Find the task from the values of the target; see :func:`fastnn2.tables.training.targets.find_task`."""
        self.task, found = find_task(self.target, values, self.options.task, is_all)
        if found is not None:
            self.add_note(found)
        if self.options.class_weight is not None and not self.is_classification:
            raise TableError(
                f"--class-weight is for classes, and {self.target.name!r} has numbers to predict; leave it out, or "
                "pass --task classification"
            )

    def no_rows(self, table: Table) -> TableError:
        """Return the error for a table without usable rows."""
        weight = "" if self.options.weight is None else f" and a weight {self.options.weight!r} above 0"
        return TableError(f"no row of {str(table.path)!r} has a value of the target {self.target.name!r}{weight}")

    @property
    def is_classification(self) -> bool:
        """Whether the target has classes."""
        return self.task == CLASSIFICATION

    @property
    def names(self) -> list[str]:
        """The names of the columns to predict from."""
        return [column.name for column in self.features]

    @property
    def wanted(self) -> list[str]:
        """The names of all columns to read."""
        return [*self.names, self.target.name, *([] if self.options.weight is None else [self.options.weight])]
