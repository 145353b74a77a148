"""Libraries that come with the package: the best one that this processor runs is loaded, and no other one ever."""

import ctypes
import os
import sys

import numpy as np
import pytest
from bundled_data import (
    BLOCKED,
    DAMAGES,
    best_file,
    build_few,
    change_list,
    copy_package,
    damage_best,
    flip_a_bit,
    listed_of_each,
    read_list,
    run,
    update,
    write_libraries,
)
from data import DTYPES, STORE_KERNELS, assert_same_bits

from fastnn2.codegen import bundled, provider, store
from fastnn2.codegen.build.platforms import PLATFORMS
from fastnn2.kernels import LOADED_SOURCES
from fastnn2.kernels.shared import features

LEVELS = {level.name: level.needed for level in PLATFORMS["linux-x86-64"].levels}
NUMPY = (getattr(np, "_core", None) or np.core)._multiarray_umath  # the latter before NumPy 2
NUMPYS = {names: name for name, names in features.OF_NUMPY.items()}
needs_levels = pytest.mark.skipif(features.machine() != "x86-64", reason="one level on this processor")


def only_on(level):
    needed = LEVELS[level]
    lacked = needed - (features.seen_features() or frozenset())
    if lacked:
        pytest.skip(f"this processor is less than {level}: it lacks {', '.join(sorted(lacked))}")


@pytest.fixture
def opened(monkeypatch):
    """The paths that the system's loader is given."""
    paths = []

    def load(path, *arguments, **options):
        paths.append(path)
        return CDLL(path, *arguments, **options)

    CDLL = ctypes.CDLL
    monkeypatch.setattr(ctypes, "CDLL", load)
    return paths


def numpy_says(monkeypatch, found):
    """Let NumPy say that it has found features, as LLVM calls them, or let it say nothing."""
    said = None if found is None else {name: set(names.split()) <= found for names, name in NUMPYS.items()}
    monkeypatch.setattr(NUMPY, "__cpu_features__", said)
    features.seen_features.cache_clear()


@pytest.fixture
def look_again():
    features.seen_features.cache_clear()
    yield
    features.seen_features.cache_clear()


# Which one is loaded


def test_the_platform_here_is_one_that_libraries_are_built_for():
    name = bundled.platform_here()
    assert name.startswith({"win32": "windows-", "darwin": "macos-"}.get(sys.platform, "linux-"))
    if features.machine() in ("x86-64", "arm64", "aarch64"):
        assert name in PLATFORMS


@needs_levels
@pytest.mark.parametrize("level", LEVELS)
def test_the_best_level_that_the_processor_runs(level, libraries, opened, monkeypatch, look_again):
    only_on(level)
    numpy_says(monkeypatch, LEVELS[level])
    library = bundled.open_best()
    assert (library.level, library.path) == (level, libraries / f"{level}.so")
    assert opened == [str(library.path)]


@needs_levels
@pytest.mark.parametrize("level", LEVELS)
def test_one_feature_less_is_a_level_less(level, libraries, opened, monkeypatch, look_again):
    """Of a level, no feature can be missing, whichever it is."""
    only_on(level)
    levels = list(LEVELS)
    below = levels[levels.index(level) - 1] if level != levels[0] else None
    for names in NUMPYS:
        if not set(names.split()) <= LEVELS[level] - LEVELS.get(below, frozenset()):
            continue
        numpy_says(monkeypatch, LEVELS[level] - set(names.split()))
        found = bundled.open_best()
        assert (found and found.level) == below, names
        assert set(opened) <= {str(libraries / f"{below}.so")}


@needs_levels
def test_a_numpy_that_does_not_say_what_the_processor_has(libraries, opened, monkeypatch, look_again):
    numpy_says(monkeypatch, None)
    assert bundled.open_best() is None
    assert opened == []
    monkeypatch.setattr(provider, "warn_once", None)  # no warning: nothing is wrong with the libraries
    assert provider.origin() is store


def test_a_library_that_needs_no_features_runs_where_numpy_does_not_say(libraries, monkeypatch, look_again):
    """As that of AArch64."""
    numpy_says(monkeypatch, None)
    change_list(libraries, lambda content: content["libraries"][0].update(features=[]))
    assert bundled.open_best().path == libraries / read_list(libraries)["libraries"][0]["file"]


@needs_levels
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"NUMBA_CPU_NAME": "generic"}, None),
        ({"NUMBA_CPU_FEATURES": ""}, None),
        ({"NUMBA_CPU_FEATURES": "+sse2,+sse3"}, None),
        ({"NUMBA_CPU_FEATURES": ",".join(f"+{name}" for name in sorted(LEVELS["x86-64-v2"]))}, "x86-64-v2"),
        ({"NUMBA_CPU_FEATURES": ",".join(f"+{name}" for name in sorted(LEVELS["x86-64-v3"]))}, "x86-64-v3"),
        ({"NUMBA_CPU_FEATURES": ",".join(f"+{name}" for name in sorted(LEVELS["x86-64-v3"] - {"fma"}))}, "x86-64-v2"),
    ],
    ids=["generic", "no features", "sse3", "v2", "v3", "v3 without fma"],
)
def test_a_processor_that_the_environment_names(environment, expected, libraries, opened, monkeypatch):
    if expected:
        only_on(expected)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    library = bundled.open_best()
    assert (library and library.level) == expected
    assert opened == ([str(libraries / f"{expected}.so")] if expected else [])


