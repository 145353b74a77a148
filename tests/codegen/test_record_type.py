"""Compiled kernels read the fields of a record by name, wherever they are, each kind right in both dtypes."""

import ctypes
import pickle

import numpy as np
import pytest
from data import DTYPES, assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import cfunc, types
from numba.core.errors import TypingError

from fastnn2.codegen.compile import find_entry
from fastnn2.codegen.record_type import RecordType
from fastnn2.kernels.loops.networks import record_at
from fastnn2.kernels.shared.record import (
    Float,
    Floats,
    Int,
    Ints,
    Reals,
    Record,
    Records,
    RecordTable,
    Words,
    address,
)
from fastnn2.kernels.shared.records import RECORDS, CostRecord, UpdateRecord

REALS = {"float32": types.float32, "float64": types.float64}
KINDS = {"int": Int, "float": Float, "ints*": Ints, "floats*": Floats, "reals*": Reals, "words*": Words}
INTEGERS = st.integers(-(2**63), 2**63 - 1)


def compiled(function, record_class, dtype):
    """Return a function that takes a record, and what Numba has compiled, which owns its code."""
    result = cfunc(types.void(RecordType(record_class, REALS[dtype])), error_model="numpy")(function)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(result.address)
    return lambda record: call(record.address), result


def record_class_of(name, fields):
    """Return a record class with these fields: name -> kind."""
    return type(name, (Record,), {"__annotations__": {field: KINDS[kind] for field, kind in fields.items()}})


def in_other_order(record_class):
    """Return a record class with the same fields, the last one first."""
    return record_class_of("Other" + record_class.__name__, dict(reversed(record_class.kinds.items())))


# All kinds


class Kinds(Record):
    """A field of each kind, and where a kernel writes what it reads."""

    n: Int
    rate: Float
    order: Ints
    sums: Floats
    X: Reals
    ints: Ints
    floats: Floats
    reals: Reals


def read_all(job):
    order, sums, X, ints, floats, reals = job.order, job.sums, job.X, job.ints, job.floats, job.reals
    ints[0] = job.n
    floats[0] = job.rate
    for i in range(3):
        ints[1 + i] = order[i]
        floats[1 + i] = sums[i]
        reals[i] = X[i]


def fields_of_kinds(dtype, n, rate, numbers):
    return {
        "n": n,
        "rate": rate,
        "order": np.array(numbers[0], dtype=np.int64),
        "sums": np.array(numbers[1], dtype=np.float64),
        "X": np.array(numbers[2], dtype=dtype),
        "ints": np.zeros(4, dtype=np.int64),
        "floats": np.zeros(4),
        "reals": np.zeros(3, dtype=dtype),
    }


@pytest.fixture(scope="module")
def readers():
    """The kernel for each dtype and both orders of the fields."""
    return {
        (dtype, record_class): compiled(read_all, record_class, dtype)[0]
        for dtype in DTYPES
        for record_class in (Kinds, OtherKinds)
    }


OtherKinds = in_other_order(Kinds)


