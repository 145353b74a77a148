"""Functions that LLVM does not inline: what is set before such a call holds for all that the function computes."""

from numba import types
from numba.extending import intrinsic

from fastnn2.kernels.simd.vector import INLINE

# How such a function is compiled; it calls forbid_inlining.
NOT_INLINED = INLINE | {"forceinline": False}


@intrinsic
def forbid_inlining(typingctx):
    """Keep LLVM from inlining the function that calls this one; an error if INLINE asks for it."""

    def codegen(context, builder, signature, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen
