"""Pictures of a training on a table: the curves, and the predictions for the test rows."""

import pathlib
from typing import Any

import numpy as np

from fastnn2.commands.output import one_line
from fastnn2.commands.summary_text import kept_epoch
from fastnn2.commands.text_lines import shortened
from fastnn2.storage.atomic import replacing
from fastnn2.tables.models.predict import label_text
from fastnn2.tables.training.options import CLASSIFICATION
from fastnn2.tables.training.summary import Summary
from fastnn2.tables.training.train import Trained

Array = np.ndarray[Any, Any]

TEAL, ORANGE, BLUE, GRAY = "#0f766e", "#c2410c", "#1d4ed8", "#6b7280"
MOST_CURVES = 6  # classes with a ROC curve of their own
MOST_NUMBERED = 12  # classes whose shares are written into the confusion matrix
MOST_LABELS = 30  # classes that are named at the confusion matrix
CHARACTERS = 40  # of names that fit below the confusion matrix, side by side
MOST_POINTS = 2000  # of a scatter; more are counted in hexagons
NAME = 18  # characters of the name of a class


def save_pictures(path: pathlib.Path, trained: Trained) -> None:
    """Save the picture of a training; the suffix of the path chooses the format."""
    with replacing(path) as file:
        draw(trained).savefig(file, dpi=110, format=path.suffix[1:].lower())


