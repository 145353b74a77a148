"""Wheels with bundled kernels, one for each platform, and the sdist, from a checkout.

``hatch_build.py`` beside pyproject.toml, a hook of the build backend, puts a folder of libraries into a wheel and names
its platform, where the environment names a folder. Without it, as for ``pip install .``, a wheel has no libraries and
serves every platform.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
from collections.abc import Callable

from fastnn2.codegen.build.libraries import build_platform, temporary_folder
from fastnn2.codegen.build.platforms import PLATFORMS

CHECKOUT = pathlib.Path(__file__).parents[3]
# What hatch_build.py reads.
LIBRARIES, TAG = "FASTNN2_WHEEL_LIBRARIES", "FASTNN2_WHEEL_TAG"


class WheelError(Exception):
    """Wheels cannot be built; the text says why."""


def build_wheels(
    out: pathlib.Path, processes: int | None = None, progress: Callable[[], object] = lambda: None
) -> list[pathlib.Path]:
    """Build the sdist and a wheel for each platform into a folder; return their paths.

    The files are moved there when all are built. `progress` is called for each compiled kernel of each level. Raise
    WheelError, or what :func:`~fastnn2.codegen.build.libraries.build_platform` raises.
    """
    if not (CHECKOUT / "pyproject.toml").is_file():
        raise WheelError(
            f"wheels are built in a checkout, and {CHECKOUT} has no pyproject.toml; run this in a checkout"
        )
    with temporary_folder(out) as temporary:
        built = temporary / "dist"
        _build(["--sdist"], built, {})
        for platform in PLATFORMS.values():
            libraries = temporary / platform.name
            build_platform(platform, libraries, processes=processes, progress=progress)
            _build(["--wheel"], built, {LIBRARIES: str(libraries.resolve()), TAG: f"py3-none-{platform.tag}"})
        results = sorted(built.iterdir())
        return [path.replace(out / path.name) for path in results]


def _build(arguments: list[str], out: pathlib.Path, environment: dict[str, str]) -> None:
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(out.resolve()),
        *arguments,
        str(CHECKOUT),
    ]
    with subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:  # Ctrl-C: the backend is another process, which would write on
            kill_group = getattr(os, "killpg", None)
            if kill_group is None:
                process.kill()
            else:
                kill_group(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise WheelError(f"{' '.join(command)} has failed: {_reason(output)}")


def _reason(output: str) -> str:
    """Return the line of an output that says why a build failed: the backend's exception, or else the last line.

    After an exception of the backend, the package build only says that the backend has ended.
    """
    lines = output.strip().splitlines() or ["it said nothing"]
    exceptions = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return (exceptions or lines)[-1]
