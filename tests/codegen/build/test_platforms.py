import pytest

from fastnn2.codegen.build.platforms import PLATFORMS
from fastnn2.codegen.processor import LEVELS
from fastnn2.kernels.shared.features import VISIBLE

X86 = ("linux-x86-64", "windows-x86-64")


def test_the_platforms():
    levels = {name: [level.name for level in platform.levels] for name, platform in PLATFORMS.items()}
    x86 = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
    assert levels == {
        "linux-x86-64": x86,
        "linux-aarch64": ["aarch64"],
        "macos-arm64": ["arm64"],
        "windows-x86-64": x86,
    }
    assert all(name == platform.name for name, platform in PLATFORMS.items())
    assert len({platform.tag for platform in PLATFORMS.values()}) == 4


@pytest.mark.parametrize("name", PLATFORMS)
def test_llvm_and_zig_are_given_the_same_target(name):
    platform = PLATFORMS[name]
    machine, *_, system = platform.triple.split("-")
    zig_machine, zig_system = platform.target.split("-")[:2]
    assert {"arm64": "aarch64"}.get(machine, machine) == zig_machine
    assert {"macosx11.0.0": "macos.11.0"}.get(system, platform.triple.split("-")[2]) == zig_system


@pytest.mark.parametrize("name", X86)
def test_a_level_uses_what_numpy_reports_and_nothing_else(name):
    base = set(LEVELS["x86-64"].split())
    for level in PLATFORMS[name].levels:
        assert level.needed <= VISIBLE
        assert not level.unused & VISIBLE
        assert level.needed | level.unused | base == set(LEVELS[level.cpu].split()) | base
        words = level.feature_string().split(",")
        assert {word[1:] for word in words if word[0] == "+"} == level.needed
        assert {word[1:] for word in words if word[0] == "-"} == level.unused


@pytest.mark.parametrize("name", X86)
def test_each_level_needs_more_than_the_one_before(name):
    v2, v3, v4 = PLATFORMS[name].levels
    assert v2.needed < v3.needed < v4.needed
    assert "fma" in v3.needed - v2.needed
    assert "avx512f" in v4.needed - v3.needed


def test_levels_are_found_by_name():
    platform = PLATFORMS["linux-x86-64"]
    assert platform.level("x86-64-v3") is platform.levels[1]
    with pytest.raises(ValueError):
        platform.level("x86-64-v5")
