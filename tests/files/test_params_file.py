"""Faults of files with parameters, each found before an array is made."""

import hashlib
import json
import re

import numpy as np
import pytest
from data import problem

import fastnn2
from fastnn2.files import params_file

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
    header["__metadata__"] = {**HEADER["__metadata__"], **dict(metadata), "sha256": "0" * 64}
    digest = hashlib.sha256(with_header(header, content)).hexdigest()
    header["__metadata__"]["sha256"] = digest
    return with_header(header, content)


def entry(shape, begin, end, dtype="F64"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


FAULTS = {
    "empty": (b"", "not a file of fastnn2.save"),
    "text": (b"hello, world, this is no model", "not a file of fastnn2.save"),
    "a long header": ((1 << 40).to_bytes(8, "little") + WRITTEN[8:], "its header should have 1099511627776 bytes"),
    "a cut header": (WRITTEN[:100], "its header should have"),
    "no JSON": (with_header(b"{" + b"x" * 63), "its header is not JSON"),
    "deep JSON": (with_header(b'{"a":' * 500 + b"}" * 500), "its header is not"),
    "a list": (with_header(b"{}" + b" " * 6), "no format of fastnn2"),
    "no metadata": (with_header({name: HEADER[name] for name in PARAMS}), "no format of fastnn2"),
    "a newer version": (signed(metadata={"version": "2"}), "version 2.*upgrade fastnn2"),
    "a version of text": (signed(metadata={"version": "new"}), "version 'new'; expected 1"),
    "no version": (with_header({"__metadata__": {"format": "fastnn2 params"}}), "version None; expected 1"),
    "another dtype": (signed(metadata={"dtype": "float16"}), "dtype 'float16'"),
    "more metadata": (signed(metadata={"more": "x"}), "its header is not as fastnn2.save writes it"),
    "one more array": (signed(W3=entry([1, 1], 0, 8)), "its header is not as fastnn2.save writes it"),
    "spaces": (with_header(json.dumps(HEADER).encode()), "its header is not as fastnn2.save writes it"),
    "overlapping arrays": (signed(b1=entry([5, 1], 0, 40)), "its header is not as fastnn2.save writes it"),
    "a shape of b1": (signed(b1=entry([2**40, 1], 120, 120 + 2**43)), "its header is not as fastnn2.save writes it"),
    "no W2": (with_header({name: value for name, value in HEADER.items() if name != "W2"}), "its W2 has shape None"),
    "negative shape": (signed(W1=entry([-5, 3], 0, 120)), r"its W1 has shape \[-5, 3\]; expected two numbers above 0"),
    "true as a number": (signed(W1=entry([True, 3], 0, 120)), "its W1 has shape"),
    "three dimensions": (signed(W1=entry([5, 3, 1], 0, 120)), "its W1 has shape"),
    "cut": (WRITTEN[:-1], "bytes of numbers; its shapes need"),
    "longer": (WRITTEN + b"\0", "bytes of numbers; its shapes need"),
    "changed": (WRITTEN[:-1] + b"\1", "another SHA-256 digest"),
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
    header = params_file._header("0", "float64", (10**9, 10**9, 10**9), "0" * 64)
    digest = hashlib.sha256(header).hexdigest()
    (tmp_path / "params").write_bytes(params_file._header("0", "float64", (10**9, 10**9, 10**9), digest))
    with pytest.raises(ValueError, match="it has 0 bytes of numbers; its shapes need 160000000160000"):
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
