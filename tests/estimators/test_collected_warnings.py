"""Warnings are collected by thread, whatever the filters, and nothing of it is left behind."""

import threading
import warnings

import pytest
from data import PATIENCE

from fastnn2.estimators import collected_warnings
from fastnn2.estimators.collected_warnings import collecting, into


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = list(warnings.filters), warnings.showwarning
    yield
    assert (list(warnings.filters), warnings.showwarning) == before
    assert collected_warnings._changed is None
    assert not collected_warnings._users


@pytest.mark.parametrize("action", ["error", "ignore", "always", "once"])
def test_each_block_has_its_own(action):
    one, other = [], []
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter(action)
        with collecting():
            for _ in range(2):
                with into(one):
                    warnings.warn("first", stacklevel=1)
                    with into(other):
                        warnings.warn("second", RuntimeWarning, stacklevel=1)
                    warnings.warn("third", DeprecationWarning, stacklevel=1)
    assert shown == []
    assert one == [(UserWarning, "first"), (DeprecationWarning, "third")] * 2
    assert other == [(RuntimeWarning, "second")] * 2


def test_outside_of_blocks_the_filters_hold():
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "not me")
        with collecting():
            warnings.warn("me", stacklevel=1)
            warnings.warn("not me", stacklevel=1)
    assert [str(each.message) for each in shown] == ["me"]


def test_calls_that_overlap_in_threads():
    """The one that began last ends last, and the one in the middle is not cut short."""
    steps, found = [threading.Event() for _ in range(2)], []

    def late():
        with collecting():
            steps[0].set()
            steps[1].wait(PATIENCE)
            with into(found):
                warnings.warn("late", stacklevel=1)

    other = threading.Thread(target=late)
    with collecting():
        other.start()
        steps[0].wait(PATIENCE)
    steps[1].set()
    other.join(PATIENCE)
    assert found == [(UserWarning, "late")]
