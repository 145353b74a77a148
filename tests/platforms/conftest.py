import pathlib
import tempfile

import pytest
from data import PATIENCE


@pytest.fixture(scope="session")
def folder():
    """A folder for large files, which pytest would keep."""
    with tempfile.TemporaryDirectory(prefix="fastnn2-platforms-") as temporary:
        yield pathlib.Path(temporary)


@pytest.fixture(scope="session")
def jobs(folder):
    """The list of recorded jobs, which are in the folder "jobs"."""
    from platforms.drivers import record

    (folder / "jobs").mkdir()
    return record(folder / "jobs", PATIENCE)
