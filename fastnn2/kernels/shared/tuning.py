"""How a problem is cut into chunks, tiles, parts and batches, and every constant that these choices need.

Nothing here imports Numba. What decides the order of a sum follows from the shape alone, never from the number of
threads or the processor; that is why results are the same, bit for bit, on all of them. The rest, such as block sizes
(see simd/target.py), only decides which sums are formed side by side.
"""

from typing import Any

import numpy as np

# A vector is one AVX-512 register. A group is GROUP_VECTORS of them side by side: the unit in which samples are laid
# out.
VECTOR_BYTES = 64
GROUP_VECTORS = 4
ALIGNMENT = 128  # of all buffers, in bytes: two cache lines, as processors fetch lines in pairs

# A layer with at least this many inputs and units is computed in blocks of units; in a smaller one, blocks cost more
# than they gain.
BLOCK_INPUTS = 8
BLOCK_UNITS = 3

# A layer with many inputs takes them in pieces of about PIECE_INPUTS: 24 kB of a group, which stay in the first-level
# cache while all units are computed. Each group of a tile reads the weights of a piece again, so pieces pay only if
# these weights stay in the second-level cache: at most PIECE_VECTORS vectors.
PIECE_INPUTS = 96
PIECE_VECTORS = 6400

# Sums of products over samples (see products.py) pack PANEL_VECTORS vectors of columns into a panel, PANEL_SAMPLES
# samples at a time: 32 kB, two thirds of a first-level cache of 48 kB. With fewer than PANEL_ROWS rows, packing costs
# more than it gains. In float32 at most SUMMED_SAMPLES terms are added to one sum before it is added to others.
PANEL_VECTORS = 4
PANEL_SAMPLES = 128
SUMMED_SAMPLES = 32
PANEL_ROWS = 32
# Of the outputs of a sample, the terms of at most SUMMED_OUTPUTS are added to one sum before it is added to others.
# Terms that are alike are all rounded in the same direction; short sums keep float32 accurate for thousands of outputs.
SUMMED_OUTPUTS = 32
# With more weights than this in panels, their sums and the inputs may be outside the second-level cache, and are
# prefetched. (Prefetching data that are in the cache costs 2 %.)
PREFETCH_WEIGHTS = 20_000

# Columns times groups (256 bytes each) of a tile that stay in the first-level cache while all rows are computed.
COLUMN_GROUPS = 64

# The cost of a tile takes the log of a product of 1 + e^-|z| = (a + b) / b, with two factors per group (see
# cost.cost_of_tile). In float32 a + b < 2^2.8, so that the product over 22 groups stays below 2^127, the largest
# power of two; in float64 a + b < 2^19.
MAX_TILE_GROUPS = 16
# A tile fills about the first-level cache if that makes at least ENOUGH_GROUPS groups, as each tile costs a sum over
# lanes (or, in panels, an addition) for each weight. Otherwise it may fill the second-level cache; it has at least two
# groups.
FIRST_CACHE_BYTES = 64_000
SECOND_CACHE_BYTES = 1_400_000
ENOUGH_GROUPS = 6

# With more samples left than this, X and Y of a network of few inputs may be outside the second-level cache, and each
# tile prefetches the next one. (Prefetching data that are in the cache costs 1 to 4 %.)
PREFETCH_SAMPLES = 30_000

MAX_CHUNKS = 64  # enough for 64 cores
# From 2 * MAX_CHUNKS * CHUNK_SAMPLES samples on there are more chunks, with CHUNK_SAMPLES to twice as many each: more
# threads or machines can share them, and a chunk of samples on a disk takes little memory.
CHUNK_SAMPLES = 1 << 17
# A chunk has at least CHUNK_WORK multiplications (a hidden unit counts as WORK_OF_UNIT in addition to its inputs and
# outputs) and about CHUNK_GROUPS groups of samples or more, as each chunk costs a sum over lanes (or an addition) per
# weight, and room in the cache for its gradient. Two chunks, for two threads, may be as small as HALF_SAMPLES samples.
CHUNK_WORK = 20_000
CHUNK_GROUPS, HALF_SAMPLES = 8, 100
UPDATE_WIDTH = 8  # parameters that are updated at once: as many as a vector has float64 lanes
GRADIENT_NUMBERS = 1 << 20  # at most, in the gradient buffers of all chunks, if there are more than four chunks
# However large a gradient is, a chunk has at most twice this many samples: next to them, it is small.
LARGE_CHUNK_SAMPLES = 1 << 22
# From this many parameters on, the threads share one set of parameters, and each updates a range of it.
SHARED_PARAMS = 4096
# Such a range begins at a multiple of this, so that no two threads write the same cache line.
RANGE = 32

