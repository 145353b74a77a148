"""Records: words by name, in place, and the arrays that they keep alive."""

import gc
import struct
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn2.kernels.shared.record import Float, Floats, Int, Ints, Reals, Record, RecordTable, Words, address

KINDS = {"int": Int, "float": Float, "ints*": Ints, "floats*": Floats, "reals*": Reals, "words*": Words}


class Example(Record):
    """A record with a field of each kind."""

    n: Int
    rate: Float
    order: Ints
    sums: Floats
    X: Reals


class Longer(Example):
    """One that adds a field."""

    more: Int


def example(**changed):
    fields = {"n": 3, "rate": 0.5, "order": np.arange(2), "sums": np.ones(2), "X": np.ones(2, dtype=np.float32)}
    return {**fields, **changed}


def words(record):
    """Return the words of a record as bytes."""
    return bytes(record._memory)


def test_words_are_in_the_order_of_the_fields():
    fields = example()
    record = Example(**dict(reversed(fields.items())))
    places = [address(fields[name]) for name in ("order", "sums", "X")]
    assert words(record) == struct.pack("qdqqq", 3, 0.5, *places)
    assert record.address % 8 == 0


@given(st.data())
def test_any_fields_can_be_given_in_any_order(data):
    names = data.draw(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1))
    kinds = {name: data.draw(st.sampled_from(["int", "float"])) for name in names}
    numbers = {"int": st.integers(-(2**63), 2**63 - 1), "float": st.floats(allow_nan=False)}
    fields = {name: data.draw(numbers[kinds[name]]) for name in data.draw(st.permutations(names))}
    record_class = type("Any", (Record,), {"__annotations__": {name: KINDS[kind] for name, kind in kinds.items()}})
    assert record_class.kinds == kinds
    found = struct.unpack(
        "".join("d" if kind == "float" else "q" for kind in kinds.values()), words(record_class(**fields))
    )
    assert dict(zip(kinds, found, strict=True)) == fields


def test_a_misspelled_field_is_named_with_the_one_that_is_missing():
    fields = example()
    fields["rates"] = fields.pop("rate")
    with pytest.raises(TypeError, match=r"^missing or unknown fields of Example: rate, rates$"):
        Example(**fields)


@pytest.mark.parametrize("number", [3.0, np.float64(3), "3", None, 2**63], ids=repr)
def test_an_integer_is_an_integer_of_64_bits(number):
    with pytest.raises(struct.error):
        Example(**example(n=number))


@pytest.mark.parametrize("number", [3, np.int64(3), np.int32(3), True], ids=repr)
def test_what_counts_as_an_integer(number):
    assert words(Example(**example(n=number)))[:8] == struct.pack("q", int(number))


@pytest.mark.parametrize("name", ["order", "sums", "X"])
@pytest.mark.parametrize("value", [None, 0, 1.0, [1.0, 2.0]], ids=repr)
def test_a_pointer_is_an_array(name, value):
    with pytest.raises(AttributeError):
        Example(**example(**{name: value}))


def test_a_field_without_a_kind_is_refused():
    with pytest.raises(AttributeError):

        class Plain(Record):
            n: int


def test_write_changes_the_words_in_place():
    record = Example(**example())
    place, new = record.address, example(n=-7, rate=2.5, X=np.zeros(5))
    record.write(**new)
    assert record.address == place
    assert words(record) == words(Example(**new))
    before = words(record)
    with pytest.raises(TypeError, match="rate"):
        record.write(n=1)
    with pytest.raises(struct.error):
        record.write(**example(n=0.5))
    assert words(record) == before


def test_point_changes_some_words_in_place():
    fields, X = example(), np.zeros(5)
    record = Example(**fields)
    place = record.address
    record.point(X=X, rate=-0.0, n=np.int64(8))
    assert record.address == place
    assert words(record) == words(Example(**{**fields, "X": X, "rate": -0.0, "n": 8}))
    for wrong, error in (({"rates": 1.0}, KeyError), ({"n": 0.5}, struct.error), ({"X": 3}, AttributeError)):
        with pytest.raises(error):
            record.point(**wrong)


def test_what_point_is_given_and_what_is_released_does_not_live_on():
    fields, X = example(), np.zeros(5)
    record, references = Example(**fields), [weakref.ref(fields["sums"]), weakref.ref(X)]
    record.point(X=X)
    before = words(record)
    record.release()
    del fields, X
    gc.collect()
    assert [reference() for reference in references] == [None, None]
    assert words(record) == before


def test_arrays_live_as_long_as_the_record_that_has_them():
    X = np.ones(3)
    reference = weakref.ref(X)
    record = Example(**example(X=X))
    del X
    gc.collect()
    assert reference() is not None
    record.write(**example())
    gc.collect()
    assert reference() is None
    X = np.ones(3)
    reference = weakref.ref(X)
    record = Example(**example(X=X))
    del X, record
    gc.collect()
    assert reference() is None


def test_a_subclass_has_the_fields_of_its_base_first():
    assert list(Longer.kinds) == ["n", "rate", "order", "sums", "X", "more"]
    assert list(Example.kinds) == ["n", "rate", "order", "sums", "X"]
    assert Record.kinds == {}
    fields = example()
    assert words(Longer(**fields, more=9)) == words(Example(**fields)) + struct.pack("q", 9)


# What kernels read


# Tables


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))))
def test_rows_of_a_table_are_records_in_a_row(numbers):
    """The words of each row are those of a record with the same fields."""
    arrays = {"order": np.arange(2), "sums": np.ones(2), "X": np.ones(2)}
    table = RecordTable(Example, len(numbers))
    table.fill(**{name: address(array) for name, array in arrays.items()})
    table.fill(n=[n for n, _ in numbers], rate=[rate for _, rate in numbers])
    assert table.words.tobytes() == b"".join(words(Example(n=n, rate=rate, **arrays)) for n, rate in numbers)
    assert table.words.flags.c_contiguous
    assert table.column("n").tolist() == [n for n, _ in numbers]
    assert table.column("rate").tolist() == [rate for _, rate in numbers]


def test_fields_that_are_not_filled_in_are_zero():
    table = RecordTable(Example, 3)
    table.fill(n=5)
    assert table.column("n").tolist() == [5, 5, 5]
    assert table.column("rate").tolist() == [0.0, 0.0, 0.0]
    assert (table.words[:, 1:] == 0).all()


def test_an_unknown_field_of_a_table_is_named():
    with pytest.raises(KeyError, match="rates"):
        RecordTable(Example, 3).fill(rates=1.0)
