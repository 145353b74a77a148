"""Pictures of trainings: what the axes show, for few and many classes and rows, and names that are no formulas."""

import dataclasses

import numpy as np
import pytest
from data import extra

from fastnn2.commands.table_pictures import draw
from fastnn2.tables.training.summary import Summary
from fastnn2.tables.training.training_job import Trained

extra("matplotlib", "plot")
TRAINING = {"loss": [3.0, 2.0, 1.0], "validation_loss": [], "validation_score": [0.1, 0.9, 0.5]}


class Model:
    """What a picture asks of a Pipeline."""

    def __init__(self, classes):
        self.classes_ = classes


def trained(classes, n, **training):
    """Return a training on n test rows, with classes that are sorted, and predictions of which many are right."""
    source = np.random.default_rng(n)
    is_classification = classes is not None
    summary = Summary(
        fastnn2="1", file="a$b$.csv", target="$x", task="classification" if is_classification else "regression",
        weight=None, columns=[], classes=classes, rows={}, test="held out", options={}, network={},
        training=TRAINING | training, scores={"network": {"R2": 0.5}}, notes=[],
    )  # fmt: skip
    if not is_classification:
        y = source.normal(size=n)
        return Trained(None, summary, y, y + 0.1 * source.normal(size=n), is_interrupted=False)
    places = source.permutation(np.arange(n) % len(classes))
    probabilities = source.dirichlet(np.ones(len(classes)), size=n)
    probabilities = (3 * probabilities + np.eye(len(classes))[places]) / 4
    labels = np.array(classes, dtype=object)
    return Trained(Model(labels), summary, labels[places], probabilities, is_interrupted=False)


def labels_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_curves():
    figure = draw(trained(None, 50))
    curves = figure.axes[0]
    assert curves.lines[0].get_ydata().tolist() == [3, 2, 1]
    assert labels_of(curves) == ["loss, training", "R2, validation", "epoch 2, kept"]
    assert figure.axes[2].lines[0].get_ydata().tolist() == [0.1, 0.9, 0.5]
    figure = draw(trained(None, 50, validation_score=[], validation_loss=[4.0, 3.0, 2.0]))
    assert labels_of(figure.axes[0]) == ["loss, training", "loss, validation"]
    assert len(figure.axes) == 2


def test_losses_of_many_magnitudes():
    assert draw(trained(None, 20)).axes[0].get_yscale() == "linear"
    assert draw(trained(None, 20, loss=[100.0, 1.0, 0.01])).axes[0].get_yscale() == "log"
    assert draw(trained(None, 20, loss=[100.0, 1.0, 0.0])).axes[0].get_yscale() == "linear"


def test_two_classes():
    example = trained(["no", "yes"], 100)
    confusion, roc = draw(example).axes[1:3]
    predicted = example.predicted.argmax(axis=1)
    true = example.y == "yes"
    cells = [text.get_text() for text in confusion.texts]
    assert cells[3] == f"{np.mean(predicted[true] == 1):.2f}\n{np.sum(predicted[true] == 1)}"
    assert [text.get_text() for text in confusion.get_xticklabels()] == ["no", "yes"]
    assert labels_of(roc)[0].startswith("AUC 0.")
    assert roc.get_title() == "ROC of yes"


@pytest.mark.parametrize(("n_classes", "curves", "cells"), [(5, 6, 25), (10, 13, None), (30, 33, 0), (200, 203, 0)])
def test_many_classes(n_classes, curves, cells):
    names = [f"a class with a long name {k:03}" for k in range(n_classes)]
    confusion, roc = draw(trained(names, 20 * n_classes)).axes[1:3]
    assert len(roc.lines) == curves
    assert len(confusion.texts) == cells if cells is not None else 10 <= len(confusion.texts) < 100
    labels = [text.get_text() for text in confusion.get_xticklabels()]
    if n_classes <= 30:
        assert len(set(labels)) == n_classes
    assert len(roc.get_legend().get_texts()) <= 7


def test_a_class_that_the_test_lacks():
    example = trained(["a", "b", "c"], 30)
    chosen = example.y != "c"
    figure = draw(dataclasses.replace(example, y=example.y[chosen], predicted=example.predicted[chosen]))
    assert [text.get_text() for text in figure.axes[1].texts][6:] == ["-\n0"] * 3
    assert len(labels_of(figure.axes[2])) == 3
    one = example.y == "a"
    figure = draw(dataclasses.replace(example, y=example.y[one], predicted=example.predicted[one]))
    assert labels_of(figure.axes[2]) == ["chance, AUC 0.5"]


@pytest.mark.parametrize("n", [1, 30, 5000])
def test_numbers(n):
    example = trained(None, n)
    ax = draw(example).axes[1]
    assert ax.get_xlim() == ax.get_ylim()
    low, high = ax.get_xlim()
    assert low < min(example.y.min(), example.predicted.min())
    assert high > max(example.y.max(), example.predicted.max())
    shown = ax.collections[0].get_array().sum() if n > 2000 else len(ax.collections[0].get_offsets())
    assert shown == n


def test_files_and_no_global_state(tmp_path):
    import matplotlib.pyplot

    from fastnn2.commands.table_pictures import save_pictures

    for ending in ("png", "svg", "pdf", "jpg"):
        save_pictures(tmp_path / f"a.{ending}", trained(["$a", "b$"], 20))
        assert (tmp_path / f"a.{ending}").stat().st_size > 5000
    assert not matplotlib.pyplot.get_fignums()
