import base64
import csv
import hashlib
import io
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile

import pytest
from data import PATIENCE, extra

from fastnn2._version import __version__
from fastnn2.codegen.build import wheels
from fastnn2.codegen.build.platforms import PLATFORMS
from fastnn2.codegen.build.wheels import WheelError, build_wheels

for module in ("build", "hatchling", "twine", "check_wheel_contents", "packaging"):
    extra(module, "build")

ROOT = pathlib.Path(__file__).parents[3]
FILES = ("pyproject.toml", "hatch_build.py", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore")


def stand_ins(platform):
    """Return the names and contents of a folder of libraries."""
    names = [level.name + platform.suffix for level in platform.levels]
    return {name: f"{platform.name} {name}".encode() for name in names} | {"libraries.json": b"{}"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout, with libraries in the package as after ``--out fastnn2/libraries``."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "fastnn2", folder / "fastnn2", ignore=shutil.ignore_patterns("__pycache__", "libraries"))
    (folder / "fastnn2" / "libraries").mkdir()
    (folder / "fastnn2" / "libraries" / "libraries.json").write_text("built by hand")
    return folder


@pytest.fixture(scope="module")
def built(checkout, tmp_path_factory):
    """The wheels and the sdist, with stand-ins for the libraries."""

    def build_platform(platform, out, processes, progress):
        out.mkdir()
        for name, content in stand_ins(platform).items():
            (out / name).write_bytes(content)
        progress()

    steps = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wheels, "CHECKOUT", checkout)
        patch.setattr(wheels, "build_platform", build_platform)
        folder = tmp_path_factory.mktemp("out")
        patch.chdir(folder)
        paths = build_wheels(pathlib.Path("dist"), progress=lambda: steps.append(1))
        assert sorted(pathlib.Path("dist").iterdir()) == sorted(paths)
    assert len(steps) == len(PLATFORMS)
    return [folder / path for path in paths]


@pytest.fixture(scope="module")
def pure(checkout, tmp_path_factory):
    """The wheel that ``pip install .`` makes."""
    out = tmp_path_factory.mktemp("pure")
    run("build", "--no-isolation", "--wheel", "--outdir", str(out), str(checkout))
    (path,) = out.iterdir()
    return path


def run(module, *arguments):
    """Run a tool with the settings of pyproject.toml."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(path):
    with zipfile.ZipFile(path) as wheel:
        assert wheel.testzip() is None
        return {name: wheel.read(name) for name in wheel.namelist()}


def wheel_of(built, platform):
    (path,) = (path for path in built if path.name.endswith(f"-{platform.tag}.whl"))
    return path


def test_a_wheel_for_each_platform_and_the_sdist(built):
    names = {f"fastnn2-{__version__}-py3-none-{platform.tag}.whl" for platform in PLATFORMS.values()}
    assert {path.name for path in built} == {*names, f"fastnn2-{__version__}.tar.gz"}


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_wheel_has_the_libraries_of_its_platform_alone(name, built, pure):
    platform = PLATFORMS[name]
    files = contents(wheel_of(built, platform))
    libraries = {
        file.removeprefix("fastnn2/libraries/"): files.pop(file) for file in list(files) if "/libraries/" in file
    }
    assert libraries == stand_ins(platform)
    info = f"fastnn2-{__version__}.dist-info"
    tags = files.pop(f"{info}/WHEEL").decode().splitlines()
    assert [tag for tag in tags if tag.startswith("Tag: ")] == [
        f"Tag: py3-none-{tag}" for tag in platform.tag.split(".")
    ]
    assert "Root-Is-Purelib: false" in tags
    others = contents(pure)
    for each in (files, others):
        each.pop(f"{info}/RECORD")
    others.pop(f"{info}/WHEEL")
    assert files == others  # the metadata, too


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_record_has_the_hash_of_each_file(name, built):
    files = contents(wheel_of(built, PLATFORMS[name]))
    record = f"fastnn2-{__version__}.dist-info/RECORD"
    rows = {file: (digest, length) for file, digest, length in csv.reader(io.StringIO(files[record].decode()))}
    assert rows.pop(record) == ("", "")
    expected = {}
    for file, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        expected[file] = (f"sha256={digest}", str(len(content)))
    expected.pop(record)
    assert rows == expected


def test_a_wheel_from_the_sources_is_pure(pure):
    assert pure.name == f"fastnn2-{__version__}-py3-none-any.whl"
    assert not any("/libraries/" in name for name in contents(pure))


def test_the_sdist_has_no_libraries_and_builds_the_pure_wheel(built, pure, tmp_path):
    (path,) = (path for path in built if path.suffix == ".gz")
    with tarfile.open(path) as sdist:
        assert not any("/libraries/" in name for name in sdist.getnames())
        sdist.extractall(tmp_path, filter="data")
    (sources,) = tmp_path.iterdir()
    run("build", "--no-isolation", "--wheel", "--outdir", str(tmp_path / "out"), str(sources))
    (wheel,) = (tmp_path / "out").iterdir()
    assert wheel.read_bytes() == pure.read_bytes()


def test_two_builds_give_the_same_bytes(built, checkout, tmp_path, monkeypatch):
    platform = PLATFORMS["macos-arm64"]
    for name, content in stand_ins(platform).items():
        (tmp_path / name).write_bytes(content)
    for path in checkout.rglob("*.py"):
        path.touch()
    monkeypatch.setattr(wheels, "CHECKOUT", checkout)
    wheels._build(
        ["--wheel"],
        tmp_path / "out",
        {wheels.LIBRARIES: str(tmp_path), wheels.TAG: f"py3-none-{platform.tag}"},
    )
    (again,) = (tmp_path / "out").iterdir()
    assert again.read_bytes() == wheel_of(built, platform).read_bytes()


def test_the_tools_find_nothing(built):
    run("twine", "check", "--strict", *map(str, built))
    run("check_wheel_contents", *(str(path) for path in built if path.suffix == ".whl"))


# Who gets which wheel: systems, as pip names them.
SYSTEMS = {
    "linux-x86-64": ["manylinux_2_39_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"],
    "linux-aarch64": ["manylinux_2_17_aarch64", "manylinux2014_aarch64"],
    "macos-arm64": ["macosx_11_0_arm64", "macosx_26_0_arm64"],
    "windows-x86-64": ["win_amd64"],
    None: ["musllinux_1_2_x86_64", "macosx_15_0_x86_64", "win_arm64", "linux_riscv64"],
}


@pytest.mark.parametrize(
    ("name", "system", "version"),
    [
        (name, system, version)
        for name, all_of in SYSTEMS.items()
        for system in all_of
        for version in ((3, 11), (3, 14))
    ],
)
def test_pip_takes_the_wheel_of_a_system(name, system, version, built):
    from packaging import tags, utils

    kind, _, rest = system.partition("_")
    if kind == "macosx":
        major, minor, machine = rest.split("_", 2)
        systems = list(tags.mac_platforms((int(major), int(minor)), machine))
    elif kind == "manylinux":
        _, minor, machine = rest.split("_", 2)
        systems = [f"manylinux_2_{each}_{machine}" for each in range(int(minor), 4, -1)]
    else:
        systems = [system]
    supported = set(
        itertools.chain(tags.cpython_tags(version, platforms=systems), tags.compatible_tags(version, "cp", systems))
    )
    wheel_paths = [path for path in built if path.suffix == ".whl"]
    taken = [path for path in wheel_paths if supported & utils.parse_wheel_filename(path.name)[3]]
    assert taken == ([] if name is None else [wheel_of(built, PLATFORMS[name])])


def test_it_takes_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(wheels, "CHECKOUT", tmp_path)
    with pytest.raises(WheelError, match="run this in a checkout"):
        build_wheels(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_build_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'no_such_backend'\n")
    monkeypatch.setattr(wheels, "CHECKOUT", tmp_path)
    with pytest.raises(WheelError, match=r"--sdist.* has failed: .*no_such_backend") as caught:
        build_wheels(tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("code", "reason"),
    {
        "raise OSError(28, 'No space left on device')": r"OSError: \[Errno 28\] No space left on device",
        "import os; os._exit(1)": "Backend subprocess exited",
    }.items(),
)
def test_the_reason_of_the_backend_is_told(code, reason, tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text(f"def build_sdist(*_):\n    {code}\n")
    (tmp_path / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'failing'\nbackend-path = ['.']\n"
    )
    monkeypatch.setattr(wheels, "CHECKOUT", tmp_path)
    with pytest.raises(WheelError, match=rf"--sdist.* has failed: .*{reason}") as caught:
        build_wheels(tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_ctrl_c_ends_the_backend_too(checkout, tmp_path, monkeypatch):
    """The build backend runs in a process of its own, below that of the package build."""
    code = "import os, time\nopen(os.environ['STARTED'], 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "slow.py").write_text(code)
    (tmp_path / "sources" / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'slow'\nbackend-path = ['.']\n"
    )
    started = tmp_path / "started"
    monkeypatch.setattr(wheels, "CHECKOUT", tmp_path / "sources")
    monkeypatch.setenv("STARTED", str(started))
    # polars, where a test before has used it, lets the system go on waiting after Ctrl-C.
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
    watcher = threading.Thread(target=interrupt_when, args=(started,))
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            build_wheels(tmp_path / "out")
    finally:
        watcher.join()
    assert not (tmp_path / "out").exists()
    deadline = time.monotonic() + PATIENCE
    while is_alive(int(started.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def interrupt_when(path):
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def is_alive(process):
    """Return whether a process runs; one that has ended and is not collected does not."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