@pytest.mark.parametrize("record_class", [Kinds, OtherKinds], ids=["one order", "another order"])
@pytest.mark.parametrize("dtype", DTYPES)
@given(
    n=INTEGERS,
    rate=st.floats(),
    order=st.lists(INTEGERS, min_size=3, max_size=3),
    sums=st.lists(st.floats(), min_size=3, max_size=3),
    X=st.lists(st.floats(width=32), min_size=3, max_size=3),
)
def test_every_kind_is_read_right(readers, dtype, record_class, n, rate, order, sums, X):
    fields = fields_of_kinds(dtype, n, rate, (order, sums, X))
    readers[dtype, record_class](record_class(**fields))
    assert fields["ints"].tolist() == [n, *order]
    assert_same_bits(fields["floats"], np.array([rate, *sums]))
    assert_same_bits(fields["reals"], fields["X"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_kernel_reads_what_was_written_last(readers, dtype):
    first, second = (fields_of_kinds(dtype, n, n / 2, 3 * [[n, n + 1, n + 2]]) for n in (3, 7))
    record = Kinds(**first)
    readers[dtype, Kinds](record)
    record.write(**second)
    readers[dtype, Kinds](record)
    assert (first["ints"][0], first["reals"][2]) == (3, 5)
    assert (second["ints"][0], second["reals"][2]) == (7, 9)


@settings(max_examples=8)  # each compiles a kernel
@given(st.data())
def test_any_fields_are_read_by_name(data):
    """A kernel reads fields of any names and kinds, in an order of its own; the record has them in another."""
    names = data.draw(st.lists(st.sampled_from([f"field_{i}" for i in range(12)]), unique=True, min_size=1))
    kinds = {name: data.draw(st.sampled_from(sorted(KINDS))) for name in names}
    dtype = data.draw(st.sampled_from(DTYPES))
    kinds["out"] = "floats*"
    record_class = record_class_of("Drawn", {name: kinds[name] for name in data.draw(st.permutations(sorted(kinds)))})
    lines = [
        f"    job.out[{i}] = job.{name}" + ("[0]" if kinds[name].endswith("*") else "") for i, name in enumerate(names)
    ]
    namespace = {}
    exec("\n".join(["def kernel(job):", *lines]), namespace)
    call, owner = compiled(namespace["kernel"], record_class, dtype)
    out = np.zeros(len(names))
    numbers = {name: 3 + 2 * i for i, name in enumerate(names)}
    dtypes = {"ints*": np.int64, "floats*": np.float64, "reals*": dtype, "words*": np.uint32}
    fields = {
        name: np.array([number], dtype=dtypes[kinds[name]]) if kinds[name].endswith("*") else number
        for name, number in numbers.items()
    }
    call(record_class(out=out, **fields))
    assert out.tolist() == list(numbers.values())
    assert owner.address


# The package's own kernels: the order of the fields does not matter


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_order_of_the_fields_does_not_change_a_bit_of_update(dtype):
    random = np.random.RandomState(1)
    params, gradient, l2 = random.randn(16).astype(dtype), random.randn(16), random.rand(16)
    results = []
    for record_class in (UpdateRecord, in_other_order(UpdateRecord)):
        call, owner = compiled(find_entry("update"), record_class, dtype)
        new = np.zeros_like(params)
        call(record_class(params=params, new=new, count=16, gradient=gradient, l2=l2, learning_rate=0.3))
        results.append(new)
        assert owner.address
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[0], (params - 0.3 * (gradient + l2 * params)).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_order_of_the_fields_does_not_change_a_bit_of_cost(dtype):
    random = np.random.RandomState(2)
    y, Y, weights = (random.rand(192).astype(dtype) for _ in range(3))
    results = []
    for record_class in (CostRecord, in_other_order(CostRecord)):
        call, owner = compiled(find_entry("cost"), record_class, dtype)
        total = np.zeros(1)
        call(record_class(o=3, n=29, y=y, Y=Y, weights=weights, has_weights=True, total=total))
        results.append(total)
        assert owner.address
    assert_same_bits(results[1], results[0])
    assert results[0][0] > 0


# What does not compile


def test_a_kernel_that_reads_an_unknown_field_does_not_compile():
    def misspelled(job):
        job.out[0] = job.count_of_nothing

    with pytest.raises(TypingError, match="count_of_nothing"):
        compiled(misspelled, record_class_of("Small", {"out": "floats*"}), "float64")


def test_a_kernel_that_writes_an_unknown_field_does_not_compile():
    def misspelled(job):
        job.count_of_nothing = 1

    with pytest.raises(TypingError, match="count_of_nothing"):
        compiled(misspelled, record_class_of("Small", {"out": "floats*"}), "float64")


# Fields that a kernel writes


def write_all(job):
    job.n = job.n + 1
    job.rate = job.n  # cast, as the field is a float
    job.order, job.sums, job.X = job.ints, job.floats, job.reals


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("record_class", [Kinds, OtherKinds], ids=["one order", "another order"])
def test_fields_that_a_kernel_writes_are_in_the_words(record_class, dtype):
    fields = fields_of_kinds(dtype, 2**53 + 2, 0.5, 3 * [[1, 2, 3]])
    record = record_class(**fields)
    call, owner = compiled(write_all, record_class, dtype)
    call(record)
    expected = record_class(**{
        **fields, "n": 2**53 + 3, "rate": float(2**53 + 3), "order": fields["ints"], "sums": fields["floats"],
        "X": fields["reals"],
    })  # fmt: skip
    assert bytes(record._memory) == bytes(expected._memory)
    assert owner.address


# Many records in a row


class Rows(Record):
    """Records of which a kernel takes one after the other."""

    row_class = Kinds

    records: Records
    count: Int
    total: Floats


def add_rates(job):
    for i in range(job.count):
        row = record_at(job.records, i)
        job.total[0] += row.rate * row.sums[0]
        row.n = -i


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_kernel_reads_and_writes_records_in_a_row(dtype):
    sums, total = np.arange(5.0), np.zeros(1)
    table = RecordTable(Kinds, 5)
    table.fill(n=7, rate=[1.0, 10.0, 100.0, 1e3, 1e4], sums=[address(sums[i:]) for i in range(5)])
    before = table.words.copy()
    call, owner = compiled(add_rates, Rows, dtype)
    call(Rows(records=table.words, count=4, total=total))
    assert total.tolist() == [3210.0]
    assert table.column("n").tolist() == [0, -1, -2, -3, 7]
    table.fill(n=7)
    assert (table.words == before).all()
    assert owner.address


# The types


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("record_class", sorted(set(RECORDS.values()), key=lambda one: one.__name__))
def test_types_of_the_same_record_are_equal(record_class, dtype):
    one, other = RecordType(record_class, REALS[dtype]), RecordType(record_class, REALS[dtype])
    assert one == other
    assert hash(one) == hash(other)


def test_types_of_other_records_differ():
    """Of another dtype, another name, or the same name with fields in another order."""
    found = {RecordType(record_class, real) for record_class in set(RECORDS.values()) for real in REALS.values()}
    assert len(found) == 2 * len(set(RECORDS.values()))
    same_name = record_class_of("UpdateRecord", dict(reversed(UpdateRecord.kinds.items())))
    assert RecordType(same_name, types.float64) != RecordType(UpdateRecord, types.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_types_survive_pickling(dtype):
    before = RecordType(UpdateRecord, REALS[dtype])
    after = pickle.loads(pickle.dumps(before))
    assert after == before
    assert hash(after) == hash(before)
    assert (after.name, after.fields, after.places) == (before.name, before.fields, before.places)
