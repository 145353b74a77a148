"""What figures depend on: the processor, versions, which BLAS kernel runs on how many threads.

Nothing imported at the top may load NumPy, as :func:`clear_openblas` has to run before it.
"""

import contextlib
import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from bench import levels

ROOT = Path(__file__).resolve().parent.parent

# These make OpenBLAS use kernels for another processor, and every peer with a matrix product look slow.
OPENBLAS_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
# Microarchitectures by family and model, as a virtual machine often hides the processor's own name.
PROCESSORS = {("25", "17"): "Zen 4", ("6", "85"): "Cascade Lake", ("6", "207"): "Emerald Rapids", ("26", "2"): "Zen 5"}
MODEL = re.compile(r"\(family (\w+), model (\w+)\)")
PACKAGES = ("fastnn2", "numpy", "numba", "llvmlite", "scikit-learn", "scipy", "torch", "jax", "jaxlib")


def clear_openblas():
    """Remove OpenBLAS's settings from the environment; return those that a loaded OpenBLAS may have read already."""
    found = [name for name in OPENBLAS_SETTINGS if os.environ.pop(name, None) is not None]
    return found if "numpy" in sys.modules else []


def start_again():
    """Replace this process by a new one with the same command and the present environment."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def start_clean():
    """Remove OpenBLAS's settings; start this process again if a loaded OpenBLAS may have read them."""
    if clear_openblas():
        start_again()


def say(line):
    """Print a line at once, into a file or a pipe, too."""
    print(line, flush=True)


def describe():
    """Return a dict that describes machine and software."""
    from bench.inside import usable_cores

    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "cpu": levels.held(),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := version_of(name))},
        "commit": commit(),
        "blas": blas(),
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else [],
    }


def processor():
    """Return the name of the processor, and family and model where the name says little (as in virtual machines)."""
    found = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    name = found.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in found:
        name += f" (family {found['cpu family']}, model {found.get('model')})"
    vectors = [feature for feature in ("avx2", "fma", "avx512f") if feature in found.get("flags", "").split()]
    return f"{name}, {' '.join(vectors)}" if vectors else name


def title(environment):
    """Return a short name for the processor and level that :func:`describe` has found.

    >>> title({"processor": "AMD EPYC (family 25, model 17), avx2 fma avx512f", "cpu": "x86-64-v3"})
    'AMD EPYC (Zen 4), as x86-64-v3'
    """
    name = title_of_processor(environment["processor"])
    return f"{name}, as {environment['cpu']}" if environment.get("cpu") else name


def title_of_processor(processor):
    """Return a short name for a processor that :func:`processor` has described.

    >>> title_of_processor("AMD EPYC (family 25, model 17), avx2 fma avx512f")
    'AMD EPYC (Zen 4)'
    >>> title_of_processor("Intel(R) Xeon(R) Processor @ 2.50GHz (family 6, model 167), avx2 fma avx512f")
    'Intel Xeon (family 6, model 167)'
    """
    found = MODEL.search(processor)
    if found is None:
        return product(processor)
    return f"{product(processor)} ({PROCESSORS.get(found.groups(), found[0].strip('()'))})"


def file_name(processor, level=None):
    """Return how a file is named after a processor, and after a level where it plays one.

    >>> file_name("AMD EPYC (family 25, model 17), avx2 fma avx512f")
    'zen4'
    >>> file_name("Intel(R) Xeon(R) Processor (family 6, model 167), avx2 fma avx512f", "x86-64-v3")
    'xeon-6-167-x86-64-v3'
    """
    found = MODEL.search(processor)
    if found and found.groups() in PROCESSORS:
        name = re.sub(r" (?=\d)", "", PROCESSORS[found.groups()])
    else:
        name = " ".join(
            [product(processor).removeprefix("Intel ").removeprefix("AMD "), *(found.groups() if found else ())]
        )
    name = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unknown"
    return f"{name}-{level}" if level else name


def product(processor):
    """Return the name under which a processor is sold, without trade marks and clock."""
    name = re.sub(r"\((R|TM|r|tm)\)|\(family.*| @.*|,.*|\b(CPU|Processor)\b", " ", processor)
    return " ".join(name.split())


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit(checkout=ROOT):
    """Return the commit of a checkout, with a mark where files were changed since; "" outside of git."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def blas():
    """Return one line for each BLAS that is loaded: which, which kernel, how many threads."""
    import numpy as np

    try:
        import threadpoolctl
    except ImportError:
        found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return [f"NumPy's {found.get('name')} {found.get('version')}, kernel and threads not known (no threadpoolctl)"]
    lines = set()
    for library in threadpoolctl.threadpool_info():
        if library["user_api"] == "blas":
            owner = Path(library["filepath"]).parent.name.removesuffix(".libs")
            lines.add(
                f"{owner}'s {library['internal_api']} {library['version']}, kernel "
                f"{library.get('architecture', 'not known')}, {library['num_threads']} threads"
            )
    return sorted(lines)


def as_lines(environment):
    """Return the environment as lines of text."""
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    lines = [
        f"{environment['date']}, {environment['processor']}, {environment['cores']} cores, {environment['system']}",
        f"Python {environment['python']}, {versions}",
        *(f"BLAS: {line}" for line in environment["blas"]),
    ]
    if environment.get("cpu"):
        lines.insert(0, f"compiled for {environment['cpu']}; peers are held to it, or left out")
    if environment["commit"]:
        lines.append(f"commit {environment['commit']}")
    if environment["load"] and environment["load"][0] > 0.5:
        lines.append(f"the machine was not quiet: load average {environment['load'][0]} at the start")
    return lines
