"""Compile a kernel entry with Numba; this module is imported only when a kernel has to be compiled.

There are two ways. :func:`compile_object` makes an object file for the store: Numba types and lowers the entry and all
functions that it calls, and LLVM optimises them together once. :func:`compile_function` uses plain :func:`numba.cfunc`,
for ``FASTNN2_STORE=off``.
"""

import importlib

import llvmlite.binding as llvm
from numba import cfunc, types
from numba.core import config

from fastnn2.codegen.numba_internals import build_module, short_pipeline
from fastnn2.kernels.shared.records import RECORDS
from fastnn2.kernels.simd.record_type import RecordType
from fastnn2.kernels.simd.target import choose


def find_entry(name):
    """Return the Python function of an entry. A kernel of fit does not import those of the estimators."""
    module = "estimator_entries" if name in ("epochs", "unit_epochs", "infer") else "entries"
    return getattr(importlib.import_module(f"fastnn2.kernels.loops.{module}"), name)


def record_type(name, dtype):
    """Return the Numba type of the record that an entry is given."""
    return RecordType(RECORDS[name], types.float64 if dtype == "float64" else types.float32)


def _check_jit_enabled():
    if config.DISABLE_JIT:
        raise ValueError("NUMBA_DISABLE_JIT is set, but a kernel has to be compiled; unset it")


def compile_function(name, dtype):
    """Compile an entry with :func:`numba.cfunc` and return the result."""
    _check_jit_enabled()
    entry = find_entry(name)
    with short_pipeline():
        return cfunc(types.void(record_type(name, dtype)), _nrt=False, error_model="numpy")(entry)


def compile_object(name, dtype, cpu, features):
    """Compile an entry for a processor; return the object file as bytes and the name of its function.

    It is called by another function of the object file, ENTRY (see :mod:`loader`).
    """
    module, machine, symbol = compile_module(name, dtype, cpu, features)
    return machine.emit_object(module), symbol


def compile_assembly(name, dtype, cpu, features):
    """Return the assembly of an entry for a processor, for inspection."""
    module, machine, _ = compile_module(name, dtype, cpu, features)
    return machine.emit_assembly(module)


def compile_module(name, dtype, cpu, features):
    """Compile an entry; return the optimised LLVM module, the target machine, and the name of the function."""
    _check_jit_enabled()
    choose(frozenset(word[1:] for word in features.split(",") if word.startswith("+")))
    module, symbol = build_module(find_entry(name), (record_type(name, dtype),))
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=cpu, features=features, opt=2, reloc="pic", codemodel="small")
    optimize(module, machine)
    return module, machine, symbol


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
