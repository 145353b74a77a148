"""All that touches private parts of Numba: a compile of a kernel in a third of Numba's usual time.

Numba on its own optimises and assembles each function by itself, and again where it is inlined. Here all functions of a
kernel go into one LLVM module, which is optimised once (by :mod:`compile`).

The passes for closures, array expressions, parallel loops and context managers are left out, as kernels have none of
these. So are those that find where a variable is last used and let go of it there: kernels own no memory. And so is
static single assignment: a variable of a kernel has one type, wherever it is set (with an error of Numba's where it has
two), and LLVM does the rest. Together this saves a third of the compile, and shorter ways through Numba's lowering a
twelfth of what is left.

Another version of Numba may call its private parts differently. Nothing here then goes on without what it needs:
a name that is gone raises ImportError or AttributeError, an option that is gone KeyError, also where Numba would only
not call what is defined here. All is put back, and :mod:`compile` reports that the fast compile does not work.
"""

import contextlib
import sys

from llvmlite import ir
from numba import types
from numba.core.codegen import AOTCodeLibrary, JITCPUCodegen
from numba.core.compiler import CompilerBase, Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.lowering import Lower
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.typed_passes import NativeLowering, NoPythonBackend, NopythonTypeInference
from numba.core.typing.templates import AttributeTemplate  # noqa: F401  (for record_type)
from numba.core.untyped_passes import FixupArgs, TranslateByteCode

from fastnn2.kernels.shared.tuning import VECTOR_BYTES

# How kernel functions are compiled, beside kernels/simd/vector.py::INLINE: without wrappers for callers in Python and
# C, which take a third of the compile time.
OPTIONS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def is_compiling():
    """Return whether this thread has Numba's lock, as it does amid a compile."""
    return bool(global_compiler_lock.is_locked())


def build_module(entry, arguments, triple, symbol):
    """Return the LLVM module, not optimised, of an entry and all that it calls, for a target triple.

    It is called by the function `symbol`. All other functions are internal.
    """
    context = cpu_target.target_context
    flags = Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = True
    flags.error_model = "numpy"
    with global_compiler_lock, _lean(context, triple):
        result = compile_extra(
            cpu_target.typing_context, context, entry, arguments, types.void, flags, {}, pipeline_class=KernelCompiler
        )
        _add_c_entry(context, result.library, result.fndesc, symbol)
        result.library.finalize()
        module = result.library._final_module
    for function in module.functions:
        if not function.is_declaration and function.name != symbol:
            function.linkage = "internal"  # not called from outside; what is inlined everywhere goes
    return module


def _dispatchers():
    """Yield all compiled functions of the kernels."""
    for name, module in list(sys.modules.items()):
        if name.startswith("fastnn2.kernels."):
            yield from (value for value in vars(module).values() if isinstance(value, CPUDispatcher))


@contextlib.contextmanager
def _short_pipeline():
    """Let all kernels be compiled by :class:`KernelCompiler`; a user's own Numba code compiles them by Numba's."""
    with contextlib.ExitStack() as stack:
        for dispatcher in _dispatchers():
            options = dispatcher.targetoptions | OPTIONS
            compiler = dispatcher._compiler
            stack.enter_context(_replaced(compiler, pipeline_class=KernelCompiler, targetoptions=options))
        yield


def _overriding(cls):
    """Raise AttributeError if a class defines what no class above it has, so that Numba would never use it."""
    for name in vars(cls):
        if not name.startswith("__"):
            getattr(super(cls, cls), name)
    return cls


@_overriding
class KernelLower(Lower):
    """From typed statements to LLVM's language, with a shorter way to operators."""

    def lower_binop(self, resty, expr, op):
        """Build ``a + b`` and its like; Numba would first search three times for code for one constant operand."""
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
@_overriding
class KernelLowering(NativeLowering):
    """Numba's pass with the lowering of kernels."""

    _name = "kernel_lowering"

    @property
    def lowering_class(self):
        """Return the class that does it."""
        return KernelLower


@_overriding
class KernelCompiler(CompilerBase):
    """Bytecode to types to LLVM, nothing else."""

    def define_pipelines(self):
        """Return the one pipeline, whatever the flags."""
        manager = PassManager("kernel")
        for step in (TranslateByteCode, FixupArgs, NopythonTypeInference, KernelLowering, NoPythonBackend):
            manager.add_pass(step, step.__name__)
        manager.finalize()
        return [manager]


@_overriding
class _Library(AOTCodeLibrary):
    """One module for all functions of a compile; optimization is deferred until the module is complete.

    Only what was compiled before is linked to it: kernels that a user's own Numba code calls.
    """

    def _optimize_functions(self, ll_module):
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self):
        pass

    def _ensure_finalized(self):
        pass

    def add_ir_module(self, module):
        """Add a module, and let its functions begin their stacks with a cache line.

        LLVM itself does not, whatever it spills: with 16 registers the tutorial's job takes 5 % longer then, and in one
        process of ten twice as long, as a vector that straddles cache lines is slow to come back. (Numba's own way,
        compile_plain, leaves it at that.)
        """
        for function in module.functions:
            if not function.is_declaration and "alwaysinline" not in function.attributes:
                # No kernel raises; and without any other attribute llvmlite would not write the alignment.
                function.attributes.add("nounwind")
                function.attributes.alignstack = VECTOR_BYTES
        super().add_ir_module(module)

    def add_linking_library(self, library):
        if library is not self:
            super().add_linking_library(library)


