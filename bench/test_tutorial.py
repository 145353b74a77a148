"""The tutorial's job, 500 samples, 5 hidden units and 5,000 iterations, by all peers."""

import pytest

from bench import cases, measure

JOBS = list(measure.rows_of(cases.TUTORIAL))


def test_published_costs():
    """The job is the published one: its first and last cost are the tutorial's, by reference and package."""
    from fastnn2 import fit, reference

    X, Y, params = cases.problem(cases.TUTORIAL)
    for train in (reference.fit, fit):
        cost_ = train(X, Y, cases.TUTORIAL.learning_rate, cases.TUTORIAL.h, cases.TUTORIAL.iterations, init=params)[1]
        assert abs(cost_[0] - cases.FIRST_COST) <= 1e-15
        assert abs(cost_[-1] - cases.LAST_COST) <= 1e-12


@pytest.mark.parametrize(("name", "dtype", "threads"), JOBS, ids=[f"{n}-{d}-{t or 'all'}" for n, d, t in JOBS])
def test_tutorial(run_peer, name, dtype, threads):
    run_peer(name, cases.TUTORIAL, dtype, threads)
