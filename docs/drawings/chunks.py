"""How samples are cut: chunks, tiles, groups, vectors, each a part of the one above."""

from style import BLUE, GREEN, MARGIN, ORANGE, VIOLET, WIDTH, Drawing

from fastnn2.kernels.shared.tuning import (
    GROUP_VECTORS,
    VECTOR_BYTES,
    count_chunks,
    count_groups,
    count_tile_groups,
    group_size,
)

DTYPE, N, D, H, O = "float64", 100_000, 100, 100, 1


def draw():
    """Draw it."""
    paper = Drawing(424)
    chunks, tile = count_chunks(N, D, H, O, DTYPE), count_tile_groups(D, H, O)
    groups = count_groups(N, DTYPE) // chunks  # of chunk 0
    tiles = -(-groups // tile)
    rows = (
        (f"{N:,} samples in {chunks} chunks", chunks, VIOLET, 5),
        (f"a chunk of {groups} groups in {tiles} tiles", tiles, GREEN, 2),
        (f"a tile of {tile} groups", tile, ORANGE, 3),
        (f"a group of {group_size(DTYPE)} samples in {GROUP_VECTORS} vectors", GROUP_VECTORS, BLUE, None),
    )
    whole = WIDTH - 2 * MARGIN
    for i, (label, count, colour, chosen) in enumerate(rows):
        y = 8 + i * 92
        paper.text(MARGIN, y, label, colour, across="left", down="top", bold=True)
        names = [str(k) for k in range(count)] if count <= 10 else None
        if chosen is None:
            names = [f"{VECTOR_BYTES} bytes"] * count
        each = paper.cells(MARGIN, y + 20, whole, 26, count, colour, names)
        if chosen is not None:
            x = MARGIN + chosen * each
            paper.zoom((x, x + each, y + 46), (MARGIN, MARGIN + whole, y + 88), colour)
    y = 8 + 3 * 92 + 58
    rows = (
        ("chunk", VIOLET, "has a gradient of its own"),
        ("tile", GREEN, "stays in the cache, forward and back"),
        ("group", ORANGE, "is what lies side by side in memory"),
        ("vector", BLUE, "is what one operation works on"),
    )
    for i, (word, colour, what) in enumerate(rows):
        paper.text(MARGIN, y + 12 + i * 19, word, colour, across="left", down="baseline", bold=True)
        paper.text(66, y + 12 + i * 19, what, across="left", down="baseline")
    return paper.figure
