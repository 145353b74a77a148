"""The grid through pytest-benchmark, for its ``--benchmark-compare`` and ``-k``.

Here each peer has all its rounds in a row. ``python -m bench`` makes the tables; its peers take turns, which a noisy
machine needs. The tutorial's job is in :mod:`bench.test_tutorial`.
"""

import pytest

from bench import cases, measure

JOBS = [(case, *row) for case in cases.GRID if case != cases.TUTORIAL for row in measure.rows_of(case)]


@pytest.mark.parametrize(
    ("case", "name", "dtype", "threads"), JOBS, ids=[f"{c.name}-{n}-{d}-{t or 'all'}" for c, n, d, t in JOBS]
)
def test_grid(run_peer, case, name, dtype, threads):
    run_peer(name, case, dtype, threads)