def draw(trained: Trained) -> Any:
    """Return a figure of the curves with a confusion matrix and ROC curves, or with predicted against true numbers."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    summary = trained.summary
    is_classification = summary.task == CLASSIFICATION
    figure = Figure(figsize=(15, 4.8) if is_classification else (10.4, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3 if is_classification else 2)
    figure.suptitle(_plain(f"{shortened(summary.target, 40)} of {shortened(summary.file, 40)}"))
    _draw_curves(axes[0], summary)
    if is_classification:
        places = np.searchsorted(trained.model.classes_, trained.y)
        names = [_name(label) for label in trained.model.classes_.tolist()]
        _draw_confusion(axes[1], places, trained.predicted.argmax(axis=1), names)
        _draw_roc(axes[2], places, trained.predicted, names)
    else:
        _draw_numbers(axes[1], trained.y, trained.predicted, summary)
    return figure


def _plain(text: str) -> str:
    """Return a text in which matplotlib finds no formula."""
    return text.replace("$", r"\$")


def _name(label: object) -> str:
    """Return the name of a class; a long one without its middle, as many begin alike."""
    text = one_line(label_text(label))
    return _plain(text if len(text) <= NAME else f"{text[: NAME // 2 - 2]}...{text[1 - NAME // 2 :]}")


def _draw_curves(ax: Any, summary: Summary) -> None:
    """Draw the loss of each epoch, and the score on the rows for validation."""
    from matplotlib.ticker import MaxNLocator

    training = summary.training
    lines = []
    epochs = np.arange(1, len(training["loss"]) + 1)
    marker = "o" if len(epochs) < 3 else ""
    lines += ax.plot(epochs, training["loss"], color=TEAL, marker=marker, label="loss, training")
    if training["validation_loss"]:
        lines += ax.plot(
            epochs, training["validation_loss"], color=TEAL, linestyle=":", marker=marker, label="loss, validation"
        )
    if min(training["loss"]) > 0 and max(training["loss"]) > 20 * min(training["loss"]):
        ax.set_yscale("log")
    ax.set(xlabel="epoch", ylabel="loss", title="training")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(visible=True, alpha=0.3)
    kept = kept_epoch(summary)
    if kept is not None:
        other = ax.twinx()
        scores = training["validation_score"]
        what = "accuracy" if summary.task == CLASSIFICATION else "R2"
        lines += other.plot(epochs, scores, color=ORANGE, marker=marker, label=f"{what}, validation")
        lines.append(ax.axvline(kept, color=GRAY, linestyle="--", linewidth=1, label=f"epoch {kept:,}, kept"))
        other.set_ylabel(f"{what}, validation")
        other.set_ylim(*_range_of_scores(scores))
    # Below the axes, as curves may be anywhere in them.
    ax.legend(handles=lines, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize="small", frameon=False)


def _range_of_scores(scores: list[float]) -> tuple[float, float]:
    """Return the range of an axis for scores, without those of the first epochs that are far below the others."""
    lowest, highest = np.quantile(scores, 0.1), max(scores)
    low = max(min(scores), lowest - 2 * (highest - lowest))
    margin = 0.05 * (highest - low) or 0.05
    return low - margin, highest + margin


def _draw_confusion(ax: Any, places: Array, predicted: Array, names: list[str]) -> None:
    """Draw which part of the rows of each class is predicted as which class."""
    from sklearn.metrics import confusion_matrix

    n = len(names)
    counts = confusion_matrix(places, predicted, labels=np.arange(n))
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(1, rows)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    if n <= MOST_NUMBERED:
        for i, j in np.ndindex(n, n):
            color = "white" if shares[i, j] > 0.5 else "black"
            text = f"{shares[i, j]:.2f}" if rows[i] else "-"
            if n <= MOST_CURVES:
                text += f"\n{counts[i, j]:,}"
            elif not counts[i, j]:
                continue
            ax.text(j, i, text, ha="center", va="center", color=color, fontsize=10 if n <= MOST_CURVES else 7)
    if n <= MOST_LABELS:
        size = "medium" if n <= MOST_NUMBERED else "x-small"
        rotation = 0 if n * max(map(len, names)) <= CHARACTERS else 90
        ax.set_xticks(range(n), names, rotation=rotation, fontsize=size)
        ax.set_yticks(range(n), names, fontsize=size)
    words = "share of each row" + (", and rows" if n <= MOST_CURVES else "")
    ax.set(xlabel="predicted", ylabel="true", title=f"confusion matrix: {words}")


def _draw_roc(ax: Any, places: Array, probabilities: Array, names: list[str]) -> None:
    """Draw the ROC curve of two classes, or one for each class against the others."""
    from sklearn.metrics import auc, roc_curve

    n = len(names)
    found = [k for k in ([1] if n == 2 else range(n)) if 0 < np.sum(places == k) < len(places)]
    curves = {k: roc_curve(places == k, probabilities[:, k])[:2] for k in found}
    areas = {k: auc(*curve) for k, curve in curves.items()}
    if n <= MOST_CURVES:
        for k, curve in curves.items():
            name = f"AUC {areas[k]:.4f}" if n == 2 else f"{names[k]}, AUC {areas[k]:.3f}"
            ax.plot(*curve, color=TEAL if n == 2 else None, label=name)
        title = f"ROC of {names[1]}" if n == 2 else "ROC of each class against the others"
    else:
        for curve in curves.values():
            ax.plot(*curve, color=TEAL, alpha=0.15 if len(curves) > MOST_LABELS else 0.3, linewidth=1)
        title = "ROC of each class against the others"
        if curves:
            false = np.linspace(0, 1, 201)
            mean = np.mean([np.interp(false, *curve) for curve in curves.values()], axis=0)
            ax.plot(false, mean, color=ORANGE, linewidth=2, label=f"mean, AUC {np.mean(list(areas.values())):.3f}")
            worst = min(areas, key=areas.__getitem__)
            ax.plot(*curves[worst], color=GRAY, label=f"worst: {names[worst]}, AUC {areas[worst]:.3f}")
    ax.plot([0, 1], [0, 1], color=GRAY, linestyle="--", linewidth=1, label="chance, AUC 0.5")
    ax.set(xlabel="false positive rate", ylabel="true positive rate", title=title, aspect="equal")
    ax.grid(visible=True, alpha=0.3)
    ax.legend(loc="lower right", fontsize="small")


def _draw_numbers(ax: Any, y: Array, predicted: Array, summary: Summary) -> None:
    """Draw predicted against true numbers, and the line on which they are equal."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(y.min(), predicted.min()), max(y.max(), predicted.max())
    margin = 0.03 * (high - low)
    low, high = low - margin, high + margin
    if len(y) <= MOST_POINTS:
        ax.scatter(y, predicted, s=12 if len(y) > 100 else 30, alpha=0.5, color=TEAL, linewidths=0)
    else:
        cells = ax.hexbin(y, predicted, gridsize=60, bins="log", mincnt=1, extent=(low, high, low, high))
        ax.figure.colorbar(cells, ax=ax, label="rows")
    ax.plot([low, high], [low, high], color=GRAY, linestyle="--", linewidth=1, label="predicted = true")
    r2 = summary.scores["network"]["R2"]
    title = f"{len(y):,} test rows" + ("" if r2 is None else f", R2 {r2:.4f}")
    ax.set(xlabel="true", ylabel="predicted", title=title, xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    ax.grid(visible=True, alpha=0.3)
    ax.legend(loc="upper left", fontsize="small")
