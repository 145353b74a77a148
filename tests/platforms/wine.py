"""Programs for Windows on this machine: zig's C compiler makes them, Wine runs them.

Debian's package wine64 is enough. Wine keeps a system of its own, its prefix, which takes some seconds and 800 MB.
"""

import os
import pathlib
import shutil
import subprocess
import sys

DEBIAN = pathlib.Path("/usr/lib/wine")
# Wine is not to write menus of programs to the user's home, nor to look for a browser or start a debugger.
NOT_USED = "winemenubuilder.exe,mscoree,mshtml,winedbg.exe"


def find(*names: str) -> str | None:
    """Return the path of one of Wine's programs, where it has one of these names; None if it is not installed."""
    for name in names:
        path = shutil.which(name) or shutil.which(name, path=str(DEBIAN))
        if path:
            return path
    return None


def missing() -> str | None:
    """Return in one line why programs for Windows cannot be run, and what to do; None where they can."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "Wine runs programs for x86-64 on Linux only"
    if find("wine64", "wine") is None or find("wineserver", "wineserver64") is None:
        return "Wine is not installed: apt-get install wine64"
    return None


class Wine:
    """Wine with its prefix in a folder, which must be there."""

    def __init__(self, folder: pathlib.Path) -> None:
        prefix, runtime = folder / "prefix", folder / "runtime"
        runtime.mkdir(mode=0o700)
        self._environment = os.environ | {
            "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": f"{NOT_USED}=", "WINEARCH": "win64",
            "XDG_RUNTIME_DIR": str(runtime),
        }  # fmt: skip

    def run(self, program: pathlib.Path, *arguments: str, folder: pathlib.Path, seconds: float):
        """Run a program in a folder; return what :func:`subprocess.run` does, killed after some seconds."""
        command = [find("wine64", "wine"), str(program), *arguments]
        return subprocess.run(
            command, cwd=folder, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=seconds, check=False,
        )  # fmt: skip

    def end(self, seconds: float) -> None:
        """End all that runs in the prefix: Wine's server would stay for a while."""
        command = [find("wineserver", "wineserver64"), "--kill"]
        subprocess.run(command, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
        subprocess.run([command[0], "--wait"], env=self._environment, capture_output=True, timeout=seconds)
