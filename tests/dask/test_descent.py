import numpy as np
import pytest
from data import extra

from fastnn2 import TrainingInterrupted
from fastnn2.engine.chunk_sums import ChunkSums
from fastnn2.engine.objective import Objective

extra("distributed", "dask")
ClusterError = extra("fastnn2.dask", "dask").ClusterError
ClusterDescent = extra("fastnn2.dask.descent", "dask").ClusterDescent
OBJECTIVE = Objective(2, 3, 1, 10, np.dtype(float), False)


def run(answers):
    """Run as many iterations as there are answers: errors, or None for sums of zeros."""
    left = iter(answers)

    def evaluate(params):
        error = next(left)
        if error is not None:
            raise error
        return ChunkSums(((0, 1),), np.zeros((1, OBJECTIVE.stride)), np.arange(1), np.zeros((1, 2)))

    job = ClusterDescent(OBJECTIVE, evaluate, np.ones(OBJECTIVE.params), 0.0, len(answers))
    return job.run(0.1, 10.0, False)


def test_sums_of_zeros_change_nothing():
    params, costs = run([None] * 3)
    assert costs.tolist() == [0, 0, 0]
    assert params["W1"].tolist() == np.ones((3, 2)).tolist()


def test_ctrl_c_keeps_what_is_trained():
    with pytest.raises(TrainingInterrupted, match=r"after 2 of 4 iterations.* fastnn2\.dask\.fit\(") as caught:
        run([None, None, KeyboardInterrupt(), None])
    assert len(caught.value.cost_) == 2


@pytest.mark.parametrize("error", [ClusterError("gone"), ValueError("else")])
def test_an_error_has_what_is_trained(error):
    with pytest.raises(type(error)) as caught:
        run([None, error, None])
    params, costs = caught.value.training
    assert costs.tolist() == [0]
    assert params["b2"].tolist() == [[1]]
