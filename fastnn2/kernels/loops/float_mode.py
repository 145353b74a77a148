"""The floating-point mode of a thread: how it rounds, and whether denormal numbers count.

A library may have changed it for the calling thread. So each entry sets the default, calls the function that computes,
and puts back what it found. LLVM does not know that arithmetic depends on the mode, and may move it across such a
change; so both functions are kept from being inlined.
"""

import inspect

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastnn2.kernels.simd.inlining import forbid_inlining
from fastnn2.kernels.simd.target import is_aarch64, is_x86

# The registers that hold the mode, MXCSR on x86 and FPCR on AArch64, as a new process finds them: round to nearest,
# denormal numbers count, no exception stops the process.
DEFAULT_MXCSR = 0x1F80
DEFAULT_FPCR = 0


def _call(builder, name, result, *arguments):
    function_type = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), arguments)


@intrinsic
def default_float_mode(typingctx):
    """Return the default floating-point mode (a constant)."""

    def codegen(context, builder, signature, args):
        return context.get_constant(types.int64, DEFAULT_MXCSR if is_x86(builder.module) else DEFAULT_FPCR)

    return types.int64(), codegen


@intrinsic
def float_mode(typingctx):
    """Return the floating-point mode of this thread (x86 and AArch64; elsewhere 0)."""

    def codegen(context, builder, signature, args):
        word = context.get_value_type(types.int64)
        if is_x86(builder.module):
            place = cgutils.alloca_once(builder, ir.IntType(32))
            _call(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), builder.bitcast(place, cgutils.voidptr_t))
            return builder.zext(builder.load(place), word)
        if is_aarch64(builder.module):
            return _call(builder, "llvm.aarch64.get.fpcr", word)
        return word(0)

    return types.int64(), codegen


@intrinsic
def set_float_mode(typingctx, mode):
    """Set the floating-point mode of this thread (x86 and AArch64; elsewhere nothing)."""

    def codegen(context, builder, signature, args):
        if is_x86(builder.module):
            place = cgutils.alloca_once(builder, ir.IntType(32))
            builder.store(context.cast(builder, args[0], mode, types.uint32), place)
            _call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), builder.bitcast(place, cgutils.voidptr_t))
        elif is_aarch64(builder.module):
            value = context.cast(builder, args[0], mode, types.int64)
            _call(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), value)
        return context.get_dummy_value()

    return types.void(mode), codegen


_ENTRY = """
def entry({arguments}):
    forbid_inlining()
    mode = float_mode()
    set_float_mode(default_float_mode())
    compute({arguments})
    set_float_mode(mode)
"""


def in_default_mode(compute):
    """Return a Python function, for Numba to compile, that calls `compute` in the default floating-point mode.

    `compute` is compiled with NOT_INLINED and calls forbid_inlining. It writes its results to memory, as LLVM may move
    the call of a function that only returns a value. The new function takes the same arguments; it is made from text,
    as Numba makes no C function of one with ``*arguments``.
    """
    text = _ENTRY.format(arguments=", ".join(inspect.signature(compute.py_func).parameters))
    names = {
        "__name__": compute.py_func.__module__,
        "compute": compute,
        "default_float_mode": default_float_mode,
        "float_mode": float_mode,
        "forbid_inlining": forbid_inlining,
        "set_float_mode": set_float_mode,
    }
    exec(text, names)
    entry = names["entry"]
    entry.__name__ = entry.__qualname__ = compute.py_func.__name__
    entry.__doc__ = compute.py_func.__doc__
    return entry
