"""The rows of a table that are in memory while it is trained on in blocks: held out, or a sample of all."""

import dataclasses
from typing import Any

import numpy as np

from fastnn2.tables.reading.messages import shown
from fastnn2.tables.reading.table import Table
from fastnn2.tables.reading.table_error import TableError
from fastnn2.tables.training.memory_plan import MemoryPlan
from fastnn2.tables.training.rows import Rows, rows_with_target
from fastnn2.tables.training.split import VALIDATION, check_rows_of_classes
from fastnn2.tables.training.target_survey import TargetSurvey
from fastnn2.tables.training.training_job import TrainingJob

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class PartSizes:
    """How many rows each part has, and a block at most."""

    test: int
    validation: int
    sample: int
    block: int


def part_sizes(job: TrainingJob, plan: MemoryPlan, n: int) -> PartSizes:
    """Return the sizes of the parts of `n` rows; that of the test is the most where it has a file.

    Raises
    ------
    TableError
        Training would have too few rows.
    """
    options = job.options
    test = plan.most_test
    held_out = 0 if job.test is not None else min(test, max(1, int(np.ceil(options.test_size * n))))
    validation = 0
    if options.stops_early:
        validation = min(plan.most_validation, max(2, int(np.ceil(VALIDATION * (n - held_out)))))
    training = n - held_out - validation
    if training < 2:
        raise TableError(
            f"{held_out} of {n} rows would be held out for the test and {validation} for validation, which leaves too "
            "few for training; pass a smaller --test-size, or --test FILE"
        )
    return PartSizes(held_out or test, validation, min(plan.most_sample, training), plan.block_rows)


@dataclasses.dataclass
class Parts:
    """Rows in memory.

    Attributes
    ----------
    test, validation, sample : Rows
        Without early stopping there are none for validation.
    held_out : ndarray
        The numbers of the rows that are not trained on, rising.
    """

    test: Rows
    validation: Rows
    sample: Rows
    held_out: Array


def read_parts(job: TrainingJob, survey: TargetSurvey, sizes: PartSizes) -> Parts:
    """Choose the rows of the parts by the seed, and read them in one pass.

    Raises
    ------
    TableError
        A class has too few rows, or none in a part.
    """
    if survey.classes is not None and survey.counts is not None:
        few = np.repeat(survey.classes, np.minimum(survey.counts, 3))
        check_rows_of_classes(few, job.options.stops_early, has_test=job.test is not None)
    source = np.random.default_rng(job.options.seed)
    held_out = 0 if job.test is not None else sizes.test
    chosen = choose_rows(source, survey.n, held_out + sizes.validation + sizes.sample)
    order = np.argsort(chosen)  # of the chosen rows, as they come in the table
    rows = _read_rows(job, job.table, chosen[order], sizes.block)
    starts = np.array([0, held_out, held_out + sizes.validation])
    part_of = np.searchsorted(starts, order, side="right") - 1
    # A part without rows has the same start as the next one, which searchsorted passes over.
    test, validation, sample = (rows.take(np.flatnonzero(part_of == part)) for part in range(3))
    numbers = np.sort(np.concatenate([test.numbers, validation.numbers]))
    _check_classes(survey, [(test, "the test"), (validation, "validation")])
    if job.test is not None:
        count = _count_rows(job, job.test)
        test = _read_rows(job, job.test, np.sort(choose_rows(source, count, min(count, sizes.test))), sizes.block)
        job.rows["test file"] = count
    return Parts(test, validation, sample, numbers)


def choose_rows(source: np.random.Generator, n: int, count: int) -> Array:
    """Return `count` different numbers below `n`, in random order; takes memory for these, not for `n`."""
    if 3 * count > n:
        return source.permutation(n)[:count]
    found = np.zeros(0, dtype=np.int64)
    while len(found) < count:
        drawn = np.concatenate([found, source.integers(n, size=2 * count)])
        _, first = np.unique(drawn, return_index=True)
        found = drawn[np.sort(first)]
    return found[:count]


def _count_rows(job: TrainingJob, table: Table) -> int:
    """Return the number of rows that can be used; raise TableError if there is none."""
    names = job.wanted[len(job.names) :]
    count = sum(len(rows_with_target(table, batch, job.target, job.options.weight)) for batch in table.batches(names))
    if not count:
        raise job.no_rows(table)
    return count


def _read_rows(job: TrainingJob, table: Table, chosen: Array, at_a_time: int) -> Rows:
    """Return rows by their numbers among those that can be used, which rise."""
    import polars

    parts: list[Rows] = []
    first = 0
    for batch in table.batches(job.wanted, 0, at_a_time):
        rows = rows_with_target(table, batch, job.target, job.options.weight)
        begin, end = np.searchsorted(chosen, [first, first + len(rows)])
        if begin < end:
            parts.append(rows.take(chosen[begin:end] - first))
        first += len(rows)
    weights = None if job.options.weight is None else np.concatenate([rows.weights for rows in parts])
    frame = polars.concat([rows.frame for rows in parts], rechunk=True)
    return Rows(
        frame, frame[job.target.name].alias("target"), weights, np.concatenate([rows.numbers for rows in parts]), 0, 0
    )


def _check_classes(survey: TargetSurvey, parts: list[tuple[Rows, str]]) -> None:
    """Raise TableError if a class has no row in a part that has rows, or none is left for training."""
    if survey.classes is None or survey.counts is None:
        return
    left = survey.counts
    for rows, words in parts:
        if len(rows):
            counts = np.bincount(np.searchsorted(survey.classes, survey.goals(rows.target)), minlength=len(left))
            left = left - counts
            _fail_without_rows(survey, counts, len(rows), words)
    _fail_without_rows(survey, left, int(left.sum()), "training")


def _fail_without_rows(survey: TargetSurvey, counts: Array, n: int, words: str) -> None:
    if counts.min() > 0:
        return
    assert survey.classes is not None
    assert survey.counts is not None
    place = int(counts.argmin())
    label = shown(survey.classes.tolist()[place])
    raise TableError(
        f"class {label} has {survey.counts[place]:,} of {survey.n:,} rows, and none of the {n:,} rows for {words}; "
        "leave such rows out, join classes, or take another --seed"
    )
