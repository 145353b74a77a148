"""The bar of a training: on a terminal alone, after a while, with loss and score, gone at the end."""

import io
import sys

import pytest

from fastnn2.commands import training_bar
from fastnn2.commands.training_bar import TrainingBar


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self):
        return True


def shown(monkeypatch, stream, after=0.0, first=1):
    """Return what a bar of ten epochs writes to a stream."""
    monkeypatch.setattr(training_bar, "BAR_AFTER_SECONDS", after)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "80")
    with TrainingBar(10) as bar:
        for epoch in range(first, 8):
            bar.show(epoch, 1 / epoch, None if epoch < 7 else 0.12345)
        if bar._bar is not None:
            bar._bar.refresh()
    return stream.getvalue()


@pytest.mark.parametrize("first", [1, 5])
def test_on_a_terminal(first, monkeypatch):
    text = shown(monkeypatch, Terminal(), first=first)
    last = text.split("\r")[-3]
    assert "7/10 epochs" in last
    assert "loss 0.1429, score 0.1235" in last
    assert max(map(len, text.split("\r"))) <= 80
    assert not text.split("\r")[-1].strip()  # nothing is left of it
    assert "\x1b[3" not in text  # no colors


def test_a_short_training_has_none(monkeypatch):
    assert shown(monkeypatch, Terminal(), after=60.0) == ""


def test_where_nobody_looks(monkeypatch):
    assert shown(monkeypatch, io.StringIO()) == ""


def test_without_a_stream(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with TrainingBar(10) as bar:
        bar.show(1, 1.0, None)
        assert bar._bar is None
