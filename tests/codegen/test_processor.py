"""Which processor machine code is made for, and what it may run on."""

import dataclasses
import itertools

import llvmlite.binding as llvm
import pytest

from fastnn2.codegen.processor import LEVELS, Processor

HOST = dict(llvm.get_host_cpu_features())


@pytest.fixture
def here(monkeypatch):
    monkeypatch.delenv("NUMBA_CPU_NAME", raising=False)
    monkeypatch.delenv("NUMBA_CPU_FEATURES", raising=False)
    return Processor.here()


def without(processor, *features):
    return dataclasses.replace(processor, features=processor.features - set(features))


def test_here_is_the_host(here):
    assert here.triple == llvm.get_default_triple()
    assert here.cpu == llvm.get_host_cpu_name()
    assert here.features == {name for name, present in HOST.items() if present}


def test_the_environment_names_another(here, monkeypatch):
    monkeypatch.setenv("NUMBA_CPU_NAME", "haswell")
    assert Processor.here().cpu == "haswell"
    assert Processor.here().features == here.features
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+avx2, +fma,-avx512f,+sse2,")
    named = Processor.here()
    assert (named.triple, named.cpu) == (here.triple, "haswell")
    assert {"avx2", "fma", "sse2"} <= named.features
    assert not any(name.startswith("avx512") for name in named.features)
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "")
    if here.triple.startswith("x86_64"):  # every such processor has these, and LLVM cannot do without
        assert Processor.here().features == Processor.level("x86-64").features
    else:
        assert Processor.here().features == frozenset()


@pytest.mark.parametrize("features", ["+avx2", "+fma", "+avx512f", "", "+avx,+avx2,+fma,-avx512f", "+avx512vl"])
def test_features_come_with_what_they_imply(features, here, monkeypatch):
    if not here.triple.startswith("x86_64"):
        pytest.skip("features of x86-64")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
    found = Processor.here().features
    assert {word[1:] for word in features.split(",") if word.startswith("+")} <= found
    for name, implied in {"avx512vl": "avx512f", "avx512f": "fma", "avx2": "avx", "avx": "sse4.2"}.items():
        assert implied in found or name not in found


def test_key(here):
    assert here.key == dataclasses.replace(here).key
    others = [
        without(here, min(here.features)),
        dataclasses.replace(here, cpu="other"),
        dataclasses.replace(here, triple="other"),
    ]
    assert len({here.key, *(other.key for other in others)}) == 4
    assert here.key.isalnum()


def test_runs(here):
    lesser = without(here, min(here.features))
    assert here.runs(here)
    assert here.runs(lesser)
    assert not lesser.runs(here)
    assert here.runs(dataclasses.replace(lesser, cpu="other"))
    assert not here.runs(dataclasses.replace(lesser, triple="aarch64-apple-darwin"))


def test_feature_string(here):
    on = set(here.feature_string().split(","))
    assert {f"+{name}" for name in here.features} <= on
    gone = min(here.features - {"64bit"})
    off = without(here, gone).feature_string().split(",")
    assert f"-{gone}" in off
    assert f"+{gone}" not in off
    assert len(off) == len({name[1:] for name in off})  # each feature once


def test_what_is_off_on_the_host_is_off(here):
    words = here.feature_string().split(",")
    assert {f"-{name}" for name, present in HOST.items() if not present} <= set(words)


@pytest.mark.parametrize("name", LEVELS)
def test_levels(name):
    level = Processor.level(name)
    assert level.cpu == name
    assert level.triple == llvm.get_default_triple()
    assert "sse2" in level.features
    assert ("fma" in level.features) == (name in ("x86-64-v3", "x86-64-v4"))
    assert ("avx512f" in level.features) == (name == "x86-64-v4")


def test_each_level_runs_the_one_below():
    levels = [Processor.level(name) for name in LEVELS]
    for lower, higher in itertools.pairwise(levels):
        assert higher.runs(lower)
        assert not lower.runs(higher)


def test_no_such_level():
    with pytest.raises(KeyError, match="x86-64-v9"):
        Processor.level("x86-64-v9")


@pytest.mark.skipif(not llvm.get_default_triple().startswith("x86_64"), reason="the levels are of x86-64")
@pytest.mark.parametrize("name", LEVELS)
def test_llvm_knows_the_features_of_the_levels(name, capfd):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    level = Processor.level(name)
    target = llvm.Target.from_triple(level.triple)
    target.create_target_machine(cpu=level.cpu, features=level.feature_string())
    assert "not a recognized" not in capfd.readouterr().err  # LLVM complains on standard error and goes on


@pytest.mark.parametrize(
    ("name", "feature"),
    [("x86-64", "sse2"), ("x86-64-v2", "sse4.2"), ("x86-64-v3", "avx2"), ("x86-64-v4", "avx512vl")],
)
def test_here_runs_the_levels_that_it_has(here, name, feature):
    # All that LLVM asks a processor for must do: what it does not know of must not keep a level from being found.
    if not HOST.get(feature):
        pytest.skip(f"this processor has no {feature}")
    assert here.runs(Processor.level(name))


def test_multiply_and_add_in_one_instruction():
    assert Processor.level("x86-64-v3").has_fma
    assert not Processor.level("x86-64-v2").has_fma
    for triple in ("aarch64-unknown-linux-gnu", "arm64-apple-darwin23.0.0"):
        assert Processor(triple, "some", frozenset()).has_fma
    assert not Processor("i686-unknown-linux-gnu", "some", frozenset()).has_fma
