"""Estimators and Pipelines in files of skops' format: a zip of arrays and of a schema, without pickles.

A member of its own says what the file is, with a digest of everything in it. Arrays and schema are checked before skops
makes objects of them.
"""

import hashlib
import json
import reprlib
import struct
from typing import Any

import numpy as np
import sklearn

from fastnn2._version import __version__
from fastnn2.files.saved import plain_zip
from fastnn2.files.saved.array_header import read_header
from fastnn2.files.saved.network_state import check_network, dtype_of, from_stored, saved_network_in, to_stored
from fastnn2.files.saved.plain_zip import INFO, SCHEMA
from fastnn2.files.saved.skops_schema import TRUSTED, check_schema, normalized, read_schema, refused_names
from fastnn2.files.saved.versions import check_version

FORMAT, VERSION = "fastnn2 estimator", 1
_FIELDS = ("class", "dtype", "fastnn2", "format", "numpy", "scikit-learn", "sha256", "skops", "version")
MOST_INFO = 4096  # bytes; ours have 300


def _skops(caller: str) -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(f"{caller} needs skops for estimators: pip install 'fastnn2[files]'") from error
    return skops


def to_bytes(model: Any) -> bytes:
    """Return the file of an estimator or a Pipeline, fitted or not.

    Raises
    ------
    TypeError
        It is another model.
    ValueError
        It has something that a file may not have.
    """
    stored = to_stored(model)
    network = saved_network_in(stored)
    skops = _skops("fastnn2.save")
    if getattr(network, "_skl_callbacks", None):
        names = ", ".join(type(callback).__name__ for callback in network._skl_callbacks)
        raise ValueError(f"it has the callbacks {names}, which files do not keep; remove them: model.set_callbacks()")
    if getattr(network, "_resumes_from", None):
        raise ValueError(f"its next fit goes on from the checkpoint {network._resumes_from!r}; fit it first")
    try:
        dumped = skops.io.dumps(stored)
        untrusted = set(skops.io.get_untrusted_types(data=dumped)) - set(TRUSTED)
    except (MemoryError, Warning):
        raise
    except Exception as error:  # objects of all kinds are asked for their state
        raise ValueError(f"skops cannot write it ({type(error).__name__}: {error})") from error
    old = plain_zip.members_of(dumped)
    schema = json.loads(old[SCHEMA])
    refused = sorted(untrusted | refused_names(schema))
    if refused:
        raise ValueError(
            f"it has {', '.join(refused)}: fastnn2.load would not read that, as a file must not name a function, or a "
            "class that is not known to be safe"
        )
    text, files = normalized(schema)
    members = {SCHEMA: text, **{new: old[name] for name, new in files.items()}}
    info = {
        "class": type(model).__name__, "dtype": dtype_of(network), "format": FORMAT,
        "version": VERSION, "fastnn2": __version__, "scikit-learn": sklearn.__version__, "skops": skops.__version__,
        "numpy": np.__version__,
    }  # fmt: skip
    info["sha256"] = _digest(info, members)
    return plain_zip.pack({INFO: _as_json(info), **members})


def _as_json(info: dict[str, Any]) -> bytes:
    return json.dumps(info, sort_keys=True, separators=(",", ":")).encode("ascii")


def _digest(info: dict[str, Any], members: Any) -> str:
    """Return the SHA-256 of what the file says of itself, and of the name, size and content of each other member."""
    state = hashlib.sha256(_as_json({name: value for name, value in info.items() if name != "sha256"}))
    for name, content in members.items():
        if name != INFO:
            state.update(name.encode("ascii") + b"\0" + struct.pack("<Q", len(content)))
            state.update(content)
    return state.hexdigest()


def from_bytes(data: bytes) -> Any:
    """Return the estimator or Pipeline in a file.

    Raises
    ------
    ValueError
        The file is not as :func:`to_bytes` wrote it.
    """
    skops = _skops("fastnn2.load")
    check_version(_peek(data).get("version", VERSION), VERSION)  # a later format may look different from here on
    members = plain_zip.unpack(data)
    info = _read_info(members)
    headers = {name: read_header(name, content) for name, content in members.items() if name.endswith(".npy")}
    check_schema(read_schema(bytes(members[SCHEMA])), headers)
    try:
        model = skops.io.loads(data, trusted=list(TRUSTED))
    except (MemoryError, Warning):
        raise
    except Exception as error:  # objects of all kinds get their state from a file that anybody may have written
        raise ValueError(f"skops cannot read it ({type(error).__name__}: {error}){_versions(info, skops)}") from error
    try:
        network = saved_network_in(model)
        from_stored(model)
        check_network(network)
        if (info["class"], info["dtype"]) != (type(model).__name__, dtype_of(network)):
            raise ValueError(f"it says that it has a {reprlib.repr(info['class'])} of {reprlib.repr(info['dtype'])}")
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"its model is not complete ({type(error).__name__}: {error})") from error
    return model


def _peek(data: bytes) -> dict[str, Any]:
    """Return what a file says of itself, nothing checked; an empty dict if it is no file of this kind."""
    length = int.from_bytes(data[22:26], "little")
    start = plain_zip.LOCAL_SIZE + len(INFO)
    if data[plain_zip.LOCAL_SIZE : start] != INFO.encode() or length > MOST_INFO:
        raise ValueError(f"it does not begin with {INFO}: it is not a file of fastnn2.save")
    try:
        info = json.loads(data[start : start + length].decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its {INFO} is not JSON ({error})") from error
    return info if isinstance(info, dict) else {}


def _read_info(members: dict[str, memoryview]) -> dict[str, Any]:
    """Return what a file says of itself, checked, as is the digest of all that it has."""
    info: dict[str, Any] = json.loads(bytes(members[INFO]))
    is_ours = isinstance(info, dict) and tuple(sorted(info)) == _FIELDS and info["format"] == FORMAT
    if not is_ours or _as_json(info) != bytes(members[INFO]):
        raise ValueError(f"its {INFO} is not as fastnn2.save writes it")
    if _digest(info, members) != info["sha256"]:
        raise ValueError(f"its content has another SHA-256 digest than its {INFO} says")
    if SCHEMA not in members:
        raise ValueError(f"it has no {SCHEMA}")
    return info


def _versions(info: dict[str, Any], skops: Any) -> str:
    """Return which other versions of libraries wrote the file, in words."""
    here = {"scikit-learn": sklearn.__version__, "skops": skops.__version__, "numpy": np.__version__}
    others = [
        f"{name} {reprlib.repr(info[name])}, here {version}" for name, version in here.items() if info[name] != version
    ]
    return f". It was written with {'; '.join(others)}" if others else ""
