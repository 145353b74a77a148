"""Compile a kernel entry with Numba; this module is imported only when a kernel has to be compiled.

:func:`compile_object` is the fast way and makes an object file: Numba types and lowers the entry and all functions that
it calls, and LLVM optimises them together once. It is the only way to Numba's private parts, which are all named in
:mod:`numba_internals`. :func:`compile_plain` uses :func:`numba.cfunc`, which takes much longer: for systems whose
objects are not ELF, and where a version of Numba has other private parts.
"""

import contextlib
import importlib
import io
import pathlib
import tempfile
import threading
import zipfile

import llvmlite.binding as llvm
from numba import cfunc, config, types

from fastnn2.codegen.compiler_calls import FastCompileError
from fastnn2.codegen.loader import ENTRY
from fastnn2.codegen.record_type import RecordType
from fastnn2.kernels.shared.records import RECORDS
from fastnn2.kernels.simd.target import choose

# The entries that are not in kernels/loops/entries.py, and the modules that have them.
MODULES = {
    **dict.fromkeys(("epochs", "unit_epochs", "infer", "shuffle"), "estimator_entries"),
    "networks": "networks_entries",
    **dict.fromkeys(("block_sums", "narrow_sums", "descend", "lay_out", "loss_sums", "mean_gradient"), "block_entries"),
}


def find_entry(name):
    """Return the Python function of an entry. A kernel of fit does not import those of the estimators."""
    module = MODULES.get(name, "entries")
    return getattr(importlib.import_module(f"fastnn2.kernels.loops.{module}"), name)


def record_type(name, dtype):
    """Return the Numba type of the record that an entry is given."""
    return RecordType(RECORDS[name], types.float64 if dtype == "float64" else types.float32)


def _check_jit_enabled():
    if config.DISABLE_JIT:
        raise ValueError("NUMBA_DISABLE_JIT is set, but a kernel has to be compiled; unset it")


def compile_object(
    name: str, dtype: str, cpu: str, features: str, triple: str | None = None, symbol: str = ENTRY
) -> bytes:
    """Compile an entry for a processor, of this machine's triple or another; return the object file as bytes.

    Its function is `symbol`. Raise FastCompileError where this version of Numba or llvmlite has not what that takes.
    """
    _check_jit_enabled()
    _choose_blocks(features)
    try:
        module, machine = compile_module(name, dtype, cpu, features, triple, symbol)
        return machine.emit_object(module)
    except (MemoryError, OSError, RecursionError):  # not of Numba's making: the next process may do better
        raise
    except Exception as error:
        text = str(error).strip().split("\n")[0]
        raise FastCompileError(f"{type(error).__name__}: {text}") from error


def compile_assembly(name, dtype, cpu, features, triple=None):
    """Return the assembly of an entry for a processor, of this machine's triple or another, for inspection."""
    _choose_blocks(features)
    module, machine = compile_module(name, dtype, cpu, features, triple)
    return machine.emit_assembly(module)


def compile_module(name, dtype, cpu, features, triple=None, symbol=ENTRY):
    """Compile an entry, once the blocks are chosen; return the optimised LLVM module and the target machine."""
    from fastnn2.codegen.numba_internals import build_module  # its import fails where a private name is gone

    if triple is None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    else:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    target = triple or llvm.get_process_triple()
    machine = llvm.Target.from_triple(target).create_target_machine(
        cpu=cpu, features=features, opt=2, reloc="pic", codemodel="small"
    )
    module = build_module(find_entry(name), (record_type(name, dtype),), target, symbol)
    module.data_layout = str(machine.target_data)
    if triple is not None:
        _hide_variables(module)
    optimize(module, machine)
    return module, machine


def _hide_variables(module):
    """Let the variables that Numba makes for each function go, as nothing reads them, and a library has no other names.

    An object that llvmlite loads keeps them: its memory manager fails where a kernel has no variable at all.
    """
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"


def _choose_blocks(features):
    choose(frozenset(word[1:] for word in features.split(",") if word.startswith("+")))


def optimize(module, machine):
    """Run LLVM's passes at level 3: the tutorial's job is 3 % faster than with level 2, the compile 0.02 s slower.

    Kernels use explicit vectors. Loop vectorisation is on for the loops that only clear or copy numbers. Unrolling is
    off: it gains nothing and takes a quarter of LLVM's time.
    """
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = False
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


# Plain Numba
def compile_plain(name, dtype, kept=None, caching=True):
    """Compile an entry with :func:`numba.cfunc`, or load what Numba's own cache has kept of it.

    Parameters
    ----------
    name, dtype : str
    kept : bytes, optional
        The files of Numba's cache, as an earlier call returned them.
    caching : bool
        Whether Numba's cache is used. It takes a temporary folder, as Numba only reads files where it may write.

    Returns
    -------
    compiled
        What :func:`numba.cfunc` returns.
    content : bytes or None
        The files of Numba's cache: `kept` itself, where Numba has used it. None without a cache.
    """
    _check_jit_enabled()
    make = cfunc(types.void(record_type(name, dtype)), error_model="numpy", cache=caching)
    if not caching:
        return make(find_entry(name)), None
    with tempfile.TemporaryDirectory(prefix="fastnn2-", ignore_cleanup_errors=True) as temporary:
        folder = pathlib.Path(temporary)
        if kept is not None:
            with zipfile.ZipFile(io.BytesIO(kept)) as packed:
                packed.extractall(folder)
        before = _files(folder)
        with _cached_in(temporary):
            compiled = make(find_entry(name))
        after = _files(folder)
    return compiled, kept if after == before else _packed(after)


def _files(folder):
    """Return the content of all files below a folder by their names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _packed(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return content.getvalue()


@contextlib.contextmanager
def _cached_in(folder):
    """Let Numba's cache use a folder for functions that this thread compiles.

    Other threads, in which a user's functions may be compiled meanwhile, see the user's settings as they are.
    """
    thread, before = threading.get_ident(), type(config)

    def setting(name, value):
        def get(module):
            return value if threading.get_ident() == thread else vars(module)[name]

        return property(get, lambda module, new: vars(module).update({name: new}))

    ours = {"CACHE_DIR": folder, "CACHE_LOCATOR_CLASSES": ""}  # the second one since Numba 0.62
    settings = {name: setting(name, value) for name, value in ours.items() if name in vars(config)}
    config.__class__ = type("Config", (before,), settings)
    try:
        yield
    finally:
        config.__class__ = before
