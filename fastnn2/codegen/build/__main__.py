"""``python -m fastnn2.codegen.build``: shared libraries of all kernels for a platform, or wheels for all platforms."""

import argparse
import importlib.util
import pathlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from tqdm import tqdm

from fastnn2.codegen.build.inspection import InspectionError
from fastnn2.codegen.build.libraries import ENTRIES, CompileError, build_platform
from fastnn2.codegen.build.link import LinkError
from fastnn2.codegen.build.platforms import PLATFORMS
from fastnn2.codegen.build.wheels import WheelError, build_wheels
from fastnn2.codegen.terminal import is_terminal

FOR_LIBRARIES = ("ziglang", "lief")
FOR_WHEELS = (*FOR_LIBRARIES, "build", "hatchling")
OUT_HELP = "the folder for what is built (default with --wheels: dist)"
PROCESSES_HELP = "how many levels are compiled at a time (default: the number of usable processors)"
INTERRUPTED = 130  # the exit code that shells report for a program ended by Ctrl-C


class _Parser(argparse.ArgumentParser):
    """A parser that prints errors on one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    description = "Build the libraries of kernels of a platform, or wheels for all platforms."
    result = _Parser(prog="python -m fastnn2.codegen.build", description=description, allow_abbrev=False)
    what = result.add_mutually_exclusive_group(required=True)
    what.add_argument("--platform", choices=tuple(PLATFORMS), help="build the libraries of this platform")
    what.add_argument("--wheels", action="store_true", help="build a wheel for each platform, and the sdist")
    result.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help=OUT_HELP)
    result.add_argument("--processes", type=int, metavar="N", help=PROCESSES_HELP)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 for a failure, 2 for wrong options, 130 for Ctrl-C."""
    command = parser()
    options = command.parse_args(arguments)
    if options.platform and not options.out:
        command.error("--platform needs --out FOLDER; a checkout uses the libraries in fastnn2/libraries")
    if options.processes is not None and options.processes < 1:
        command.error(f"--processes is {options.processes}; expected 1 or more")
    needed = FOR_WHEELS if options.wheels else FOR_LIBRARIES
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        command.error(f"{' and '.join(missing)} missing: pip install 'fastnn2[build]'")
    try:
        _build(options)
    except KeyboardInterrupt:
        print(f"{command.prog}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (CompileError, InspectionError, LinkError, WheelError, OSError, RuntimeError) as error:
        print(f"{command.prog}: error: {error}", file=sys.stderr)
        return 1
    return 0


def _build(options: argparse.Namespace) -> None:
    """Build, and show on a terminal how far it is: a step for each kernel of each level."""
    platforms = tuple(PLATFORMS.values()) if options.wheels else (PLATFORMS[options.platform],)
    total = len(ENTRIES) * sum(len(platform.levels) for platform in platforms)
    show_bar = is_terminal(sys.stderr)
    with tqdm(total=total, desc="compiling", unit="kernel", leave=False, disable=not show_bar) as bar:
        if options.wheels:
            paths = build_wheels(options.out or pathlib.Path("dist"), options.processes, bar.update)
        else:
            build_platform(platforms[0], options.out, processes=options.processes, progress=bar.update)
    if options.wheels:
        for path in paths:
            print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    else:
        count = len(platforms[0].levels)
        libraries = "1 library" if count == 1 else f"{count} libraries"
        print(f"{libraries} of {len(ENTRIES)} kernels for {options.platform} in {options.out}")


if __name__ == "__main__":
    sys.exit(main())
