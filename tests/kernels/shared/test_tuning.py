"""How many chunks a sum has: from shape and dtype alone, and more than 64 only with very many samples."""

import pytest
from data import DTYPES

from fastnn2.kernels.shared import tuning

SHAPES = [(2, 5, 1), (30, 100, 1), (784, 100, 10), (1, 1, 1)]


def chunks_before(n, d, h, o, dtype):
    """Return the number of chunks of version 1.0, which is 64 at most."""
    by_memory = max(4, (1 << 20) // tuning.count_params(d, h, o))
    by_work = n * h * (d + o + 16) // 20_000
    group = 256 // (4 if dtype == "float32" else 8)
    by_samples = max(min(2, n // 100), -(-n // (8 * group)))
    most = max(1, min(64, by_work, by_samples, by_memory, -(-n // group)))
    return 1 << (most.bit_length() - 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_up_to_ten_million_samples_there_are_as_many_chunks_as_ever(shape, dtype):
    counts = [1, 2, 63, 64, 65, 199, 200, 201, 1000, 4095, 4096, 4097, 10**5, 10**6, 10**7, (1 << 24) - 1]
    for n in [*counts, *range(3, 200_000, 997)]:
        assert tuning.count_chunks(n, *shape, dtype) == chunks_before(n, *shape, dtype), n
        assert tuning.count_chunks(n, *shape, dtype) <= 64


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "chunks"), [((1 << 24) - 1, 64), (1 << 24, 128), (1 << 25, 256), (10**9, 4096)])
def test_above_there_are_more(n, chunks, dtype):
    assert tuning.count_chunks(n, 2, 5, 1, dtype) == chunks
    assert tuning.CHUNK_SAMPLES <= n / chunks < 4 * tuning.CHUNK_SAMPLES


@pytest.mark.parametrize(("n", "chunks"), [(10**6, 8), (10**7, 8), (16 << 22, 16), (10**9, 128), (10**12, 1 << 17)])
def test_a_large_gradient_has_few_chunks_unless_they_are_large_themselves(n, chunks):
    assert tuning.count_chunks(n, 300, 300, 10, "float32") == chunks
