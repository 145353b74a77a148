"""Samples of many networks: which arrays the kernel reads in place, and which are copied or laid out once."""

import numpy as np
import pytest
from array_forms import FORMS, KINDS, unaligned
from data import DTYPES

from fastnn2.engine.layout import to_groups
from fastnn2.functional import many_samples
from fastnn2.functional.entries import Argument
from fastnn2.functional.many_samples import ManySamples

MATRIX = np.random.default_rng(0).integers(0, 2, (3, 37))


def as_matrix(samples, n):
    """Return what a kernel reads, by the address and the strides."""
    assert samples.step != 0
    size = samples.array.itemsize
    assert samples.address == samples.array.__array_interface__["data"][0]
    strides = samples.stride * size, samples.step * size
    return np.lib.stride_tricks.as_strided(samples.array, (samples.array.shape[0], n), strides)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", sorted(set(FORMS) - {"list", "frame"}))
def test_samples_of_one_network(form, kind, dtype):
    array = FORMS[form](MATRIX.astype(kind))
    samples = ManySamples([array, array[:, :9]], [np.dtype(dtype)] * 2, 1)
    for i, n in enumerate((37, 9)):
        found = samples.of(i)
        assert found.array.dtype == dtype
        assert (as_matrix(found, n) == MATRIX[:, :n]).all()
    is_read_in_place = array.dtype == dtype and form != "unaligned"
    assert np.shares_memory(samples.of(0).array, array) == is_read_in_place


@pytest.mark.parametrize(
    "array",
    [
        np.broadcast_to(MATRIX[:1].astype(float), MATRIX.shape),
        np.broadcast_to(MATRIX[:, :1].astype(float), MATRIX.shape),
        np.broadcast_to(1.0, (1, 1)),
        unaligned(MATRIX.astype(float)),
        np.zeros(37, dtype=[("a", "i1"), ("b", "f8")])["b"][np.newaxis],  # nine bytes from one number to the next
    ],
    ids=["row", "column", "one number", "unaligned", "nine bytes"],
)
def test_arrays_that_a_kernel_cannot_read_in_place(array):
    found = ManySamples([array], [np.dtype("float64")], 1).of(0)
    assert (as_matrix(found, array.shape[1]) == array).all()
    assert found.array.flags.aligned


@pytest.mark.parametrize("dtype", DTYPES)
def test_samples_of_several_networks_are_laid_out_when_they_are_needed(dtype, monkeypatch):
    array, other, calls = MATRIX.astype(float), MATRIX.astype("float32"), []
    monkeypatch.setattr(
        many_samples, "to_groups", lambda matrix, *rest: calls.append(matrix) or to_groups(matrix, *rest)
    )
    dtype = np.dtype(dtype)
    samples = ManySamples([array, other, array, other[:]], [dtype] * 4, 1)
    assert calls == []
    found = [samples.of(i) for i in (2, 0, 1, 3)]
    assert len(calls) == 1
    assert found[0] is found[1]
    assert found[0].step == 0
    assert found[0].array.tobytes() == to_groups(array, dtype)[0].tobytes()
    assert found[2].step != 0


@pytest.mark.parametrize("n", [1, 500, 600, 200_000])
def test_the_first_wrong_array_is_named(n):
    for wrong in ([0], [3], [99, 40], [64, 65]):
        arrays = [np.ones((1, n), dtype=DTYPES[i % 2]) for i in range(100 if n < 1000 else max(wrong) + 1)]
        for i in wrong:
            arrays[i][0, n - 1] = np.nan
        samples = ManySamples(arrays, [array.dtype for array in arrays], 1)
        with pytest.raises(ValueError, match=rf"^X\[{min(wrong)}\] has nan at row 0, sample {n - 1}"):
            samples.check_finite(Argument("X", arrays))
        with pytest.raises(ValueError, match=rf"^Y\[{min(wrong)}\] has nan at row 0, sample {n - 1}"):
            samples.check_in_unit_interval(Argument("Y", arrays))


def test_arrays_of_other_number_types_are_checked_together():
    kinds = ["bool", "uint64", "int8", "float16", ">f8", "longdouble", "float32"]
    arrays = [np.ones((2, 5), dtype=kind) for kind in kinds]
    dtypes = [np.dtype("float64")] * len(kinds)
    ManySamples(arrays, dtypes, 1).check_in_unit_interval(Argument("Y", arrays))
    for i, kind in enumerate(kinds[1:], 1):
        wrong = [*arrays]
        wrong[i] = np.full((2, 5), 2, dtype=kind)
        with pytest.raises(ValueError, match=rf"^Y\[{i}\] has 2"):
            ManySamples(wrong, dtypes, 1).check_in_unit_interval(Argument("Y", wrong))


def test_an_array_for_all_networks_is_checked_once(monkeypatch):
    calls = []
    monkeypatch.setattr(many_samples, "is_finite", lambda array: calls.append(array) or True)
    array = MATRIX.astype(float)
    ManySamples([array] * 1000, [array.dtype] * 1000, 1).check_finite(Argument("X", array))
    assert len(calls) == 1
