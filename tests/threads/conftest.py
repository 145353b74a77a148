"""The digest of the job that scripts train."""

import hashlib

import pytest
from thread_data import fit


@pytest.fixture(scope="session")
def expected_digest():
    """Return what `digest()` must return in a script."""
    params, costs = fit(n_threads=1)
    return hashlib.sha256(costs.tobytes() + b"".join(params[name].tobytes() for name in sorted(params))).hexdigest()
