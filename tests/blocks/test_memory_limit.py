"""The limit of memory: None, bytes and texts."""

import numpy as np
import pytest

from fastnn2.blocks import memory_limit
from fastnn2.blocks.memory_limit import as_memory_limit


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        (500_000_000, 500_000_000),
        (np.int64(7), 7),
        ("500MB", 500_000_000),
        ("500 mb", 500_000_000),
        (" 2 GB ", 2_000_000_000),
        ("2gb", 2_000_000_000),
        ("1.5GiB", 3 * 2**29),
        ("0.5 TB", 500_000_000_000),
        (".5KiB", 512),
        ("2.kB", 2000),
        ("1 MiB", 2**20),
        ("1TiB", 2**40),
        ("64", 64),
        ("64 B", 64),
    ],
)
def test_bytes(value, expected):
    found = as_memory_limit(value)
    assert type(found) is int
    assert found == expected


@pytest.mark.parametrize(("available", "expected"), [(1000, 500), (1001, 500), (1, 1), (0, 1), (None, 10**9)])
def test_none_is_half_of_what_is_available(available, expected, monkeypatch):
    monkeypatch.setattr(memory_limit, "available_memory", lambda: available)
    assert as_memory_limit(None) == expected


@pytest.mark.parametrize("value", [1.5, 1e9, True, b"1GB", [1], np.float64(3), object()])
def test_other_types(value):
    with pytest.raises(TypeError, match=r"^memory_limit is .*; expected a number of bytes above 0, as an integer or a"):
        as_memory_limit(value)


TEXTS = ["", "MB", "-1MB", "1 PB", "0", "0.0GB", "0.1", "1e3MB", "1,000MB", "nanGB", "infGB", "1MB 2", "1.2.3GB", "5%"]


@pytest.mark.parametrize("value", [0, -1, np.int64(-5), *TEXTS, "9" * 400, "٣GB"])
def test_other_values(value):
    with pytest.raises(ValueError, match=r"^memory_limit is .*; expected a number of bytes above 0.* or None$"):
        as_memory_limit(value)
