"""Ways to change a table in a file: its bytes, its lines and values, its encoding, and the types of its columns.

`mutated_tables.py` uses them. A way is a function of a source of random numbers and of what it changes.
"""

import datetime
import functools
import gzip
import io
import struct
import zlib

import mutations
import numpy as np

ROWS = 40
SHARE_OF_BYTES = 0.4  # of the mutations, those that know nothing of the format
COMPRESSIONS = ("zstd", "snappy", "uncompressed", "gzip", "lz4")
# Pieces of text that a program may write into a value or between two, or that readers take in different ways.
PIECES = (
    '"', '""', '"""', ",", ",,,", ";", "\t", "|", "\n", "\n\n", "\r", "\r\n", "\0", "\ufeff", " ", "NA", "nan", "inf",
    "-Infinity", "1e999", "-1e400", "1e308", "5e-324", "9" * 400, "0x1F", "1_000", "1,000", "1.000,5", "½", "٣", "٣.٥",
    "\u2028", "\x1b[31m", "\x85", "\x0c", "#", "'", "\\", "true", "2024-02-30", "0000-00-00", "99999-01-01",
    "9999-12-31T23:59:60Z", "-", "None", "=1+1", "a" * 100_000, "é☃😀", "\u202e", "col0", "kind",
)  # fmt: skip
RAW_PIECES = (
    b"\xff",
    b"\xe9",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\x80",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
)
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp037", "utf-7")


def good_frame(rows=ROWS):
    """Return a polars frame with all kinds of columns, and missing values."""
    import polars

    source = np.random.default_rng(1)
    numbers = [None if k % 9 == 4 else float(x) for k, x in enumerate(source.standard_normal(rows).round(3))]
    days = [None if k == 5 else datetime.date(2024, 1, 1) + datetime.timedelta(7 * k) for k in range(rows)]
    return polars.DataFrame(
        {
            "size": numbers,
            "count": source.integers(0, 99, rows),
            "colour": [("red", "blue", 'light "sky", blue', None, "é")[k % 5] for k in range(rows)],
            "new": [(True, False, None)[k % 3] for k in range(rows)],
            "day": days,
            "time": [datetime.datetime(2024, 5, 1, k % 24, k) for k in range(rows)],
            "kind": ["ab"[k % 2] for k in range(rows)],
        }
    )


def written(frame, name, compression="zstd"):
    """Return the bytes of a file with a frame, in the format of its name."""
    file = io.BytesIO()
    if name.endswith(".parquet"):
        frame.write_parquet(file, compression=compression, row_group_size=16)
    elif name.endswith(".npz"):
        arrays = {one: frame[one].to_numpy() for one in frame.columns if not frame[one].dtype.is_nested()}
        np.savez(file, **{one: array.astype(str) if array.dtype == object else array for one, array in arrays.items()})
    elif name.endswith(".arrow"):
        getattr(frame, "write_ipc_stream" if "stream" in name else "write_ipc")(file)
    else:
        frame.write_csv(file, separator="\t" if ".tsv" in name else ",")
    return gzip.compress(file.getvalue()) if name.endswith(".gz") else file.getvalue()


