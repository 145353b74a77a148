"""Many runs: each is prepared, trained and completed once, in slabs of one dtype, first those of the most work."""

import itertools

import pytest
from data import assert_ended
from network_run_data import assert_right, new_run, prepare
from thread_data import count_threads

from fastnn2.engine import network_pool, networks


def train(runs, n_threads):
    """Train runs; return the indices of each call of prepare and of complete, in their order."""
    prepared, completed = [], []

    def keep_prepared(some):
        prepared.append([run.index for run in some])
        prepare(some)

    def complete(some):
        completed.append([run.index for run in some])
        for run in some:
            assert_right(run)

    assert not networks.run_networks(runs, n_threads, False, keep_prepared, complete)
    return prepared, completed


@pytest.mark.parametrize("n_threads", [None, 1, 2, 7])
def test_slabs(n_threads, monkeypatch):
    """They grow from FIRST_SLAB to SLAB, and float32 begins anew; the order is that of the work."""
    monkeypatch.setattr(networks, "FIRST_SLAB", 2)
    monkeypatch.setattr(networks, "SLAB", 5)
    runs = [new_run(i, n=20 + 7 * i % 30, dtype="float32" if i % 3 == 0 else "float64") for i in range(30)]
    prepared, completed = train(runs, n_threads)
    assert [len(slab) for slab in prepared] == [2, 4, 5, 5, 4, 2, 4, 4]
    assert completed == prepared
    by_work = sorted(runs, key=lambda run: (run.dtype == "float32", -run.work))
    assert list(itertools.chain(*prepared)) == [run.index for run in by_work]


def test_runs_of_much_work_begin_with_a_whole_slab(monkeypatch):
    monkeypatch.setattr(networks, "SHORT_RUN_WORK", 0)
    monkeypatch.setattr(networks, "FIRST_SLAB", 2)
    monkeypatch.setattr(networks, "SLAB", 5)
    prepared, completed = train([new_run(i) for i in range(12)], 1)
    assert prepared == completed == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]


def test_a_slab_is_prepared_while_the_one_before_is_trained(monkeypatch):
    """And the one before that is completed, so that there are samples of three slabs at most."""
    monkeypatch.setattr(networks, "FIRST_SLAB", 2)
    monkeypatch.setattr(networks, "SLAB", 2)
    steps, run_pool = [], networks.NetworkPool.run

    def run(self, bar, work_beside):
        steps.append(("train", self.runs[0].index))
        return run_pool(self, bar, work_beside)

    monkeypatch.setattr(networks.NetworkPool, "run", run)
    networks.run_networks(
        [new_run(i) for i in range(8)], 1, False,
        lambda some: prepare(some) or steps.append(("prepare", some[0].index)),
        lambda some: steps.append(("complete", some[0].index)),
    )  # fmt: skip
    assert steps == [
        ("prepare", 0), ("train", 0), ("prepare", 2), ("train", 2), ("complete", 0), ("prepare", 4), ("train", 4),
        ("complete", 2), ("prepare", 6), ("train", 6), ("complete", 4), ("complete", 6),
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 5, 1), (7, 9, 3), (100, 50, 2), (220, 600, 1)], ids=str)
def test_shared_runs_have_the_bits_of_fit(shape, monkeypatch):
    monkeypatch.setattr(networks, "runs_to_share", lambda runs, *_: (list(runs), []))
    monkeypatch.setattr(networks, "NetworkPool", None)
    prepared, completed = train([new_run(i, 300, 3, shape, dtype) for i, dtype in enumerate(["float64", "float32"])], 2)
    assert prepared == completed == [[0], [1]]


def test_runs_are_shared_where_threads_would_be_without_work():
    """Three long ones on two threads; for each dtype, as their kernels run one after the other."""
    for dtypes, shared in ((["float64"] * 3, 1), (["float64"] * 4, 0), (["float32", "float64"], 2)):
        runs = [new_run(i, 3000, 200, dtype=dtype) for i, dtype in enumerate(dtypes)]
        prepared, _ = train(runs, 2)
        assert sum(len(slab) == 1 for slab in prepared) == shared


@pytest.mark.parametrize(
    ("shape", "n", "iterations", "n_threads", "expected"),
    [
        ((220, 600, 1), 40, 1, 1, True),
        ((220, 600, 1), 40, 0, 2, True),
        ((2, 5, 1), 3000, 1000, 1, False),
        ((2, 5, 1), 3000, 1000, 2, None),
        ((2, 5, 1), 10, 1000, 2, False),
    ],
)
def test_the_choice_of_a_team(shape, n, iterations, n_threads, expected):
    choice = networks.TeamChoice(n_threads)
    run = new_run(0, n, iterations, shape)
    assert choice(run) is expected
    assert choice(run) is expected


def test_an_error_of_prepare_is_raised_when_all_threads_have_stopped(monkeypatch):
    def fail(some):
        if some[0].index == 2:
            raise MemoryError("no room")
        prepare(some)

    before, entered = count_threads(), []
    monkeypatch.setattr(network_pool, "is_short_job", lambda *_: False)
    monkeypatch.setattr(networks, "SLAB", 2)
    monkeypatch.setattr(networks, "SHORT_RUN_WORK", 0)
    runs = [new_run(i, iterations=1_000_000) for i in range(4)]  # seconds
    with pytest.raises(MemoryError, match="no room"):
        networks.run_networks(runs, 2, False, fail, lambda some: entered.append(some))
    assert entered == []
    assert_ended(before, count_threads)