@needs_levels
def test_the_environment_cannot_name_more_than_the_processor_has(libraries, opened, monkeypatch, look_again):
    only_on("x86-64-v2")
    numpy_says(monkeypatch, LEVELS["x86-64-v2"])
    monkeypatch.setenv("NUMBA_CPU_NAME", "skylake-avx512")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", ",".join(f"+{name}" for name in sorted(LEVELS["x86-64-v4"])))
    assert bundled.open_best().level == "x86-64-v2"
    assert opened == [str(libraries / "x86-64-v2.so")]


def test_a_feature_that_nobody_knows_is_not_there(libraries, opened):
    listed_of_each("features", ["sse2", "amx-of-tomorrow"])(libraries)
    assert bundled.open_best() is None
    assert opened == []


def test_no_folder(libraries, monkeypatch):
    monkeypatch.setattr(bundled, "FOLDER", libraries / "none")
    assert bundled.open_best() is None


# What it does


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_level_gives_the_bits_of_the_store(dtype, libraries, monkeypatch):
    found = features.seen_features() or frozenset()
    listed = [each for each in read_list(libraries)["libraries"] if set(each["features"]) <= found]
    sources = [store, *(bundled.Library(libraries / each["file"], each["level"]) for each in listed)]
    results = []
    for source in sources:
        with monkeypatch.context() as patched:
            patched.setattr(provider, "origin", lambda source=source: source)
            results.append(update(dtype))
    assert len(results) > 1
    for result in results:
        assert_same_bits(result, results[0])


def test_a_kernel_is_made_once_and_has_an_address(libraries):
    library = bundled.open_best()
    kernel = library.kernel("update", "float64")
    assert library.kernel("update", np.float64) is kernel
    assert kernel.address != library.kernel("update", np.float32).address
    assert kernel.address % 16 == 0


def test_the_list_says_what_the_libraries_are(few_kernels):
    content = read_list(few_kernels)
    assert (content["platform"], content["sources"]) == (bundled.platform_here(), LOADED_SOURCES)
    assert [each["level"] for each in content["libraries"]] == [x.name for x in PLATFORMS[content["platform"]].levels]


# What is wrong


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_what_is_not_as_it_should_be_is_not_loaded(damage, expected, libraries, opened):
    damage(libraries)
    with pytest.raises(bundled.UnusableLibraryError, match=expected.partition(";")[0]) as caught:
        bundled.open_best()
    assert str(libraries) in str(caught.value)
    assert caught.value.remedy
    loads = expected == "cannot be loaded"
    assert len(opened) == loads  # and then the system says that it is no library


def test_a_library_that_is_not_used_may_be_damaged(libraries):
    """A hash takes time, so that of the one that is used is taken."""
    best = best_file(libraries)
    for each in read_list(libraries)["libraries"]:
        path = libraries / each["file"]
        if path != best:
            path.write_bytes(flip_a_bit(path.read_bytes()))
    if bundled.open_best().path != best:
        pytest.skip("this processor runs a lesser library")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a library of another system")
def test_a_library_of_another_system(libraries):
    """A list of this platform beside files of another one."""
    write_libraries(libraries, lambda content: b"MZ" + content[2:])
    with pytest.raises(bundled.UnusableLibraryError, match=r"cannot be loaded .*invalid ELF header"):
        bundled.open_best()


# In processes of their own, with a copy of the package


RESULTS = f"""
import json
from bundled_data import digest, update
results = [digest(update(dtype)) for dtype in {DTYPES!r}]
print(json.dumps([results, sorted({{"numba", "llvmlite", "platformdirs"}} & set(sys.modules))]))
"""
BUNDLED = {"FASTNN2_KERNELS": "bundled"}


@pytest.fixture(scope="module")
def package(few_kernels, tmp_path_factory):
    """A copy of the package with libraries."""
    return copy_package(tmp_path_factory.mktemp("installed"), few_kernels)


@pytest.fixture(scope="module")
def expected(package, tmp_path_factory):
    """The digests of kernels that the store has compiled."""
    results, modules = run("import sys\n" + RESULTS, package, **STORE_KERNELS)[0]
    assert "llvmlite" in modules
    return results


def test_neither_numba_nor_llvmlite_is_imported(package, expected, tmp_path):
    (results, modules), errors = run(
        "import sys\n" + RESULTS, package, FASTNN2_CACHE_DIR=str(tmp_path), HOME=str(tmp_path)
    )
    assert (results, modules, errors) == (expected, [], "")
    assert list(tmp_path.iterdir()) == []
    (results, _), errors = run(BLOCKED + RESULTS, package, **BUNDLED)
    assert (results, errors) == (expected, "")


