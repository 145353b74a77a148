"""The floating-point mode of a thread: how it rounds, and whether denormal numbers count.

A library may have changed it for the calling thread. So each entry sets the default, calls the function that computes,
and puts back what it found. LLVM does not know that arithmetic depends on the mode, and may move it across such a
change; so both functions are kept from being inlined, and the one that computes writes its results to memory.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastnn2.kernels.simd.target import is_aarch64, is_x86
from fastnn2.kernels.simd.vector import declare

# The registers that hold the mode, MXCSR on x86 and FPCR on AArch64, as a new process finds them: round to nearest,
# denormal numbers count, no exception stops the process.
DEFAULT_MXCSR = 0x1F80
DEFAULT_FPCR = 0


def _call(builder, name, result, *arguments):
    function_type = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(declare(builder.module, function_type, name), arguments)


def _call_with_place(builder, name, place):
    _call(builder, name, ir.VoidType(), builder.bitcast(place, ir.IntType(8).as_pointer()))


def _allocate(builder):
    """Build 32 bits on the stack, at the beginning of the function."""
    with builder.goto_entry_block():
        return builder.alloca(ir.IntType(32))


def _set(builder, mode):
    """Build the change to another mode."""
    if is_x86(builder.module):
        place = _allocate(builder)
        builder.store(builder.trunc(mode, ir.IntType(32)), place)
        _call_with_place(builder, "llvm.x86.sse.ldmxcsr", place)
    elif is_aarch64(builder.module):
        _call(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), mode)


@intrinsic
def enter_default_mode(typingctx):
    """Set the default floating-point mode and return the mode before (x86 and AArch64; elsewhere 0).

    LLVM does not inline the function that calls this one.
    """

    def codegen(context, builder, signature, args):
        builder.function.attributes.add("noinline")
        word = ir.IntType(64)
        mode, default = word(0), word(0)
        if is_x86(builder.module):
            place = _allocate(builder)
            _call_with_place(builder, "llvm.x86.sse.stmxcsr", place)
            mode, default = builder.zext(builder.load(place), word), word(DEFAULT_MXCSR)
        elif is_aarch64(builder.module):
            mode, default = _call(builder, "llvm.aarch64.get.fpcr", word), word(DEFAULT_FPCR)
        _set(builder, default)
        return mode

    return types.int64(), codegen


@intrinsic
def set_float_mode(typingctx, mode):
    """Set the floating-point mode of this thread (x86 and AArch64; elsewhere nothing)."""

    def codegen(context, builder, signature, args):
        _set(builder, args[0])
        return context.get_dummy_value()

    return types.void(mode), codegen