# Numba asks for it where code is to be run; nothing of this library runs by itself.
_Library.get_pointer_to_function = lambda self, name: 0


@_overriding
class _Codegen(JITCPUCodegen):
    """What Numba asks for a library for each function: it always gets the same one.

    Its modules are of a target triple that need not be this machine's: kernels read it where they ask for instructions
    of a processor or functions of a system. (Sizes and alignments that Numba asks for are this machine's, and those of
    all 64-bit platforms.)
    """

    _library_class = _Library

    def __init__(self, name, triple):
        self._triple = triple
        super().__init__(name)
        self.only_library = super().create_library(name)

    def create_library(self, name, **options):
        return self.only_library

    def _create_empty_module(self, name):
        module = super()._create_empty_module(name)
        module.triple = self._triple
        return module

    def _add_module(self, module):
        pass

    def set_env(self, env_name, env):
        pass


def _load_registries(context):
    """Register what kernels use of Numba's lowering, and what was registered since.

    Numba itself would load all there is: linear algebra (with scipy.linalg), dictionaries, strings, random numbers;
    and it would look for more at every function. The first compile that is not ours does so again.
    """
    from numba.cpython import builtins, numbers, rangeobj, tupleobj  # noqa: F401
    from numba.np import arrayobj  # noqa: F401

    for registry in list(context._registries):
        context.install_registry(registry)


@contextlib.contextmanager
def _forgotten():
    """Let Numba compile the kernels anew afterwards: what is made for the store cannot run by itself.

    Where a compile has failed, Numba also keeps what it failed with.
    """
    forgets = []
    for dispatcher in _dispatchers():
        failed = dispatcher._compiler._failed_cache
        forgets += dispatcher._reset_overloads, dispatcher.overloads.clear, failed.clear
    try:
        yield
    finally:
        for forget in forgets:
            forget()


def _remembering(resolve):
    """Return Numba's search for the signature of a call, with a memory: Numba asks for the same calls over and over.

    A constant counts as any integer does, for else the function that is called would be compiled for it alone, and
    again where a variable begins with a constant. Together this takes a seventh off the first fit.
    """
    known = {}

    def resolve_function_type(function, arguments, keywords):
        if isinstance(function, types.Dispatcher):
            arguments = tuple(types.unliteral(argument) for argument in arguments)
        if keywords:  # kernels have none
            return resolve(function, arguments, keywords)
        call = function, tuple(arguments)
        if call not in known:
            known[call] = resolve(function, arguments, keywords)
        return known[call]

    return resolve_function_type


def _functions_first(typing):
    """Return Numba's search for the type of a value, which else asks of + and range whether they are arrays or lists.

    It asks at each of them, and for the answer it imports its lists and sets.
    """
    resolve = typing.resolve_value_type

    def resolve_value_type(value):
        known = typing._get_global_type(value) if callable(value) else None
        return resolve(value) if known is None else known

    return resolve_value_type


@contextlib.contextmanager
def _replaced(owner, **attributes):
    """Give an object other attributes for a while; raise AttributeError if it has no such attribute."""
    for name in attributes:
        getattr(owner, name)
    before = {name: vars(owner)[name] for name in attributes if name in vars(owner)}
    try:
        for name, value in attributes.items():
            setattr(owner, name, value)
        yield
    finally:
        for name in attributes:
            if name in before:
                setattr(owner, name, before[name])
            elif name in vars(owner):
                delattr(owner, name)  # its class has it


@contextlib.contextmanager
def _lean(context, triple):
    """Prepare Numba for a compile that takes a third of its usual time, and put all back."""
    typing = context.typing_context
    in_context = _replaced(
        context,
        _internal_codegen=_Codegen("fastnn2", triple),
        load_additional_registries=lambda: _load_registries(context),
        post_lowering=lambda module, library: None,  # nothing of Numba's runtime is linked
    )
    in_typing = _replaced(
        typing,
        load_additional_registries=lambda: None,
        resolve_function_type=_remembering(typing.resolve_function_type),
        resolve_value_type=_functions_first(typing),
    )
    with _forgotten(), in_context, in_typing, _short_pipeline():
        yield


def _add_c_entry(context, library, descriptor, symbol):
    """Add the function that is called from outside, with the entry's argument alone.

    It returns nothing, as no entry fails, and nobody looks at what a thread returns that begins with it.
    """
    module = library.create_ir_module("entry")
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [ir.IntType(64).as_pointer()]), symbol)
    builder = ir.IRBuilder(function.append_basic_block())
    entry = context.declare_function(module, descriptor)
    context.call_conv.call_function(builder, entry, types.void, descriptor.argtypes, function.args)
    builder.ret_void()
    library.add_ir_module(module)
