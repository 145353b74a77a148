"""A sample of `mutated_tables.py`, which checks 1,000 files."""

import os

import mutated_tables
import pytest
from data import extra

extra("polars", "tables")
extra("skops.io", "tables")
pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux limits the memory")


def test_a_sample():
    reports = []
    assert mutated_tables.run(100, 0, reports.append) == []
    assert reports[0].startswith("100 files: ")
    for command in ("train", "predict"):
        for outcome in ("used", "refused"):
            assert f"a.csv {command} {outcome}" in reports[0]
            assert f"a.parquet {command} {outcome}" in reports[0]
