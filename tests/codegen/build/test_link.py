import os
import sys

import pytest
from build_data import compile_c, needs_build

from fastnn2.codegen.build import link
from fastnn2.codegen.build.link import LinkError
from fastnn2.codegen.build.platforms import PLATFORMS

needs_build()

SOURCE = "void %s(long long *words) { words[0] = 7; }"


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_order_of_objects_does_not_matter(name, tmp_path):
    platform = PLATFORMS[name]
    objects = {symbol: compile_c(platform, SOURCE % symbol) for symbol in ("one", "two", "three")}
    for folder, symbols in (("a", list(objects)), ("b", list(reversed(objects)))):
        (tmp_path / folder).mkdir()
        link.link(platform, {symbol: objects[symbol] for symbol in symbols}, tmp_path / folder / "library")
    assert (tmp_path / "a" / "library").read_bytes() == (tmp_path / "b" / "library").read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["library"]


def test_an_object_that_calls_what_windows_lacks(tmp_path):
    platform = PLATFORMS["windows-x86-64"]
    content = compile_c(platform, "int nothing(void); void entry(long long *words) { words[0] = nothing(); }")
    with pytest.raises(LinkError, match="undefined symbol: nothing") as caught:
        link.link(platform, {"entry": content}, tmp_path / "library.dll")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_object_that_is_none(tmp_path):
    with pytest.raises(LinkError, match="zig has failed with status 1"):
        link.link(PLATFORMS["linux-x86-64"], {"entry": b"no object"}, tmp_path / "library.so")
    assert list(tmp_path.iterdir()) == []


def test_without_ziglang(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LinkError, match="zig has failed with status 1"):
        link.link(PLATFORMS["linux-x86-64"], {"entry": b""}, tmp_path / "library.so")


@pytest.mark.parametrize("name", ["linux-x86-64", "macos-arm64"])
@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR"])
def test_without_a_cache_that_can_be_written(name, variable, tmp_path, monkeypatch):
    """As in a container for a user without a home, or with a home that is read-only."""
    platform = PLATFORMS[name]
    objects = {"entry": compile_c(platform, SOURCE % "entry")}
    for folder in ("usual", "without"):  # the name of the file is in libraries for macOS
        (tmp_path / folder).mkdir()
    link.link(platform, objects, tmp_path / "usual" / "library")
    (tmp_path / "file").write_text("")
    for each in ("XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "file" / "below"))
    link.link(platform, objects, tmp_path / "without" / "library")
    assert (tmp_path / "without" / "library").read_bytes() == (tmp_path / "usual" / "library").read_bytes()


def test_without_a_home(tmp_path, monkeypatch):
    platform = PLATFORMS["macos-arm64"]
    content = compile_c(platform, SOURCE % "entry")
    for each in ("HOME", "XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR"):
        monkeypatch.delenv(each, raising=False)
    link.link(platform, {"entry": content}, tmp_path / "library")
    assert [path.name for path in tmp_path.iterdir()] == ["library"]


def test_a_cache_that_can_be_written_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", "cache")
    platform = PLATFORMS["linux-x86-64"]
    link.link(platform, {"entry": compile_c(platform, SOURCE % "entry")}, tmp_path / "library")
    assert os.listdir(tmp_path / "cache")
