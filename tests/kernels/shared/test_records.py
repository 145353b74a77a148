"""Records: what Python fills in by name is what a kernel reads by name, and every field is read and described."""

import ast
import inspect
import re
import textwrap

import numpy as np
import pytest

from fastnn2.codegen.compile import find_entry
from fastnn2.kernels.loops.networks import call_entry, networks
from fastnn2.kernels.shared import records, tabular_records
from fastnn2.kernels.shared.record import Float, Floats, Int, Ints, Reals, Record, Records, Words
from fastnn2.kernels.shared.records import RECORDS, NetworkJobRecord

KINDS = {
    "int": Int, "float": Float, "ints*": Ints, "floats*": Floats, "reals*": Reals, "words*": Words, "records*": Records,
}  # fmt: skip
MODULES = (records, tabular_records)
MEMBERS = {id(value): value for module in MODULES for value in vars(module).values()}.values()  # without repetitions
CLASSES = [value for value in MEMBERS if inspect.isclass(value) and issubclass(value, Record)]
OWN_CLASSES = [one for one in CLASSES if one is not Record]


def test_the_classes_are_found():
    """The tests below would pass on nothing."""
    assert set(RECORDS.values()) < set(OWN_CLASSES)
    assert len(set(RECORDS.values())) == len(RECORDS) - 2  # narrow kernels have the records of the others


@pytest.mark.parametrize("record_class", OWN_CLASSES)
def test_missing_and_unknown_fields_are_named(record_class):
    fields = {name: np.zeros(1) if kind.endswith("*") else 0 for name, kind in record_class.kinds.items()}
    record_class(**fields)
    for name in fields:
        others = {other: value for other, value in fields.items() if other != name}
        with pytest.raises(TypeError, match=rf"of {record_class.__name__}: {name}$"):
            record_class(**others)
    with pytest.raises(TypeError, match=rf"of {record_class.__name__}: unheard_of$"):
        record_class(**fields, unheard_of=1)
    with pytest.raises(TypeError, match="positional"):
        record_class(*fields.values())


@pytest.mark.parametrize("record_class", OWN_CLASSES)
def test_no_class_declares_a_field_of_its_base_again(record_class):
    (base,) = record_class.__bases__
    assert not set(record_class.__annotations__) & set(base.kinds)
    assert set(record_class.kinds.values()) <= set(KINDS)


def fields_used(function, how=ast.Load, record="job"):
    """Return the fields of `record` that a kernel reads, itself or in the functions to which it hands the record.

    With ``how=ast.Store``, those that it writes.
    """
    function = getattr(function, "py_func", function)
    found = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == record and isinstance(node.ctx, how):
            found.add(node.attr)
        if isinstance(node, ast.Call) and record in (arguments := [ast.unparse(argument) for argument in node.args]):
            known = inspect.getclosurevars(function)
            called = {**known.globals, **known.nonlocals}[ast.unparse(node.func).split(".")[0]]
            for name in ast.unparse(node.func).split(".")[1:]:
                called = getattr(called, name)
            if called is not call_entry:  # a kernel of its own
                parameters = list(inspect.signature(getattr(called, "py_func", called)).parameters)
                found |= fields_used(called, how, parameters[arguments.index(record)])
    return found


@pytest.mark.parametrize("name", RECORDS)
def test_a_kernel_reads_every_field_of_its_record_and_writes_none(name):
    assert fields_used(find_entry(name)) == set(RECORDS[name].kinds)
    assert fields_used(find_entry(name), ast.Store) == set()


def test_every_field_of_a_network_is_read_by_the_kernel_of_networks_or_by_that_which_trains_it():
    read = fields_used(networks, record="network") | fields_used(find_entry("train"))
    assert read | {"completed", "outcome", "last_cost"} == set(NetworkJobRecord.kinds)


def test_the_kernel_of_networks_writes_the_addresses_of_a_thread_and_what_a_network_has_reached():
    """It does not write what Python asks for, so that a record could be used again."""
    written = fields_used(networks, ast.Store, "network")
    assert written - {"completed", "outcome", "last_cost"} == {
        "control", "params", "params_of_thread_0", "l2", "gradients", "A1", "dZ2", "scratch", "X", "Y", "weights",
        "costs",
    }  # fmt: skip


# What the source says of them

SOURCES = [inspect.getsource(module) for module in MODULES]
DEFINITIONS = {
    node.name: (node, source.splitlines())
    for source in SOURCES
    for node in ast.parse(source).body
    if isinstance(node, ast.ClassDef)
}


def description(record_class):
    """Return the docstrings of a class, its bases and subclasses, and the comments of those."""
    related = [one for one in OWN_CLASSES if issubclass(one, record_class) or issubclass(record_class, one)]
    texts = [one.__doc__ for one in related]
    for one in related:
        body, lines = DEFINITIONS[one.__name__]
        texts += [line.partition("#")[2] for line in lines[body.lineno : body.end_lineno]]
    return "\n".join(texts)


@pytest.mark.parametrize("record_class", OWN_CLASSES)
def test_every_field_is_described(record_class):
    """Beside it, or by its name in a docstring or another comment."""
    text, (definition, lines) = description(record_class), DEFINITIONS[record_class.__name__]
    for statement in definition.body:
        if isinstance(statement, ast.AnnAssign):
            name = ast.unparse(statement.target)
            assert "  # " in lines[statement.lineno - 1] or re.search(rf"\b{name}\b", text), name
