"""What FASTNN2_KERNELS and FASTNN2_STORE say."""

import pytest

from fastnn2.codegen.settings import KINDS, is_store_on, wanted_kernels


@pytest.mark.parametrize(
    ("text", "expected"), [(None, None), ("", None), ("  ", None), *((kind, kind) for kind in KINDS)]
)
def test_kernels(text, expected, monkeypatch):
    monkeypatch.delenv("FASTNN2_KERNELS", raising=False)
    if text is not None:
        monkeypatch.setenv("FASTNN2_KERNELS", text)
    assert wanted_kernels() == expected


@pytest.mark.parametrize(("text", "expected"), [("STORE", "store"), (" numba\n", "numba"), ("Bundled", "bundled")])
def test_case_and_spaces_are_ignored(text, expected, monkeypatch):
    monkeypatch.setenv("FASTNN2_KERNELS", text)
    assert wanted_kernels() == expected


@pytest.mark.parametrize("text", ["off", "1", "bundled,store", "numba-cache"])
def test_wrong_values(text, monkeypatch):
    monkeypatch.setenv("FASTNN2_KERNELS", text)
    with pytest.raises(ValueError, match=f"FASTNN2_KERNELS is '{text}'; expected one of bundled, store, numba, or"):
        wanted_kernels()


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, True), ("", True), ("on", True), ("off", False), ("OFF ", False), ("0", False), ("no", False)],
)
def test_store(text, expected, monkeypatch):
    monkeypatch.delenv("FASTNN2_STORE", raising=False)
    if text is not None:
        monkeypatch.setenv("FASTNN2_STORE", text)
    assert is_store_on() is expected
