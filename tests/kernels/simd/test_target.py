"""The shapes of register blocks: chosen by the vector registers of the processor that kernels are compiled for."""

import pytest

from fastnn2.codegen.processor import LEVELS, Processor
from fastnn2.kernels.shared import tuning
from fastnn2.kernels.simd import target

WITH_AVX512 = {"x86-64-v4"}


@pytest.fixture(autouse=True)
def no_choice_yet(monkeypatch):
    monkeypatch.setattr(target, "_chosen", [])


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"sse2", "avx", "avx2", "fma", "avx512f"}, target.AVX512_TILES),
        ({"sse2", "avx", "avx2", "fma"}, target.AVX2_TILES),
        ({"neon"}, target.AVX2_TILES),
        (set(), target.AVX2_TILES),
    ],
    ids=["AVX-512", "AVX2", "Neon", "none"],
)
def test_choice(features, expected):
    target.choose(frozenset(features))
    assert target.blocks() == expected


@pytest.mark.parametrize(("first", "second"), [({"avx512f"}, {"avx2"}), ({"avx2"}, {"avx512f"})])
def test_a_process_has_one_choice(first, second):
    target.choose(frozenset(first))
    chosen = target.blocks()
    target.choose(frozenset(first | {"sse2"}))
    with pytest.raises(RuntimeError, match="in a process of its own"):
        target.choose(frozenset(second))
    assert target.blocks() == chosen


@pytest.mark.parametrize("level", LEVELS)
def test_levels(level):
    target.choose(Processor.level(level).features)
    assert target.blocks() == (target.AVX512_TILES if level in WITH_AVX512 else target.AVX2_TILES)


def test_default_is_the_processor_of_numba(monkeypatch):
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+avx2,+avx512f")
    assert target.blocks() == target.AVX512_TILES
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+avx2")
    assert target.blocks() == target.AVX512_TILES  # the choice is kept
    monkeypatch.setattr(target, "_chosen", [])
    assert target.blocks() == target.AVX2_TILES


@pytest.mark.parametrize("shape", [target.AVX512_TILES, target.AVX2_TILES], ids=["AVX-512", "AVX2"])
def test_accumulators_and_operands_fit_in_the_registers(shape):
    registers, per_vector = (32, 1) if shape is target.AVX512_TILES else (16, 2)
    assert (shape.units * shape.vectors + shape.vectors + 1) * per_vector <= registers
    assert shape.columns in (2, 4)
    for units in range(2 * tuning.PART_UNITS, 200, tuning.PART_UNITS):  # no part of a layer ends inside a block
        assert (units - tuning.end_of_full_blocks(units, shape.units)) % (shape.units - 1) == 0
    # The operands of one register after the other.
    assert shape.rows * shape.columns * per_vector + shape.columns + 1 <= registers
    assert (shape.narrow_units * 4 + 3 + 1) * per_vector <= registers  # four sums each; dZ2 and two inputs; A1
    assert shape.narrow_vectors in (1, 2)