@functools.cache
def good_tables():
    """Return name -> bytes of a good file; half of them are text and half Parquet, a few of other formats."""
    frame = good_frame()
    names = ["a.csv", "a.parquet", "b.csv", "b.parquet", "c.csv", "c.parquet", "a.csv.gz", "d.parquet", "a.tsv",
             "e.parquet", "a.arrow", "a.npz", "stream.arrow"]  # fmt: skip
    return {name: written(frame, name, COMPRESSIONS[k // 2 % 5]) for k, name in enumerate(names)}


def change(source, name, data):
    """Return the way in which a file is changed, and its bytes."""
    if source.random() < SHARE_OF_BYTES:
        way = source.choice(mutations.BYTES)
        return way.__name__, way(source, data)
    if name.endswith(".gz"):
        return _change_gzip(source, data)
    if name.endswith((".csv", ".tsv")):
        return _change_text(source, data)
    if source.random() < 0.5:
        if name.endswith(".parquet"):
            return _change_footer(source, data)
        if name.endswith(".npz"):
            return _change_arrays(source)
    frame_way = source.choice(FRAMES)
    frame = frame_way(source, good_frame())
    try:
        return frame_way.__name__, written(frame, name)
    except Exception:  # the format has no such values
        return "flip_bits", mutations.flip_bits(source, data)


# Text


def insert_piece(source, data):
    piece = source.choice(PIECES).encode() if source.random() < 0.8 else source.choice(RAW_PIECES)
    place = source.randrange(len(data) + 1)
    return data[:place] + piece + data[place:]


def replace_value(source, data):
    """Write something else in place of a value, in quotes or not."""
    lines = data.split(b"\n")
    row = source.randrange(len(lines))
    values = lines[row].split(b",")
    piece = source.choice(PIECES)
    quoted = '"' + piece.replace('"', '""') + '"'
    values[source.randrange(len(values))] = source.choice((piece, quoted)).encode()
    lines[row] = b",".join(values)
    return b"\n".join(lines)


def replace_column(source, data):
    """Write something else in place of the values of a column, in all or many rows."""
    lines = [line.split(b",") for line in data.split(b"\n")]
    place, share = source.randrange(7), source.choice((0.1, 0.5, 1.0))
    pieces = source.sample(PIECES, source.choice((1, 1, 2, 5)))
    for line in lines[source.choice((0, 1, 1, 1)) :]:
        if place < len(line) and source.random() < share:
            line[place] = source.choice(pieces).encode()
    return b"\n".join(b",".join(line) for line in lines)


def drop_value(source, data):
    lines = data.split(b"\n")
    row = source.randrange(len(lines))
    values = lines[row].split(b",")
    del values[source.randrange(len(values))]
    lines[row] = b",".join(values)
    return b"\n".join(lines)


def change_lines(source, data):
    """Exchange, double or remove lines, or write blank ones."""
    lines = data.split(b"\n")
    first, second = source.randrange(len(lines)), source.randrange(len(lines))
    way = source.randrange(6)
    if way == 0:
        lines[first], lines[second] = lines[second], lines[first]
    elif way == 1:
        lines.insert(first, lines[second])
    elif way == 2:
        del lines[first]
    elif way == 3:
        del lines[min(first, second) : max(first, second)]
    elif way == 4:
        lines.insert(first, source.choice((b"", b" ", b"\t", b",", b",,,,,,", b"# a comment", b"\r", b'""')))
    else:
        lines = lines[: source.choice((1, 2, 5, 11))]
    return b"\n".join(lines)


def change_header(source, data):
    lines = data.split(b"\n")
    names = lines[0].split(b",")
    place = source.randrange(len(names))
    names[place] = source.choice(
        (b"", b" ", names[place - 1], b"1", b'"', b"\xff", b"kind", b"Unnamed: 0", b"*", b"^.*$")
    )
    lines[0] = b",".join(names)
    return b"\n".join(lines)


def change_separator(source, data):
    return data.replace(
        b",", source.choice((b";", b"\t", b"|", b" ", b", ", b",,", b":", b"\0")), source.choice((-1, 1, 9))
    )


def change_line_ends(source, data):
    return data.replace(
        b"\n", source.choice((b"\r\n", b"\r", b"\n\r", b"\n\n", b" ", b"\x85")), source.choice((-1, -1, 1))
    )


def change_encoding(source, data):
    return data.decode("utf-8", "replace").encode(source.choice(ENCODINGS), "replace")


def lengthen(source, data):
    """Repeat the rows, or write a very long one or very many values."""
    header, _, rows = data.partition(b"\n")
    way = source.randrange(4)
    if way == 0:
        return header + b"\n" + rows * 200
    if way == 1:
        return header + b"\n" + rows + source.choice((b",", b'"', b"1,", b"x")) * 2_000_000
    if way == 2:
        many = b"".join(b",n%d" % k for k in range(500))
        return b"\n".join(line + (many if k == 0 else b",1" * 500) for k, line in enumerate(data.rstrip().split(b"\n")))
    return source.choice((b"\n", b"\r\n", b" \n", b",\n")) * 1000 + data


TEXTS = (
    insert_piece, insert_piece, insert_piece, replace_value, replace_value, replace_value, replace_column,
    replace_column, drop_value, change_lines, change_lines, change_header, change_separator, change_line_ends,
    change_encoding, lengthen,
)  # fmt: skip


def _change_text(source, data):
    names = []
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        way = source.choice(TEXTS)
        data = way(source, data)
        names.append(way.__name__)
        if not data:
            break
    return " ".join(names), data


def _change_gzip(source, data):
    text = gzip.decompress(data)
    way = source.choice(("text", "text", "text", "two members", "more", "checksum", "bomb", "raw"))
    if way == "text":
        name, text = _change_text(source, text)
        return name, gzip.compress(text)
    if way == "two members":
        half = source.randrange(len(text))
        return way, gzip.compress(text[:half]) + gzip.compress(text[half:])
    if way == "more":
        return way, data + source.choice((b"\0" * 99, b"x", text, b"\x1f\x8b"))
    if way == "checksum":
        return way, data[:-8] + struct.pack("<II", zlib.crc32(text) ^ 1, len(text))
    if way == "bomb":
        return way, gzip.compress(text + source.choice((b"\n", b"x", b'"')) * (100 << 20), 1)
    return way, source.choice((text, zlib.compress(text), data[10:]))


# Types


def change_type(source, frame):
    """Convert a column to another type, or to one that no model takes."""
    import polars

    name = source.choice(frame.columns)
    values = [str(value) for value in frame[name]]
    column = source.choice(
        (
            lambda: polars.Series(name, values),
            lambda: polars.Series(name, values, polars.Categorical),
            lambda: polars.Series(name, [[1.0, 2.0]] * len(values)),
            lambda: polars.Series(name, [[1, 2]] * len(values), polars.Array(polars.Int8, 2)),
            lambda: polars.Series(name, [{"a": 1, "b": "x"}] * len(values)),
            lambda: polars.Series(name, [value.encode() for value in values]),
            lambda: polars.Series(name, [None] * len(values)),
            lambda: polars.Series(name, range(len(values))).cast(source.choice(_number_types())),
            lambda: polars.Series(name, [datetime.time(k % 24) for k in range(len(values))]),
            lambda: polars.Series(name, [datetime.timedelta(k) for k in range(len(values))]),
            lambda: polars.Series(name, range(len(values)), polars.Int64).cast(polars.Datetime("ns", "Asia/Tokyo")),
            lambda: polars.Series(name, range(len(values))) % 2 == 0,
            lambda: polars.Series(name, [f"{k}" for k in range(len(values))]),
            lambda: polars.Series(name, ["x" * 100_000] * len(values)),
        )
    )()
    return frame.with_columns(column)


def _number_types():
    """Return types of numbers that differ from those of text files, as far as this polars has them."""
    import polars

    names = ("Int8", "UInt64", "Int128", "Float32", "Float16")
    return [polars.Decimal(9, 2), *(getattr(polars, name) for name in names if hasattr(polars, name))]


def change_values(source, frame):
    """Write values at the ends of what a type has into some rows of a column of numbers or dates."""
    import polars

    far = {
        "size": (float("inf"), float("-inf"), float("nan"), 1.7e308, -1.7e308, 5e-324, None),
        "count": (2**63 - 1, -(2**63), 0, None),
        "colour": ("", "\0", "x" * 100_000, "\n", "\x1b[0m", None, "é☃😀", "\u202e"),
        "new": (True, None),
        "day": (-(2**31), 2**31 - 1, 0, None, 10**6),
        "time": (-(2**63), 2**63 - 1, 0, None, 10**17),
        "kind": ("", None, "c", "a", "\n\x1b[31m", " ", "x" * 10_000),
    }
    name = source.choice(frame.columns)
    dtype = frame[name].dtype
    stored = {polars.Date: polars.Int32, polars.Datetime("us"): polars.Int64}.get(dtype, dtype)
    values = frame[name].to_physical().to_list()
    far_value, share = source.choice(far[name]), source.choice((0.03, 0.5, 1.0))
    values = [far_value if source.random() < share else value for value in values]
    return frame.with_columns(polars.Series(name, values, stored).cast(dtype))


def change_names(source, frame):
    name = source.choice(frame.columns)
    new = source.choice(("", " ", "size ", "*", "^.*$", "__index_level_0__", "x" * 5000, "\n", "\0", "é", "Unnamed: 0"))
    return frame.rename({name: new}) if new not in frame.columns else frame


def change_shape(source, frame):
    """Take some rows or columns, in another order, or many more."""
    import polars

    columns = source.sample(frame.columns, source.randrange(len(frame.columns) + 1))
    return source.choice(
        (
            lambda: frame.head(source.choice((0, 1, 2, 9, 10, 11, 17))),
            lambda: frame.select(columns),
            lambda: polars.concat([frame] * 100),
            lambda: frame.select(reversed(frame.columns)),
            lambda: frame.with_row_index(source.choice(("", "Unnamed: 0", "index"))),
            lambda: frame.with_columns(polars.lit(1.0).alias(f"n{k}") for k in range(300)),
            lambda: frame.clear(),
        )
    )()


FRAMES = (change_type, change_type, change_values, change_values, change_names, change_shape)


# Parquet and .npz


def _change_footer(source, data):
    """Change the bytes that describe the columns, or a page of values, and nothing else."""
    size = int.from_bytes(data[-8:-4], "little")
    begin = len(data) - 8 - size
    if source.random() < 0.6:
        footer = source.choice(mutations.BYTES)(source, data[begin:-8])
        length = len(footer) if source.random() < 0.8 else source.choice((0, 1, size, 2**31, 2**32 - 1))
        return "footer", data[:begin] + footer + struct.pack("<I", length) + b"PAR1"
    pages = source.choice((mutations.flip_bits, mutations.set_bytes, mutations.clear, mutations.exchange))
    return "pages", b"PAR1" + pages(source, data[4:begin])[: begin - 4] + data[begin:]


def _change_arrays(source):
    import zipfile

    file = io.BytesIO(good_tables()["a.npz"])
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    way = source.choice(("npy", "rename", "zipped", "doubled", "bytes"))
    name = source.choice(list(members))
    if way == "npy":
        members[name] = mutations.npy(source)
    elif way == "bytes":
        members[name] = mutations.mutated_content(source, members[name])
    elif way == "rename":
        members = mutations.rename_member(source, members)
    if way == "doubled":
        return way, mutations.doubled(source, members)
    return way, mutations.zipped(source, members)
