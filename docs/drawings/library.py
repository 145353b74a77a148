"""What is in the libraries of kernels of a wheel, and which of them a processor gets."""

from style import BLUE, GREEN, GREY, MARGIN, ORANGE, VIOLET, WIDTH, Drawing

from fastnn2.codegen.build.libraries import ENTRIES
from fastnn2.codegen.build.platforms import PLATFORMS
from fastnn2.codegen.bundled import LIST, symbol_of

PLATFORM = "linux-x86-64"
SHOWN = ("train", "epochs", "infer")  # of all entries
# The feature that a level is known by, among those that it adds.
KNOWN_BY = {"x86-64-v2": "sse4.2", "x86-64-v3": "avx2", "x86-64-v4": "avx512f"}


def draw():
    """Draw it."""
    paper = Drawing(410)
    platform = PLATFORMS[PLATFORM]
    whole = WIDTH - 2 * MARGIN
    paper.box(MARGIN, MARGIN, whole, 252, GREY, filled=False, round=8)
    paper.text(18, 18, f"fastnn2/libraries in a wheel for {PLATFORM}", across="left", down="top", bold=True)
    paper.box(18, 42, whole - 20, 44, VIOLET)
    paper.text(26, 54, LIST, VIOLET, across="left", bold=True)
    paper.text(26, 74, "features, hash of sources, hash of each file", across="left")
    width = (whole - 20 - 12) / 3
    for i, (level, colour) in enumerate(zip(platform.levels, (ORANGE, GREEN, BLUE), strict=True)):
        below = platform.levels[i - 1].needed if i else frozenset()
        assert KNOWN_BY[level.name] in level.needed - below
        x = 18 + i * (width + 6)
        paper.box(x, 94, width, 156, colour)
        paper.text(x + width / 2, 108, level.name + platform.suffix, colour, bold=True)
        paper.text(x + width / 2, 130, f"{KNOWN_BY[level.name]}")
        for k, name in enumerate(SHOWN):
            paper.text(x + 8, 158 + k * 18, name, across="left")
        paper.text(x + 8, 158 + len(SHOWN) * 18, "…", across="left")
        paper.text(x + width / 2, 236, f"{len(ENTRIES)} functions", colour, bold=True)
    dtypes = sorted({dtype for _, dtype in ENTRIES}, reverse=True)
    paper.text(MARGIN, 272, f"each entry for {dtypes[0]} and {dtypes[1]}, such as", across="left", down="top")
    paper.text(MARGIN, 291, symbol_of("train", dtypes[0]), across="left", down="top", bold=True)
    paper.text(MARGIN, 320, "a process loads the last one that its processor can", across="left", down="top")
    paper.text(MARGIN, 338, "run, without Numba, LLVM or a cache", across="left", down="top")
    others = [name for name in PLATFORMS if name != PLATFORM]
    paper.text(MARGIN, 366, "also for " + ", ".join(others[:2]) + ",", GREY, across="left", down="top")
    paper.text(MARGIN, 384, ", ".join(others[2:]), GREY, across="left", down="top")
    return paper.figure
