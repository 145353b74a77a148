"""How a problem is cut, and the numbers that the kernels share with those who call them.

Nothing imports Numba here. The numbers behind all choices by shape stand in this file. Those that decide in which order
sums are formed follow from the shape alone, never from the threads or the processor.
"""

from typing import Any

import numpy as np

# A vector is one AVX-512 register; a group, GROUP_VECTORS of them side by side, is what functions work on at once.
VECTOR_BYTES = 64
GROUP_VECTORS = 4
ALIGNMENT = 128  # of all buffers: two cache lines, as processors fetch pairs

# A layer with so many inputs and units is computed for several units at once; below, that costs more than it gains.
BLOCK_INPUTS = 8
BLOCK_UNITS = 3

# A layer with many inputs takes about so many of them at a time: 24 kB of a group, which stay in the first-level cache
# while all units go by. The weights of such a piece are used again for each group of a tile; so there are pieces only
# where those are at most so many vectors, which stay in the second-level cache.
PIECE_INPUTS = 96
PIECE_VECTORS = 6400

# Sums of products over samples (see products.py) go by panels of so many vectors of columns, which are turned for so
# many samples at a time: 32 kB, two thirds of a first-level cache of 48. A sum of float32 has at most so many terms
# before it is added to others. With fewer rows than this, turning costs too much.
PANEL_VECTORS = 4
PANEL_SAMPLES = 128
SUMMED_SAMPLES = 32
PANEL_ROWS = 32
# Of the terms of many outputs of a sample, so many are summed before they are added to others, as terms that are alike
# are all rounded the same way: so float32 holds for thousands of outputs.
SUMMED_OUTPUTS = 32
# With more weights than this by panels, their sums and the inputs may not be in a second-level cache, and are asked for
# ahead. (To ask for what is there costs 2 %.)
PREFETCH_WEIGHTS = 20_000

# Columns times groups of a tile, 256 bytes each, that stay in the first-level cache while all rows go by.
COLUMN_GROUPS = 64

# The outputs of a tile go into products of 1 + e^-|z| = (a + b) / b, two factors for each group (see
# layers.cost_of_tile). In float32 a + b < 2^2.8, so that those of 22 groups stay below 2^127, the largest power that it
# holds; in float64 a + b < 2^19.
MAX_TILE_GROUPS = 16
# A tile is what stays in the first-level cache, about, where that makes groups enough: each tile costs a sum over lanes
# for each weight, or (see products.py) an addition. Else the second-level cache has to do, and at least two groups.
FIRST_CACHE_BYTES = 64_000
SECOND_CACHE_BYTES = 1_400_000
ENOUGH_GROUPS = 6

# With more samples left than this, X and Y of a narrow network may not be in a second-level cache, and each tile asks
# for the next one. (To ask for what is there already costs 1 to 4 %.)
PREFETCH_SAMPLES = 30_000

MAX_CHUNKS = 64  # enough for 64 cores
# A chunk: so many multiplications or more (a hidden unit counts as WORK_OF_UNIT beside its inputs and outputs), and
# about so many groups of samples or more, as each chunk costs a sum or an addition and a place in the cache for each
# weight. Two chunks, for two threads, are had from so many samples each on.
CHUNK_WORK = 20_000
CHUNK_GROUPS, HALF_SAMPLES = 8, 100
UPDATE_WIDTH = 8  # parameters that are updated at once: the float64 numbers in a vector
GRADIENT_NUMBERS = 1 << 20  # the gradient buffers of all chunks together, where there are many parameters
# From so many parameters on, the threads share one set of them, and each updates a range of it.
SHARED_PARAMS = 4096
# Such a range starts at a multiple of so many parameters, on a line of its own.
RANGE = 32

# Cycles, about 1 ms, that thread 0 may lose at barriers before it goes on alone, in impatient jobs of train.py and in
# the loops of the estimators.
LOST_CYCLES = 2_500_000

# A hidden unit costs about as many multiplications as its tanh beside those over inputs and outputs.
WORK_OF_UNIT = 16
# With fewer multiplications than this for each, another thread costs more at the barrier than it takes off.
WORK_PER_THREAD = 20_000

# A mini-batch of so few groups shares its hidden units among the threads, in parts of whole blocks of so many units,
# two blocks or more: a block is what target.Blocks computes at once, and each part costs a sum of the outputs.
UNIT_GROUPS = 16
PART_UNITS = 5
MAX_PARTS = 16
# So many hidden units and parameters, or more, are shared among the threads by train, too, in parts of so many units or
# more: there is no room for a gradient for each chunk of samples. A batch is of about so many groups, but A1 and Z2 of
# one take about so many bytes each at most; both lie in the last-level cache.
WIDE_UNITS, WIDE_PARAMS, WIDE_PART_UNITS = 600, GRADIENT_NUMBERS // 8, 128
WIDE_GROUPS, WIDE_BYTES = 8, 1 << 24


def group_size(dtype: Any) -> int:
    """Return how many numbers of `dtype` stand in a group."""
    return GROUP_VECTORS * VECTOR_BYTES // int(np.dtype(dtype).itemsize)


