"""Ways to change a file: its bytes, its JSON, its members, and what a stranger would write with a digest that is right.

`mutated_files.py` uses them. A way is a function of a source of random numbers and of what it changes.
"""

import io
import json
import struct
import warnings
import zipfile

HOSTILE_VALUES = (
    0, -1, 1, 2, 3, 7, 255, 625, 2**31, 2**32 - 1, 2**62, 2**63, 2**64, -(2**63), 10**30, 1.5, -0.0, 1e308,
    float("inf"), float("nan"), True, False, None, "", "x", "..", "../../etc/passwd", "/etc/passwd", "C:\\x",
    "a" * 5000, "\0", "é☃😀", "null", "[]", "{}", "[" * 900, "1" * 5000, "1e999", "os", "system", "builtins", "eval",
    "exec", "object", "numpy.load", "F16", "BF16", "I64", "F64", "F32", "O", "V8", "|O", "<f4", "2", "999", [],
    {}, [[]], [0], [-1, 5], [2**40, 2**40], [0, 2**60], {"a": 1}, [1] * 2000,
)  # fmt: skip


def deep(depth, opening="[", closing="]"):
    """Return JSON of lists in lists."""
    return opening * depth + closing * depth


# Bytes


def flip_bits(source, data):
    changed = bytearray(data)
    for _ in range(source.choice((1, 1, 1, 2, 8))):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def set_bytes(source, data):
    changed = bytearray(data)
    for _ in range(source.choice((1, 2, 4, 16))):
        changed[source.randrange(len(changed))] = source.randrange(256)
    return bytes(changed)


def cut_end(source, data):
    return data[: source.choice((0, 1, 7, 8, 9, 22, len(data) - 1, len(data) - 22, source.randrange(len(data))))]


def cut_start(source, data):
    return data[source.randrange(1, len(data)) :]


def cut_within(source, data):
    first, last = _span(source, data)
    return data[:first] + data[last:]


def insert(source, data):
    place = source.choice((0, len(data), source.randrange(len(data))))
    return data[:place] + source.randbytes(source.choice((1, 4, 8, 22, 300))) + data[place:]


def repeat(source, data):
    first, last = _span(source, data)
    return data[:last] + data[first:last] + data[last:]


def clear(source, data):
    first, last = _span(source, data)
    return data[:first] + source.choice((b"\0", b"\xff", b" ")) * (last - first) + data[last:]


def exchange(source, data):
    first, last = _span(source, data)
    other = source.randrange(len(data))
    return data[:first] + data[other : other + last - first] + data[last:]


def wrong_length(source, data):
    """Write a number of 2, 4 or 8 bytes over one that may be a size, an offset or a checksum."""
    number = source.choice(
        (0, 1, 4, 8, 255, 4096, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, len(data))
    )
    size = source.choice((2, 4, 8))
    place = source.choice((0, 0, 18, 22, 26, len(data) - 22, len(data) - 12, source.randrange(len(data))))
    place = max(0, min(place, len(data) - size))
    return data[:place] + struct.pack("<Q", number)[:size] + data[place + size :]


def change_digit(source, data):
    """Change numbers in texts: shapes, offsets, dtypes, versions."""
    digits = [place for place, byte in enumerate(data[:100_000]) if byte in b"0123456789"]
    changed = bytearray(data)
    for _ in range(source.choice((1, 1, 3))):
        if digits:
            changed[source.choice(digits)] = source.choice(b"0123456789")
    return bytes(changed)


def noise(source, data):
    return source.choice((data[:8], data[:30], b"")) + source.randbytes(source.randrange(2000))


def _span(source, data):
    first = source.randrange(len(data))
    return first, min(len(data), first + source.choice((1, 4, 22, 64, 1000, len(data))))


BYTES = (
    flip_bits, flip_bits, set_bytes, cut_end, cut_start, cut_within, insert, repeat, clear, exchange, wrong_length,
    wrong_length, change_digit, noise,
)  # fmt: skip


# JSON


def places_in(value):
    """Return (container, key) of everything in a JSON value."""
    places, waiting = [], [value]
    while waiting:
        container = waiting.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        for key in keys:
            places.append((container, key))
            if isinstance(container[key], dict | list):
                waiting.append(container[key])
    return places


def change_json(source, value, hostile=HOSTILE_VALUES):
    """Change a JSON value in place: other values, keys, missing, doubled and exchanged parts."""
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        places = places_in(value)
        if not places:
            return
        container, key = source.choice(places)
        way = source.randrange(8)
        if way < 4:
            container[key] = json.loads(json.dumps(source.choice(hostile)))
        elif way == 4:
            del container[key]
        elif way == 5 and isinstance(container, dict):
            container[source.choice(("x", "", "../x", "__class__", "__metadata__", "W9"))] = container.pop(key)
        elif way == 5:
            container.insert(key, json.loads(json.dumps(container[key])))
        else:
            other, place = source.choice(places)
            if other is not container or place != key:
                container[key] = json.loads(json.dumps(other[place]))


