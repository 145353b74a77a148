"""What is made of the results of the bench: tables, docs/benchmarks/, README's table. Nothing is timed."""

import doctest
import importlib
import pathlib
import re

import pytest

from bench import __main__ as bench_command
from bench import markdown, measure, pictures, report, scale_report, storage, tables_models
from bench.docs import __main__ as docs_command
from bench.docs import landing, machines, others, peers_ahead, readme, runs

ROOT = pathlib.Path(__file__).parents[1]
RUNS = runs.all_runs()
NEWEST, RESULTS = RUNS[0]
BENCHMARKS = ROOT / "docs" / "benchmarks"
PAGES = docs_command.pages(BENCHMARKS)
WIDEST, CONTRAST = 120, 4.5
SIZE = slice(24)  # of a PNG: its first bytes, to the size in pixels; fonts and rounding differ between versions


@pytest.mark.parametrize("name", ["compare.pairs", "environment", "markdown", "measure", "storage", "tables_report"])
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(f"bench.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


# The files in the repository


@pytest.mark.parametrize("page", PAGES, ids=[path.stem for path in PAGES])
def test_pages_are_what_the_json_gives(page):
    """Else: python -m bench.docs."""
    text = page.read_text(encoding="utf-8")
    assert text == PAGES[page]
    assert [line for line in text.splitlines() if len(line) > WIDEST and line[0] != "|" and "](" not in line] == []
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (page.parent / link).exists(), link


def test_there_are_no_other_pages():
    assert sorted(BENCHMARKS.rglob("*.md")) == sorted(PAGES)
    assert {path.stem for path, _ in RUNS} < {page.stem for page in PAGES}
    assert others.found() == list(others.PAGES)


def test_index_lists_all_pages_and_parts():
    text = PAGES[BENCHMARKS / "index.md"]
    assert set(re.findall(r"\]\((\w[\w-]*\.md)\)", text)) == {page.name for page in PAGES} - {"index.md"}
    for name in bench_command.PARTS:
        assert f"`{name}`" in text


def test_readme_has_the_table_of_the_newest_run():
    """Else: python -m bench.docs."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == readme.updated(text)


def test_first_page_has_the_figures_of_the_json():
    """Else: python -m bench.docs."""
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert text == landing.updated(text)
    ratio = next(cell["ratios"]["float64"] for cell in RESULTS["grid"] if cell["name"] == "500x2x5")
    assert f"the fastest peer, {ratio['fastest']}, takes {markdown.times_text(ratio['times'])} times" in " ".join(
        text.split()
    )


def test_both_networks_on_tables_predict_the_same():
    kept = [storage.read(path) for path in sorted((ROOT / "bench" / "results").glob("tables-*.json"))]
    assert kept
    for results in kept:
        assert all(row["difference"] <= tables_models.CLOSE for row in results["tables"].values())


@pytest.mark.parametrize("run", RUNS, ids=[path.stem for path, _ in RUNS])
def test_json_has_no_samples(run):
    path, _ = run
    text = path.read_text(encoding="utf-8")
    assert 'seconds": [' not in text
    assert len(text.splitlines()) < 600
    assert storage.dumps(storage.read(path)) + "\n" == text


# Pictures


def test_pictures_of_the_first_page_are_those_of_the_json(tmp_path):
    for path in landing.draw(tmp_path):
        assert path.read_bytes()[SIZE] == (ROOT / "docs" / "pictures" / path.name).read_bytes()[SIZE]


@pytest.mark.parametrize("run", RUNS, ids=[path.stem for path, _ in RUNS])
def test_every_run_has_its_pictures(run, tmp_path):
    """Else: python -m bench --report FILE."""
    path, results = run
    bench_command.write(results, tmp_path / path.name)
    drawn = sorted(tmp_path.iterdir())
    assert len(drawn) == sum(part in results for part in ("grid", "slope"))
    for picture in drawn:
        assert picture.read_bytes()[SIZE] == (path.parent / picture.name).read_bytes()[SIZE]
        assert f"]({runs.relative(path.parent / picture.name, BENCHMARKS)})" in machines.page(path, BENCHMARKS)


def contrast(colour):
    """Return the contrast of a colour, #rrggbb, against white, by WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def test_pictures_can_be_read_by_those_who_see_little_or_no_colour():
    assert contrast("#777777") == pytest.approx(4.48, abs=0.01)
    colours = [colour for colour, _ in pictures.LOOKS.values()]
    assert min(map(contrast, [*colours, *scale_report.COLOURS.values()])) >= CONTRAST
    assert len({marker for _, marker in pictures.LOOKS.values()}) == len(pictures.LOOKS)
    assert set(pictures.LOOKS) == {"fastnn2", *report.PEERS}


def test_times_in_pictures_are_those_of_fastnn2():
    cell = next(cell for cell in RESULTS["grid"] if cell["name"] == "500x2x5")
    times = pictures.relative_times(cell, "float64")
    assert times["fastnn2"] == 1
    ratio = cell["ratios"]["float64"]
    assert times[ratio["fastest"]] == pytest.approx(ratio["times"])
    assert min(value for title, value in times.items() if title != "fastnn2") == pytest.approx(ratio["times"])


# Where peers are ahead


def run_with(times, date="2026-01-01 00:00 UTC"):
    """Return results in which JAX takes so many times as long as fastnn2 in each shape: {title: times}."""
    cells = [
        {
            "name": title,
            "title": title,
            "rows": [
                {"title": "fastnn2", "dtype": "float64", "threads": None, "us_per_iteration": 100.0},
                {"title": "JAX", "dtype": "float64", "threads": None, "us_per_iteration": 100.0 * value},
            ],
            "ratios": {"float64": {"fastest": "JAX", "times": value}},
        }
        for title, value in times.items()
    ]
    return {"environment": {"date": date, "processor": "A processor"}, "quick": False, "grid": cells}


def test_cells_in_which_a_peer_is_as_fast_are_listed(tmp_path):
    storage.write(tmp_path / "one.json", run_with({"7 x 1 x 1": 0.9, "8 x 1 x 1": 1.05, "9 x 1 x 1": 1.2}))
    storage.write(tmp_path / "other.json", run_with({"5 x 1 x 1": 3.0}, date="2026-01-02 00:00 UTC"))
    text = peers_ahead.section(tmp_path)
    assert "`fit`, 7 × 1 × 1 | float64 | 100 µs | 90.0 µs (JAX) | **0.90** |" in text
    assert "`fit`, 8 × 1 × 1 | float64 | 100 µs | 105 µs (JAX) | 1.05 |" in text
    assert "9 × 1 × 1" not in text
    assert "No such cell: A processor, 2026-01-02." in text
    assert text.count("\n### ") == 1


def test_every_close_cell_of_the_results_is_on_the_page():
    text = PAGES[BENCHMARKS / "index.md"]
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    close = [
        (path, cell["title"], dtype)
        for path, results in RUNS
        for cell in results["grid"]
        for dtype, ratio in cell["ratios"].items()
        if ratio["times"] < 1.1
    ]
    assert close
    for path, title, dtype in close:
        start = f"`fit`, {title.replace('x', '×')} | {dtype} |"
        assert any(f"({path.name.replace('.json', '.md')}) | {start}" in row for row in rows)


def test_tables_lost_to_boosting_are_on_the_page():
    entries = runs.newest("tabular")[1]["tables"]

    def mean(entry, model):
        errors = [run["error"] for run in entry["models"][model]["runs"].values()]
        return sum(errors) / len(errors)

    lost = {name for name, entry in entries.items() if mean(entry, "boosting") < mean(entry, "recipe")}
    assert lost
    section = PAGES[BENCHMARKS / "index.md"].partition("### Tables: boosting")[2].partition("\n### ")[0]
    assert set(re.findall(r"^\| (\w+) \| \+", section, re.MULTILINE)) == lost


def test_many_networks_and_clusters_in_which_others_are_ahead():
    text = PAGES[BENCHMARKS / "index.md"]
    for row in runs.newest("many")[1]["jax"]["rows"]:
        for way, one in row["ways"].items():
            line = f"| {row['networks']:,} of {row['title'].replace('x', '×')} | {row['dtype']} |"
            listed = any(part.startswith(line) and f"(JAX, {way})" in part for part in text.splitlines())
            assert listed == (one["times"] < peers_ahead.AHEAD)
    assert "| 1,000,000 × 30 × 100, float32 |" in text.partition("### Clusters")[2]


# How they are made


def test_between_markers():
    text = "a\n<!-- bench:start -->\nold\n<!-- bench:end -->\nz"
    assert markdown.between(text, "bench", r"\1 new") == "a\n<!-- bench:start -->\n\\1 new\n<!-- bench:end -->\nz"
    with pytest.raises(ValueError, match="expected the lines <!-- bench:start --> and <!-- bench:end -->"):
        markdown.between("a", "bench", "new")


def test_a_run_of_some_parts(tmp_path):
    """A part that was not measured is left out, and other JSON in the folder is no run."""
    path = tmp_path / "some.json"
    storage.write(path, {name: RESULTS[name] for name in ("environment", "quick", "busy", "startup")})
    storage.write(tmp_path / "comparison.json", {"rows": []})
    text = machines.page(path, tmp_path)
    assert "\n## Busy neighbours" in text
    assert "\n## Scaling" not in text
    assert "![" not in text
    assert runs.all_runs(tmp_path) == []
    assert others.found(tmp_path) == []


def test_headline_leaves_out_what_was_not_measured():
    quick = {"grid": [cell for cell in RESULTS["grid"] if cell["name"] == "500x2x5"]}
    assert readme.headline_table(quick).count("\n") == 2
    assert readme.headline_table(RESULTS).count("\n") == 1 + 5


def test_command_writes_all_pages(tmp_path, monkeypatch, capsys):
    docs = tmp_path / "docs"
    (docs / "benchmarks").mkdir(parents=True)
    (docs / "pictures").mkdir()
    for name in ("README.md", "docs/index.md"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(docs_command, "DOCS", docs)
    updated = {tmp_path / path.relative_to(ROOT): maker for path, maker in docs_command.UPDATED.items()}
    monkeypatch.setattr(docs_command, "UPDATED", updated)
    assert docs_command.main([]) == 0
    written = set(capsys.readouterr().out.split())
    assert written == {str(path) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(written) == len(PAGES) + 4


def test_what_is_kept_of_samples():
    assert measure.summary([3.0, 1.0, 2.0, 5.0, 4.0]) == {"rounds": 5, "median": 3.0, "quartiles": [2.0, 4.0]}
    assert measure.summary([2.0])["quartiles"] == [2.0, 2.0]
    assert measure.ratio([2.0, 3.0, 8.0], [1.0, 1.0, 2.0]) == 3.0
