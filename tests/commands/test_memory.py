"""Peak memory, and the check that a run fits."""

import re
import subprocess
import sys

import pytest
from data import PATIENCE

from fastnn2.commands import memory


def test_peak_memory_grows_with_an_allocation():
    pytest.importorskip("resource")
    code = (
        "from fastnn2.commands.memory import peak_memory; before = peak_memory(); "
        "bytes(50_000_000).replace(b'\\0', b'\\1'); print(before, peak_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    before, after = map(int, done.stdout.split())
    assert 5_000_000 < before < 100_000_000
    assert 45_000_000 < after - before < 200_000_000


def test_peak_memory_without_proc(tmp_path, monkeypatch):
    pytest.importorskip("resource")
    monkeypatch.setattr(memory, "STATUS", tmp_path / "missing")
    assert 10_000_000 < memory.peak_memory() < 2**45


def test_peak_memory_is_none_if_the_system_does_not_say(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "missing")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert memory.peak_memory() is None


def test_bytes_needed():
    small = memory.bytes_needed(1000, 5, 100, 48)
    assert memory.bytes_needed(1_001_000, 5, 100, 48) - small == 48_000_000
    assert memory.bytes_needed(1000, 5, 1_000_100, 48) - small == 8_000_000
    assert memory.bytes_needed(1000, 100_000, 100, 48) > small + 100_000 * 4 * 8
    assert small > memory.PROCESS_BYTES


@pytest.mark.parametrize("available", [None, 10**12])
def test_run_that_fits_is_no_error(available, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: available)
    memory.check_memory(100_000_000, 5, 10**9, 48, "--samples", 2)


@pytest.mark.parametrize(("hidden", "sample_bytes"), [(5, 48), (5, 24), (10_000, 100)])
def test_number_in_the_error_fits_and_one_more_does_not(hidden, sample_bytes, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1_000_000_000)
    with pytest.raises(ValueError) as caught:
        memory.check_memory(50_000_000, hidden, 9000, sample_bytes, "--some-option", 2)
    needed = memory.bytes_needed(50_000_000, hidden, 9000, sample_bytes)
    assert str(caught.value).startswith(
        f"50,000,000 samples, {hidden:,} hidden units and 9,000 iterations need {needed / 1e9:.1f} GB, but 1.0 GB "
        "are available; at most "
    )
    fits = int(re.search(r"at most --some-option (\d+) would fit$", str(caught.value)).group(1))
    memory.check_memory(fits, hidden, 9000, sample_bytes, "--some-option", 2)
    with pytest.raises(ValueError):
        memory.check_memory(fits + 1, hidden, 9000, sample_bytes, "--some-option", 2)


@pytest.mark.parametrize(("available", "hidden", "iterations"), [(1000, 1, 1), (10**9, 1, 10**9), (10**9, 10**6, 1)])
def test_error_if_not_even_few_samples_fit(available, hidden, iterations, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: available)
    with pytest.raises(ValueError, match=r"GB are available; use fewer hidden units or iterations, or free memory$"):
        memory.check_memory(2, hidden, iterations, 48, "--samples", 2)


@pytest.mark.parametrize(("minimum", "remedy"), [(7, "at most --samples 7 would fit"), (8, "use fewer hidden units")])
def test_error_names_no_number_below_the_minimum_of_the_option(minimum, remedy, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: memory.bytes_needed(7, 5, 10, 48))
    with pytest.raises(ValueError, match=f"are available; {remedy}"):
        memory.check_memory(9, 5, 10, 48, "--samples", minimum)


REFERENCE_BYTES = 8 * (1000 * 6 * 7 + 4 * 300)


@pytest.mark.parametrize(("available", "fits"), [(None, True), (REFERENCE_BYTES, False), (REFERENCE_BYTES + 1, True)])
def test_reference_fits(available, fits, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: available)
    assert memory.reference_fits(1000, 5, 300) is fits
