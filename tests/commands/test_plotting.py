"""Pictures: errors for paths that cannot be saved, and the contents of saved pictures."""

import argparse
import os
import pathlib
import sys
from itertools import pairwise

import numpy as np
import pytest

import fastnn2
from fastnn2.commands import moons, plotting
from fastnn2.displays import decisions

pytest.importorskip("matplotlib")
WIDTH, HEIGHT = 1100, 462  # 10 by 4.2 inches with 110 dots each


@pytest.fixture(scope="module")
def trained():
    params, X, Y = moons.draw_run(200, 0.2, 5, 3)
    return X, Y, *fastnn2.fit(X, Y, 0.3, 5, 300, init=params)


def pixels(path):
    import matplotlib.image

    return (matplotlib.image.imread(path)[:, :, :3] * 255).round().astype(int)


def count_pixels(image, color):
    """Return how many pixels have about this color."""
    expected = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return (abs(image - expected).max(axis=2) <= 8).sum()


def test_picture_shows_curve_and_classes(trained, tmp_path):
    path = tmp_path / "a.png"
    plotting.save_training(path, *trained, "some title")
    image = pixels(path)
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 500  # shades of the probability
    for color in decisions.CLASS_COLORS:
        assert count_pixels(image[:, WIDTH // 2 :], color) > 300  # about a hundred points of each class, on the right
        assert count_pixels(image[:, : WIDTH // 2], color) == 0
    assert count_pixels(image[:, : WIDTH // 2], "#0f766e") > 100  # the cost curve, on the left


def test_picture_has_title_and_labels(trained, tmp_path):
    import matplotlib as mpl

    path = tmp_path / "a.svg"
    with mpl.rc_context({"svg.fonttype": "none"}):
        plotting.save_training(path, *trained, "some title")
    text = path.read_text(encoding="utf-8")
    for words in ("some title", "iteration", "cost", "feature 0", "feature 1", "class 0", "class 1", "probability of"):
        assert words in text


def test_pyplot_is_not_imported(trained, tmp_path):
    """So no window is opened and no global state changed."""
    before = "matplotlib.pyplot" in sys.modules
    plotting.save_training(tmp_path / "a.png", *trained, "")
    assert ("matplotlib.pyplot" in sys.modules) == before


@pytest.mark.parametrize("n", [2, 5000])
def test_picture_of_few_and_of_many_samples(n, tmp_path):
    params, X, Y = moons.draw_run(n, 0.2, 3, 0)
    plotting.save_training(tmp_path / "a.png", X, Y, params, np.array([0.7]), "")
    assert pixels(tmp_path / "a.png").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    ("count", "labels"),
    [
        (1, ["1"]),
        (2, ["1", "2"]),
        (5_000, ["0", "1,000", "2,000", "3,000", "4,000", "5,000"]),
        (99_999, ["0", "20,000", "40,000", "60,000", "80,000", "100,000"]),
        (500_000, ["0", "200,000", "400,000"]),
        (1_000_000, ["0", "500,000", "1,000,000"]),
        (1_000_000_000, ["0", "500,000,000", "1,000,000,000"]),
    ],
)
def test_labels_of_iterations_do_not_overlap(count, labels, trained, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    X, Y, params, _ = trained
    figures, save = [], Figure.savefig

    def kept(self, *arguments, **options):
        figures.append(self)
        save(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", kept)
    plotting.save_training(tmp_path / "a.png", X, Y, params, np.broadcast_to(0.7, count), "")
    axis = figures[0].axes[0].xaxis
    low, high = sorted(axis.get_view_interval())
    shown = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert [label.get_text() for label in shown] == labels
    ends = [label.get_window_extent() for label in shown]
    assert all(left.x1 < right.x0 for left, right in pairwise(ends))


@pytest.mark.parametrize("costs", [[0.7, 1e300, 7e299], [0.7, 0.0], [1e-300, 1e-310]], ids=["huge", "zero", "tiny"])
def test_extreme_costs_give_no_warning(costs, trained, tmp_path):
    X, Y, params, _ = trained
    plotting.save_training(tmp_path / "a.png", X, Y, params, np.array(costs), "")
    assert pixels(tmp_path / "a.png").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "jpg", "PNG"])
def test_check_of_a_path_leaves_no_trace(ending, tmp_path):
    plotting.check_picture_writable(tmp_path / f"a.{ending}")
    assert list(tmp_path.iterdir()) == []


def test_check_does_not_change_an_existing_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    before = path.stat()
    plotting.check_picture_writable(path)
    assert path.read_bytes() == b"mine"
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.skipif(sys.platform == "win32", reason="links need special rights on Windows")
def test_check_keeps_a_link_to_a_missing_file(tmp_path):
    link = tmp_path / "a.png"
    link.symlink_to("target.png")
    plotting.check_picture_writable(link)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/a.png", r"cannot save '.*a\.png': '.*missing' is not a folder$"),
        ("file/a.png", r"cannot save '.*a\.png': '.*file' is not a folder$"),
        ("a.xyz", r"cannot save '.*a\.xyz': its name must end with \.png, \.svg, \.pdf or \.jpg$"),
        ("png", r"cannot save '.*png': its name must end with \.png, \.svg, \.pdf or \.jpg$"),
        ("folder.png", r"cannot save '.*folder\.png': it is a folder$"),
        ("a" * 300 + ".png", r"cannot save '.*a\.png': File name too long$"),
    ],
    ids=["no folder", "file as folder", "ending", "no ending", "folder", "too long"],
)
def test_path_that_cannot_be_saved_is_an_error(name, message, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=message):
        plotting.check_picture_writable(tmp_path / name)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.png"]


def test_name_too_long_is_an_error_in_newer_pythons(tmp_path, monkeypatch):
    """From Python 3.14 on, is_dir and exists return False for such names; before, they raised an error."""
    monkeypatch.setattr(pathlib.Path, "is_dir", os.path.isdir)
    monkeypatch.setattr(pathlib.Path, "exists", os.path.exists)
    with pytest.raises(ValueError, match="File name too long"):
        plotting.check_picture_writable(tmp_path / ("a" * 300 + ".png"))
    plotting.check_picture_writable(tmp_path / "a.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX files")
def test_file_without_write_permission_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.touch()
    monkeypatch.setattr(os, "access", lambda place, mode: place != path)
    with pytest.raises(ValueError, match=r"cannot save '.*a\.png': permission denied$"):
        plotting.check_picture_writable(path)
    path.unlink()
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)
    with pytest.raises(ValueError, match=r"cannot save '.*a\.png': permission denied$"):
        plotting.check_picture_writable(path)


def picture_path(plot=None, no_plot=False):
    return plotting.picture_path(argparse.Namespace(plot=plot, no_plot=no_plot), "default.png")


def test_picture_path(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert picture_path() == pathlib.Path("default.png")
    assert picture_path(tmp_path / "a.svg") == tmp_path / "a.svg"
    assert picture_path(no_plot=True) is None
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_picture_path_that_cannot_be_saved(tmp_path, monkeypatch, capsys):
    """A path that the user gives is an error; the default picture is left out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default.png").mkdir()
    assert picture_path() is None
    assert capsys.readouterr().out == "no picture: cannot save 'default.png': it is a folder\n"
    with pytest.raises(ValueError, match="it is a folder"):
        picture_path(tmp_path / "default.png")


@pytest.mark.parametrize("compared", [0, 1, 3])
def test_scaling_shows_both_lines(compared, tmp_path):
    rows = [
        {"samples": n, "seconds": n * 1e-9, "numpy_seconds": n * 1e-7 if i < compared else None}
        for i, n in enumerate((1000, 10_000, 100_000))
    ]
    plotting.save_scaling(tmp_path / "a.png", rows, "float32")
    image = pixels(tmp_path / "a.png")
    assert image.shape == (528, 770, 3)  # 7 by 4.8 inches with 110 dots each
    assert count_pixels(image, "#0f766e") > 200  # the line of fastnn2
    assert (count_pixels(image, "#c2410c") > 30) == (compared > 0)  # the line of NumPy, or its single point


def test_scaling_shows_runs_on_files(tmp_path):
    import matplotlib as mpl

    rows = [
        {"samples": 1000, "seconds": 1e-6, "numpy_seconds": None, "files": {"seconds": 2e-6}},
        {"samples": 10_000, "seconds": None, "numpy_seconds": None, "files": {"seconds": 2e-5}},  # too large for memory
    ]
    plotting.save_scaling(tmp_path / "a.png", rows, "float32")
    image = pixels(tmp_path / "a.png")
    assert 0 < count_pixels(image, "#0f766e") < count_pixels(image, "#1d4ed8")  # a single point, and a line
    with mpl.rc_context({"svg.fonttype": "none"}):
        plotting.save_scaling(tmp_path / "a.svg", rows, "float32")
    assert "fastnn2 on files, float32" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_scaling_has_title_and_labels(tmp_path):
    import matplotlib as mpl

    row = {"samples": 1000, "seconds": 1e-6, "numpy_seconds": 1e-4}
    with mpl.rc_context({"svg.fonttype": "none"}):
        plotting.save_scaling(tmp_path / "a.svg", [row], "float32")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for words in (
        "samples",
        "seconds per iteration",
        "moons, full batch",
        "fastnn2, float32",
        "NumPy reference, float64",
    ):
        assert words in text


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ValueError, match=r"pip install 'fastnn2\[plot\]', or use --no-plot"):
        plotting.check_picture_writable(tmp_path / "a.png")