def change_text(source, text):
    """Change the text of JSON: what two readers may read in two ways, or what takes time or memory."""
    ways = (
        lambda: text.replace(b":", b" : ", 1),
        lambda: text.replace(b"{", b'{"x":1,"x":2,', 1),
        lambda: text + b" ",
        lambda: b"\xef\xbb\xbf" + text,
        lambda: text.decode().encode("utf-16"),
        lambda: deep(source.choice((50, 1000, 100_000))).encode(),
        lambda: deep(source.choice((50, 1000, 20_000)), '{"a":', "").encode(),
        lambda: text[:-1] + b',"deep":' + deep(5000).encode() + b"}",
        lambda: text[:-1] + b',"many":[' + b"[]," * source.choice((100, 300_000)) + b"0]}",
        lambda: text[:-1] + b',"many":[' + b'{"a":1},' * 300_000 + b"0]}",
        lambda: text[:-1] + b',"long":"' + b"\\u2603" * source.choice((10, 400_000)) + b'"}',
        lambda: text[:-1] + b',"number":' + b"9" * source.choice((400, 5000, 500_000)) + b"}",
        lambda: text[:-1] + b',"number":1e999}',
        lambda: text.replace(b"1", b"NaN", 1),
        lambda: text.replace(b"a", b"\\u0061", 1),
        lambda: text.replace(b"a", b"\xff", 1),
        lambda: b"null",
        lambda: b"[]",
        lambda: b"{}",
        lambda: b"7",
        lambda: b"",
    )
    return source.choice(ways)()


# Zip files


def zipped(source, members):
    """Return members as another program writes them, or as one does that wants to do harm."""
    method = source.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        if source.random() < 0.2:
            file.comment = source.randbytes(30)
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def doubled(source, members):
    """Return members of which one is there twice, with two contents."""
    buffer = io.BytesIO()
    twice = source.choice(list(members))
    with zipfile.ZipFile(buffer, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is there twice
        for name, content in [*members.items(), (twice, mutated_content(source, members[twice]))]:
            info = zipfile.ZipInfo(name)
            info.create_system = 0
            file.writestr(info, content)
    return buffer.getvalue()


def mutated_content(source, content):
    return source.choice(BYTES)(source, content) or b"x"


def bomb(members, megabytes=400):
    """Return a zip with a member that is a thousand times as large as the file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            if name.endswith("1.npy"):
                with file.open(name, "w") as member:
                    member.write(content)
                    for _ in range(megabytes):
                        member.write(bytes(1 << 20))
            else:
                file.writestr(name, content)
    return buffer.getvalue()


def rename_member(source, members):
    """Return members of which one has a hostile name."""
    name = source.choice(list(members))
    new = source.choice(
        ("../evil.npy", "/tmp/evil.npy", "a/../../b.npy", "..\\evil.npy", "1.npy\0.txt", "C:evil.npy", "", ".",
         "schema.JSON", "PK\5\6" + "\0" * 18, "1.NPY", "0.npy", "1234567.npy", "é.npy", "con.npy", "x" * 300,
         name + "/", "evil.pkl")
    )  # fmt: skip
    return {(new if old == name else old): content for old, content in members.items()}


def npy(source):
    """Return a hostile file of an array."""
    descr = source.choice(
        ("'<f8'", "'|O'", "'O'", "'<U0'", "'<f3'", "'<f99'", "'|V8'", "[('a', '<f8')]", "'<M8[ns]'", "'<U1000000000'",
         "'>f8'", "'<f4'", "'<u4'", "'<i8'", "'|S0'", "__import__('os').system('x')", "'" + "a" * 500 + "'", "'<c16'")
    )  # fmt: skip
    shape = source.choice(
        ("()", "(1,)", "(624,)", "(1000000000000,)", "(4294967296, 4294967296)", "(-1,)", "(0,)",
         "(0, 99999999999)", "(3, 5)", "(" * 90 + ")" * 90, "(1,) * 10**9", "5", "(1.0,)", "(True,)",
         "(" + "1, " * 200 + ")", "(9" + "9" * 400 + ",)")
    )  # fmt: skip
    header = f"{{'descr': {descr}, 'fortran_order': {source.choice(('False', 'True', '0'))}, 'shape': {shape}, }}"
    header += " " * source.choice((0, 40, 100_000)) + "\n"
    version = source.choice((b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\x09\0"))
    length = struct.pack("<H" if version[0] == 1 else "<L", len(header) & 0xFFFF)
    start = source.choice((b"\x93NUMPY", b"\x93NUMPY", b"\x80\4\x95", b"PK\3\4"))
    return start + version + length + header.encode() + bytes(source.choice((0, 1, 8, 120, 2496)))
