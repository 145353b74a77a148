"""Set up before fastnn2 is imported: Ctrl-C works, kernels have one folder per session, Hypothesis is deterministic."""

import os
import pathlib
import shutil
import signal
import sys
import tempfile

import hypothesis
import pytest

# A shell that starts the tests in the background makes them and their subprocesses ignore SIGINT, and nohup makes them
# ignore SIGHUP; some tests send these.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# For the tests of the bench, which is not installed; at the end, so that an installed fastnn2 is found before this one.
sys.path.append(str(pathlib.Path(__file__).parents[1]))

# Tests do not use the user's own kernel store. All tests share one folder, also those in subprocesses, which inherit
# the environment, so each kernel is compiled once per session.
_temporary_store = None
if "FASTNN2_CACHE_DIR" not in os.environ:
    _temporary_store = os.environ["FASTNN2_CACHE_DIR"] = tempfile.mkdtemp(prefix="fastnn2-tests-")

# Every run draws the same examples, so that failures are reproducible. The first example compiles, so no deadline. A
# busy machine draws slowly, which is no failure.
hypothesis.settings.register_profile(
    "fastnn2", derandomize=True, deadline=None, database=None, max_examples=40,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)  # fmt: skip
hypothesis.settings.load_profile("fastnn2")


def pytest_unconfigure(config):
    if _temporary_store is not None:
        shutil.rmtree(_temporary_store, ignore_errors=True)


@pytest.fixture
def store_kernels(monkeypatch):
    """Kernels come from the store, here and in subprocesses, also where the package has libraries of them."""
    from data import STORE_KERNELS

    from fastnn2.codegen import provider

    for name, value in STORE_KERNELS.items():
        monkeypatch.setenv(name, value)
    provider.origin.cache_clear()
    yield
    provider.origin.cache_clear()


@pytest.fixture(scope="session")
def few_kernels(tmp_path_factory):
    """A folder of libraries for this platform that have one kernel; it is not changed."""
    from bundled_data import build_few

    return build_few(tmp_path_factory.mktemp("libraries"))


@pytest.fixture
def libraries(few_kernels, tmp_path, monkeypatch):
    """A copy of these libraries, which this process uses in place of the package's own."""
    from fastnn2.codegen import bundled, provider, warn

    folder = pathlib.Path(shutil.copytree(few_kernels, tmp_path / "libraries"))
    for name in ("FASTNN2_KERNELS", "FASTNN2_STORE", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(bundled, "FOLDER", folder)
    monkeypatch.setattr(warn, "_given", {})
    provider.origin.cache_clear()
    yield folder
    provider.origin.cache_clear()


@pytest.fixture(params=["native", "python"])
def kind(request, monkeypatch):
    """The kind of the workers of a team."""
    from data import can_use_native_threads
    from thread_data import use_python_threads

    if request.param == "python":
        use_python_threads(monkeypatch)
    elif not can_use_native_threads():
        pytest.skip("needs two cores and native threads")
    return request.param
