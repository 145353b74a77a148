"""What the tests on clusters share: samples, and the ways to cut them into partitions."""

import itertools

import numpy as np
import pandas as pd
from data import RATE, extra
from fit_blocks_data import SHAPES, samples

import fastnn2

extra("distributed", "dask")
da, dd = extra("dask.array", "dask"), extra("dask.dataframe", "dask")
cluster_fit = extra("fastnn2.dask", "dask").fit

ITERATIONS = 4
TIMEOUT = 60.0
N = 4500  # 16 chunks in float64 and 8 in float32; the last group is not full


def cut(array, chunks):
    """Return a dask array of rows; `chunks` are those of the rows."""
    return da.from_array(array, chunks=(chunks, *array.shape[1:]))


def random_chunks(n, count, seed, least=1):
    """Return `count` numbers, of at least `least`, that add up to n."""
    source = np.random.default_rng(seed)
    cuts = np.sort(source.integers(0, n - count * least + 1, count - 1))
    return tuple(int(size) + least for size in np.diff(cuts, prepend=0, append=n - count * least))


def without_sizes(array):
    """Return a dask array that does not know how many rows its chunks have."""
    array = array.map_blocks(lambda rows: rows)
    array._chunks = ((np.nan,) * len(array.chunks[0]), *array.chunks[1:])
    return array


def as_frame(array, partitions):
    """Return a dask DataFrame, or a Series of one dimension, with an index that says nothing."""
    index = np.arange(len(array))[::-1] // 2
    of = pd.DataFrame(array, index=index) if array.ndim == 2 else pd.Series(array, index=index)
    return dd.from_pandas(of, npartitions=partitions, sort=False)


def some_left(array, partitions):
    """Return a dask DataFrame or Series with a row too many in front of each row, which is then filtered out.

    With a single row of `array` in the first partition, and none in some.
    """
    n = len(array)
    doubled = np.repeat(array, 2, axis=0)
    at = np.arange(2 * n)
    frame = pd.DataFrame(doubled.reshape(2 * n, -1))
    frame["wanted"] = at % 2 == 1
    empty = frame.assign(wanted=False).iloc[:5]
    sizes = [2, *random_chunks(2 * n - 2, partitions, 5)]
    ends = np.cumsum(sizes)
    pieces = [frame.iloc[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    pieces[1:1] = [empty]
    pieces.append(empty)
    found = dd.from_map(lambda number: pieces[number], range(len(pieces)), meta=frame.iloc[:0])
    found = found[found["wanted"]].drop(columns="wanted")
    return found if array.ndim == 2 else found[0]


def alternately(*sizes):
    """Return chunks of `sizes`, again and again, that add up to N."""
    found, size = [], itertools.cycle(sizes)
    while sum(found) < N:
        found.append(min(next(size), N - sum(found)))
    return tuple(found)


# name -> a function of X, Y and weights, or of X and Y, that returns collections of them
PARTITIONINGS = {
    "one": lambda *arrays: [cut(array, -1) for array in arrays],
    "even": lambda *arrays: [cut(array, 500) for array in arrays],
    "columns too": lambda X, *others: [da.from_array(X, chunks=(700, 2)), *(cut(array, 700) for array in others)],
    "each in its way": lambda *arrays: [cut(a, size) for a, size in zip(arrays, (1100, 640, 990), strict=False)],
    "uneven": lambda *arrays: [cut(array, random_chunks(N, 9, seed)) for seed, array in enumerate(arrays)],
    "tiny": lambda *arrays: [cut(array, alternately(1, 2, 1, 297)) for array in arrays],
    "empty": lambda *arrays: [cut(array, (0, 0, *alternately(900, 0, 311), 0)) for array in arrays],
    "unknown": lambda *arrays: [
        without_sizes(cut(array, random_chunks(N, 6, 9 + seed, 0))) for seed, array in enumerate(arrays)
    ],
    "frames": lambda *arrays: [as_frame(array, 5 + count) for count, array in enumerate(arrays)],
    "filtered": lambda *arrays: [some_left(array, 6 + count) for count, array in enumerate(arrays)],
}


def fit(client, collections, shape, iterations=ITERATIONS, learning_rate=RATE, **options):
    """Return what the cluster makes of X, Y and weights, or of X and Y."""
    X, Y, *weights = collections
    options = {"timeout": TIMEOUT, "sample_weight": weights[0] if weights else None, **options}
    return cluster_fit(client, X, Y, learning_rate, SHAPES[shape][1], iterations, **options)


def local_fit(arrays, shape, iterations=ITERATIONS, learning_rate=RATE, **options):
    """Return what fit makes of the same rows."""
    X, Y, *weights = arrays
    weights = weights[0] if weights else None
    return fastnn2.fit(X.T, Y.T, learning_rate, SHAPES[shape][1], iterations, sample_weight=weights, **options)


def rows_of(shape, dtype="float64", weighted=False, n=N):
    """Return X (n, d), Y and, if wanted, weights; Y has one dimension if there is one output."""
    X, Y, *weights = samples(shape, n, dtype, weighted)
    return (X, Y[:, 0] if Y.shape[1] == 1 else Y, *weights)
