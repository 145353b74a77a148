"""Pages for those who come from other packages: their tables are complete, and their figures are measured ones."""

import inspect
import json
import re

import pytest
import sklearn.neural_network
from pages import DOCS, ROOT
from sklearn.ensemble import HistGradientBoostingClassifier

import fastnn2

TEXT = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "coming-from").glob("*.md")}
RESULTS = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "bench/results").glob("*.json")]


def cells(page, header):
    """Return the rows of the table that begins with the header: lists of cells."""
    rows = TEXT[page].partition(header)[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def names(cell):
    return re.findall(r"`([\w.]+)", cell)


def parameters(*classes):
    return {name for one in classes for name in inspect.signature(one).parameters}


def ratios(title):
    """Return how many times as fast as scikit-learn's the classes were, in all rows with that in their title."""
    rows = [row for results in RESULTS for row in results.get("estimators", {}).get("rows", [])]
    return [row["ratio"] for row in rows if re.search(title, row["title"])]


def test_every_page_is_on_the_first_one():
    listed = set(re.findall(r"^- \[.+\]\((.+)\.md\)", TEXT["index"], re.MULTILINE))
    assert listed == set(TEXT) - {"index"}


def test_the_table_of_parameters_is_complete():
    rows = cells("scikit-learn", "| parameter | here |")
    listed = [name for row in rows for name in names(row[0])]
    assert sorted(listed) == sorted(parameters(fastnn2.MLPClassifier, fastnn2.MLPRegressor))
    new = {name for row in rows if row[1].startswith("new") for name in names(row[0])}
    theirs = parameters(sklearn.neural_network.MLPClassifier, sklearn.neural_network.MLPRegressor)
    assert new == set(listed) - theirs


def test_the_table_of_attributes_is_complete():
    X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, [0, 0, 1, 1] * 10
    model = fastnn2.MLPClassifier(2, max_iter=1000, tol=1.0, early_stopping=True, random_state=0).fit(X, y)
    fitted = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    listed = {name for row in cells("scikit-learn", "| attribute | here |") for name in names(row[0])}
    assert listed == fitted | {"feature_names_in_"}  # that of frames


@pytest.mark.parametrize(
    ("column", "classes"),
    [
        (2, [HistGradientBoostingClassifier]),
        (1, [fastnn2.TabularClassifier, fastnn2.TabularRegressor]),
    ],
)
def test_parameters_of_boosting_and_of_ours_exist(column, classes):
    listed = [name for row in cells("boosting", "| wish |") for name in names(row[column])]
    assert listed
    assert set(listed) <= parameters(*classes)


@pytest.mark.parametrize(
    ("module", "name", "column", "elsewhere"),
    [
        # What is an argument of `fit`, or a function.
        ("xgboost", "XGBModel", 3, {"eval_set"}),
        ("lightgbm", "LGBMClassifier", 4, {"eval_set", "early_stopping", "categorical_feature", "max_bin"}),
    ],
)
def test_parameters_of_other_boosting_exist(module, name, column, elsewhere):
    other = getattr(pytest.importorskip(module, reason=f"needs {module}, which is not installed"), name)
    listed = {part for row in cells("boosting", "| wish |") for part in names(row[column])}
    assert listed - parameters(other) == elsewhere


def test_figures_of_boosting_are_those_of_the_benchmarks():
    tabular = (DOCS / "benchmarks/tabular.md").read_text(encoding="utf-8")
    rows = cells("boosting", "| recipe against |")
    found = [cell for row in rows for cell in row[1:3]]
    assert len(found) == 4
    of_all = tabular.partition("All nine:")[2].partition("\n\n")[2].partition("\n\n")[0]
    recipe = next(line for line in of_all.splitlines() if line.startswith("| recipe |"))
    assert all(f"| {cell} |" in recipe for cell in found)
    assert re.search(r"^\| mlc_churn \| 6\.24 ± .*\*\*4\.37 ± ", tabular, re.MULTILINE)
    assert_guide_has_the_same(rows, tabular)
    assert "4.37 % errors, and the networks 6.24 %" in TEXT["boosting"]


def assert_guide_has_the_same(rows, tabular):
    """Assert that the guide's page on tables has the table of `rows`, and lines of the benchmarks' on ingredients."""
    guide = (DOCS / "guide/tabular.md").read_text(encoding="utf-8")
    assert all(f"| {' | '.join(row)} |" in guide for row in rows)
    ingredients = guide.partition("| recipe with |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(ingredients) == 4
    assert set(ingredients) <= set(tabular.splitlines())


def test_times_of_the_classes_are_measured_ones():
    adam, lbfgs = ratios("x 30, two classes|^digits$|^breast cancer$"), ratios("L-BFGS")
    said = f"{min(adam):.0f} to {max(adam):.0f} times as fast with Adam, and {min(lbfgs):.1f} to {max(lbfgs):.1f} times"
    assert said in " ".join(TEXT["scikit-learn"].split())


def test_times_of_the_tutorials_network_are_measured_ones():
    found = []
    for results in RESULTS:
        for cell in (cell for cell in results.get("grid", []) if cell["name"] == "500x2x5"):
            for dtype in ("float64", "float32"):
                rows = [row for row in cell["rows"] if row["dtype"] == dtype]
                peers = [row["median"] for row in rows if row["title"] in ("JAX", "torch", "torch.compile")]
                ours = [row["median"] for row in rows if row["title"] == "fastnn2"]
                found.append(min(peers) / min(ours))
    assert found
    assert f"{min(found):.0f} to {max(found):.0f} times as fast" in " ".join(TEXT["pytorch-and-jax"].split())
