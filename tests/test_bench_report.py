"""What is made of the results of the bench: tables, docs/benchmarks/index.md, README's table. Nothing is timed."""

import doctest
import importlib
import pathlib
import re

import pytest

from bench import __main__ as bench_command
from bench import docs, measure, report, storage, tables_models, tables_report

ROOT = pathlib.Path(__file__).parents[1]
RUNS = docs.all_runs(ROOT / "bench" / "results")
NEWEST, RESULTS = RUNS[0]


@pytest.mark.parametrize("name", ["compare.pairs", "docs", "environment", "measure", "storage", "tables_report"])
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(f"bench.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


# The files in the repository


@pytest.mark.parametrize("run", RUNS, ids=[path.stem for path, _ in RUNS])
def test_tables_are_those_of_the_json(run):
    path, results = run
    assert path.with_suffix(".md").read_text(encoding="utf-8") == report.markdown(results)


def test_page_on_tables_has_the_results_of_its_json():
    """Else: python -m bench.tables_models --report --json FILE --docs docs/guide/tables.md."""
    page = (ROOT / "docs" / "guide" / "tables.md").read_text(encoding="utf-8")
    kept = [storage.read(path) for path in sorted((ROOT / "bench" / "results").glob("tables-*.json"))]
    assert page in [docs.between(page, "models", tables_report.text(results)) for results in kept]
    for results in kept:
        assert all(row["difference"] <= tables_models.CLOSE for row in results["tables"].values())


@pytest.mark.parametrize("run", RUNS, ids=[path.stem for path, _ in RUNS])
def test_json_has_no_samples(run):
    path, _ = run
    text = path.read_text(encoding="utf-8")
    assert 'seconds": [' not in text
    assert len(text.splitlines()) < 600
    assert storage.dumps(storage.read(path)) + "\n" == text


def test_page_is_that_of_the_newest_run():
    """Else: python -m bench --report NEWEST --docs docs/benchmarks/index.md."""
    page = ROOT / "docs" / "benchmarks" / "index.md"
    text = page.read_text(encoding="utf-8")
    assert text == docs.page(NEWEST, page)
    for name in bench_command.PARTS:
        assert f"`{name}`" in text
    assert [line for line in text.splitlines() if len(line) > 120 and line[0] != "|" and "](" not in line] == []
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert len(links) > len(RUNS)
    for link in links:
        assert (page.parent / link).exists()


def test_readme_has_the_table_of_the_newest_run():
    """Else: python -m bench --report NEWEST --readme README.md."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == docs.between(text, "bench", docs.readme_part(RESULTS, "docs/benchmarks/index.md"))


# How they are made


def test_between_markers():
    text = "a\n<!-- bench:start -->\nold\n<!-- bench:end -->\nz"
    assert docs.between(text, "bench", r"\1 new") == "a\n<!-- bench:start -->\n\\1 new\n<!-- bench:end -->\nz"
    with pytest.raises(ValueError, match="expected the lines <!-- bench:start --> and <!-- bench:end -->"):
        docs.between("a", "bench", "new")


def test_a_run_of_some_parts(tmp_path):
    """A part that was not measured is left out, and other JSON in the folder is no run."""
    path = tmp_path / "some.json"
    storage.write(path, {name: RESULTS[name] for name in ("environment", "quick", "busy", "startup")})
    storage.write(tmp_path / "comparison.json", {"rows": []})
    text = docs.page(path, tmp_path / "page.md")
    assert "## Busy neighbours" in text
    assert "## Scaling" not in text
    assert "\n### " not in text
    assert "#### " not in report.markdown(storage.read(path))


def test_headline_leaves_out_what_was_not_measured():
    quick = {"grid": [cell for cell in RESULTS["grid"] if cell["name"] == "500x2x5"]}
    assert docs.headline_table(quick, ("float64",)).count("\n") == 2
    assert docs.headline_table(RESULTS, ("float64",)).count("\n") == 1 + 5
    assert docs.headline_table(RESULTS, ("float64", "float32")).count("\n") == 1 + 10


def test_page_needs_a_file_of_figures(capsys):
    with pytest.raises(SystemExit):
        bench_command.parse(["--only", "busy", "--docs", "docs.md"])
    assert "--docs needs the figures in a file: add --json" in capsys.readouterr().err


def test_what_is_kept_of_samples():
    assert measure.summary([3.0, 1.0, 2.0, 5.0, 4.0]) == {"rounds": 5, "median": 3.0, "quartiles": [2.0, 4.0]}
    assert measure.summary([2.0])["quartiles"] == [2.0, 2.0]
    assert measure.ratio([2.0, 3.0, 8.0], [1.0, 1.0, 2.0]) == 3.0
