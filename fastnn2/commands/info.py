"""``fastnn2 info`` shows versions, processor and compiled kernels; ``fastnn2 warmup`` compiles all kernels."""

import contextlib
import importlib.metadata
import platform
import sys

from fastnn2.codegen import bundled, provider, store, store_files
from fastnn2.codegen.compiler_calls import FastCompileError
from fastnn2.codegen.processor import LEVELS, Processor
from fastnn2.codegen.settings import is_store_on, wanted_kernels
from fastnn2.codegen.store_lock import turn_to_compile
from fastnn2.codegen.terminal import is_terminal
from fastnn2.kernels.shared import features
from fastnn2.kernels.shared.records import DTYPES, RECORDS
from fastnn2.threads.cores import usable_cores

PACKAGES = ("fastnn2", "numpy", "numba", "llvmlite", "scikit-learn", "tqdm", "platformdirs", "matplotlib")
VECTOR_FEATURES = ("sse2", "sse4.2", "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512vl", "neon", "sve")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def show() -> int:
    """Print versions, processor, cores and the kernels in the store; return the exit code."""
    print(f"Python          {platform.python_version()}, {platform.system()} {platform.machine()}")
    for package in PACKAGES:
        print(f"{package:<15} {_version(package)}")
    processor = _processor()
    found = processor.features if processor else features.features_here() or ()
    vectors = [name for name in VECTOR_FEATURES if name in found]
    print(f"processor       {processor.cpu if processor else features.machine()}")
    print(f"vectors         {', '.join(vectors) or 'no vector features known'}")
    print(f"usable cores    {usable_cores()}")
    if not _print_kernels():
        return 0
    if not is_store_on():
        print("kernel store    off: kernels are compiled in every process")
        return 0
    print(f"kernel store    {store.folder()}")
    processor = processor or Processor.here()  # which raises, as every kernel does, where llvmlite is missing
    try:
        store_files.open_folder(store.folder()).close()
    except FileNotFoundError:
        pass  # the first kernel makes it
    except OSError as error:
        reason, remedy = store.explain(error)
        print(f"not used        {reason}; every process compiles its kernels; {remedy}")
        return 0
    unusable: list[str] = []
    for name in RECORDS:
        states = [f"{dtype} {_kernel_state(name, dtype, processor, unusable)}" for dtype in DTYPES]
        print(f"  {name:<15} {', '.join(states)}")
    if unusable:
        print(f"unusable        {unusable[0]}; the kernel is compiled again when it is needed")
    return 0


def _processor() -> Processor | None:
    """Return the processor; None where llvmlite, which knows its name, cannot be imported (as for bundled kernels)."""
    try:
        return Processor.here()
    except (ImportError, OSError):
        return None


def _print_kernels() -> bool:
    """Print where the kernels come from; return whether from the store."""
    wanted = wanted_kernels()
    reason = f"FASTNN2_KERNELS={wanted}"
    if wanted in (None, "bundled"):
        try:
            if library := bundled.open_best():
                print(f"kernels         bundled, {library.level}: {library.path}")
                return False
            reason = "this installation has none for this processor"
        except bundled.UnusableLibraryError as error:
            reason = f"{error}; {error.remedy}"
    if wanted == "bundled":
        print(f"kernels         none: FASTNN2_KERNELS=bundled, but {reason}")
        return False
    print(f"kernels         compiled{' by plain Numba' * (wanted == 'numba')} ({reason})")
    return True


def _kernel_state(name: str, dtype: str, processor: Processor, unusable: list[str]) -> str:
    """Return the state of a kernel in a few words; if its file is unusable, append the reason to `unusable`."""
    if store.is_fast_wanted() and store.stored(name, dtype, processor):
        return "ready"
    if store.is_fast_wanted() and store.find(name, dtype, processor, use=False):
        return "ready (lesser processor)"
    if store.find_plain(name, dtype, processor, use=False):
        return "ready (by plain Numba)"
    try:
        store.read((store.path_of if store.is_fast_wanted() else store.plain_path_of)(name, dtype, processor))
    except OSError:
        pass
    except store_files.DamagedFileError as error:
        unusable.append(str(error))
        return "unusable"
    return "not compiled yet"


def warm_up(level: str | None) -> int:
    """Compile the kernels that the store lacks, for this processor or a level of x86-64; return the exit code."""
    from tqdm import tqdm

    if level is None and isinstance(library := provider.origin(), bundled.Library):
        print(f"nothing to compile: the kernels for {library.level} come with fastnn2, in {library.path}")
        return 0
    if level is not None and level not in LEVELS:
        raise ValueError(f"--cpu is {level!r}; expected one of {', '.join(LEVELS)}")
    if level is not None and not Processor.here().triple.startswith("x86_64"):
        raise ValueError(f"--cpu {level} is for x86-64 processors; this machine is {Processor.here().triple}")
    if not is_store_on():
        raise ValueError("the kernel store is off (FASTNN2_STORE=off)")
    if level is not None and not store.HAS_ELF:
        raise ValueError(f"--cpu {level} needs ELF objects; here kernels are compiled for this processor alone")
    if level is not None and not store.is_fast_wanted():
        raise ValueError("FASTNN2_KERNELS is numba, which compiles for this processor alone; unset it to use --cpu")
    processor = Processor.here() if level is None else Processor.level(level)
    wanted = [(name, dtype) for name in RECORDS for dtype in DTYPES]
    try:
        store_files.open_folder(store.folder(), make=True).close()
    except OSError as error:
        raise _cannot_keep(error) from error
    missing = [pair for pair in wanted if not _keep(*pair, processor)]
    show_bar = is_terminal(sys.stderr)
    count = 0
    for name, dtype in tqdm(missing, desc="compiling", unit="kernel", leave=False, disable=not show_bar):
        try:
            with turn_to_compile(store.path_of(name, dtype, processor)):
                if not _keep(name, dtype, processor):  # else another process has compiled it meanwhile
                    store.compile_for_long(name, dtype, processor)
                    count += 1
        except OSError as error:
            raise _cannot_keep(error) from error
        except FastCompileError as error:
            raise ValueError(f"--cpu needs the fast compile, which does not work with this Numba: {error}") from error
    print(f"{len(wanted)} kernels for {processor.cpu} in {store.folder()}, {count} of them compiled now")
    return 0


def _cannot_keep(error: OSError) -> OSError:
    reason, remedy = store.explain(error)
    return OSError(f"cannot keep kernels in {str(store.folder())!r} ({reason}); {remedy}")


def _keep(name: str, dtype: str, processor: Processor) -> bool:
    """Return whether the store has a kernel; mark it as one that stays, if another command or program compiled it."""
    entry = store.stored(name, dtype, processor) if store.is_fast_wanted() else None
    if entry:
        if not entry.keep:
            with contextlib.suppress(OSError):  # nothing is removed from a folder that cannot be written to
                store.write(name, dtype, processor, entry.content, keep=True)
    elif processor == Processor.here() and (entry := store.find_plain(name, dtype, processor)) and not entry.keep:
        with contextlib.suppress(OSError):
            store.write_plain(name, dtype, processor, entry.content, keep=True)
    return entry is not None
