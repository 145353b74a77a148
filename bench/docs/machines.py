"""A page for each run of the whole bench: all its tables and pictures."""

from bench import report
from bench.docs import runs

# Title of a section -> how the name of its picture ends, and what it shows.
PICTURES = {
    "The grid": (
        ".png",
        "For each shape, the time of an iteration of all peers as a multiple of that of fastnn2, on a logarithmic axis",
    ),
    "Scaling": ("-scaling.png", "Time for each sample and iteration against the number of samples: nearly flat lines"),
}


def page(path, docs):
    """Return the Markdown of a run's page.

    Parameters
    ----------
    path : Path
        The JSON of the run.
    docs : Path
        The folder in which the page will be, for links.
    """
    pictures = {
        title: f"![{text}]({runs.relative(file, docs)})"
        for title, (ending, text) in PICTURES.items()
        if (file := path.with_name(path.stem + ending)).exists()
    }
    found = report.markdown(runs.storage.read(path), pictures)
    return f"{runs.MADE}\n{found}\n{runs.link(path, docs)}\n"
