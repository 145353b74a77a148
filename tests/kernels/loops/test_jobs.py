"""Many trainings in one call, shared by threads: each is run once, with the bits of a call of its own."""

import threading
import time

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_same_bits
from tabular_data import pack, problem, run_in_threads, shape_of, train, training_fields

from fastnn2.codegen import provider
from fastnn2.engine.layout import aligned_zeros
from fastnn2.kernels.shared import control_words
from fastnn2.kernels.shared.tabular_records import JobsRecord, TabularRecord

WRITTEN = ("params", "best", "losses", "held_losses", "order", "E", "first_moments", "second_moments")


def options_of(i, epochs=3):
    """Return the options of training number i; their lengths differ."""
    return {"batch": 7 + i, "epochs": epochs + i % 3, "held": [i, 20 + i], "drop": 38, "seed": i, "rates": 0.1}


def one_problem(dtype):
    return problem(shape_of(2, 2, 1, h=40, o=3, dtype=dtype), 60, "cross_entropy")


class Jobs:
    """Trainings of one problem, and what calls them all."""

    def __init__(self, dtype, count, epochs=3):
        one = one_problem(dtype)
        self.dtype = dtype
        self.control = aligned_zeros(control_words.CONTROL_SIZE, np.int64)
        self.trainings = [training_fields(one, **options_of(i, epochs)) for i in range(count)]
        self.records = [TabularRecord(**fields) for fields in self.trainings]

    def run(self, threads):
        entry = provider.kernel("tabular", self.dtype).address
        addresses = np.array([record.address for record in self.records], dtype=np.int64)
        fields = {"control": self.control, "entry": entry, "addresses": addresses, "count": len(addresses)}
        run_in_threads(provider.kernel("jobs", self.dtype), [JobsRecord(**fields) for _ in range(threads)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("count", [1, 5, 16])
def test_each_job_has_the_bits_of_a_call_of_its_own(count, threads, dtype):
    jobs = Jobs(dtype, count)
    jobs.run(threads)
    for i, fields in enumerate(jobs.trainings):
        expected = train(one_problem(dtype), **options_of(i))
        for name in WRITTEN:
            assert_same_bits(fields[name], expected[name])
        for word in (control_words.COMPLETED, control_words.OUTCOME):
            assert fields["control"][word] == expected["control"][word]
    # Each thread takes one number more than there are jobs.
    assert jobs.control[control_words.NEXT_BLOCK] == count + threads


def test_no_jobs():
    jobs = Jobs("float64", 0)
    jobs.run(2)
    assert jobs.control[control_words.NEXT_BLOCK] == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_no_job_begins_after_stop(threads):
    jobs = Jobs("float64", 3)
    jobs.control[control_words.STOP] = 1
    jobs.run(threads)
    one = one_problem("float64")
    for fields in jobs.trainings:
        assert_same_bits(fields["params"], pack(one.shape, one.params))
        assert fields["control"][control_words.COMPLETED] == 0


def test_jobs_that_run_are_stopped_by_their_own_words():
    jobs = Jobs("float64", 3, epochs=300_000)
    caller = threading.Thread(target=jobs.run, args=(2,))
    caller.start()
    deadline = time.monotonic() + PATIENCE
    while not all(fields["control"][control_words.COMPLETED] for fields in jobs.trainings[:2]):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    for control in (jobs.control, *(fields["control"] for fields in jobs.trainings)):
        control[control_words.STOP] = 1
    caller.join(PATIENCE)
    assert not caller.is_alive()
    outcomes = [fields["control"][control_words.OUTCOME] for fields in jobs.trainings]
    assert outcomes[:2] == [control_words.INTERRUPTED] * 2
    assert jobs.trainings[2]["control"][control_words.COMPLETED] == 0
