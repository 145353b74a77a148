"""The processor that is compiled for: its architecture, and the shape of register blocks by its vector registers.

The accumulators of a block stay in registers over the whole loop, and it is large enough that to load its operands
takes less time than to multiply them. The shape decides which sums are formed side by side and never in which order one
of them is formed, so it changes no bit.
"""

import dataclasses
import os

import llvmlite.binding as llvm


@dataclasses.dataclass(frozen=True)
class Blocks:
    """How many rows and columns a block has.

    The last few blocks of `units` or `rows`, which are 2 or more, have one less (see tuning.end_of_full_blocks).

    Attributes
    ----------
    narrow_units : int
        Of the way back through a narrow network: hidden units, four accumulators each.
    units, vectors : int
        Of a layer: hidden units, and vectors (64 bytes) of samples side by side.
    rows, columns : int
        Of sums over lanes of products over samples; `columns` is 2 or 4.
    panel_rows, panel_vectors : int
        Of such sums in lanes; `panel_vectors` divides tuning.PANEL_VECTORS.
    """

    narrow_units: int
    units: int
    vectors: int
    rows: int
    columns: int
    panel_rows: int
    panel_vectors: int


# 32 registers of 64 bytes (AVX-512): 20 accumulators, 4 vectors, 1 number or vector; 9 loads for 20 products. (Six rows
# are no faster, and layers of 10, 50 or 100 are common. Panels by eight rows and two vectors, with 10 loads for 16
# products, are 5 % slower, and 10 to 15 % where whatever shares the core loads, too.)
AVX512_TILES = Blocks(narrow_units=5, units=5, vectors=4, rows=5, columns=4, panel_rows=5, panel_vectors=4)
# 16 registers of 32 bytes (AVX2), or 32 of 16: a vector takes two or four of them.
AVX2_TILES = Blocks(narrow_units=1, units=5, vectors=1, rows=2, columns=2, panel_rows=6, panel_vectors=1)

_chosen: list[Blocks] = []


def choose(features: frozenset[str]) -> None:
    """Choose for a processor with these features.

    Numba keeps what it typed for the first choice, so a process has one.
    """
    choice = AVX512_TILES if any(name.startswith("avx512") for name in features) else AVX2_TILES
    if _chosen and _chosen[0] is not choice:
        raise RuntimeError(
            "this process has compiled fastnn2's kernels for a processor with other vector registers; compile for this "
            "one in a process of its own (fastnn2 warmup --cpu LEVEL)"
        )
    _chosen[:] = [choice]


def blocks() -> Blocks:
    """Return the shapes to compile with: as chosen, else for the processor that Numba compiles for."""
    if not _chosen:
        choose(_features_of_numba())
    return _chosen[0]


def is_x86(module):
    """Return whether an LLVM module is made for x86."""
    return module.triple.startswith(("x86_64", "i386", "i686"))


def is_aarch64(module):
    """Return whether an LLVM module is made for AArch64."""
    return module.triple.startswith(("aarch64", "arm64"))


def _features_of_numba() -> frozenset[str]:
    """Return the features that a user's own Numba code has, which calls kernels and chooses nothing."""
    named = os.environ.get("NUMBA_CPU_FEATURES")
    if named is None and os.environ.get("NUMBA_CPU_NAME") == "generic":
        named = ""
    if named is not None:
        return frozenset(word.strip()[1:] for word in named.split(",") if word.strip().startswith("+"))
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)
