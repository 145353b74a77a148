"""Who holds which chunks."""

import hypothesis
import hypothesis.strategies as st
import pytest
from data import extra

extra("distributed", "dask")
plan = extra("fastnn2.dask.plan", "dask")

WORKERS = ("a", "b", "c", "d", "e")
THREADS = st.dictionaries(st.sampled_from(WORKERS), st.integers(1, 5), min_size=1)
# Of each chunk: how many rows workers have, some of which may be gone.
ROWS = st.lists(st.dictionaries(st.sampled_from((*WORKERS, "gone")), st.integers(0, 1000)), min_size=1, max_size=80)


@hypothesis.given(ROWS, THREADS)
def test_chunks_are_shared_by_threads(rows, threads):
    owners = plan.choose_owners(rows, threads)
    assert len(owners) == len(rows)
    total = sum(threads.values())
    assert set(owners) <= set(threads)
    for worker, of_worker in threads.items():
        assert abs(owners.count(worker) - len(rows) * of_worker / total) < 1


@hypothesis.given(ROWS, THREADS)
def test_a_chunk_goes_where_most_of_its_rows_are(rows, threads):
    """Unless that worker has enough chunks, all of which it has rows of, too."""
    owners = plan.choose_owners(rows, threads)
    for chunk, of_chunk in enumerate(rows):
        holders = {worker: count for worker, count in of_chunk.items() if worker in threads}
        if holders and holders.get(owners[chunk], -1) < max(holders.values()):
            best = max(sorted(holders), key=holders.get)
            assert all(best in rows[other] for other, owner in enumerate(owners) if owner == best)
            assert owners.count(best) >= int(len(rows) * threads[best] / sum(threads.values()))


@pytest.mark.parametrize("each", [1, 7])
def test_chunks_that_are_shared_evenly_already_stay(each):
    rows = [{worker: 10} for worker in reversed(WORKERS) for _ in range(each)]
    assert plan.choose_owners(rows, dict.fromkeys(WORKERS, 1)) == [worker for of_chunk in rows for worker in of_chunk]


def test_nobody_has_the_rows():
    """Each worker gets neighbours."""
    assert plan.choose_owners([{}] * 7, {"a": 1, "b": 2}) == ["a", "a", "b", "b", "b", "b", "b"]
    assert plan.choose_owners([{}] * 2, {"a": 1, "b": 1, "c": 1, "d": 1}) == ["b", "d"]


@hypothesis.given(st.lists(st.sampled_from(WORKERS), min_size=1, max_size=80), st.integers(0, 1 << 30), st.data())
def test_blocks_are_all_chunks_once(owners, chunk_bytes, data):
    threads = {worker: data.draw(st.integers(1, 5)) for worker in sorted(set(owners))}
    blocks = plan.plan_blocks(owners, threads, chunk_bytes)
    assert [chunk for block in blocks for chunk in range(block.first, block.end)] == list(range(len(owners)))
    for block in blocks:
        assert set(owners[block.first : block.end]) == {block.owner}
        assert block.end - block.first == 1 or (block.end - block.first) * chunk_bytes <= plan.BLOCK_BYTES
    # No thread has to wait for one with a large block.
    for worker, of_worker in threads.items():
        mine = [block.end - block.first for block in blocks if block.owner == worker]
        assert max(mine) <= max(1, -(-sum(mine) // (plan.BLOCKS_PER_THREAD * of_worker)))


@pytest.mark.parametrize(("chunk_bytes", "most"), [(1, 8), (plan.BLOCK_BYTES // 3, 3), (plan.BLOCK_BYTES * 2, 1)])
def test_large_chunks_make_small_blocks(chunk_bytes, most):
    blocks = plan.plan_blocks(["a"] * 32, {"a": 1}, chunk_bytes)
    assert max(block.end - block.first for block in blocks) == most


@hypothesis.given(
    st.lists(st.tuples(st.sets(st.sampled_from(WORKERS), min_size=1), st.integers(1, 9)), min_size=1), THREADS
)
def test_blocks_are_summed_by_who_holds_them(blocks, threads):
    holders, sizes = [sorted(of_block) for of_block, _ in blocks], [size for _, size in blocks]
    chosen = plan.group_by_holder(holders, sizes, threads)
    assert all(worker in of_block for worker, of_block in zip(chosen, holders, strict=True))


def test_holders_share_the_work():
    chosen = plan.group_by_holder([("a", "b")] * 9, [1] * 9, {"a": 1, "b": 2})
    assert (chosen.count("a"), chosen.count("b")) == (3, 6)
    assert plan.group_by_holder([("gone",), ("gone",)], [1, 1], {"a": 1}) == ["gone", "gone"]