def count_groups(n: int, dtype: Any) -> int:
    """Return in how many groups n samples stand, the last one padded."""
    return -(-n // group_size(dtype))


def count_params(d: int, h: int, o: int) -> int:
    """Return the number of parameters of a network."""
    return h * d + h + o * h + o


def weights_of(d: int, h: int, o: int) -> tuple[slice, slice]:
    """Return where W1 and W2 stand among the parameters."""
    return slice(0, h * d), slice(h * (d + 1), h * (d + 1 + o))


def work_of_iteration(d: int, n: int, h: int, o: int) -> int:
    """Return about how many multiplications an iteration takes, counting what else a hidden unit costs."""
    return n * h * (d + o + WORK_OF_UNIT)


def count_chunks(n: int, d: int, h: int, o: int, dtype: Any) -> int:
    """Return into how many chunks n samples are cut.

    Few where samples or work are few, enough for many cores where they are many, and few again where a gradient is
    large, as each chunk has a buffer of its own. Always a power of two: they are summed in pairs.
    """
    by_memory = max(4, GRADIENT_NUMBERS // count_params(d, h, o))
    by_work = work_of_iteration(d, n, h, o) // CHUNK_WORK
    by_samples = max(min(2, n // HALF_SAMPLES), -(-n // (CHUNK_GROUPS * group_size(dtype))))
    most = max(1, min(MAX_CHUNKS, by_work, by_samples, by_memory, count_groups(n, dtype)))
    return 1 << (most.bit_length() - 1)


def count_shares(chunks: int, threads: int, mixed: bool) -> int:
    """Return how many gradients the threads hand over: one each, where each has a whole branch of the tree of pairs.

    No thread has such a branch where they take each other's chunks, or where each sums a range of parameters (`mixed`).
    """
    return chunks if mixed or threads & (threads - 1) else threads


def count_parts(n: int, d: int, h: int, o: int, dtype: Any) -> int:
    """Return into how many parts the hidden units are cut for mini-batches of n samples; 1 where samples are shared.

    Every thread lays out all inputs of a mini-batch, which have to stay in its cache.
    """
    groups = count_groups(n, dtype)
    most = min(MAX_PARTS, work_of_iteration(d, n, h, o) // CHUNK_WORK, h // (2 * PART_UNITS))
    if groups > UNIT_GROUPS or groups * d * GROUP_VECTORS * VECTOR_BYTES > SECOND_CACHE_BYTES or most < 2:
        return 1
    return shared_evenly(most)


def shared_evenly(most: int) -> int:
    """Return at most so many parts, which two threads or four share evenly."""
    return most // 4 * 4 if most >= 4 else most // 2 * 2 or 1


def count_wide_parts(h: int) -> int:
    """Return into how many parts the hidden units are cut where they are shared among the threads by train."""
    return shared_evenly(max(1, min(MAX_PARTS, h // WIDE_PART_UNITS)))


def count_batches(n: int, h: int, o: int, dtype: Any) -> int:
    """Return into how many batches n samples are cut where hidden units are shared among the threads by train."""
    rows = max(h, count_wide_parts(h) * o)
    most = min(WIDE_GROUPS, max(1, WIDE_BYTES // (rows * GROUP_VECTORS * VECTOR_BYTES)))
    return -(-count_groups(n, dtype) // most)


def first_unit(part: int, parts: int, h: int) -> int:
    """Return the first hidden unit of a part; parts are as even as whole blocks of units allow."""
    blocks = -(-h // PART_UNITS)
    first = part * blocks // parts * PART_UNITS
    return first if first < h else h  # kernels are compiled from this, and min takes longer to compile


def most_units(parts: int, h: int) -> int:
    """Return how many hidden units the largest part has."""
    return max(first_unit(part + 1, parts, h) - first_unit(part, parts, h) for part in range(parts))


def end_of_full_blocks(rows: int, size: int) -> int:
    """Return up to which row blocks of `size` rows go, so that blocks of one row less take the rest.

    Of 32 rows by fives, four fives and three fours: a seventh five would compute three rows again for nothing. Few rows
    may have none but the smaller blocks, and the last of those may not be full.
    """
    rest = (size - rows % size) % size * (size - 1)
    return rows - rest if rest <= rows else 0


def blocks_before(row: int, size: int) -> int:
    """Return how many blocks, of `size` rows or one less, come before the one that begins with a row."""
    return (row + size - 1) // size


def count_tile_groups(d: int, h: int, o: int) -> int:
    """Return how many groups make a tile, by the bytes that a group takes: inputs, hidden layer and outputs."""
    bytes_of_group = GROUP_VECTORS * VECTOR_BYTES * (d + h + 2 * o)
    in_second = min(ENOUGH_GROUPS, SECOND_CACHE_BYTES // bytes_of_group)
    return min(MAX_TILE_GROUPS, max(2, in_second, FIRST_CACHE_BYTES // bytes_of_group))


def count_scratch_rows(h: int) -> int:
    """Return how many rows of a group the scratch of a thread has for W2' dZ2, or for a panel."""
    return max(h, PANEL_SAMPLES * PANEL_VECTORS // GROUP_VECTORS)


def even_tiles(groups: int, tile_groups: int) -> int:
    """Return how many groups of a chunk make a tile, about `tile_groups`: none of a few groups is left at the end."""
    tiles = max(round(groups / tile_groups), -(-groups // MAX_TILE_GROUPS))
    return -(-groups // tiles)


def train_kernel(d: int, h: int, o: int) -> str:
    """Return the name of the kernel that trains a network."""
    if d <= 2 and o == 1:
        return "train_narrow"
    return "train_wide" if h >= WIDE_UNITS and count_params(d, h, o) >= WIDE_PARAMS else "train"
