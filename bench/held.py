"""Whether a peer obeys the level of ``python -m bench --cpu LEVEL``: where it does not, no ratio is claimed.

Two kinds of evidence are asked for. What libraries say: OpenBLAS, NumPy, torch and Numba name the kernels that they
chose. And what the processor did: a process of its own trains with the peer, and Linux tells for each thread how long
ago it used registers of AVX-512 (``python -m bench.held PEER`` prints that). The second finds what no library tells,
such as kernels that XLA takes from another one (see :mod:`bench.cpuid`).
"""

import functools
import json
import subprocess
import sys
import time
from pathlib import Path

from bench import levels

OPENBLAS = {"x86-64-v2": ("Nehalem",), "x86-64-v3": ("Haswell", "Zen"), "x86-64-v4": ("SkylakeX",)}
TORCH = {"x86-64-v2": ("DEFAULT", "NO AVX"), "x86-64-v3": ("AVX2",), "x86-64-v4": ("AVX512",)}
SAYS = ("numpy_reference", "numpy_plain", "numba_plain", "scikit_learn", "fastnn2_fit")  # all that they load says it
SECONDS = 0.5  # of training in each dtype
PATIENCE = 300  # seconds for a process, of which torch.compile needs most


@functools.cache
def reason(peer):
    """Return why a peer is not known to be held to the level, or None where it is, or no level is set."""
    level = levels.held()
    if level is None:
        return None
    if peer == "numpy_reference":  # the same libraries, and minutes of training
        return reason("numpy_plain")
    said = what_libraries_say(peer, level)
    if said or level == "x86-64-v4" or "avx512f" not in levels.features_here():
        return said  # this machine has no longer vectors
    if peer not in SAYS and level == "x86-64-v2":
        return f"whether it is held to {level} cannot be seen"
    return verdict(elapsed_of_process(peer), peer in SAYS)


def what_libraries_say(peer, level):
    """Return what a library that the peer uses says to have chosen instead, or None."""
    import threadpoolctl

    for library in threadpoolctl.threadpool_info():
        if library["internal_api"] == "openblas" and library["architecture"] not in OPENBLAS[level]:
            return f"OpenBLAS has chosen kernels for {library['architecture']}"
    if wrong := [name for name in levels.disabled_features() if levels.numpy_features()[name]]:
        return f"NumPy has not switched off {', '.join(wrong)}"
    if peer.startswith("torch"):
        import torch

        if (chosen := torch.backends.cpu.get_cpu_capability()) not in TORCH[level]:
            return f"torch has chosen kernels for {chosen}"
    if peer == "torch_compiled":
        from torch._inductor import config

        if getattr(config.cpp, "march", None) != level:
            return "this version of torch compiles for the processor that is there"
    if peer in ("fastnn2_fit", "numba_plain"):
        from numba.core import config

        if level != config.CPU_NAME:
            return f"Numba compiles for {config.CPU_NAME}"
    return None


def verdict(found, says):
    """Return what the evidence of a process says against it, or None.

    Parameters
    ----------
    found : list of (float, float)
        For each thread the milliseconds since it used AVX-512, -1 where it never did, and those for which the peer had
        been training by then. Empty where the system does not tell.
    says : bool
        Whether the libraries' word is enough where the system does not tell.

    >>> verdict([(-1, 500), (900, 500)], says=False)
    >>> verdict([(-1, 500), (4, 500)], says=False)
    'it uses AVX-512 all the same'
    """
    if not found:
        return None if says else "whether it uses AVX-512 cannot be seen here"
    used = any(0 <= elapsed < trained for elapsed, trained in found)
    return "it uses AVX-512 all the same" if used else None


def elapsed_of_process(peer):
    """Return what a process that trains with the peer prints; nothing where it fails, which the bench finds itself."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.held", peer], capture_output=True, text=True, timeout=PATIENCE, check=True,
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
    except subprocess.SubprocessError:
        return []
    return json.loads(done.stdout.splitlines()[-1])


def elapsed_of_threads():
    """Return for each thread of this process the milliseconds since it used AVX-512, -1 where it never did."""
    found = []
    for status in Path("/proc/self/task").glob("*/arch_status"):
        name, _, value = status.read_text().partition(":")
        if name == "AVX512_elapsed_ms":
            found.append(int(value))
    return found


def main(peer):
    """Train with a peer in both dtypes, and print what the threads have used meanwhile."""
    from bench import cases, peers

    case = cases.Case(5_000, 64, 64, o=10, iterations=5)
    X, Y, params = cases.problem(case)
    found = []
    for dtype in ("float64", "float32"):
        run = peers.load(peer).prepare(X, Y, params, case.learning_rate, case.iterations, dtype, None)
        run()  # compiles
        begin = time.perf_counter()
        while time.perf_counter() - begin < SECONDS:
            run()
        trained = (time.perf_counter() - begin) * 1e3
        found += [(elapsed, trained) for elapsed in elapsed_of_threads()]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
