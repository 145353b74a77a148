"""Checkpoints come back as they were written; every change to a file is an error that names it."""

import json
import os
import random

import numpy as np
import pytest
from data import extra
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from fastnn2.storage import checkpoint_file, tensors
from fastnn2.storage.checkpoint_file import read, write

DESCRIPTION = {"rate": 0.3, "names": ["a", "ü"], "none": None}
ARRAYS = {
    "W1": np.arange(6.0).reshape(2, 3),
    "flag": np.array([True, False, True]),
    "small": np.arange(3, dtype=np.float32),
    "empty": np.zeros((0, 4)),
    "state": np.arange(5, dtype=np.uint32),
    "order": np.array([2, 0, 1]),
    "scalar": np.array(7.0),
    "text": np.frombuffer(b"abc", dtype=np.uint8),
}


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "a.checkpoint", "fit", DESCRIPTION, ARRAYS)
    return tmp_path / "a.checkpoint"


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_round_trip(path):
    description, arrays = read(path, "fit")
    assert description == DESCRIPTION
    assert_same(arrays, ARRAYS)
    assert os.listdir(path.parent) == [path.name]


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=5).filter(lambda name: name != "__metadata__"),
        arrays_of.arrays(
            st.sampled_from(list(tensors.DTYPES.values())),
            arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0),
        ),
        max_size=4,
    )
)
def test_any_arrays_come_back(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("any") / "a"
    write(path, "fit", {}, arrays)
    assert_same(read(path, "fit")[1], arrays)


def test_memory_order_changes_no_byte(tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    for name, given_array in (
        ("c", array),
        ("f", np.asfortranarray(array)),
        ("s", np.repeat(array, 2, axis=1)[:, ::2]),
    ):
        write(tmp_path / name, "fit", {}, {"a": given_array})
    assert len({(tmp_path / name).read_bytes() for name in "cfs"}) == 1


def test_the_library_reads_them(path):
    load_file = extra("safetensors.numpy", "test-extras").load_file
    assert_same(load_file(path), ARRAYS)


def test_every_byte_counts(path):
    """Any byte that is changed, left out or added is noticed."""
    content = path.read_bytes()
    for at in range(len(content)):
        for changed in (
            content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], content[:at], content[:at] + content[at + 1 :],
            content[:at] + b" " + content[at:],
        ):  # fmt: skip
            path.write_bytes(changed)
            with pytest.raises(ValueError, match=r"a\.checkpoint' (is|has|does)"):
                read(path, "fit")
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="damaged"):
        read(path, "fit")


def rewritten(content, change):
    """Return a file whose header is changed, with a SHA-256 that is right again."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    data = change(header, data) or data
    if isinstance(header.get("__metadata__"), dict):
        header["__metadata__"]["sha256"] = tensors._hash(header, [memoryview(data)])
    return tensors._encoded(header) + data


def changed_entry(**changes):
    return lambda header, data: header["W1"].update(changes)


NO_HEADER = r"a\.checkpoint' (is not a checkpoint|does not begin with a header|has no metadata)"
HOSTILE = {
    "another dtype": changed_entry(dtype="O"),
    "a dtype that is a list": changed_entry(dtype=["F64"]),
    "a huge shape": changed_entry(shape=[10**12]),
    "a huge shape of nothing": lambda header, data: header["empty"].update(shape=[2**70, 2**62, 0]),
    "a negative shape": changed_entry(shape=[-2, -3]),
    "a shape of floats": changed_entry(shape=[2.0, 3.0]),
    "a shape of booleans": changed_entry(shape=[True, 6]),
    "many dimensions": changed_entry(shape=[1] * 60 + [6]),
    "an overlap": changed_entry(data_offsets=[0, 24], shape=[3]),
    "offsets beyond": changed_entry(data_offsets=[0, 10**6], shape=[125_000]),
    "offsets that are none": changed_entry(data_offsets=None),
    "a gap": lambda header, data: data + bytes(8),
    "an end that is missing": lambda header, data: data[:-1],
    "one more entry": changed_entry(more=1),
    "an entry that is none": lambda header, data: header.update(W1=[]),
    "no metadata": lambda header, data: header.pop("__metadata__") and None,
    "metadata of numbers": lambda header, data: header.update(__metadata__=[1]),
    "more metadata": lambda header, data: header["__metadata__"].update(more="1"),
    "a description that is no text": lambda header, data: header["__metadata__"].update(description=3),
    "a description that is no JSON": lambda header, data: header["__metadata__"].update(description="{"),
    "a description that is a list": lambda header, data: header["__metadata__"].update(description="[]"),
    "a deep description": lambda header, data: header["__metadata__"].update(description="[" * 100_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers(path, name):
    content = path.read_bytes()
    assert rewritten(content, lambda header, data: None) == content
    path.write_bytes(rewritten(content, HOSTILE[name]))
    with pytest.raises(
        ValueError, match=r"^the checkpoint '.*a\.checkpoint' (is damaged: |is not a checkpoint|has no metadata)"
    ):
        read(path, "fit")


@pytest.mark.parametrize("header", [b"", b"[]", b"3", b"{", b"\xff", b"[" * 500_000, b'{"a":' * 100_000])
def test_headers_that_are_none(path, header):
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(ValueError, match=NO_HEADER):
        read(path, "fit")


@pytest.mark.parametrize("length", [0, 2**20 + 1, 2**63, 2**64 - 1])
def test_lengths_of_the_header(path, length):
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(ValueError, match="does not begin with a header of fastnn2"):
        read(path, "fit")


def test_random_bytes(path):
    source = random.Random(0)
    for size in range(200):
        path.write_bytes(source.randbytes(size))
        with pytest.raises(ValueError, match=NO_HEADER):
            read(path, "fit")


def test_another_kind_and_a_newer_format(path, monkeypatch):
    with pytest.raises(ValueError, match="is a checkpoint of kind 'fit'; expected 'estimator'"):
        read(path, "estimator")
    monkeypatch.setattr(checkpoint_file, "FORMAT", "2")
    write(path, "fit", {}, {})
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"is a checkpoint of format '2'; expected 1\. Upgrade fastnn2"):
        read(path, "fit")


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(TypeError, match="cannot hold object"):
        write(tmp_path / "a", "fit", {}, {"a": np.array([None])})
    with pytest.raises(ValueError, match="at most 1048576"):
        write(tmp_path / "a", "fit", {"a": "a" * 2**20}, {})
    assert os.listdir(tmp_path) == []
