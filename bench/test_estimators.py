"""scikit-learn's class and fastnn2's in pytest-benchmark; in ``python -m bench`` the two take turns."""

import pytest

from bench import estimators, measure

JOBS = [(job, dtype, *side) for job in estimators.JOBS for dtype in job.wanted for side in estimators.SIDES]


@pytest.mark.parametrize(
    ("job", "dtype", "who", "threads"),
    JOBS,
    ids=[f"{j.title.replace(' ', '-')}-{d}-{w}-{t or 'all'}" for j, d, w, t in JOBS],
)
def test_estimators(benchmark, job, dtype, who, threads):
    try:
        call = estimators.prepare(job, dtype)[who]
    except ImportError as error:
        pytest.skip(str(error))
    benchmark.group = f"{job.title} {dtype}"
    benchmark.extra_info.update(who=who, dtype=dtype, threads=threads or "all")
    with measure.thread_limit(threads):
        benchmark.pedantic(call, rounds=measure.ROUNDS, iterations=1)
