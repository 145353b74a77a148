"""Which of many runs the threads share: as few as leave no thread without work for long."""

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn2.engine.shares import UNEVEN, runs_to_share


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, with what the choice depends on."""

    work: int
    needs_team: bool | None = None
    number: int = 0


def share(works, threads):
    """Return the work of the shared runs and of the others."""
    shared, single = runs_to_share([Run(work) for work in works], threads, lambda run: run.needs_team)
    return [run.work for run in shared], [run.work for run in single]


def seconds(shared, single, threads):
    """Return how long runs take: shared ones one after the other, then each thread takes the next one."""
    ends = [0.0] * threads
    for run in single:
        ends[ends.index(min(ends))] += run.work
    return sum(run.work for run in shared) / threads + max(ends)


@pytest.mark.parametrize(
    ("count", "threads", "expected"),
    [(3, 2, 1), (2, 2, 0), (4, 2, 0), (1, 2, 1), (10, 7, 3), (7, 7, 0), (8, 7, 1), (13, 7, 6), (1000, 7, 0), (5, 1, 0)],
)
def test_equal_runs(count, threads, expected):
    """1000 on 7 threads are 143 for some of them and 142 for others, which is even enough."""
    assert share([100] * count, threads) == ([100] * expected, [100] * (count - expected))


def test_a_huge_number_of_allowed_threads_takes_no_memory():
    assert share([100] * 3, 10**12) == ([100] * 3, [])


@pytest.mark.parametrize(
    ("works", "threads", "shared"),
    [
        ([100, 1, 1, 1], 2, [100]),
        ([3, 100, 3, 99], 2, []),
        ([60, 40, 40, 20], 2, []),
        ([40, 40, 30, 30, 20], 3, [40, 40, 30, 30, 20]),  # of these to share one takes longer than none
        ([], 3, []),
        ([0, 0, 0], 2, []),
    ],
)
def test_runs_of_several_sizes(works, threads, shared):
    assert share(works, threads)[0] == shared


def test_runs_that_need_a_team_are_shared_and_those_that_must_not_are_not():
    runs = [Run(5, True), Run(100, False), Run(1, None), Run(50, True), Run(100, None)]
    assert runs_to_share(runs, 1, lambda run: run.needs_team) == ([runs[3], runs[0]], [runs[1], runs[4], runs[2]])
    assert runs_to_share(runs[:1], 2, lambda run: run.needs_team) == (runs[:1], [])
    assert runs_to_share([Run(9, False)], 2, lambda run: run.needs_team) == ([], [Run(9, False)])


def test_the_choice_is_the_best_one_where_an_intermediate_one_is_worse():
    """To share the two of 3 takes 1 + 1 + 4; to share none 5."""
    runs = [Run(work, None if work == 3 else False) for work in (3, 3, 2, 2, 2, 2)]
    shared, single = runs_to_share(runs, 3, lambda run: run.needs_team)
    assert seconds(shared, single, 3) <= 5


WORKS = st.tuples(st.integers(0, 20) | st.integers(0, 10**12), st.sampled_from([True, False, None]))


@settings(max_examples=500)
@given(works=st.lists(WORKS, max_size=40), threads=st.integers(1, 9))
def test_all_runs_are_there_once_in_order_and_take_no_longer(works, threads):
    runs = [Run(work, needs, number) for number, (work, needs) in enumerate(works)]
    shared, single = runs_to_share(runs, threads, lambda run: run.needs_team)
    assert sorted(run.number for run in shared + single) == list(range(len(runs)))
    assert all(run.needs_team is not False for run in shared)
    assert all(not run.needs_team for run in single)
    assert all(one.work >= other.work for one, other in itertools.pairwise(single))
    required = [run for run in shared if run.needs_team]
    assert shared[: len(required)] == required
    chosen = shared[len(required) :] + single
    assert all(one.work >= other.work for one, other in itertools.pairwise(chosen))
    # Runs of less than a twentieth of a thread's share are taken for divisible.
    even = sum(run.work for run in chosen) / threads
    best = min(
        seconds(chosen[:count], chosen[count:], threads)
        for count in range(len(chosen) + 1)
        if all(run.needs_team is None for run in chosen[:count])
    ) if threads > 1 else seconds([], chosen, 1)  # fmt: skip
    assert seconds(shared[len(required) :], single, threads) <= best + 2 * (UNEVEN - 1) * even + 1e-6
