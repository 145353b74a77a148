"""What is done with the memory that samples may take: the limit is kept, and used."""

import sys
import tracemalloc

import numpy as np
import pytest
from fit_blocks_data import SHAPES, Blocks, fit_blocks, samples, smallest_limit

from fastnn2.blocks import budget
from fastnn2.blocks.open_source import open_source
from fastnn2.engine import block_job
from fastnn2.engine.block_job import bytes_needed
from fastnn2.engine.pieces import count_groups_of, split_into_calls
from fastnn2.kernels.shared import tuning

OBJECTS = 100_000  # bytes of Python objects, of which there are more with more blocks, are not counted


def source_of(kind, arrays, folder, dtype):
    if kind == "iterable":
        source = open_source(Blocks(arrays, range(500, len(arrays[0]), 500)))
    elif kind == "npy":
        files = [folder / f"{k}.npy" for k in range(len(arrays))]
        for file, array in zip(files, arrays, strict=True):
            np.save(file, array)
        source = open_source(tuple(files))
    else:
        source = open_source(arrays)
    source.count(dtype)
    return source


def make(source, shape, dtype, limit, threads=2):
    d, h, o = SHAPES[shape]
    return budget.make_budget(source, (d, h, o, source.n), dtype, threads, limit)


@pytest.mark.parametrize("kind", ["arrays", "npy", "iterable"])
@pytest.mark.parametrize("shape", ["narrow", "layers", "shared"])
@pytest.mark.parametrize("call_work", [1, block_job.CALL_WORK])
def test_what_is_planned_is_below_the_limit(shape, kind, call_work, tmp_path, monkeypatch):
    monkeypatch.setattr(block_job, "CALL_WORK", call_work)
    dtype, n = "float64", 20_000
    d, h, o = SHAPES[shape]
    source = source_of(kind, samples(shape, n, dtype, weighted=True), tmp_path, dtype)
    group_bytes = (d + o + 1) * 256
    fixed = bytes_needed((d, h, o, n), dtype, 2)
    seen = set()
    for limit in np.geomspace(1e5, 3e7, 80).astype(int).tolist():
        try:
            found = make(source, shape, dtype, limit)
        except ValueError:
            seen.add("refused")
            continue
        if found.fits:
            seen.add("fits")
            assert tuning.count_groups(n, dtype) * group_bytes + fixed < limit
            continue
        seen.add("blocks")
        largest = max(map(count_groups_of, found.blocks))
        kept = sum(count_groups_of(found.blocks[k]) for k in found.kept)
        own = found.read_rows * (d + o + 1) * 8
        assert (budget.BUFFERS * largest + kept) * group_bytes + fixed + own <= limit
        assert found.read_rows % tuning.group_size(dtype) == 0
        assert found.read_rows > 0
    assert seen == {"refused", "fits", "blocks"}


def test_more_memory_keeps_more_blocks(monkeypatch):
    monkeypatch.setattr(block_job, "CALL_WORK", 1)
    source = open_source(samples("narrow", 60_000))
    source.count("float64")
    counts = []
    for limit in range(400_000, 1_700_000, 50_000):
        found = make(source, "narrow", "float64", limit)
        counts.append(len(found.blocks) + 1 if found.fits else len(found.kept))
        if 2 < len(found.kept) < len(found.blocks) / 2:  # spread over the others
            kept = sorted(found.kept)
            gaps = np.diff(kept)
            assert gaps.max() - gaps.min() <= 1
    assert counts == sorted(counts)
    assert len(set(counts)) > 5


def test_a_call_is_short_and_has_work_for_all_threads():
    source = open_source(samples("layers", 50))
    source.count("float64")
    source.n = 10**8  # of which nothing is read here
    found = make(source, "layers", "float64", 200_000_000)
    d, h, o = SHAPES["layers"]
    assert found.call_groups * 32 * h * (d + o + tuning.WORK_OF_UNIT) <= block_job.CALL_WORK
    for pieces in found.blocks[:-8]:
        assert len(pieces) == 2 * budget.STREAMS_PER_THREAD
        assert len(split_into_calls(pieces, found.cut, found.call_groups)) == 1


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="needs tracemalloc of NumPy's memory")
@pytest.mark.parametrize("stored", ["float64", "float32"])
@pytest.mark.parametrize("kind", ["npy", "npy in Fortran order", "memmap", "iterable"])
@pytest.mark.parametrize("size", ["smallest", "half"])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_allocated_is_below_the_limit(threads, size, kind, stored, tmp_path):
    """The run is in float32, so that a file in float64 is cast."""
    shape, n = "layers", 60_000
    arrays = samples(shape, n, stored)
    if kind == "iterable":
        blocks = Blocks(arrays, range(1000, n, 1000))  # its blocks are views, and nothing is allocated for them
    else:
        files = tuple(tmp_path / f"{k}.npy" for k in "XY")
        for file, array in zip(files, arrays, strict=True):
            np.save(file, np.asfortranarray(array) if "Fortran" in kind else array)
        blocks = tuple(np.load(file, mmap_mode="r") for file in files) if kind == "memmap" else files
    options = {"dtype": "float32", "n_threads": threads}
    limit = smallest_limit(blocks, shape, **options)
    limit = limit if size == "smallest" else limit + n * 6 * 4 // 2
    fit_blocks(blocks, shape, memory_limit=limit, **options)  # loads the kernels
    peaks = []
    for _ in range(4):  # now and then Python makes more room for the names that it shares, 2 MB
        tracemalloc.start()
        try:
            fit_blocks(blocks, shape, memory_limit=limit, **options)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        if peaks[-1] < limit + OBJECTS:
            break
    peak = min(peaks)
    print(f"{peak:,} of {limit:,} bytes")
    assert peak < limit + OBJECTS
    assert peak > limit / 5
