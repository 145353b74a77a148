"""The undefined symbols of an object file."""

import llvmlite.binding as llvm
import pytest

from fastnn2.codegen.elf import is_elf, undefined_symbols

TRIPLE = "x86_64-unknown-linux-gnu"
POINTER = "ptr" if llvm.llvm_version_info[0] > 15 else "i64*"  # the oldest llvmlite has LLVM 15
SOURCE = """
target triple = "{triple}"
declare i32 @sched_yield()
declare double @fma(double, double, double)
declare double @never_called(double)
@counter = external global i64
define internal double @inner(double %x) noinline {{
  %y = call double @fma(double %x, double %x, double %x)
  ret double %y
}}
define double @entry(double %x) {{
  %a = call i32 @sched_yield()
  %b = call double @inner(double %x)
  %c = load i64, {pointer} @counter
  %d = sitofp i64 %c to double
  %e = fadd double %b, %d
  ret double %e
}}
define i64 @alone(i64 %x) {{
  ret i64 %x
}}
"""


def compile_for(triple, source=SOURCE):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(source.format(triple=triple, pointer=POINTER))
    module.verify()
    machine = llvm.Target.from_triple(triple).create_target_machine(reloc="pic")
    return machine.emit_object(module)


@pytest.mark.parametrize("triple", [TRIPLE, "aarch64-unknown-linux-gnu"])
def test_undefined_symbols_are_found(triple):
    content = compile_for(triple)
    assert is_elf(content)
    names = [name for name in undefined_symbols(content) if name != "_GLOBAL_OFFSET_TABLE_"]
    assert sorted(names) == ["counter", "fma", "sched_yield"]


def test_object_without_undefined_symbols():
    source = 'target triple = "{triple}"\ndefine i64 @alone(i64 %x) {{\n  ret i64 %x\n}}\n'
    assert undefined_symbols(compile_for(TRIPLE, source)) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF",
        b"MZ" + bytes(100),
        b"\xcf\xfa\xed\xfe" + bytes(100),  # Mach-O
        b"\x7fELF\x01\x01" + bytes(100),  # 32 bits
        b"\x7fELF\x02\x02" + bytes(100),  # big-endian
    ],
)
def test_other_file_formats_raise(content):
    assert not is_elf(content)
    with pytest.raises(ValueError, match="not a 64-bit little-endian ELF file"):
        undefined_symbols(content)
