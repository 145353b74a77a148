"""``python -m fastnn2.codegen.build``: shared libraries of all kernels for a platform, or wheels for all platforms."""

import argparse
import importlib.util
import pathlib
import sys
from collections.abc import Sequence

from fastnn2.codegen.build.libraries import ENTRIES, build_platform
from fastnn2.codegen.build.link import LinkError
from fastnn2.codegen.build.platforms import PLATFORMS
from fastnn2.codegen.build.wheels import WheelError, build_wheels

NEEDED = ("ziglang", "build", "hatchling")


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    result = argparse.ArgumentParser(prog="python -m fastnn2.codegen.build", description=__doc__, allow_abbrev=False)
    what = result.add_mutually_exclusive_group(required=True)
    what.add_argument("--platform", choices=PLATFORMS, help="build the libraries of this platform")
    what.add_argument("--wheels", action="store_true", help="build a wheel for each platform, and the sdist")
    result.add_argument("--out", type=pathlib.Path, help="the folder for the results (with --wheels by default: dist)")
    result.add_argument("--processes", type=int, help="how many levels are compiled at once (by default: processors)")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    command = parser()
    options = command.parse_args(arguments)
    if options.platform and not options.out:
        command.error("--platform needs --out FOLDER; in a checkout, --out fastnn2/libraries is where it is used")
    if options.processes is not None and options.processes < 1:
        command.error(f"--processes is {options.processes}; expected 1 or more")
    needed = NEEDED if options.wheels else NEEDED[:1]
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        command.error(f"{' and '.join(missing)} missing: pip install 'fastnn2[build]'")
    try:
        if options.wheels:
            for path in build_wheels(options.out or pathlib.Path("dist"), options.processes):
                print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
        else:
            build_platform(PLATFORMS[options.platform], options.out, processes=options.processes)
            print(f"{len(ENTRIES)} kernels for {options.platform} in {options.out}")
    except (LinkError, WheelError, OSError, RuntimeError) as error:
        print(f"{command.prog}: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
