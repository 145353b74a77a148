"""Clusters of this machine, each started when a test asks for it, and closed after the last test of this folder."""

import contextlib
import logging
import pathlib

import pytest
from data import extra

HERE = pathlib.Path(__file__).parent
_clusters = contextlib.ExitStack()
_clients = {}


def start(workers):
    """Return the client of a cluster of worker processes with one thread each."""
    distributed = extra("distributed", "dask")
    if workers not in _clients:
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.ERROR
        )
        _clusters.enter_context(cluster)
        _clients[workers] = _clusters.enter_context(distributed.Client(cluster, set_as_default=False))
    return _clients[workers]


def pytest_runtest_teardown(item, nextitem):
    if nextitem is None or HERE not in nextitem.path.parents:
        _clients.clear()
        _clusters.close()


@pytest.fixture(scope="session")
def client_of():
    """A function of the number of workers, which returns a client."""
    return start


@pytest.fixture
def client():
    """The client of a cluster of two workers."""
    return start(2)


@pytest.fixture
def local_client():
    """The client of a cluster in threads of this process, where tests can change what workers do."""
    distributed = extra("distributed", "dask")
    with (
        distributed.LocalCluster(
            processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0", silence_logs=logging.ERROR
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def current_client(client):
    """The client of a cluster of two workers, which is Dask's current one in the thread of the test."""
    with client.as_current():
        yield client
