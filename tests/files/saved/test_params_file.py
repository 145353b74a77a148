"""Faults of files with parameters, each found before an array is made."""

import hashlib
import json
import re

import numpy as np
import pytest
from data import problem

import fastnn2
from fastnn2.files.saved import params_file

PARAMS = problem(3, 5, 2, 10)[2]
WRITTEN = params_file.to_bytes(PARAMS)
LENGTH = int.from_bytes(WRITTEN[:8], "little")
HEADER, CONTENT = json.loads(WRITTEN[8 : 8 + LENGTH]), WRITTEN[8 + LENGTH :]


def with_header(text, content=CONTENT):
    text = text if isinstance(text, bytes) else json.dumps(text, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content


def signed(content=CONTENT, metadata=(), **changes):
    """Return a file whose digest is right."""
    header = {**HEADER, **changes}
    header["__metadata__"] = {**HEADER["__metadata__"], **dict(metadata), "sha256": ""}
    digest = hashlib.sha256(with_header(header, content)).hexdigest()
    header["__metadata__"]["sha256"] = digest
    return with_header(header, content)


def entry(shape, begin, end, dtype="F64"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


FAULTS = {
    "empty": (b"", "not a file of fastnn2.save"),
    "text": (b"hello, world, this is no model", "not a file of fastnn2.save"),
    "a long header": ((1 << 40).to_bytes(8, "little") + WRITTEN[8:], "does not begin with a header"),
    "a cut header": (WRITTEN[:100], "does not begin with a header"),
    "no JSON": (with_header(b"{" + b"x" * 63), "does not begin with a header"),
    "deep JSON": (with_header(b'{"a":' * 5000 + b"}" * 5000), "it (does not begin with a|has no metadata)"),
    "an empty object": (with_header(b"{}" + b" " * 6), "no metadata of fastnn2"),
    "no metadata": (with_header({name: HEADER[name] for name in PARAMS}), "no metadata of fastnn2"),
    "another format": (signed(metadata={"format": "pt"}), "no format of fastnn2"),
    "a newer version": (signed(metadata={"version": "2"}), "it has a format of version 2, .*upgrade fastnn2"),
    "a version of text": (signed(metadata={"version": "new"}), "it has a format of version 'new'; expected 1"),
    "no version": (
        with_header({"__metadata__": {"format": "fastnn2 params"}}),
        "it has a format of version None; expected 1",
    ),
    "another dtype": (signed(metadata={"dtype": "float16"}), "says dtype 'float16', and its arrays have another"),
    "not that dtype": (signed(metadata={"dtype": "float32"}), "says dtype 'float32', and its arrays have another"),
    "more metadata": (signed(metadata={"more": "x"}), "its metadata is not as fastnn2.save writes it"),
    "metadata that is no text": (signed(metadata={"more": 1}), "no metadata of fastnn2"),
    "one more array": (
        signed(W3=entry([0, 1], 256, 256)),
        r"its parameters has the keys \['W1', 'W2', 'W3', 'b1', 'b2'\]",
    ),
    "spaces": (with_header(json.dumps(HEADER).encode()), "its header is not as fastnn2 writes it"),
    "overlapping arrays": (signed(W2=entry([2, 5], 0, 80)), "an array is not where its header says"),
    "a shape of b1": (signed(b1=entry([2**40, 1], 200, 200 + 2**43)), "an array is not where its header says"),
    "no W2": (with_header({name: value for name, value in HEADER.items() if name != "W2"}), "an array is not where"),
    "negative shape": (signed(W1=entry([-5, 3], 0, 120)), "an array is not where its header says"),
    "true as a number": (signed(W1=entry([True, 15], 0, 120)), "an array is not where its header says"),
    "other shapes": (signed(W1=entry([3, 5], 0, 120)), r"its parameters\['b1'\] has shape \(5, 1\); expected \(3, 1\)"),
    "three dimensions": (signed(W1=entry([5, 3, 1], 0, 120)), r"shape \(5, 3, 1\); expected two dimensions"),
    "cut": (WRITTEN[:-1], "an array is not where its header says"),
    "longer": (WRITTEN + b"\0", "it has 257 bytes of arrays; its header says 256"),
    "changed": (WRITTEN[:-1] + b"\1", "its SHA-256 is not that of its content"),
    "a digest of something else": (WRITTEN.replace(HEADER["__metadata__"]["sha256"].encode(), b"f" * 64), "SHA-256"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name, tmp_path):
    content, message = FAULTS[name]
    file = tmp_path / "params"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"cannot load {re.escape(repr(str(file)))}: .*{message}"):
        fastnn2.load(file)


def test_huge_shapes_take_no_memory(tmp_path):
    """d, h and o of a billion: the header is consistent, and the digest is right."""
    big, begin, entries = 10**9, 0, {}
    for name, shape in {"W1": [big, big], "W2": [big, big], "b1": [big, 1], "b2": [big, 1]}.items():
        entries[name] = entry(shape, begin, begin := begin + 8 * shape[0] * shape[1])
    (tmp_path / "params").write_bytes(signed(b"", **entries))
    with pytest.raises(ValueError, match="an array is not where its header says"):
        fastnn2.load(tmp_path / "params")


def test_every_byte_counts():
    """A bit of any byte changes; no file but the one that was written is read."""
    for place in range(len(WRITTEN)):
        changed = bytearray(WRITTEN)
        changed[place] ^= 1 << place % 8
        with pytest.raises(ValueError):
            params_file.from_bytes(bytes(changed))


def test_a_right_digest_with_other_numbers_is_another_model():
    loaded = params_file.from_bytes(signed(content=np.arange(32.0).tobytes()))
    np.testing.assert_array_equal(loaded["W1"], np.arange(15.0).reshape(5, 3))
    assert list(loaded) == ["W1", "b1", "W2", "b2"]
    assert loaded["W1"].flags.writeable
