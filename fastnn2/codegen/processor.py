"""The processor for which machine code is compiled, and whether that code runs on another one."""

import dataclasses
import functools
import hashlib
import os

from fastnn2.kernels.shared.features import named_features

# The levels of x86-64 and their features, as Linux distributions use them (System V psABI).
_V1 = "64bit cmov cx8 fxsr mmx sse sse2"
_V2 = f"{_V1} cx16 sahf popcnt sse3 sse4.1 sse4.2 ssse3 crc32"
_V3 = f"{_V2} avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave"
_V4 = f"{_V3} avx512f avx512bw avx512cd avx512dq avx512vl"
LEVELS = {"x86-64": _V1, "x86-64-v2": _V2, "x86-64-v3": _V3, "x86-64-v4": _V4}


@dataclasses.dataclass(frozen=True)
class Processor:
    """A processor in LLVM's terms: target triple, name, and the features that code may use."""

    triple: str
    cpu: str
    features: frozenset[str]

    @classmethod
    def here(cls) -> "Processor":
        """Return the processor of this machine, or the one that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name."""
        return _here(os.environ.get("NUMBA_CPU_NAME"), named_features())

    @classmethod
    def level(cls, name: str) -> "Processor":
        """Return a level of x86-64, such as "x86-64-v3"."""
        import llvmlite.binding as llvm

        return cls(llvm.get_default_triple(), name, frozenset(LEVELS[name].split()))

    @property
    def has_fma(self) -> bool:
        """Whether it has fused multiply-add instructions, as all 64-bit Arm processors have."""
        return "fma" in self.features or self.triple.startswith(("aarch64", "arm64"))

    @property
    def key(self) -> str:
        """A short hash for file names."""
        text = f"{self.triple} {self.cpu} {' '.join(sorted(self.features))}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def feature_string(self) -> str:
        """Return the features in LLVM's format: "+" for each one, "-" for the others that the name may imply.

        64-bit mode is never switched off, as LLVM would end the process.
        """
        missing = set(_host_features()) - self.features - {"64bit"}
        return ",".join([f"+{name}" for name in sorted(self.features)] + [f"-{name}" for name in sorted(missing)])

    def runs(self, other: "Processor") -> bool:
        """Return whether machine code compiled for `other` runs on this processor."""
        return self.triple == other.triple and other.features <= self.features


@functools.cache
def _host_features() -> dict[str, bool]:
    """Return all features that LLVM can detect: name -> whether this machine has it."""
    import llvmlite.binding as llvm

    return dict(llvm.get_host_cpu_features())


# What LLVM assumes with a feature: with the right side switched off, it cannot generate code for the left side.
_IMPLIED = {
    "avx512f": "avx2 fma f16c",
    "fma": "avx",
    "f16c": "avx",
    "avx2": "avx",
    "avx": "sse4.2",
    "sse4.2": "sse4.1",
    "sse4.1": "ssse3",
    "ssse3": "sse3",
    "sse3": "sse2",
}


def _with_implied(features: set[str], triple: str) -> frozenset[str]:
    """Return features with all that they imply, and on x86-64 with those that every such processor has."""
    if not triple.startswith("x86_64"):
        return frozenset(features)
    result = features | set(_V1.split())
    if any(name.startswith("avx512") for name in result):
        result.add("avx512f")
    pending = list(result)
    while pending:
        more = set(_IMPLIED.get(pending.pop(), "").split()) - result
        result |= more
        pending += more
    return frozenset(result)


@functools.cache
def _here(name: str | None, named: frozenset[str] | None) -> Processor:
    import llvmlite.binding as llvm

    triple = llvm.get_default_triple()
    enabled = {name for name, present in _host_features().items() if present} if named is None else set(named)
    return Processor(triple, name or llvm.get_host_cpu_name(), _with_implied(enabled, triple))
