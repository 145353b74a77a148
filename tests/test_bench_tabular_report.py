"""The report of bench.tabular: comparisons, tables and the picture."""

import numpy as np
import pytest

from bench import pictures, tabular_peers, tabular_report, tabular_sets
from bench.tabular_peers import BOOSTING, MLP, RECIPE, TUNED

WIDEST = 120  # columns of a page


def results(errors, times=None, log_loss=None):
    """Return results of one table for each list of errors by model: {table: {model: [error of each split]}}."""
    shape = {"rows": 100, "training": 75, "test": 25, "columns": 3, "categories": 1, "missing": 0.0}
    shape["classes"] = None if log_loss is None else 2

    def run(model, error):
        return {"error": error, "log loss": log_loss, "fit": {"2": (times or {}).get(model, 1.0)}, "predict": 0.025}

    def entry(models):
        return {
            model: {"runs": {str(seed): run(model, error) for seed, error in enumerate(of_splits)}}
            for model, of_splits in models.items()
        }

    tables = {name: {**shape, "models": entry(models)} for name, models in errors.items()}
    where = {"date": "2026-01-01 00:00 UTC", "processor": "A processor", "versions": {"scikit-learn": "1.9"}}
    return {"environment": where, "tables": tables, "skipped": {}}


def test_ratios_are_of_means_over_common_splits():
    found = results({"ames": {MLP: [0.2, 0.4, 9.0], BOOSTING: [0.1, 0.2]}, "concrete": {MLP: [0.1], BOOSTING: [0.2]}})
    both = tabular_report.pairs(found, ["ames", "concrete", "hpc_data"], BOOSTING, MLP, "error")
    assert [scores.tolist() for scores in both] == [[[0.1, 0.2], [0.2, 0.4]], [[0.2], [0.1]]]
    mean, low, high = tabular_report.ratio(both)
    assert mean == pytest.approx(1.0)
    assert (low, high) == pytest.approx((0.5, 2.0))


def test_interval_covers_the_truth_about_as_often_as_it_says():
    draw = np.random.RandomState(0)
    hits = 0
    for _ in range(40):
        logs = np.log(0.8) + 0.2 * draw.randn(12)
        mean, low, high = tabular_report.ratio([np.exp([[value] * 2, [0.0] * 2]) for value in logs])
        assert mean == pytest.approx(np.exp(logs.mean()))
        hits += low < 0.8 < high
    assert 33 <= hits <= 40


def test_time_is_that_of_the_better_choice_of_threads():
    entry = {"models": {MLP: {"runs": {"0": {"fit": {"1": 3.0, "2": 4.0}}, "1": {"fit": {"1": 2.0}}}}}}
    assert tabular_report.seconds(entry, MLP) == 2.5
    assert tabular_report.seconds(entry, BOOSTING) is None


def test_report_shows_every_table_won_or_lost():
    found = results(
        {
            "diamonds": {MLP: [0.2, 0.2], BOOSTING: [0.1, 0.1], TUNED: [0.09]},
            "ames": {MLP: [0.2, 0.3], BOOSTING: [0.4, 0.6], TUNED: [0.3]},
            "hpc_data": {MLP: [0.3, 0.3], BOOSTING: [0.3, 0.3]},
        },
        times={MLP: 2.0, BOOSTING: 0.5},
    )
    text = tabular_report.parts(found)["tabular"]
    assert list(tabular_report.parts(found)) == ["tabular"]
    assert "| diamonds | 20.0 ± 0.0 | 10.0 ± 0.0 | **9.00 ± 0.00** (1) |" in text
    assert "| ames | **25.0 ± 7.1** | 50.0 ± 14.1 | 30.0 ± 0.0 (1) |" in text
    assert "| hpc_data | **30.0 ± 0.0** | **30.0 ± 0.0** | - |" in text
    assert "The six on which the recipe was settled (2 of 6 tables):" in text
    assert "| HistGB | +0.0 % (-50 to +100) | +0.0 % (+0 to +0) | - | - | 0.25 |" in text
    assert "The three opened last (1 of 3 tables):" in text
    assert "All nine (3 of 9 tables):" in text
    assert "Further tables" not in text
    assert "**Log loss**" not in text  # all three have numbers
    assert "| diamonds | 2.00 s | 500 ms | 1.00 s |" in text
    assert "scikit-learn 1.9." in text


def test_models_that_are_not_measured_are_not_described():
    text = tabular_report.parts(results({"ames": {MLP: [0.2], BOOSTING: [0.1]}}))["tabular"]
    assert "HistGB is HistGradientBoosting" in " ".join(text.split())
    assert "eight settings" not in " ".join(text.split())
    assert "brackets" not in text


def test_fewer_splits_are_told():
    text = tabular_report.parts(results({"ames": {MLP: [0.2, 0.3], TUNED: [0.1]}}))["tabular"]
    assert "over 2 splits, or over as many as are in brackets" in " ".join(text.split())


def test_tables_of_the_page_are_narrow():
    errors = {model: [0.1, 0.2, 0.4 + 0.01 * place] for place, model in enumerate(tabular_peers.MODELS)}
    found = results(dict.fromkeys(tabular_sets.TABLES, errors), dict.fromkeys(errors, 0.1234), log_loss=0.1234)
    lines = [line for text in tabular_report.parts(found).values() for line in text.splitlines()]
    assert [line for line in lines if len(line) > WIDEST] == []


def test_report_of_ingredients():
    found = results(
        {
            "diamonds": {RECIPE: [0.1, 0.1], "no bins": [0.2, 0.2]},
            "hpc_data": {RECIPE: [0.1, 0.1], "no bins": [0.2, 0.2]},
            "cells": {RECIPE: [0.1, 0.1]},
        },
        times={"no bins": 0.5},
    )
    found["skipped"] = {"float64": "no argument dtype"}
    text = tabular_report.parts(found)["tabular-ingredients"]
    assert "| recipe with | diamonds | hpc_data |" in text  # the tables that have figures of ingredients
    assert "Over 2 tables, with 95 % intervals:" in text
    assert "| no bins | +100.0 | +100.0 |" in text
    assert "| no bins | +100.0 % (+100 to +100) | - | 0.50 |" in text
    assert "Left out: float64 (no argument dtype)." in " ".join(text.split())


def test_a_picture_leaves_out_models_of_fewer_tables(tmp_path, monkeypatch):
    drawn = []
    new_figure = pictures.new_figure
    monkeypatch.setattr(pictures, "new_figure", lambda *size: drawn.append(new_figure(*size)) or drawn[-1])
    found = results({"ames": {MLP: [0.2], BOOSTING: [0.1], TUNED: [0.1]}, "concrete": {MLP: [0.2], BOOSTING: [0.3]}})
    tabular_report.picture(found, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    [(_, (axis,))] = drawn
    assert [text.get_text() for text in axis.texts] == ["MLP", "HistGB"]
