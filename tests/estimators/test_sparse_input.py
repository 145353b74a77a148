"""A sparse X or y with indices that do not fit its shape is refused, before anything crashes on it."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
import sparse_faults
from data import PATIENCE, assert_same_bits
from sparse_faults import FAULTS, with_fault, without_fault

import fastnn2
from fastnn2.estimators.sparse_input import checked

pytestmark = pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")  # of DIA

FORMATS = [*FAULTS, "dok"]


@pytest.mark.parametrize("container", ["matrix", "array"])
@pytest.mark.parametrize(("kind", "fault"), [(kind, fault) for kind, faults in FAULTS.items() for fault in faults])
def test_a_fault_is_refused_and_named(kind, fault, container):
    matrix = with_fault(kind, fault, container=container)
    start = rf"X is a {kind}_{container} of shape \(120, 24\) with "
    with pytest.raises(ValueError, match=start + FAULTS[kind][fault][1]) as error:
        checked(matrix, "X")
    assert "Make it again from indices that fit its shape" in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", FORMATS)
def test_matrices_without_fault_come_back_unchanged(kind, share):
    matrix = without_fault(kind, share)
    found = checked(matrix, "X")
    assert found.format == (kind if kind in ("csr", "csc", "bsr", "coo") else "csr")
    assert (found is matrix) == (found.format == kind)
    assert_same_bits(found.toarray(), without_fault(kind, share).toarray())


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (5, 5)])
@pytest.mark.parametrize("kind", FORMATS)
def test_matrices_without_entries_are_not_refused(kind, shape):
    assert checked(getattr(scipy.sparse, f"{kind}_matrix")(shape), "X").shape == shape


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64, ">i4", np.int8])
@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_indices_of_any_integers(kind, dtype):
    matrix = without_fault(kind)
    matrix.indices = matrix.indices.astype(dtype)
    matrix.indices.flags.writeable = False
    assert checked(matrix, "X") is matrix
    for wrong in [125] if np.dtype(dtype).kind == "u" else [125, -1]:
        matrix.indices = matrix.indices.copy()
        matrix.indices[7] = wrong
        with pytest.raises(ValueError, match=f"index {wrong}; expected 0 to"):
            checked(matrix, "X")


def test_what_scipy_allows_is_not_refused():
    """Indices without order, columns twice in a row, and arrays longer than needed, with anything in the rest."""
    indices, indptr = np.array([3, 1, 1, 0, 99]), np.array([0, 0, 3, 4])
    matrix = scipy.sparse.csr_matrix((3, 4))
    matrix.data, matrix.indices, matrix.indptr = np.arange(1.0, 6.0), indices, indptr
    assert checked(matrix, "X") is matrix
    assert_same_bits(matrix.toarray(), np.array([[0.0, 0, 0, 0], [0, 5, 0, 1], [4, 0, 0, 0]]))
    matrix.indptr = np.array([0, 0, 3, 5])
    with pytest.raises(ValueError, match="the column index 99; expected 0 to 3"):
        checked(matrix, "X")


def test_what_is_not_sparse_is_returned():
    for value in (np.ones((2, 2)), [[1.0]], None, "text", scipy.sparse.coo_array(np.arange(4.0))):
        assert checked(value, "X") is value


def test_dok_with_a_wrong_key_is_refused_by_scipy():
    matrix = without_fault("dok")
    matrix._dict[3, 24] = 1.0
    with pytest.raises(ValueError, match="index 24 exceeds matrix dimension"):
        fastnn2.MLPClassifier().fit(matrix, np.arange(120) % 2)


@pytest.mark.parametrize("kind", FAULTS)
def test_every_way_into_an_estimator_refuses_faults(kind):
    """In a process of its own, which ends if one is not refused."""
    path = pathlib.Path(sparse_faults.__file__)
    done = subprocess.run([sys.executable, path, kind], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-2000:]
    assert done.stdout.endswith("all refused\n")
    assert len(re.findall(r"^.*, X, predict$", done.stdout, re.MULTILINE)) == 2 * len(FAULTS[kind])


class Reader:
    """A callback that reads X when the fit begins."""

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X, y):
        X.sum(axis=0)

    def on_fit_task_end(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass


CALLBACK = """
import sys, numpy as np, fastnn2
from sparse_faults import with_fault
from test_sparse_input import Reader
model = fastnn2.MLPClassifier(3).set_callbacks(Reader())
try:
    model.fit(with_fault("csr", "index far too large"), np.arange(120) % 2)
except ValueError as error:
    print(error)
"""


def test_callbacks_do_not_see_a_fault():
    here = pathlib.Path(__file__)
    paths = os.pathsep.join([str(here.parent), str(here.parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CALLBACK], env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("X is a csr_matrix of shape (120, 24) with the column index 50000000; expected 0 to")
