"""Runs in a process from which the names are taken away that Windows or macOS lack."""

import json
import os
import subprocess
import sys

import pytest
from data import PATIENCE

# What Windows lacks, and macOS.
WINDOWS_LACKS = {
    "os": "O_DIRECTORY O_NOFOLLOW O_NONBLOCK fchmod fdatasync geteuid getuid posix_fadvise preadv register_at_fork "
    "sched_getaffinity sched_setaffinity sysconf",
    "signal": "SIG_BLOCK SIG_SETMASK pthread_sigmask",
}
MACOS_LACKS = {"os": "fdatasync posix_fadvise sched_getaffinity sched_setaffinity"}
# Names are taken away before the package is imported, and after the packages that it needs.
ELSEWHERE = """
import ctypes, json, os, pathlib, signal, sys, warnings
import joblib, llvmlite.binding, numba, numpy as np, platformdirs, sklearn.neural_network, tqdm

kind, names, folder = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
for module, missing in names.items():
    for name in missing.split():
        vars(sys.modules[module]).pop(name, None)
warnings.simplefilter("ignore")
from fastnn2.threads import macos, system, windows
if kind == "windows":
    os.supports_dir_fd.clear()
    sys.modules["resource"] = None
    system.IS_POSIX = system.WORKERS_CAN_WAIT = False
    system.IS_WINDOWS = True
    system.libc_with_gil = system.libc_without_gil = None
else:
    library = system.libc_with_gil()
    class Library:
        def __getattr__(self, name):
            if name.endswith("_np") or name == "sched_getcpu":
                raise AttributeError(name)
            return getattr(library, name)
    system.libc_with_gil = Library
    system.IS_MACOS = True

import fastnn2
from fastnn2.commands import memory, out_of_core
X = np.random.RandomState(0).standard_normal((2, 3000))
y = (X[0] > 0).astype(float)
results = []
for n_threads in (1, 2):
    options, path = {"n_threads": n_threads, "random_state": 0}, pathlib.Path(folder, str(n_threads))
    params, costs = fastnn2.fit(X, y, 0.5, 5, 50, checkpoint=path, checkpoint_seconds=0, **options)
    assert path.exists()
    np.save(folder + "/X.npy", X.T), np.save(folder + "/y.npy", y)
    blocks, _ = fastnn2.fit_blocks((folder + "/X.npy", folder + "/y.npy"), 0.5, 5, 20, **options)
    model = fastnn2.MLPClassifier(20, max_iter=5, **options).fit(X.T, y)
    fastnn2.save(params, folder + "/params.safetensors")
    loaded = fastnn2.load(folder + "/params.safetensors")
    results.append([params["W1"], loaded["W1"], costs, blocks["W1"], *model.coefs_, model.predict_proba(X.T)])
for one, two in zip(*results, strict=True):
    assert one.tobytes() == two.tobytes()
assert (macos if kind == "macos" else windows).available_memory() is None
memory.available_memory(), memory.peak_memory(), out_of_core.bytes_read(), out_of_core.read_speeds((folder + "/X.npy",))
print("done")
"""


@pytest.mark.skipif(os.name != "posix", reason="takes away what POSIX has")
@pytest.mark.parametrize(
    ("kind", "names"), [("windows", WINDOWS_LACKS), ("macos", MACOS_LACKS)], ids=["Windows", "macOS"]
)
def test_runs_without_what_another_system_lacks(kind, names, tmp_path):
    """Files, locks, threads and counts have another way; kernel32 and sysctl are missing here, too."""
    command = [sys.executable, "-c", ELSEWHERE, kind, json.dumps(names), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