# Thread 0 goes on alone when it has waited longer than this at barriers, about 1 ms, and longer than it has worked.
MAX_WAIT_CYCLES = 2_500_000

# Multiplications that take as long as the tanh of a hidden unit for one sample.
WORK_OF_UNIT = 16
# With fewer multiplications per thread than this, another thread costs more at the barrier than it saves.
WORK_PER_THREAD = 20_000

# For a mini-batch of at most UNIT_GROUPS groups the threads share the hidden units, in parts. A part has at least two
# blocks of PART_UNITS units (target.AVX512_TILES.units), as each part costs a sum over the outputs.
UNIT_GROUPS = 16
PART_UNITS = 5
MAX_PARTS = 16
# With at least WIDE_UNITS hidden units and WIDE_PARAMS parameters, the threads of fit share the hidden units too, in
# parts of at least WIDE_PART_UNITS units: there is no room for a gradient per chunk of samples. A batch has at most
# WIDE_GROUPS groups, and A1 and Z2 of a batch at most about WIDE_BYTES each, so that both stay in the last-level cache.
WIDE_UNITS, WIDE_PARAMS, WIDE_PART_UNITS = 600, GRADIENT_NUMBERS // 8, 128
WIDE_GROUPS, WIDE_BYTES = 8, 1 << 24


def group_size(dtype: Any) -> int:
    """Return G, the number of lanes of a group in `dtype`."""
    return GROUP_VECTORS * VECTOR_BYTES // int(np.dtype(dtype).itemsize)


