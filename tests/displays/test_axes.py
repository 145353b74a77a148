"""What both displays need: where they draw, and how they pick from many points."""

import sys

import numpy as np
import pytest
from data import run_python  # noqa: F401

from fastnn2.displays import axes


@pytest.mark.parametrize(("count", "maximum", "length"), [(1, 10, 1), (9, 10, 9), (10, 10, 10), (1000, 10, 10)])
def test_evenly_spaced(count, maximum, length):
    spaced = axes.evenly_spaced(count, maximum)
    assert len(spaced) == length
    assert (spaced[0], spaced[-1]) == (0, count - 1)
    assert (np.diff(spaced) > 0).all()
