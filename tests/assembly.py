"""What the assembly of an entry shows: its functions, and where the floating-point mode is set."""

import re

from fastnn2.codegen.loader import ENTRY

# On x86-64 and AArch64. Vectors and numbers of either dtype; the functions of the C library count as calls.
SAVES, SETS = r"stmxcsr\t|mrs\tx\d+, FPCR", r"ldmxcsr\t|msr\tFPCR, "
CALLS = r"\t(?:callq?|bl)\t(\w+)"
ARITHMETIC = r"\tv?(?:add|sub|mul|div|sqrt|fn?m\w+)[sp][sd]\t|\tf(?:add|sub|mul|div|n?ml[as]|n?madd|n?msub|sqrt)\t"


def functions_of(assembly):
    """Return name -> text of the functions of an object file."""
    parts = re.split(r"\t\.type\t(\w+),@function\n", assembly)
    return {name: text.split(".Lfunc_end")[0] for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def inner_loops(function):
    """Return the instructions of each innermost loop of a function of an object file for x86-64."""
    lines = function.split("\n")
    begins = {line[:-1]: i for i, line in enumerate(lines) if re.match(r"\.LBB\w+:$", line)}
    jumps = [(begins.get(label, i), i) for i, line in enumerate(lines) for label in re.findall(r"^\tj\w+\t(\S+)", line)]
    loops = {(begin, end) for begin, end in jumps if begin < end}
    inner = [a for a in loops if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    return [[line for line in lines[a : b + 1] if re.match(r"\t[a-z]", line)] for a, b in sorted(inner)]


def assert_mode_is_set_outside(assembly):
    """Check that an entry saves the mode, sets the default, calls the function that computes, and puts the mode back.

    The function that computes leaves the mode alone, the entry does no arithmetic, and ENTRY only calls the entry.
    """
    functions = functions_of(assembly)
    (entry,) = [name for name, text in functions.items() if re.search(SETS, text)]
    assert not re.search(ARITHMETIC, functions[entry])
    steps = [
        "save" if re.search(SAVES, step[0]) else "set" if re.search(SETS, step[0]) else step[1]
        for step in re.finditer(f"{SAVES}|{SETS}|{CALLS}", functions[entry])
    ]
    compute = steps[2]
    assert steps == ["save", "set", compute, "set"]
    assert re.search(ARITHMETIC, functions[compute])
    assert not re.search(f"{SAVES}|{SETS}", functions[compute])
    assert re.findall(CALLS, functions[ENTRY]) == [entry]
