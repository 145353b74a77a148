"""Train a network on a table, and tell how good it is."""

from fastnn2.tables.reading.columns import Column
from fastnn2.tables.reading.messages import listed, near_names
from fastnn2.tables.reading.table import Table
from fastnn2.tables.reading.table_error import TableError, naming
from fastnn2.tables.training.checkpoint_checks import begun_in_blocks
from fastnn2.tables.training.memory_plan import MemoryPlan
from fastnn2.tables.training.network import Notify, Watch
from fastnn2.tables.training.options import TrainingOptions
from fastnn2.tables.training.rows import check_weight
from fastnn2.tables.training.train_blocks import train_in_blocks
from fastnn2.tables.training.train_memory import train_in_memory
from fastnn2.tables.training.training_job import Trained, TrainingJob

__all__ = ["Trained", "choose_columns", "train"]


def train(table: Table, options: TrainingOptions, test: Table | None, notify: Notify, watch: Watch) -> Trained:
    """Train a Pipeline on a table, in memory or, where it does not fit, in blocks.

    Parameters
    ----------
    table : Table
    options : TrainingOptions
    test : Table or None
        Rows to test the model on; None holds out some rows of the table.
    notify : callable
        Called with each note, a line on what was found and needs no action.
    watch : callable
        Called after each epoch, see :data:`fastnn2.tables.training.network.Watch`.

    Raises
    ------
    TableError
        The table cannot be used as the options say.
    ValueError
        The checkpoint is that of another training, or cannot be used.
    KeyboardInterrupt
        Ctrl-C came before there was a model.
    """
    is_begun_in_blocks = begun_in_blocks(options)
    with naming(table.path, *([] if test is None else [test.path])):
        features, target = choose_columns(table, options)
        job = TrainingJob(table, options, test, notify, watch, features, target)
        for text in table.notes:
            job.add_note(text)
        plan = MemoryPlan(job)
        # A training that goes on does so as it began, however much memory is free now.
        in_blocks = is_begun_in_blocks if is_begun_in_blocks is not None else not plan.fits
        return train_in_blocks(job, plan) if in_blocks else train_in_memory(job)


def choose_columns(table: Table, options: TrainingOptions) -> tuple[list[Column], Column]:
    """Return the columns to predict from, and the target; raise TableError if the options name others."""
    columns = {column.name: column for column in table.columns}
    for what, name in [("target", options.target), ("weight", options.weight), *(("drop", n) for n in options.drop)]:
        if name is not None and name not in columns:
            near = near_names(name, columns) or f"; it has {listed(list(columns))}"
            raise TableError(f"{str(table.path)!r} has no column {name!r} (--{what}){near}")
    if options.weight is not None:
        check_weight(columns[options.weight])
    table.check([options.target, *([] if options.weight is None else [options.weight])], can_drop=False)
    others = {options.target, options.weight, *options.drop}
    for what, name in (("--weight", options.weight), *(("--drop", name) for name in options.drop)):
        if name == options.target:
            raise TableError(f"column {name!r} is the target and also named by {what}; expected different columns")
    features = [column for name, column in columns.items() if name not in others]
    if not features:
        raise TableError(f"{str(table.path)!r} has no column besides the target; expected at least one")
    return features, columns[options.target]
