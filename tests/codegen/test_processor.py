"""The processor for which code is compiled: the host, the environment, the levels of x86-64, and their features."""

import dataclasses
import itertools

import llvmlite.binding as llvm
import pytest

from fastnn2.codegen.processor import LEVELS, Processor

HOST_FEATURES = dict(llvm.get_host_cpu_features())


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
    assert here.features == {name for name, present in HOST_FEATURES.items() if present}


def test_environment_names_another_processor(here, monkeypatch):
    monkeypatch.setenv("NUMBA_CPU_NAME", "haswell")
    assert Processor.here().cpu == "haswell"
    assert Processor.here().features == here.features
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+avx2, +fma,-avx512f,+sse2,")
    named = Processor.here()
    assert (named.triple, named.cpu) == (here.triple, "haswell")
    assert {"avx2", "fma", "sse2"} <= named.features
    assert not any(name.startswith("avx512") for name in named.features)
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "")
    if here.triple.startswith("x86_64"):  # every x86-64 processor has these features
        assert Processor.here().features == Processor.level("x86-64").features
    else:
        assert Processor.here().features == frozenset()


@pytest.mark.parametrize("features", ["+avx2", "+fma", "+avx512f", "", "+avx,+avx2,+fma,-avx512f", "+avx512vl"])
def test_features_include_those_that_they_imply(features, here, monkeypatch):
    if not here.triple.startswith("x86_64"):
        pytest.skip("features of x86-64")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
    found = Processor.here().features
    assert {word[1:] for word in features.split(",") if word.startswith("+")} <= found
    for name, implied in {"avx512vl": "avx512f", "avx512f": "fma", "avx2": "avx", "avx": "sse4.2"}.items():
        assert implied in found or name not in found


def test_key_depends_on_triple_name_and_features(here):
    assert here.key == dataclasses.replace(here).key
    others = [
        without(here, min(here.features)),
        dataclasses.replace(here, cpu="other"),
        dataclasses.replace(here, triple="other"),
    ]
    assert len({here.key, *(other.key for other in others)}) == 4
    assert here.key.isalnum()


def test_runs_code_for_the_same_or_fewer_features(here):
    lesser = without(here, min(here.features))
    assert here.runs(here)
    assert here.runs(lesser)
    assert not lesser.runs(here)
    assert here.runs(dataclasses.replace(lesser, cpu="other"))
    assert not here.runs(dataclasses.replace(lesser, triple="aarch64-apple-darwin"))


def test_feature_string_has_each_feature_once(here):
    on = set(here.feature_string().split(","))
    assert {f"+{name}" for name in here.features} <= on
    removed = min(here.features - {"64bit"})
    words = without(here, removed).feature_string().split(",")
    assert f"-{removed}" in words
    assert f"+{removed}" not in words
    assert len(words) == len({word[1:] for word in words})


def test_feature_string_switches_off_what_the_host_lacks(here):
    words = here.feature_string().split(",")
    assert {f"-{name}" for name, present in HOST_FEATURES.items() if not present} <= set(words)


@pytest.mark.parametrize("name", LEVELS)
def test_features_of_the_levels(name):
    level = Processor.level(name)
    assert level.cpu == name
    assert level.triple == llvm.get_default_triple()
    assert "sse2" in level.features
    assert ("fma" in level.features) == (name in ("x86-64-v3", "x86-64-v4"))
    assert ("avx512f" in level.features) == (name == "x86-64-v4")


def test_each_level_runs_code_for_the_level_below():
    levels = [Processor.level(name) for name in LEVELS]
    for lower, higher in itertools.pairwise(levels):
        assert higher.runs(lower)
        assert not lower.runs(higher)


def test_unknown_level_raises():
    with pytest.raises(KeyError, match="x86-64-v9"):
        Processor.level("x86-64-v9")


@pytest.mark.skipif(not llvm.get_default_triple().startswith("x86_64"), reason="needs x86-64")
@pytest.mark.parametrize("name", LEVELS)
def test_llvm_knows_the_features_of_the_levels(name, capfd):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    level = Processor.level(name)
    target = llvm.Target.from_triple(level.triple)
    target.create_target_machine(cpu=level.cpu, features=level.feature_string())
    assert "not a recognized" not in capfd.readouterr().err  # LLVM prints to standard error and continues


@pytest.mark.parametrize(
    ("name", "feature"),
    [("x86-64", "sse2"), ("x86-64-v2", "sse4.2"), ("x86-64-v3", "avx2"), ("x86-64-v4", "avx512vl")],
)
def test_host_runs_code_for_its_levels(here, name, feature):
    # A feature that LLVM cannot detect must not exclude a level.
    if not HOST_FEATURES.get(feature):
        pytest.skip(f"this processor has no {feature}")
    assert here.runs(Processor.level(name))


def test_has_fma():
    assert Processor.level("x86-64-v3").has_fma
    assert not Processor.level("x86-64-v2").has_fma
    for triple in ("aarch64-unknown-linux-gnu", "arm64-apple-darwin23.0.0"):
        assert Processor(triple, "some", frozenset()).has_fma
    assert not Processor("i686-unknown-linux-gnu", "some", frozenset()).has_fma
