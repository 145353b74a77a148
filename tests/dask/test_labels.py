"""The classes of all partitions, and weights of samples times those of their classes."""

import numpy as np
import pytest
from data import PATIENCE, extra

extra("distributed", "dask")
import dask.array  # noqa: E402
from dask_estimator_data import cut  # noqa: E402

from fastnn2.dask.collections import Collection  # noqa: E402
from fastnn2.dask.labels import count_labels, find_classes, weigh, with_class_weights  # noqa: E402
from fastnn2.dask.requests import Cluster  # noqa: E402


def found(client, array):
    cluster, y = Cluster(client, PATIENCE), Collection(array, "y")
    y.find_lengths(cluster)
    return cluster, y


def test_classes_are_those_of_all_partitions(client):
    labels = np.array(["b", "a", "b", "long name", "b"])
    classes, counts = find_classes(*found(client, cut(labels, [1, 0, 3, 1])))
    assert classes.tolist() == ["a", "b", "long name"]
    assert counts.tolist() == [1, 3, 1]


def test_strings_of_partitions_may_have_other_lengths_than_the_collection_says(client):
    y = cut(np.arange(4), [2, 2]).map_blocks(lambda rows: np.array(["x", "longer"])[rows % 2], dtype="<U1")
    classes, counts = find_classes(*found(client, y))
    assert classes.tolist() == ["longer", "x"]
    assert counts.tolist() == [2, 2]


@pytest.mark.parametrize("lengths", [[4], [2, 2]])
def test_labels_of_two_kinds_are_refused(client, lengths):
    mixed = np.array([1, 2, "a", "b"], dtype=object)
    with pytest.raises(TypeError, match="cannot be sorted"):
        find_classes(*found(client, cut(mixed, lengths)))


def test_a_missing_label_is_named():
    with pytest.raises(ValueError, match=r"y has a missing label .* at row 1 of partition 7"):
        count_labels(7, np.array([1.0, np.nan]))
    labels, counts = count_labels(7, np.array([]))
    assert len(labels) == len(counts) == 0


def test_weights_of_classes(client):
    labels, given = np.array(["a", "b", "b", "a", "c"]), np.arange(5, dtype=np.float32) / 3
    by_class = np.array([2.0, 0.1, 3.0])
    classes = np.array(["a", "b", "c"])
    cluster, y = found(client, cut(labels, [0, 3, 2]))
    _, weights = found(client, cut(given, [2, 3]))
    for own in (None, weights):
        product = with_class_weights(y, own, classes, by_class)
        expected = by_class[[0, 1, 1, 0, 2]] * (1 if own is None else given)
        assert np.array_equal(np.concatenate(cluster.compute(product.partitions)), expected)
        assert product.n == 5
    with pytest.raises(ValueError, match="y has 'd' at row 0 of partition 3, which was not there"):
        weigh(3, np.array(["d"]), None, classes, by_class)


def test_no_label_of_a_collection_is_computed_for_its_weights():
    """They are as lazy as the labels."""

    def fail(rows):
        raise RuntimeError("computed")

    y = Collection(dask.array.ones(4, chunks=2).map_blocks(fail, dtype=float, meta=np.ones(0)), "y")
    assert with_class_weights(y, None, np.ones(1), np.ones(1)).n == 4
