"""The drawings of "How it works": each is what its script draws today, is shown on a page, and can be read."""

import ast
import importlib
import importlib.util
import itertools
import pathlib
import re
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

ROOT = pathlib.Path(__file__).resolve().parents[1]
DRAWINGS, PICTURES = ROOT / "docs" / "drawings", ROOT / "docs" / "pictures" / "how-it-works"
SCRIPTS = sorted(path.stem for path in DRAWINGS.glob("*.py") if path.stem not in ("__main__", "style"))
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "how-it-works").glob("*.md")}

CONTRAST = 4.5  # of text and what is behind it: WCAG 2.2, level AA
SHORTEST_ALT = 60  # letters


@pytest.fixture(autouse=True)
def _scripts_can_be_imported(monkeypatch):
    """Let the scripts find each other as `python docs/drawings` does, in this test only."""
    monkeypatch.syspath_prepend(str(DRAWINGS))
    yield
    for name in ("style", *SCRIPTS):
        sys.modules.pop(name, None)


@pytest.fixture(params=SCRIPTS)
def name(request):
    return request.param


def figure_of(name):
    return importlib.import_module(name).draw()


def texts_of(figure):
    """Return what is written in a figure, with the box of each text in pixels from the lower left corner."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    artists = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    return [(text, text.get_window_extent(canvas.get_renderer())) for text in artists]


def luminance(colours):
    """Return the relative luminance of sRGB colours (..., 3) from 0 to 1, as WCAG defines it."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def dimmed(colours):
    """Return colours as the theme shows pictures in the dark: brightness(0.8) contrast(1.2)."""
    return np.clip((np.asarray(colours) * 0.8 - 0.5) * 1.2 + 0.5, 0, 1)


def contrast(a, b):
    brighter, darker = np.maximum(a, b), np.minimum(a, b)
    return (brighter + 0.05) / (darker + 0.05)


def written(path):
    """Return the texts of an SVG file: matplotlib leaves each as a comment beside its outlines."""
    return re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))


def test_contrast_is_that_of_wcag():
    assert contrast(luminance(np.zeros(3)), luminance(np.ones(3))) == pytest.approx(21)
    assert contrast(luminance(np.full(3, 0x76 / 255)), 1.0) == pytest.approx(4.54, abs=0.01)


def test_there_are_drawings():
    assert len(SCRIPTS) >= 6


def test_every_drawing_has_a_script_and_a_place():
    assert sorted(path.name for path in PICTURES.iterdir()) == [f"{name}.svg" for name in SCRIPTS]
    shown = re.findall(r"!\[(.*?)\]\(\.\./pictures/how-it-works/([\w-]+)\.svg\)", "\n".join(PAGES.values()), re.DOTALL)
    assert sorted(name for _, name in shown) == SCRIPTS
    assert [name for alt, name in shown if len(alt) < SHORTEST_ALT] == []
    assert len({alt for alt, _ in shown}) == len(shown)


def test_committed_drawing_is_what_its_script_draws(name, tmp_path):
    """All bytes, where it is the same matplotlib that draws; else all texts."""
    spec = importlib.util.spec_from_file_location("drawings_main", DRAWINGS / "__main__.py")
    command = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command)
    assert command.names() == SCRIPTS
    command.main([name], tmp_path)
    drawn, committed = tmp_path / f"{name}.svg", PICTURES / f"{name}.svg"
    assert written(drawn) == written(committed)
    assert len(written(drawn)) > 5
    if f"matplotlib {mpl.__version__}<" in committed.read_text(encoding="utf-8"):
        assert drawn.read_bytes() == committed.read_bytes(), "run `python docs/drawings`"


def test_numbers_come_from_the_code(name):
    """No text of a script has a number of two digits or more, but for names such as AVX-512."""
    for node in ast.walk(ast.parse((DRAWINGS / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert re.findall(r"(?<![\w.-])\d{2,}", node.value) == [], node.lineno


def test_text_is_large_enough_on_a_telephone(name):
    style = importlib.import_module("style")
    figure = figure_of(name)
    shrunk = min(1.0, style.SCREEN / (figure.get_figwidth() * 96))  # 96 pixels an inch
    assert min(text.get_fontsize() * shrunk for text, _ in texts_of(figure)) >= style.SMALLEST


def test_text_has_contrast_with_what_is_behind_it(name):
    """Every pixel behind a text, on light pages and on dark ones: so no line crosses one, either."""
    figure = figure_of(name)
    texts = texts_of(figure)
    for text, _ in texts:
        text.set_visible(False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    paper = np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255
    for shown in (np.array, dimmed):
        behind = luminance(shown(paper))
        for text, box in texts:
            x0, y0, x1, y1 = (int(edge) for edge in (box.x0, box.y0, np.ceil(box.x1), np.ceil(box.y1)))
            colour = luminance(shown(mpl.colors.to_rgb(text.get_color())))
            assert contrast(colour, behind[y0:y1, x0:x1]).min() >= CONTRAST, text.get_text()


def test_texts_neither_overlap_nor_leave_the_paper(name):
    figure = figure_of(name)
    texts = texts_of(figure)
    for text, box in texts:
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
        assert inside, text.get_text()
    for (one, a), (other, b) in itertools.combinations(texts, 2):
        assert not a.overlaps(b), (one.get_text(), other.get_text())
