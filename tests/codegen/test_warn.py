"""Warnings that are given once, and show the line of the user."""

import pathlib
import threading
import warnings

import pytest

import fastnn2
from fastnn2.codegen import warn

INSIDE = str(pathlib.Path(fastnn2.__file__).parent / "engine" / "inside.py")


@pytest.fixture(autouse=True)
def none_given(monkeypatch):
    monkeypatch.setattr(warn, "_given", {})


def call_from(file, depth=1):
    """Warn from a function that seems to be in a file, called by others of the same file."""
    code = "def function(left):\n    function(left - 1) if left else warn_once('something is wrong')\n"
    names = {"warn_once": warn.warn_once}
    exec(compile(code, file, "exec"), names)
    names["function"](depth)


def test_once_for_each_message():
    with pytest.warns(UserWarning, match="one|two") as caught:
        for message in ("one", "one", "two", "one", "two"):
            warn.warn_once(message)
    assert [str(each.message) for each in caught] == ["one", "two"]


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_the_line_of_the_user(depth):
    with pytest.warns(UserWarning, match="wrong") as caught:
        call_from(INSIDE, depth)
    (warning,) = caught
    assert warning.filename == __file__


def test_a_folder_whose_name_begins_as_that_of_the_package_is_not_the_package():
    file = str(pathlib.Path(fastnn2.__file__).parent) + "-examples/mine.py"
    with pytest.warns(UserWarning, match="wrong") as caught:
        call_from(file)
    assert [warning.filename for warning in caught] == [file]


def test_the_first_line_of_a_thread():
    """There, it may be one of the package."""
    with pytest.warns(UserWarning, match="in a thread") as caught:
        thread = threading.Thread(target=warn.warn_once, args=["in a thread"])
        thread.start()
        thread.join()
    assert len(caught) == 1


def test_an_error_each_time_where_warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(UserWarning, match="wrong"):
                warn.warn_once("something is wrong")
    with pytest.warns(UserWarning, match="wrong"):
        warn.warn_once("something is wrong")


def test_one_of_many_threads_warns():
    barrier = threading.Barrier(16)

    def work():
        barrier.wait()
        warn.warn_once("at once")

    with pytest.warns(UserWarning, match="at once") as caught:
        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(caught) == 1
