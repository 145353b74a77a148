"""The gallery: scripts ask a question, have a place in the order, and a text for each picture. The build runs them."""

import ast
import re
import sys
import types

import pytest
from data import extra
from pages import DOCS

SCRIPTS = sorted((DOCS / "gallery").glob("plot_*.py"))
MOST_LINES = 80
LONG_TEXT = 80  # characters; a shorter one says no more than the title

extra("sphinx_gallery", "docs")


@pytest.fixture
def site_gallery(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    yield pytest.importorskip("site_gallery")
    del sys.modules["site_gallery"]


@pytest.fixture
def figure(site_gallery):
    """A figure of pyplot, drawn with the gallery's style."""
    pyplot = extra("matplotlib.pyplot", "docs")
    with pyplot.style.context(site_gallery.STYLE):
        yield pyplot.figure()
    pyplot.close("all")


def block(content):
    return types.SimpleNamespace(content=content, lineno=1)


def test_the_order_has_every_script_once(site_gallery):
    assert sorted(site_gallery.ORDER) == [path.stem.removeprefix("plot_") for path in SCRIPTS]
    place = site_gallery.CourseOrder("gallery")
    assert sorted((path.name for path in SCRIPTS), key=place) == [f"plot_{name}.py" for name in site_gallery.ORDER]
    with pytest.raises(Exception, match=r"plot_new\.py"):
        place("plot_new.py")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_are_short_questions(path):
    source = path.read_text(encoding="utf-8")
    title = ast.get_docstring(ast.parse(source)).splitlines()[0]
    assert title.endswith("?")
    assert len(source.splitlines()) <= MOST_LINES
    assert "fastnn2." in source
    assert not re.search(r"\bfetch_|\burl|https?:", source)  # nothing is downloaded
    assert source.rstrip().splitlines()[-1].startswith("# "), "it ends with what to do about the picture"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_pictures_have_texts(path, site_gallery):
    parser = extra("sphinx_gallery.py_source_parser", "docs")
    _, blocks = parser.split_code_and_text_blocks(path)
    texts = [site_gallery.text_of(block) for block in blocks if "plt.subplots" in block.content]
    assert texts
    assert all(len(text) > LONG_TEXT and text.endswith(".") and "  " not in text for text in texts)


def test_a_picture_without_a_text_is_refused(site_gallery, figure):
    with pytest.raises(Exception, match=r"1 pictures and the text ''.*sphinx_gallery_alt_1"):
        site_gallery.scrape(block("plt.subplots()"), {"src_file": "plot_new.py"}, {})


def test_a_title_that_is_cut_is_refused(site_gallery, figure):
    axes = figure.subplots()
    axes.set_title("A title of some words")
    site_gallery.check_nothing_is_cut(figure, "plot_new.py")
    axes.set_title("A title that is longer than the picture is wide" + 3 * ", by some words")
    with pytest.raises(Exception, match=r"plot_new\.py.*shorten the title"):
        site_gallery.check_nothing_is_cut(figure, "plot_new.py")


def test_colors_have_contrast_on_white(site_gallery):
    """WCAG AA asks for 4.5, for text; lines need 3."""
    matplotlib = extra("matplotlib", "docs")
    style = matplotlib.rc_params_from_file(site_gallery.STYLE, use_default_template=False)
    colors = style["axes.prop_cycle"].by_key()["color"] + [
        style[name] for name in ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
    ]
    assert {color: contrast_on_white(color) for color in colors if contrast_on_white(color) < 4.5} == {}


def contrast_on_white(color):
    from matplotlib.colors import to_rgb

    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 1.05 / (luminance + 0.05)
