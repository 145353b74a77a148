"""How sphinx-gallery makes the gallery: the order of its examples, the look of their pictures, and the texts of these.

A picture has a text for those who cannot see it, which its block of code gives in comments that the page leaves out:

    # sphinx_gallery_alt_1 = "Costs of two runs against the iteration. The one with the rate 0.3 falls faster, "
    # sphinx_gallery_alt_2 = "and ends at 0.08."
"""

from pathlib import Path

from sphinx.errors import ExtensionError
from sphinx_gallery.py_source_parser import extract_file_config
from sphinx_gallery.scrapers import matplotlib_scraper

STYLE = Path(__file__).with_name("pictures.mplstyle")

# The gallery reads as a course: from one network to many, from costs to doubts, from arrays to tables.
ORDER = [
    "boundary",
    "learning_rate",
    "diverged",
    "hidden_units",
    "overfitting",
    "seeds",
    "bootstrap",
    "groups",
    "calibration",
    "imbalanced",
    "raw_table",
    "columns",
    "boosting",
    "killed",
    "larger_than_memory",
    "exported",
]


class CourseOrder:
    """Sort examples as `ORDER` does."""

    def __init__(self, folder):
        pass

    def __call__(self, name):
        """Return the place of the file plot_NAME.py."""
        key = Path(name).stem.removeprefix("plot_")
        if key not in ORDER:
            raise ExtensionError(f"docs/gallery has {name}, which ORDER in docs/site_gallery.py does not list: add it")
        return ORDER.index(key)


def reset(gallery_conf, name):
    """Set the look of the pictures, before each example."""
    import matplotlib.pyplot as plt

    plt.style.use(STYLE)


def text_of(block):
    """Return the text of the picture that a block of code draws, "" without one."""
    settings = extract_file_config(block.content)
    return "".join(settings[key] for key in sorted(settings) if key.startswith("alt_"))


def scrape(block, block_vars, gallery_conf):
    """Return the reST of a block's picture, with its text."""
    import matplotlib.pyplot as plt

    where = f"{block_vars['src_file']}, line {block.lineno}"
    text, numbers = text_of(block), plt.get_fignums()
    if len(numbers) != bool(text):
        raise ExtensionError(
            f"{where}: the block has {len(numbers)} pictures and the text {text!r}; expected at most one picture, with "
            'a text in comments: # sphinx_gallery_alt_1 = "..."'
        )
    for number in numbers:
        check_nothing_is_cut(plt.figure(number), where)
    titles_only = matplotlib_scraper(block, block_vars, gallery_conf)
    lines = titles_only.splitlines(keepends=True)
    return "".join(f"   :alt: {text}\n" if line.lstrip().startswith(":alt:") else line for line in lines)


def check_nothing_is_cut(figure, where):
    """Raise ExtensionError if something, a long title for example, reaches beyond the edges of a picture."""
    figure.canvas.draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    if min(box.x0, box.y0, width - box.x1, height - box.y1) < 0:
        raise ExtensionError(
            f"{where}: what is drawn reaches from {box.x0:.2f}, {box.y0:.2f} to {box.x1:.2f}, {box.y1:.2f} inches; "
            f"expected 0, 0 to {width}, {height}: shorten the title, or move what is outside"
        )
