"""From the bytes of an object file to a function that Python can call."""

import ctypes
from typing import Any

from fastnn2.codegen.elf import undefined_symbols
from fastnn2.kernels.shared.record import Record

# The function of an object file that is called, by Python or as the start of a thread: its argument is the address of a
# record.
ENTRY = "fastnn2_entry"
_owners: list[Any] = []  # each owns the memory of some machine code, which is never freed


class Kernel:
    """An entry as a function that takes a record of one class.

    Attributes
    ----------
    address : int
        Where the machine code begins.
    """

    def __init__(self, record: type[Record], address: int) -> None:
        self._record, self.address = record, address
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)
        self._function_with_gil = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(address)

    def __call__(self, job: Record) -> None:
        """Run it, without Python's lock."""
        self._check(job)
        self._function(job.address)

    def call_briefly(self, job: Record) -> None:
        """Run a call of microseconds, with Python's lock: to get the lock back from another thread takes longer."""
        self._check(job)
        self._function_with_gil(job.address)

    def _check(self, job: Record) -> None:
        if type(job) is not self._record:
            raise TypeError(f"the kernel takes a {self._record.__name__}, not a {type(job).__name__}")


def load_object(content: bytes, record: type[Record]) -> Kernel:
    """Hand an object to LLVM's loader and return its function.

    The small code model, which the compiler uses, takes for granted that code and constants are less than 2 GB apart.
    LLVM's own memory manager maps each section wherever there is room: in a process with large arrays that can be
    further, and the process crashes. llvmlite's (use_lmm) maps all sections of an object as one block.
    """
    import llvmlite.binding as llvm

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
    return Kernel(record, engine.get_function_address(ENTRY))


def wrap_compiled(compiled: Any, record: type[Record]) -> Kernel:
    """Return an entry that Numba itself has compiled and loaded."""
    _owners.append(compiled)
    return Kernel(record, compiled.address)
