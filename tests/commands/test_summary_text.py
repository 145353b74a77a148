"""The printed summary: it fits 80 columns, is aligned, names what is dropped, and obeys no code in a name."""

import dataclasses

import pytest

from fastnn2.commands.summary_text import WIDTH, duration, kept_epoch, score_lines, summary_lines
from fastnn2.tables.training.summary import ColumnUse, Summary

LONG = "a name that goes on and on " * 5
NUMBERS = Summary(
    fastnn2="1", file="cars.csv", target="price", task="regression", weight=None,
    columns=[
        ColumnUse("age", "number", "standardised", 1), ColumnUse("maker", "text", "one-hot: 3 categories", 3),
        ColumnUse("id", "text", "dropped: has one value in all rows", 0),
    ],
    classes=None, rows={"file": 1200, "without target": 0, "training": 1000, "validation": 100, "test": 200},
    test="held out", options={}, network={
        "inputs": 4, "hidden": 100, "outputs": 1, "parameters": 601, "dtype": "float64",
    },
    training={
        "epochs": 3, "seconds": 0.5, "rows_per_second": 6000.0, "ended": "converged", "loss": [3, 2, 1],
        "validation_loss": [], "validation_score": [0.1, 0.3, 0.2],
    },
    scores={
        "network": {"R2": 0.98765, "MAE": 12.3, "RMSE": 45678.9},
        "mean": {"R2": -0.00001, "MAE": 1234.5, "RMSE": 99999.0},
    },
    notes=[],
)  # fmt: skip
CLASSES = dataclasses.replace(
    NUMBERS, task="classification", classes=["no", "yes"],
    scores={
        name: {"accuracy": accuracy, "balanced accuracy": 0.5, "AUC": auc, "log loss": 0.123456}
        for name, accuracy, auc in (("network", 1, 0.9), ("most frequent class", 0.51, None))
    },
)  # fmt: skip


def test_numbers():
    assert summary_lines(NUMBERS) == [
        "file       cars.csv, 1,200 rows",
        "target     price: regression",
        "columns    2 used, as 4 inputs of the network; 1 dropped",
        "  age    number   standardised",
        "  maker  text     one-hot: 3 categories",
        "  id     text     dropped: has one value in all rows",
        "rows       1,000 for training, 100 of them to stop early; 200 for the test",
        "network    4 inputs, 100 hidden units, 1 output: 601 numbers in float64",
        "training   3 epochs in 0.5 s, 6,000 rows/s: converged; epoch 2 is kept, the best",
        "           on validation",
        "",
        "test on 200 rows       R2        MAE     RMSE",
        "  network          0.9877      12.30   45,679",
        "  mean             0.0000   1,234.50   99,999",
        "  the best R2 is 1 (the mean has 0), the best MAE and RMSE are 0",
    ]


def test_scores_of_classes():
    assert score_lines(CLASSES) == [
        "test on 200 rows        accuracy   balanced accuracy      AUC   log loss",
        "  network                 1.0000              0.5000   0.9000     0.1235",
        "  most frequent class     0.5100              0.5000        -     0.1235",
        "  the best accuracy and AUC are 1 (AUC by chance: 0.5), the best log loss is 0",
    ]


@pytest.mark.parametrize("value", [0.0, 1e-9, 1e15, -3e20, 0.02, None])
@pytest.mark.parametrize("other", [1.0, 123456.7, None])
def test_scores_of_any_size(value, other):
    summary = dataclasses.replace(NUMBERS, scores={
        "network": {"R2": value, "MAE": other, "RMSE": value}, "mean": {"R2": other, "MAE": value, "RMSE": other},
    })  # fmt: skip
    lines = score_lines(summary)
    assert len({len(line) for line in lines[:-1]}) == 1
    assert len(lines[0]) <= WIDTH


def test_many_columns_are_grouped():
    columns = [ColumnUse(f"number_{k}", "number", "standardised", 1) for k in range(30)]
    columns += [ColumnUse(f"text_{k}", "text", f"one-hot: {k} categories", k) for k in range(2, 12)]
    columns += [ColumnUse("key", "text", "dropped: has no values", 0)]
    lines = summary_lines(dataclasses.replace(NUMBERS, columns=columns))
    text = " ".join(" ".join(lines).split())
    assert "columns 40 used, as 4 inputs of the network; 1 dropped" in text
    assert "30 of numbers, standardised: number_0, number_1," in text
    assert "10 of text, one-hot, with the number of categories: text_2 (2), text_3 (3)," in text
    assert "  key  text     dropped: has no values" in lines
    assert all(f"number_{k}" in text for k in range(30))
    assert len(lines) < 25


@pytest.mark.parametrize("n", [2, 60])
def test_lines_fit_and_obey_nothing(n):
    name = f"\x1b[31m\n\u202e{LONG}"
    columns = [
        ColumnUse(f"{k}{name}", "text", f"dropped: {LONG}" if k % 3 == 0 else "standardised", k % 3) for k in range(n)
    ]
    summary = dataclasses.replace(
        CLASSES, file=name, target=name, weight=name, columns=columns, classes=[f"{k}{name}" for k in range(n)],
        test=name,
    )  # fmt: skip
    lines = summary_lines(summary)
    assert max(map(len, lines)) <= WIDTH
    assert all(line.isprintable() for line in lines)
    assert "\\x1b[31m\\n" in lines[1]


def test_classes():
    def line_of(classes):
        return next(line for line in summary_lines(dataclasses.replace(CLASSES, classes=classes)) if "classes" in line)

    assert line_of([False, True]) == "classes    false, true"
    assert line_of([1, 2, 3]) == "classes    1, 2, 3"
    assert summary_lines(dataclasses.replace(CLASSES, classes=list(range(1000))))[7].endswith("... (1,000 in all)")


def test_what_is_not_there():
    training = {"epochs": 1, "ended": "interrupted", "loss": [1], "validation_loss": [], "validation_score": []}
    rows = {"file": 12, "without target": 2, "training": 8, "validation": 0, "test": 2}
    summary = dataclasses.replace(NUMBERS, training=training, rows=rows, test="t.csv", weight="w")
    lines = summary_lines(summary)
    assert lines[0] == "file       cars.csv, 12 rows, 2 of them without a target: not used"
    assert lines[2] == "weights    w"
    assert "rows       8 for training; 2 for the test in t.csv" in lines
    assert "training   1 epoch: interrupted" in lines
    assert kept_epoch(summary) is None
    summary = dataclasses.replace(summary, rows=rows | {"without weight": 1})
    first = " ".join(line.strip() for line in summary_lines(summary)[:2])
    assert "12 rows, 2 of them without a target and 1 of them with the weight 0: not used" in first


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.01234, "0.0123 s"), (59.94, "59.9 s"), (61, "1 min 01 s"), (3599.7, "1 h 00 min"), (7384, "2 h 03 min")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words
