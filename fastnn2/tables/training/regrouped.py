"""Batches of a table with as many rows as wanted: those that a file gives have about as many."""

from collections.abc import Iterator

from fastnn2.tables.reading.table import Batch


def regrouped(batches: Iterator[Batch], rows: int) -> Iterator[Batch]:
    """Yield the rows of batches with as many in each as wanted, fewer only in the last one."""
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
