"""The processor that is compiled for: its architecture, and the shape of register blocks by its vector registers.

A block is as large as the registers allow: its accumulators stay in registers over the whole loop, and loading its
operands takes less time than multiplying them. The shape decides which sums are formed side by side, never the order of
one sum, so it changes no bit.
"""

import dataclasses

import llvmlite.binding as llvm

from fastnn2.kernels.shared.features import named_features


@dataclasses.dataclass(frozen=True)
class Blocks:
    """The numbers of rows and columns of each kind of block.

    The last few blocks of `units` or `rows`, which are at least 2, have one less (see tuning.end_of_full_blocks).

    Attributes
    ----------
    narrow_units : int
        Backward pass of nn/narrow.py: hidden units, with four accumulators each.
    narrow_vectors : int
        Forward pass of nn/narrow.py: vectors of samples, 1 or 2, in each stage of the pipeline.
    units, vectors, inputs : int
        A layer (nn/affine.py): hidden units, vectors of samples, and how many inputs a turn of the loop takes, 1, 2
        or 4.
    rows, columns : int
        Sums of products over lanes (nn/products.py); `columns` is 2 or 4.
    panel_rows, panel_vectors : int
        Sums of products in lanes (nn/products.py); `panel_vectors` divides tuning.PANEL_VECTORS.
    """

    narrow_units: int
    narrow_vectors: int
    units: int
    vectors: int
    inputs: int
    rows: int
    columns: int
    panel_rows: int
    panel_vectors: int


# 32 registers of 64 bytes (AVX-512): 20 accumulators, 4 vectors, 1 broadcast scalar or vector; 9 loads for 20 products.
# (Six rows are no faster, and layers of 10, 50 or 100 units are common. Panels by eight rows and two vectors, with 10
# loads for 16 products, are 5 % slower, and 10 to 15 % if another thread of the same core loads much, too.)
AVX512_TILES = Blocks(
    narrow_units=5, narrow_vectors=2, units=5, vectors=4, inputs=1, rows=5, columns=4, panel_rows=5, panel_vectors=4
)
# 16 registers of 32 bytes (AVX2) or 32 of 16 bytes (Neon): a vector takes two or four of them. (Three rows and two
# columns load 10 registers for 12 products, two rows load 8 for 8. A turn of four inputs is no faster than one of two.)
AVX2_TILES = Blocks(
    narrow_units=1, narrow_vectors=1, units=6, vectors=1, inputs=2, rows=3, columns=2, panel_rows=6, panel_vectors=1
)

_chosen: list[Blocks] = []


def choose(features: frozenset[str]) -> None:
    """Choose the shapes for a processor with these features.

    A process has one choice, as Numba keeps the types of what it compiled with the first one.
    """
    choice = AVX512_TILES if any(name.startswith("avx512") for name in features) else AVX2_TILES
    if _chosen and _chosen[0] is not choice:
        raise RuntimeError(
            "this process has compiled fastnn2's kernels for a processor with other vector registers; compile for this "
            "one in a process of its own (fastnn2 warmup --cpu LEVEL)"
        )
    _chosen[:] = [choice]


def blocks() -> Blocks:
    """Return the chosen shapes, by default those for the processor that Numba compiles for."""
    if not _chosen:
        choose(_features_of_numba())
    return _chosen[0]


def is_x86(module):
    """Return whether an LLVM module is made for x86."""
    return module.triple.startswith(("x86_64", "i386", "i686"))


def is_aarch64(module):
    """Return whether an LLVM module is made for AArch64."""
    return module.triple.startswith(("aarch64", "arm64"))


def is_windows(module):
    """Return whether an LLVM module is made for Windows."""
    return "windows" in module.triple


def _features_of_numba() -> frozenset[str]:
    """Return the features that Numba compiles with; a user's own code calls kernels without a choice."""
    named = named_features()
    if named is not None:
        return named
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)
