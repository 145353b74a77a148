"""The forward pass in blocks: one group in a kept workspace, and larger blocks, with the same bits."""

import numpy as np
import pytest
from data import DTYPES, assert_same_bits, problem

from fastnn2.engine import forward_pass, workspaces
from fastnn2.engine.layout import pack_params
from fastnn2.kernels.shared import tuning

SHAPES = [(2, 5, 1), (9, 7, 3), (30, 40, 8), (2, 5, 1)]


def results(X, flat, shape, **options):
    """Return the slices, and copies of what there is for the samples."""
    lanes, found = tuning.group_size(flat.dtype), []
    for block, arrays in forward_pass.forward_blocks(X, flat, *shape, **options):
        columns = block.stop - block.start
        found.append(arrays and tuple(a.reshape(-1, lanes)[:, :columns].copy() for a in arrays if columns <= lanes))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given", ["float64", "float32", "int64", ">f8"])
def test_a_group_has_the_same_bits_in_a_workspace(given, dtype, monkeypatch):
    """Shapes and sample counts take turns in one workspace; what an earlier call left there does not matter."""
    monkeypatch.setattr(forward_pass, "_workspaces", workspaces.Workspaces())
    for n in (tuning.group_size(dtype), 1, 3):
        for shape in SHAPES:
            X, _, params, _ = problem(*shape, n, seed=n)
            X, flat = (3 * X).astype(given), pack_params(params, dtype)
            found = results(X, flat, shape)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(workspaces, "MOST_BYTES", 0)
                assert_same_bits(found[0], results(X, flat, shape)[0])
            assert len(found[0]) == 4
    assert len(forward_pass._workspaces._free) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("n", [5, 100])
def test_samples_that_are_not_finite(n, bad):
    """None comes in place of their results, unless that is not asked for; a number may be too large for the dtype."""
    X, _, params, _ = problem(3, 4, 2, n)
    flat = pack_params(params, "float32")
    X[1, n - 1] = bad
    assert results(X, flat, (3, 4, 2)) == [None]
    assert None not in results(X.astype("float32") if np.isnan(bad) else X, flat, (3, 4, 2), finite=False)
    assert None not in results(np.zeros((3, n)), flat, (3, 4, 2))
