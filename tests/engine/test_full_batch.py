"""A full-batch job: the memory that it takes, and the accuracy of float32 over very many samples."""

import subprocess
import sys

import numpy as np
import pytest
from data import DTYPES, PATIENCE

import fastnn2
from fastnn2.kernels.shared import tuning

# A process that maps saved data, and prints by how much training raises its peak memory.
MAPPED = """
import sys
import numpy as np
import fastnn2
from fastnn2.commands.memory import peak_memory

folder, h, dtype = sys.argv[1], int(sys.argv[2]), sys.argv[3]
X, Y = (np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in ("X", "Y"))
fastnn2.fit(X[:, :9], Y[:, :9], 1e-3, h, 1, dtype=dtype, n_threads=2)
before = peak_memory()
fastnn2.fit(X, Y, 1e-3, h, 2, dtype=dtype, n_threads=2)
print(peak_memory() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives the peak memory of a single process")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("saved", DTYPES)
@pytest.mark.parametrize(
    ("d", "h", "o", "n"),
    [(2, 5, 1, 4_000_000), (30, 32, 2, 400_000), (100, 500, 1, 100_000), (220, 600, 1, 60_000)],
    ids=["narrow", "layers", "shared parameters", "wide"],
)
def test_memory_beyond_the_data_is_bounded(d, h, o, n, saved, dtype, tmp_path):
    """The bound: 1.25 times X and Y in the dtype of the run, 16 sets of parameters, and 64 MB."""
    source = np.random.RandomState(0)
    np.save(tmp_path / "X.npy", source.standard_normal((d, n)).astype(saved))
    np.save(tmp_path / "Y.npy", (source.standard_normal((o, n)) > 0).astype(saved))
    command = [sys.executable, "-c", MAPPED, str(tmp_path), str(h), dtype]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    mapped, number = (d + o) * n * np.dtype(saved).itemsize, np.dtype(dtype).itemsize
    own = 1.25 * (d + o) * n * number + 16 * tuning.count_params(d, h, o) * number + 64e6
    taken = int(done.stdout)
    print(f"{taken / 1e6:.0f} MB more than before, {mapped / 1e6:.0f} of them mapped")
    assert taken > 0.9 * (d + o) * n * number  # at least the copy of the data
    assert taken <= mapped + own


def test_float32_stays_accurate_over_ten_million_samples():
    """Relative errors of 1e-6 for the cost and 1e-5 for the gradient, as tiles are summed in float64."""
    n, rate = 10_000_000, 1e4
    source = np.random.default_rng(0)
    X = source.standard_normal((2, n), dtype=np.float32)
    Y = (X[0] * X[1] + 0.3 > 0)[np.newaxis]
    init = fastnn2.init_params(X[:, :1], Y[:, :1], 5)
    init = {name: value.astype(np.float32) for name, value in init.items()}
    single, double = (fastnn2.fit(X, Y, rate, 5, 1, init=init, dtype=dtype) for dtype in ("float32", "float64"))
    assert single[1][0] == pytest.approx(double[1][0], rel=1e-6)
    for name, value in init.items():
        gradient, expected = ((value - result[0][name].astype(float)) / rate for result in (single, double))
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-5 * abs(expected).max())
