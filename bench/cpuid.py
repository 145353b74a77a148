"""The instruction CPUID answers as a processor of a level would: for libraries that ask the processor themselves.

XLA hands products to YNNPACK, which takes AVX-512 where CPUID tells of it, whatever XLA_FLAGS says; without YNNPACK,
XLA is slower than on a processor of the level. Linux can let CPUID fault (where the processor can), and the handler of
that signal executes it and takes away the features above the level. It counts for this thread and those that it starts.
"""

import ctypes
import sys

import llvmlite.binding as llvm

# (leaf, subleaf or None for any) -> bits that are taken away, by register
ABOVE = {
    "x86-64-v3": {
        # F DQ IFMA PF ER CD BW VL; VBMI VBMI2 VNNI BITALG VPOPCNTDQ; 4VNNIW 4FMAPS VP2INTERSECT, AMX and FP16
        (7, 0): {"ebx": (16, 17, 21, 26, 27, 28, 30, 31), "ecx": (1, 6, 11, 12, 14), "edx": (2, 3, 8, 22, 23, 24, 25)},
        # AVX-VNNI BF16 AMX-FP16 AVX-IFMA; AVX-VNNI-INT8 AVX-NE-CONVERT AMX-COMPLEX AVX-VNNI-INT16 AVX10
        (7, 1): {"eax": (4, 5, 21, 23), "edx": (4, 5, 8, 10, 19)},
    },
}
ABOVE["x86-64-v2"] = {
    (1, None): {"ecx": (12, 28, 29)},  # FMA AVX F16C
    (7, 0): ABOVE["x86-64-v3"][7, 0] | {"ebx": (5, *ABOVE["x86-64-v3"][7, 0]["ebx"])},  # AVX2
    (7, 1): ABOVE["x86-64-v3"][7, 1],
}
REGISTERS = ("eax", "ebx", "ecx", "edx")
EVERY_BIT = 0xFFFFFFFF
SIGSEGV, SA_SIGINFO, SA_ONSTACK, SA_NODEFER = 11, 4, 0x08000000, 0x40000000
ARCH_PRCTL, ARCH_CPUID = 158, 0x1012

# A handler of SIGSEGV: rdx is the context, with the registers of the thread. Any other fault ends the process, with
# the code that a shell gives for it.
HANDLER = """
.intel_syntax noprefix
.text
.globl answer_cpuid
answer_cpuid:
    push rbx
    push r12
    mov r12, rdx
    mov rax, [r12 + 168]            # the address of the instruction
    cmp word ptr [rax], 0xA20F      # CPUID
    jne 4f
    mov esi, 1                      # does not fault from here
    call 5f
    mov eax, [r12 + 144]
    mov ecx, [r12 + 152]
    mov r8d, eax
    mov r9d, ecx
    cpuid
    lea r10, [rip + 6f]
1:  cmp dword ptr [r10], -1         # the end of the table
    je 3f
    cmp r8d, [r10]
    jne 2f
    cmp dword ptr [r10 + 4], -1     # any subleaf
    je 7f
    cmp r9d, [r10 + 4]
    jne 2f
7:  and eax, [r10 + 8]
    and ebx, [r10 + 12]
    and ecx, [r10 + 16]
    and edx, [r10 + 20]
2:  add r10, 24
    jmp 1b
3:  mov [r12 + 144], rax
    mov [r12 + 128], rbx
    mov [r12 + 152], rcx
    mov [r12 + 136], rdx
    add qword ptr [r12 + 168], 2
    xor esi, esi
    call 5f
    pop r12
    pop rbx
    ret
4:  mov eax, 231                    # exit_group
    mov edi, 139
    syscall
5:  mov eax, 158                    # arch_prctl
    mov edi, 0x1012
    syscall
    ret
    .p2align 2
6:
{table}
    .long -1
.att_syntax
"""


class Action(ctypes.Structure):
    """The argument of sigaction on x86-64."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


def hide(level):
    """Let CPUID tell of no feature above a level; return whether it does so now.

    It does not where a level has all features that matter, and where system or processor cannot let CPUID fault.
    """
    if level not in ABOVE or not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    action = Action(handler=handler_of(table(level)), flags=SA_SIGINFO | SA_ONSTACK | SA_NODEFER)
    if libc.sigaction(SIGSEGV, ctypes.byref(action), None) != 0:
        return False
    return libc.syscall(ARCH_PRCTL, ARCH_CPUID, 0) == 0


def table(level):
    """Return rows of six numbers: leaf, subleaf, and which bits stay in each register.

    >>> [f"{number:x}" for number in table("x86-64-v3")[1]]
    ['7', '1', 'ff5fffcf', 'ffffffff', 'ffffffff', 'fff7facf']
    """
    rows = []
    for (leaf, subleaf), taken in ABOVE[level].items():
        stay = [EVERY_BIT & ~sum(1 << bit for bit in taken.get(register, ())) for register in REGISTERS]
        rows.append((leaf, EVERY_BIT if subleaf is None else subleaf, *stay))
    return rows


def handler_of(rows):
    """Return the address of the handler, compiled with this table. It stays for as long as the process."""
    lines = HANDLER.format(table="\n".join(f".long {', '.join(map(str, row))}" for row in rows)).splitlines()
    assembly = "\n".join(f'module asm "{line.split("#")[0].rstrip()}"' for line in lines if line.strip())
    module = llvm.parse_assembly(
        f'target triple = "{llvm.get_process_triple()}"\n{assembly}\n'
        "declare void @answer_cpuid()\n"
        "define i64 @address() {\n  ret i64 ptrtoint (ptr @answer_cpuid to i64)\n}\n"
    )
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    engine = llvm.create_mcjit_compiler(module, llvm.Target.from_default_triple().create_target_machine())
    engine.finalize_object()
    _kept.append(engine)
    return ctypes.CFUNCTYPE(ctypes.c_uint64)(engine.get_function_address("address"))()


_kept = []
