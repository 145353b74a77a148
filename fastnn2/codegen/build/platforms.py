"""The platforms that kernels are built for, and for each the levels of its processors.

A library of a level uses the features of the level that NumPy reports (see
:mod:`fastnn2.kernels.shared.features`), and no other. So on every system it is known, before a library is loaded,
whether the processor runs it. What is left out (bmi, lzcnt, movbe and the like) is for whole numbers.
"""

import dataclasses

from fastnn2.codegen.processor import LEVELS
from fastnn2.kernels.shared.features import VISIBLE


@dataclasses.dataclass(frozen=True)
class Level:
    """A level of processors.

    Attributes
    ----------
    name : str
        Its name, also of its library.
    cpu : str
        A processor of LLVM's whose features are those that every processor of the level has.
    needed : frozenset of str
        Features of VISIBLE that the code uses.
    unused : frozenset of str
        Features of `cpu` that the code does not use.
    """

    name: str
    cpu: str
    needed: frozenset[str] = frozenset()
    unused: frozenset[str] = frozenset()

    def feature_string(self) -> str:
        """Return the features in LLVM's format."""
        return ",".join([f"+{name}" for name in sorted(self.needed)] + [f"-{name}" for name in sorted(self.unused)])


@dataclasses.dataclass(frozen=True)
class Platform:
    """An operating system on a kind of processor.

    Attributes
    ----------
    name : str
        Its name for users, such as "linux-x86-64".
    triple : str
        LLVM's target triple.
    target : str
        The same for zig, with the oldest version of the system that is served.
    suffix : str
        How the names of its shared libraries end.
    tag : str
        The platform tag of a wheel, or several with points between them.
    levels : tuple of Level
    """

    name: str
    triple: str
    target: str
    suffix: str
    tag: str
    levels: tuple[Level, ...]

    def level(self, name: str) -> Level:
        """Return the level of this name."""
        (found,) = (level for level in self.levels if level.name == name)
        return found


def _level(name: str) -> Level:
    features = frozenset(LEVELS[name].split()) - frozenset(LEVELS["x86-64"].split())
    return Level(name, name, features & VISIBLE, features - VISIBLE)


X86_LEVELS = tuple(_level(name) for name in ("x86-64-v2", "x86-64-v3", "x86-64-v4"))
PLATFORMS = {
    platform.name: platform
    for platform in (
        # NumPy's wheels need manylinux2014 or newer, which has the GNU C library 2.17. Wheels are tagged with both of
        # its names, as `pip download --platform` finds only the name that it is given.
        Platform(
            "linux-x86-64",
            "x86_64-unknown-linux-gnu",
            "x86_64-linux-gnu.2.17",
            ".so",
            "manylinux2014_x86_64.manylinux_2_17_x86_64",
            X86_LEVELS,
        ),
        Platform(
            "linux-aarch64",
            "aarch64-unknown-linux-gnu",
            "aarch64-linux-gnu.2.17",
            ".so",
            "manylinux2014_aarch64.manylinux_2_17_aarch64",
            (Level("aarch64", "generic"),),
        ),
        Platform(
            "macos-arm64",
            "arm64-apple-macosx11.0.0",
            "aarch64-macos.11.0",
            ".dylib",
            "macosx_11_0_arm64",
            (Level("arm64", "apple-m1"),),
        ),
        Platform("windows-x86-64", "x86_64-pc-windows-gnu", "x86_64-windows-gnu", ".dll", "win_amd64", X86_LEVELS),
    )
}
