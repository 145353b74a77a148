"""From the bytes of an object file to a function that Python can call."""

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

from fastnn2.codegen.elf import undefined_symbols
from fastnn2.codegen.signatures import SIGNATURES, THREAD_ENTRY

_owners: list[Any] = []  # each owns the memory of some machine code, which is never freed


class Kernel:
    """An entry as a function that takes addresses and numbers.

    Attributes
    ----------
    thread_entry : int
        Where the function is that a thread of the system can begin with, on the words of all arguments.
    words : struct.Struct
        How these words are packed.
    """

    def __init__(self, name: str, address: int, thread_entry: int) -> None:
        self.name, self.thread_entry = name, thread_entry
        self.words = struct.Struct("".join("d" if word == "float" else "q" for word in SIGNATURES[name].split()))
        self._function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *_ctypes(name))(address)
        self._results = ctypes.create_string_buffer(64)  # Numba's calling convention has results; a kernel has none
        self._at_results = ctypes.addressof(self._results)

    def __call__(self, *arguments: Any) -> None:
        """Run it, without Python's lock."""
        if self._function(self._at_results, self._at_results, *arguments) != 0:
            raise RuntimeError(f"the kernel {self.name} failed, which it never should: please report it")


def load_object(content: bytes, symbol: str, name: str) -> Kernel:
    """Hand an object to LLVM's loader and return its function.

    The small code model, which the compiler uses, takes for granted that code and constants are less than 2 GB apart.
    LLVM's own memory manager maps each section wherever there is room: in a process with large arrays that can be
    further, and the process crashes. llvmlite's (use_lmm) maps all sections of an object as one block.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    library = ctypes.CDLL(None)
    for allowed in undefined_symbols(content):
        llvm.add_symbol(allowed, ctypes.cast(getattr(library, allowed), ctypes.c_void_p).value)
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine, use_lmm=True)
    engine.add_object_file(llvm.ObjectFileRef.from_data(content))
    engine.finalize_object()
    _owners.append(engine)
    return Kernel(name, engine.get_function_address(symbol), engine.get_function_address(THREAD_ENTRY))


def wrap_compiled(compiled: Any, name: str) -> Callable[..., None]:
    """Return the function of an entry that Numba itself has compiled and loaded."""
    _owners.append(compiled)
    return ctypes.CFUNCTYPE(None, *_ctypes(name))(compiled.address)


def _ctypes(name: str) -> list[Any]:
    as_ctypes = {"int": ctypes.c_int64, "float": ctypes.c_double}
    return [as_ctypes.get(word, ctypes.c_void_p) for word in SIGNATURES[name].split()]
