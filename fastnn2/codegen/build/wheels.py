"""Wheels with bundled kernels, one for each platform, and the sdist, from a checkout.

``hatch_build.py`` beside pyproject.toml, a hook of the build backend, puts a folder of libraries into a wheel and names
its platform, where the environment names a folder. Without it, as for ``pip install .``, a wheel has no libraries and
serves every platform.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from fastnn2.codegen.build.libraries import build_platform
from fastnn2.codegen.build.platforms import PLATFORMS

CHECKOUT = pathlib.Path(__file__).parents[3]
# What hatch_build.py reads.
LIBRARIES, TAG = "FASTNN2_WHEEL_LIBRARIES", "FASTNN2_WHEEL_TAG"


class WheelError(Exception):
    """Wheels cannot be built; the text says why."""


def build_wheels(out: pathlib.Path, processes: int | None = None) -> list[pathlib.Path]:
    """Build the sdist and a wheel for each platform into a folder; return their paths."""
    if not (CHECKOUT / "pyproject.toml").is_file():
        raise WheelError(
            f"wheels are built in a checkout, and {CHECKOUT} has no pyproject.toml; run this in a checkout"
        )
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=out) as temporary:
        built = pathlib.Path(temporary) / "dist"
        _build(["--sdist"], built, {})
        for platform in PLATFORMS.values():
            libraries = pathlib.Path(temporary) / platform.name
            build_platform(platform, libraries, processes=processes)
            _build(["--wheel"], built, {LIBRARIES: str(libraries), TAG: f"py3-none-{platform.tag}"})
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
    result = subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode:
        raise WheelError(f"{' '.join(command)} has failed:\n{result.stdout.strip()}")
