"""The outputs of an ensemble against the specification."""

import threading

import numpy as np
import pytest
from data import DTYPES, assert_close, assert_same_bits
from tabular_data import LOSSES, forward_magnitudes, pack, problem, shape_of

from fastnn2.engine import tabular_inference
from fastnn2.engine.tabular_inference import TabularNetworks
from fastnn2.reference import tabular as reference


def networks_of(problems):
    first = problems[0]
    return TabularNetworks(first.shape, [pack(one.shape, one.params) for one in problems], LOSSES[first.loss])


def problems_of(loss, dtype, n=300, **options):
    shape = shape_of(3, 2, 1, h=21, o=3 if loss == "cross_entropy" else 1, dtype=dtype, **options)
    problems = [problem(shape, n, loss, seed=seed) for seed in range(3)]
    for one in problems:
        one.samples, one.x = problems[0].samples, problems[0].x
    return problems


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("bins", [1, 16])
def test_outputs_are_those_of_the_specification(loss, dtype, bins):
    problems = problems_of(loss, dtype, bins=bins)
    found = networks_of(problems).outputs(problems[0].samples)
    assert found.shape == (3, 300, problems[0].shape.o)
    for one, outputs in zip(problems, found, strict=True):
        y, _ = reference.forward(one.x, one.params, loss)
        *_, of_y, _ = forward_magnitudes(one, np.ones((one.n, one.shape.h)))
        assert_close(outputs, y, of_y, dtype)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_change_no_bit(threads, monkeypatch):
    problems = problems_of("log_loss", "float32", n=1000)
    networks = networks_of(problems)
    expected = networks.outputs(problems[0].samples, 1)
    monkeypatch.setattr(tabular_inference, "WORK_PER_THREAD", 1)
    assert_same_bits(networks.outputs(problems[0].samples, threads), expected)


def test_several_threads_may_ask_the_same_networks():
    problems = problems_of("log_loss", "float32")
    networks = networks_of(problems)
    expected = networks.outputs(problems[0].samples)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(networks.outputs(problems[0].samples, 2))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for one in found:
        assert_same_bits(one, expected)
