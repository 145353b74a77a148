"""Make a folder from which programs for 64-bit Arm run on this machine: Debian's arm64 packages and PyPI's wheels.

    python tests/platforms/set_up.py

qemu-user runs them. The folder holds Python, the C library and what fastnn2 needs, but for Numba and llvmlite: nothing
is compiled there. It is in the user's cache, or where FASTNN2_PLATFORMS_DIR says. An ordinary user can make it: apt
gets lists and a state of its own, so dpkg's architectures and the installed packages stay as they are. The packages
are of the Debian release that this machine uses, and the wheels the newest that fit; no version is named here. Where
something is missing, one line says what, and the exit status is 1. Run again, it is done at once.
"""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator

PROJECT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6")  # apt adds what they depend on
LEFT_OUT = ("numba", "llvmlite")
# The compiled bytecode of these is kept: emulated, a compile of all that scikit-learn imports takes half a minute.
IMPORTED = "scipy.optimize, scipy.sparse, sklearn.metrics, sklearn.neural_network, threadpoolctl, tqdm, platformdirs"
OLDEST_GLIBC, NEWEST_GLIBC = 17, 60  # a wheel names the 2.x that it needs; the release's own is between them


class SetUpError(Exception):
    """Something is missing or failed; the text is one line."""


def folder() -> pathlib.Path:
    """Return the folder of the emulated system."""
    own = os.environ.get("FASTNN2_PLATFORMS_DIR")
    if own:
        return pathlib.Path(own).expanduser().resolve() / "aarch64"
    import platformdirs

    return pathlib.Path(platformdirs.user_cache_dir("fastnn2-platforms", appauthor=False)) / "aarch64"


def qemu() -> str | None:
    """Return the path of the emulator, None where it is not installed."""
    return shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")


def missing() -> str | None:
    """Return in one line why programs for 64-bit Arm cannot be run, and what to do; None where they can."""
    if qemu() is None:
        return "qemu-aarch64 is not installed: apt-get install qemu-user"
    if not is_made(folder()):
        return "Debian's arm64 packages and wheels for them are not set up: python tests/platforms/set_up.py"
    return None


@functools.cache
def requirements() -> list[str]:
    """Return what fastnn2 requires, but for what only compiles kernels."""
    with open(PROJECT / "pyproject.toml", "rb") as file:
        required = tomllib.load(file)["project"]["dependencies"]
    return [each for each in required if re.split(r"[^\w-]", each)[0] not in LEFT_OUT]


def recipe() -> dict[str, list[str]]:
    """Return what a folder is made from; one that was made from something else is made anew."""
    return {"packages": list(PACKAGES), "requirements": requirements(), "imported": IMPORTED.split(", ")}


def is_made(made: pathlib.Path) -> bool:
    """Return whether a folder is complete, and made as this script makes it."""
    try:
        return json.loads((made / "recipe.json").read_text()) == recipe()
    except (OSError, ValueError):
        return False


def command(system: pathlib.Path) -> list[str]:
    """Return how to start the emulated Python of a folder. It sees no file of this machine's Python."""
    return [str(qemu()), "-L", str(system / "root"), str(system / "root/usr/bin/python3"), "-s"]


def run(arguments: list[str], where: pathlib.Path, **changed: str) -> str:
    """Run a command and return what it prints; where it fails, its last line becomes the error."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        done = subprocess.run(
            arguments, cwd=where, env=environment | changed, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
    except OSError as error:
        raise SetUpError(f"{arguments[0]} cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()
        raise SetUpError(f"{pathlib.PurePath(arguments[0]).name} failed: {lines[-1]}")
    return done.stdout


def apt_options(own: pathlib.Path) -> Iterator[str]:
    """Make what apt needs in a folder of its own, and yield options with which it uses nothing else but the sources."""
    for each in ("lists/partial", "cache/archives/partial"):
        (own / each).mkdir(parents=True)
    (own / "status").touch()  # no package is installed, so apt resolves all that a system needs
    for name, value in {
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",  # the folder need not be open to apt's own user
        "Acquire::Languages": "none",
        "Dir::Cache": own / "cache",
        "Dir::Log": own,
        "Dir::State": own,
        "Dir::State::status": own / "status",
    }.items():
        yield from ("-o", f"{name}={value}")


def make_root(work: pathlib.Path) -> None:
    """Unpack Debian's packages into a folder `root`."""
    own, root = work / "apt", work / "root"
    options = list(apt_options(own))
    run(["apt-get", *options, "update"], work)
    run(["apt-get", *options, "install", "--yes", "--download-only", *PACKAGES], work)
    root.mkdir()
    archives = sorted((own / "cache/archives").glob("*.deb"))
    for archive in archives:
        run(["dpkg-deb", "-x", str(archive), str(root)], work)
    if not (root / "lib").exists():  # a link that another package of Debian has
        (root / "lib").symlink_to("usr/lib")
    (work / "packages.txt").write_text("".join(f"{archive.name}\n" for archive in archives))
    shutil.rmtree(own)


def make_site(work: pathlib.Path, version: str) -> None:
    """Unpack the wheels for a version of Python into a folder `site`."""
    wheels, site = work / "wheels", work / "site"
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in range(OLDEST_GLIBC, NEWEST_GLIBC)]
    options = ["--only-binary=:all:", f"--python-version={version}", f"--dest={wheels}"]
    options += [f"--platform={platform}" for platform in [*platforms, "manylinux2014_aarch64"]]
    run([sys.executable, "-m", "pip", "download", "--quiet", *options, *requirements()], work)
    names = sorted(path.name for path in wheels.glob("*.whl"))
    for name in names:
        with zipfile.ZipFile(wheels / name) as wheel:
            wheel.extractall(site)
    (work / "wheels.txt").write_text("".join(f"{name}\n" for name in names))
    shutil.rmtree(wheels)


def make(made: pathlib.Path) -> None:
    """Make the folder beside its place, and move it there when it is complete."""
    work = made.with_name(f"{made.name}.{os.getpid()}")
    try:
        work.mkdir(parents=True)
    except OSError as error:
        raise SetUpError(f"{work} cannot be made: {error.strerror}; set FASTNN2_PLATFORMS_DIR") from error
    try:
        make_root(work)
        start, unset = command(work), {"PYTHONPATH": str(work / "site")}
        version = run([*start, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], work, **unset).strip()
        make_site(work, version)
        run([*start, "-c", f"import {IMPORTED}"], work, **unset)
        (work / "recipe.json").write_text(json.dumps(recipe(), indent=1))
        if made.exists():
            made.rename(work / "before")
        work.rename(made)
        shutil.rmtree(made / "before", ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main() -> int:
    """Make the folder if it is not there yet; return the exit status."""
    made = folder()
    try:
        if qemu() is None:
            raise SetUpError(str(missing()))
        if not is_made(made):
            make(made)
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 1
    wheels = [name.split("-")[:2] for name in (made / "wheels.txt").read_text().splitlines()]
    print(f"ready: {made} ({', '.join(' '.join(each) for each in wheels)})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
