"""The check of a sparse X or y, before compiled code follows its indices.

SciPy checks the index arrays of a matrix only in part when it makes the matrix, and not at all when they change later.
The compiled code of SciPy, scikit-learn and fastnn2 trusts them: one index out of range crashes the process. So this
check comes before any of them reads the matrix.
"""

from typing import Any, NoReturn

import numpy as np
from scipy.sparse import issparse

Array = np.ndarray[Any, Any]


def checked(matrix: Any, name: str) -> Any:
    """Return X or y if it is safe to read, else raise ValueError.

    Parameters
    ----------
    matrix : array_like or sparse
        Anything but a sparse matrix of SciPy with two dimensions is returned as it is.
    name : str
        "X" or "y", for the error message.

    Returns
    -------
    array_like or sparse
        The same object; DIA, DOK and LIL become CSR, as only the conversion shows their indices.
    """
    if not issparse(matrix) or matrix.ndim != 2:
        return matrix
    subject = f"{name} is a {type(matrix).__name__} of shape {matrix.shape}"
    if matrix.format == "coo":
        _check_coordinates(matrix, subject)
        return matrix
    # The conversions of LIL and DIA trust the lengths of their arrays, so these are checked before; the range of the
    # indices is checked in the result.
    if matrix.format == "lil":
        _check_lists(matrix, subject)
        matrix = matrix.tocsr()
    elif matrix.format == "dia":
        _check_diagonals(matrix, subject)
        matrix = matrix.tocsr()
    elif matrix.format == "dok":
        matrix = matrix.tocsr()
    _check_compressed(matrix, subject)
    return matrix


def _check_compressed(matrix: Any, subject: str) -> None:
    """Check CSR, CSC or BSR."""
    (rows, columns), row, column = matrix.shape, "row", "column"
    if matrix.format == "bsr":
        height, width = matrix.data.shape[1:] if matrix.data.ndim == 3 else (0, 0)
        if not height or not width or rows % height or columns % width:
            _refuse(subject, f"data of shape {matrix.data.shape}", "blocks that tile the matrix")
        rows, columns, row, column = rows // height, columns // width, "block row", "block column"
    elif matrix.data.ndim != 1:
        _refuse(subject, f"data of {matrix.data.ndim} dimensions", "1")
    if matrix.format == "csc":
        rows, columns, row, column = columns, rows, column, row
    indptr, indices = _integers(matrix, subject, "indptr"), _integers(matrix, subject, "indices")
    if len(indptr) != rows + 1:
        _refuse(subject, f"{len(indptr)} numbers in indptr", f"{rows + 1}, one more than there are {row}s")
    if indptr[0] != 0:
        _refuse(subject, f"indptr[0] = {indptr[0]}", "0")
    falls = indptr[1:] < indptr[:-1]
    if falls.any():
        i = int(falls.argmax())
        found = f"indptr[{i}] = {indptr[i]} and indptr[{i + 1}] = {indptr[i + 1]}"
        _refuse(subject, found, "numbers that never decrease")
    count = int(indptr[-1])
    for attribute, length in (("indices", len(indices)), ("data", len(matrix.data))):
        if length < count:
            _refuse(subject, f"{length} entries in {attribute}", f"{count}, the last number in indptr")
    _check_range(subject, column, indices[:count], columns)


def _check_coordinates(matrix: Any, subject: str) -> None:
    """Check COO."""
    for attribute, kind, size in (("row", "row", matrix.shape[0]), ("col", "column", matrix.shape[1])):
        indices = _integers(matrix, subject, attribute)
        if len(indices) != len(matrix.data):
            _refuse(subject, f"{len(indices)} entries in {attribute}", f"{len(matrix.data)}, as many as in data")
        _check_range(subject, kind, indices, size)


def _check_lists(matrix: Any, subject: str) -> None:
    """Check the lengths of LIL's lists."""
    rows, data = ([len(entries) for entries in lists] for lists in (matrix.rows, matrix.data))
    if not len(rows) == len(data) == matrix.shape[0]:
        _refuse(subject, f"{len(rows)} lists in rows and {len(data)} in data", f"{matrix.shape[0]} in both")
    for i, (found, expected) in enumerate(zip(rows, data, strict=True)):
        if found != expected:
            _refuse(subject, f"{found} entries in rows[{i}]", f"{expected}, as many as in data[{i}]")


def _check_diagonals(matrix: Any, subject: str) -> None:
    """Check the lengths of DIA's arrays."""
    offsets = _integers(matrix, subject, "offsets")
    if matrix.data.ndim != 2 or len(offsets) != len(matrix.data):
        found = f"{len(offsets)} offsets and data of shape {matrix.data.shape}"
        _refuse(subject, found, "a row of data for each offset")


def _integers(matrix: Any, subject: str, attribute: str) -> Array:
    """Return an index array of the matrix, checked to be one row of integers."""
    array = np.asarray(getattr(matrix, attribute))
    if array.ndim != 1 or array.dtype.kind not in "iu":
        found = f"{attribute} of shape {array.shape} and dtype {array.dtype}"
        _refuse(subject, found, "integers in one dimension")
    return array


def _check_range(subject: str, kind: str, indices: Array, size: int) -> None:
    """Check that all indices are from 0 to size - 1."""
    # As unsigned numbers negative ones are the largest, so that one pass finds both faults.
    unsigned = indices.view(indices.dtype.str.replace("i", "u"))
    if len(indices) and int(unsigned.max()) >= size:
        index = indices[int((unsigned >= size).argmax())]
        _refuse(subject, f"the {kind} index {index}", f"0 to {size - 1}" if size else f"no {kind}s")


def _refuse(subject: str, found: str, expected: str) -> NoReturn:
    raise ValueError(
        f"{subject} with {found}; expected {expected}. Make it again from indices that fit its shape; "
        "scipy.sparse.coo_array((data, (rows, columns)), shape=...) checks them"
    )
