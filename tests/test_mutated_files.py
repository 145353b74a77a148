"""A sample of `mutated_files.py`, which checks 10,000 files of each format."""

import os

import mutated_files
import pytest
from data import extra

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="Linux measures the memory")


@pytest.mark.parametrize("name", mutated_files.FORMATS)
def test_a_sample(name):
    if mutated_files.FORMATS[name].needs_skops:
        extra("skops.io", "files")
    reports = []
    assert mutated_files.run([name], 200, 0, reports.append) == []
    assert f"{name}: 200 files" in reports[0]
    assert "refused" in reports[0]
    assert "loaded" in reports[0]
