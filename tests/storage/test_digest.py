"""A digest tells data apart, and does not depend on their order in memory."""

import numpy as np

from fastnn2.storage import digest as digest_module
from fastnn2.storage.digest import digest


def test_digest():
    array = np.random.RandomState(0).randn(300, 7)
    same = [array, array.copy("F"), np.repeat(array, 2, axis=0)[::2]]
    assert len({digest(given_array, None) for given_array in same}) == 1
    others = [array.T, array.ravel(), array.astype(np.float32), array[:-1], -array]
    assert len({digest(given_array, None) for given_array in others} | {digest(array), digest(None, array)}) == 7
    assert digest(np.zeros((0, 3))) != digest(np.zeros((3, 0)))


def test_digest_of_chunks(monkeypatch):
    array = np.random.RandomState(0).randn(301, 7).T
    whole = digest(array)
    monkeypatch.setattr(digest_module, "CHUNK", 100)
    assert digest(array) == whole