def count_groups(n: int, dtype: Any) -> int:
    """Return the number of groups that hold n samples; the last one is padded."""
    return -(-n // group_size(dtype))


def count_params(d: int, h: int, o: int) -> int:
    """Return the number of parameters of a network."""
    return h * d + h + o * h + o


def weights_of(d: int, h: int, o: int) -> tuple[slice, slice]:
    """Return the slices of W1 and W2 in the flat parameters."""
    return slice(0, h * d), slice(h * (d + 1), h * (d + 1 + o))


def work_of_iteration(d: int, n: int, h: int, o: int) -> int:
    """Return about how many multiplications an iteration takes, with WORK_OF_UNIT for the tanh of each unit."""
    return n * h * (d + o + WORK_OF_UNIT)


def count_chunks(n: int, d: int, h: int, o: int, dtype: Any) -> int:
    """Return the number of chunks into which n samples are cut: a power of two, as chunks are summed in pairs.

    There are few if samples or work are few, enough for many cores if they are many, and few again if a gradient is
    large, as each chunk has a gradient buffer of its own.
    """
    by_memory = max(4, GRADIENT_NUMBERS // count_params(d, h, o), n // LARGE_CHUNK_SAMPLES)
    by_work = work_of_iteration(d, n, h, o) // CHUNK_WORK
    by_samples = max(min(2, n // HALF_SAMPLES), -(-n // (CHUNK_GROUPS * group_size(dtype))))
    most = max(1, min(max(MAX_CHUNKS, n // CHUNK_SAMPLES), by_work, by_samples, by_memory, count_groups(n, dtype)))
    return 1 << (most.bit_length() - 1)


def count_shares(chunks: int, threads: int, mixed: bool) -> int:
    """Return how many gradients are left to sum after the barrier: one per thread, or else one per chunk.

    A thread can sum its own chunks before the barrier only if they are a whole branch of the tree of pairs: if the
    number of threads is a power of two. It cannot if the threads steal chunks or update ranges of one set (`mixed`).
    """
    return chunks if mixed or threads & (threads - 1) else threads


def count_parts(n: int, d: int, h: int, o: int, dtype: Any) -> int:
    """Return the number of parts into which the hidden units are cut for mini-batches of n samples.

    It is 1 if the threads share the samples instead: if a mini-batch is large, or its inputs, which every thread lays
    out for itself, would not stay in the second-level cache.
    """
    groups = count_groups(n, dtype)
    most = min(MAX_PARTS, work_of_iteration(d, n, h, o) // CHUNK_WORK, h // (2 * PART_UNITS))
    if groups > UNIT_GROUPS or groups * d * GROUP_VECTORS * VECTOR_BYTES > SECOND_CACHE_BYTES or most < 2:
        return 1
    return shared_evenly(most)


def shared_evenly(most: int) -> int:
    """Return the largest number of parts, at most `most`, that two threads, and if possible four, share evenly."""
    return most // 4 * 4 if most >= 4 else most // 2 * 2 or 1


def count_wide_parts(h: int) -> int:
    """Return the number of parts into which train_wide cuts the hidden units."""
    return shared_evenly(max(1, min(MAX_PARTS, h // WIDE_PART_UNITS)))


def count_batches(n: int, h: int, o: int, dtype: Any) -> int:
    """Return the number of batches into which train_wide cuts n samples."""
    rows = max(h, count_wide_parts(h) * o)
    most = min(WIDE_GROUPS, max(1, WIDE_BYTES // (rows * GROUP_VECTORS * VECTOR_BYTES)))
    return -(-count_groups(n, dtype) // most)


def first_unit(part: int, parts: int, h: int) -> int:
    """Return the first hidden unit of a part; parts are as even as whole blocks of PART_UNITS units allow."""
    blocks = -(-h // PART_UNITS)
    first = part * blocks // parts * PART_UNITS
    return first if first < h else h  # kernels compile this function, and min takes longer to compile


def most_units(parts: int, h: int) -> int:
    """Return the number of hidden units of the largest part."""
    return max(first_unit(part + 1, parts, h) - first_unit(part, parts, h) for part in range(parts))


def end_of_full_blocks(rows: int, size: int) -> int:
    """Return the number of rows that go into blocks of `size` rows; blocks of ``size - 1`` rows take the rest.

    32 rows in fives are four fives and three fours: a seventh five would compute three rows twice. If rows are few,
    there may be only smaller blocks, and the last of them may not be full.
    """
    rest = (size - rows % size) % size * (size - 1)
    return rows - rest if rest <= rows else 0


def blocks_before(row: int, size: int) -> int:
    """Return the number of blocks, of `size` rows or one less, before the block that begins with `row`."""
    return (row + size - 1) // size


def count_tile_groups(d: int, h: int, o: int) -> int:
    """Return the number of groups of a tile, from the bytes of a group: inputs, hidden layer and outputs."""
    bytes_of_group = GROUP_VECTORS * VECTOR_BYTES * (d + h + 2 * o)
    in_second = min(ENOUGH_GROUPS, SECOND_CACHE_BYTES // bytes_of_group)
    return min(MAX_TILE_GROUPS, max(2, in_second, FIRST_CACHE_BYTES // bytes_of_group))


def count_scratch_rows(h: int) -> int:
    """Return S, the number of rows of a group in a thread's scratch, which holds W2' dZ2 or a panel."""
    return max(h, PANEL_SAMPLES * PANEL_VECTORS // GROUP_VECTORS)


def even_tiles(groups: int, tile_groups: int) -> int:
    """Return the number of groups of a tile, about `tile_groups`, that cuts a chunk of `groups` into even tiles."""
    tiles = max(round(groups / tile_groups), -(-groups // MAX_TILE_GROUPS))
    return -(-groups // tiles)


def train_kernel(d: int, h: int, o: int) -> str:
    """Return the name of the kernel that trains a network with fit."""
    if d <= 2 and o == 1:
        return "train_narrow"
    return "train_wide" if h >= WIDE_UNITS and count_params(d, h, o) >= WIDE_PARAMS else "train"