def test_numpy_itself_told_to_see_less(package, expected):
    """NumPy leaves out what NPY_DISABLE_CPU_FEATURES names; from 2.4 on, only levels can be named."""
    dispatched = [name for name in NUMPY.__cpu_dispatch__ if NUMPY.__cpu_features__[name]]
    if not NUMPY.__cpu_features__["AVX512_SKX"]:
        pytest.skip("this processor has no level to leave out that NumPy can name")
    code = BLOCKED + RESULTS.replace(
        "print(json.dumps([results", "from fastnn2.codegen import provider\nprint(json.dumps([provider.origin().level"
    )
    environment = {"NPY_DISABLE_CPU_FEATURES": " ".join(dispatched)}
    (level, _), _ = run("import warnings\nwarnings.simplefilter('ignore')\n" + code, package, **environment)
    assert level in ("x86-64-v2", "x86-64-v3")


THREADS = """
import threading
from fastnn2.codegen import provider
barrier, results, errors = threading.Barrier(8), [], []
def work(number):
    try:
        barrier.wait()
        results.append(digest(update("float64" if number % 2 else "float32")))
    except BaseException as error:
        errors.append(repr(error))
threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps([sorted(set(results)), len(results), errors]))
"""


def test_threads_that_ask_for_the_first_kernel_at_once(package, expected):
    code = BLOCKED + "import json\nfrom bundled_data import digest, update\n" + THREADS
    (results, count, errors), _ = run(code, package, **BUNDLED)
    assert (results, count, errors) == (sorted(expected), 8, [])


def test_threads_at_once_with_a_damaged_library_warn_once(few_kernels, expected, tmp_path):
    copy = copy_package(tmp_path, few_kernels)
    damage_best(flip_a_bit)(copy / "libraries")
    code = "import json\nfrom bundled_data import digest, update\n" + THREADS
    (results, count, errors), shown = run(code, copy)
    assert (results, count, errors) == (sorted(expected), 8, [])
    assert shown.count("UserWarning") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("when", ["before", "after"])
def test_fork(when, package, expected):
    """The child of a process that has a kernel already, and of one that has none yet."""
    code = f"""
import os
from bundled_data import digest, update
if {when == "after"}:
    update()
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.write(writing, digest(update()).encode())
    os._exit(0)
status = os.waitpid(child, 0)[1]
import json
print(json.dumps([status, os.read(reading, 100).decode(), digest(update())]))
"""
    found, _ = run(BLOCKED + code, package, **BUNDLED)
    assert found == [0, expected[0], expected[0]]


def test_an_upgrade_while_a_process_runs(libraries, opened, monkeypatch):
    """The libraries are those of the sources beside them, but not of those that this process has imported."""
    monkeypatch.setattr(bundled, "LOADED_SOURCES", "1" * 64)
    with pytest.raises(bundled.UnusableLibraryError, match="have changed since it was imported") as caught:
        bundled.open_best()
    assert caught.value.remedy == "start Python again"
    assert opened == []


def test_sources_that_are_newer_than_the_libraries(few_kernels, expected, tmp_path):
    """In a checkout: the kernels of its sources run, not those of before."""
    copy = copy_package(tmp_path, few_kernels)
    with open(copy / "kernels" / "nn" / "update.py", "a") as file:
        file.write("# changed\n")
    (results, modules), errors = run("import sys\n" + RESULTS, copy, FASTNN2_CACHE_DIR=str(tmp_path / "store"))
    assert (results, "numba" in modules) == (expected, True)
    assert errors.count("UserWarning") == 1
    assert f"the libraries in {copy / 'libraries'} were not built from the sources of fastnn2 beside them" in errors
    options = f'--platform {bundled.platform_here()} --out "{copy / "libraries"}"'
    assert f"build them again (python -m fastnn2.codegen.build {options})" in errors


MANY = """
import json, sys
import numpy as np
import fastnn2
X = np.linspace(-1, 1, 600).reshape(2, 300)
Y = X[0] > 0
results = fastnn2.fit_many([X, X[:, ::2], X], [Y, Y[::2], Y], [0.1, 0.2, 0.3], 5, 50, n_threads=2)
alone = [fastnn2.fit(x, y, rate, 5, 50) for x, y, rate in ((X, Y, 0.1), (X[:, ::2], Y[::2], 0.2), (X, Y, 0.3))]
print(json.dumps([params["W1"].tolist() + cost_.tolist() for params, cost_ in results]
                 == [params["W1"].tolist() + cost_.tolist() for params, cost_ in alone]))
"""


def test_networks_in_one_call_of_a_library(tmp_path):
    """Its kernel calls another one of the same library by its address."""
    entries = tuple((name, "float64") for name in ("networks", "train_narrow"))
    copy = copy_package(tmp_path, build_few(tmp_path / "built", entries))
    assert run(BLOCKED + MANY, copy, **BUNDLED) == (True, "")
