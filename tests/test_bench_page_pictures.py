"""The pictures of pages are those that the examples of the page draw."""

import re

import pytest

from bench import page_pictures


def test_pictures_of_the_page_are_drawn_by_its_examples(tmp_path, capsys):
    page_pictures.main(["--out", str(tmp_path)])
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / name) for name in ("sweep.png", "band.png")]
    shown = re.findall(
        r"^!\[[^]]+\]\(../pictures/(\w+\.png)\)", page_pictures.PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert drawn == sorted(shown)
    for name in drawn:
        kept = (page_pictures.PICTURES / name).read_bytes()
        # The size in pixels, which is at the begin of the file; fonts and rounding differ between versions.
        assert (tmp_path / name).read_bytes()[:24] == kept[:24]


def test_a_page_whose_examples_fail_draws_nothing(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(">>> 1 + 1\n3\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"1 examples? of .*page\.md fail"):
        page_pictures.main(["--page", str(page)])
    assert list(tmp_path.iterdir()) == [page]
