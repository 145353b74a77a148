"""The registers of a block of a layer, with AVX-512 and with AVX2."""

from style import BLUE, GREEN, MARGIN, ORANGE, Drawing

from fastnn2.kernels.shared.tuning import VECTOR_BYTES
from fastnn2.kernels.simd.target import AVX2_TILES, AVX512_TILES

CELL, HEIGHT, SCALAR = 33.0, 25.0, 46.0
# A processor's vector registers: how many, and of how many bytes.
KINDS = (("AVX-512", AVX512_TILES, 32, 64), ("AVX2", AVX2_TILES, 16, 32))


def draw():
    """Draw it."""
    paper = Drawing(372)
    left = MARGIN
    for name, blocks, registers, size in KINDS:
        per_vector = VECTOR_BYTES // size
        wide = blocks.vectors * per_vector
        x = left + SCALAR + 6
        paper.text(left, 8, name, across="left", down="top", bold=True)
        paper.text(left, 26, f"{registers} registers of {size} bytes", across="left", down="top")
        paper.text(x + wide * CELL / 2, 64, "inputs a", BLUE, bold=True)
        paper.cells(x, 76, wide * CELL, HEIGHT, wide, BLUE, ["a"] * wide)
        for u in range(blocks.units):
            y = 76 + HEIGHT + 8 + u * HEIGHT
            paper.box(left, y, SCALAR, HEIGHT, ORANGE, f"w{u}", filled=u == 0)
            paper.cells(x, y, wide * CELL, HEIGHT, wide, GREEN, [f"z{u}"] * wide)
        sums = blocks.units * wide
        used = sums + wide + 1
        y = 76 + HEIGHT + 8 + max(AVX512_TILES.units, AVX2_TILES.units) * HEIGHT + 10
        lines = (
            (f"{sums} sums z", GREEN),
            (f"{wide} of inputs a", BLUE),
            ("1 weight w at a time", ORANGE),
            (f"{used} of {registers} registers", None),
        )
        for i, (line, colour) in enumerate(lines):
            looks = {"colour": colour} if colour else {}
            paper.text(left, y + i * 18, line, across="left", down="top", bold=True, **looks)
        loads = blocks.units + wide
        paper.text(left, y + 76, f"{loads} loads, {sums} products", across="left", down="top")
        left += SCALAR + 6 + wide * CELL + 16
    return paper.figure
