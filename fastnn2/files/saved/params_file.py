"""Dicts of parameters in files, in the format of :mod:`fastnn2.storage.tensors`, which all of safetensors read."""

import re
from typing import Any

import numpy as np

from fastnn2._version import __version__
from fastnn2.engine.layout import PARAM_NAMES
from fastnn2.exceptions import Params
from fastnn2.files.saved.versions import check_version
from fastnn2.functional.checks import as_params
from fastnn2.storage import tensors

FORMAT, VERSION = "fastnn2 params", 1
DTYPES = ("float32", "float64")


def to_bytes(params: Any) -> bytes:
    """Return the file of a dict of parameters.

    Raises
    ------
    TypeError, ValueError
        They are not the parameters of a network, or not all float32 or all float64.
    """
    arrays, _, _, _ = as_params(params)
    dtypes = {key: array.dtype.newbyteorder("=") for key, array in arrays.items()}
    names = {dtype.name for dtype in dtypes.values()}
    if len(names) > 1 or not names <= set(DTYPES):
        found = ", ".join(f"{key} has {dtype}" for key, dtype in dtypes.items())
        raise ValueError(
            f"params[...]: {found}; expected float64 for all four, or float32 for all. Convert them first, for example "
            "{key: array.astype(float) for key, array in params.items()}"
        )
    metadata = {"format": FORMAT, "version": str(VERSION), "fastnn2": __version__, "dtype": names.pop()}
    return b"".join(tensors.encode(metadata, arrays))


def from_bytes(data: bytes) -> Params:
    """Return the parameters in a file.

    Raises
    ------
    ValueError
        The file is not as :func:`to_bytes` wrote it.
    """
    try:
        metadata, arrays = tensors.decode(data, _check_metadata)
    except ValueError as fault:
        raise ValueError(f"it {fault}") from None
    if metadata.keys() != {"format", "version", "fastnn2", "dtype"}:
        raise ValueError("its metadata is not as fastnn2.save writes it")
    params, _, _, _ = as_params(arrays, "its parameters")
    dtype = metadata["dtype"]
    if dtype not in DTYPES or any(array.dtype != dtype for array in params.values()):
        raise ValueError(f"its metadata says dtype {dtype!r}, and its arrays have another one")
    return {key: params[key].astype(np.dtype(dtype)) for key in PARAM_NAMES}  # copies


def _check_metadata(metadata: dict[str, str]) -> None:
    if metadata.get("format") != FORMAT:
        raise ValueError("is not a file of fastnn2.save: its metadata has no format of fastnn2")
    version = metadata.get("version")  # safetensors has texts only
    try:
        check_version(int(version) if version and re.fullmatch("[0-9]{1,9}", version) else version, VERSION)
    except ValueError as fault:
        raise ValueError(str(fault).removeprefix("it ")) from None
