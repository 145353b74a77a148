"""The forms in which a caller may give an array: memory orders, strides, kinds of objects, number types."""

import tempfile

import numpy as np
import pandas

KINDS = ("float64", "float32", "float16", "longdouble", ">f8", ">f4", ">i4", "int8", "int64", "uint16", "bool")


def unaligned(array):
    memory = np.zeros(array.nbytes + 1, dtype=np.uint8)[1:]
    result = memory.view(array.dtype).reshape(array.shape)
    result[...] = array
    assert not result.flags.aligned or array.itemsize == 1
    return result


def read_only(array):
    result = array.copy()
    result.flags.writeable = False
    return result


def memory_map(array):
    with tempfile.TemporaryFile() as file:
        result = np.memmap(file, dtype=array.dtype, mode="w+", shape=array.shape)
    result[...] = array
    return result


FORMS = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "strided rows": lambda a: np.repeat(a, 3, axis=0)[::3],
    "backwards": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "rows backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "read-only": read_only,
    "unaligned": unaligned,
    "memory map": memory_map,
    "list": lambda a: a.tolist(),
    "frame": lambda a: pandas.DataFrame(a) if a.ndim == 2 else pandas.Series(a),
}
