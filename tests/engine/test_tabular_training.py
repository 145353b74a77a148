"""Members of an ensemble side by side: each is trained as the specification says, whatever the number of threads."""

import _thread
import signal
import threading

import numpy as np
import pytest
from data import ITERATIONS_TOLERANCE, assert_ended, assert_same_bits
from tabular_data import LOSSES, noisy_problem, pack, problem, shape_of, unpack

from fastnn2.codegen import provider
from fastnn2.engine import tabular_training
from fastnn2.engine.tabular_training import Member, Recipe, train_members, work_of_sample
from fastnn2.reference import tabular as reference
from fastnn2.threads import system

EPOCHS, BATCH, HELD = 6, 16, 20
RATES = np.full(EPOCHS * 7, 0.05)  # at most 7 mini-batches an epoch


def recipe_of(one, rates=RATES, epochs=EPOCHS, drop=38):
    return Recipe(LOSSES[one.loss], epochs, BATCH, drop, rates, 0.75, 0.5, 1.0)


def members_of(one, count, held=HELD):
    source = np.random.default_rng(0)
    orders = [source.permutation(one.n) for _ in range(count)]
    return [
        Member(pack(one.shape, one.params), order[held:].copy(), order[:held].copy(), seed)
        for seed, order in enumerate(orders)
    ]


def trained(one, members, threads=1, recipe=None, progress=False):
    interrupted = train_members(
        one.shape, one.samples, one.Y, one.weights, members, recipe or recipe_of(one), threads, progress
    )
    return interrupted, members


@pytest.mark.parametrize("held", [0, HELD])
@pytest.mark.parametrize("loss", LOSSES)
def test_members_are_trained_as_the_specification_says(loss, held):
    one = problem(shape_of(3, 2, 1, h=9, o=3 if loss == "cross_entropy" else 1), 100, loss, weighted=True)
    members = members_of(one, 3, held)
    before = [(member.order.copy(), member.held.copy(), member.seed) for member in members]
    assert not trained(one, members)[0]
    x, Y, params, weights = one.as_double()
    for member, (order, held_rows, seed) in zip(members, before, strict=True):
        kept, losses, held_losses = reference.train(
            x, Y, params, loss, order, held_rows, batch=BATCH, epochs=EPOCHS, rates=RATES, betas=(0.75, 0.5),
            epsilon=1.0, seed=seed, drop=38, padded_units=one.shape.units, weights=weights,
        )  # fmt: skip
        bound = 10 * ITERATIONS_TOLERANCE["float64"]
        np.testing.assert_allclose(member.losses, losses, rtol=bound)
        np.testing.assert_allclose(member.held_losses, held_losses, rtol=bound)
        for name, value in unpack(one.shape, member.params).items():
            np.testing.assert_allclose(value, kept[name], rtol=0, atol=bound * abs(kept[name]).max(initial=1))
        assert member.is_finite


@pytest.mark.parametrize("threads", [2, 7])
def test_threads_change_no_bit(threads):
    one = noisy_problem(shape_of(3, 2, 1, h=40, dtype="float32"), 120)
    _, expected = trained(one, members_of(one, 5))
    _, found = trained(one, members_of(one, 5), threads)
    for member, other in zip(found, expected, strict=True):
        assert_same_bits(
            (member.params, member.losses, member.held_losses), (other.params, other.losses, other.held_losses)
        )


@pytest.mark.parametrize("threads", [1, 2])
def test_a_member_whose_numbers_are_not_finite_says_so(threads):
    one = problem(shape_of(3, 2, 1, dtype="float32"), 100, "squared_error")
    _, members = trained(one, members_of(one, 3), threads, recipe_of(one, RATES * 1e38))
    assert not any(member.is_finite for member in members)
    assert all(len(member.losses) < EPOCHS for member in members)


def test_one_member_that_diverges_does_not_disturb_the_others():
    one = problem(shape_of(3, 2, 1, dtype="float32"), 100, "squared_error")
    _, expected = trained(one, members_of(one, 3))
    members = members_of(one, 3)
    members[1].params[:] = np.nan
    trained(one, members, 2)
    assert [member.is_finite for member in members] == [True, False, True]
    assert_same_bits(members[2].params, expected[2].params)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_keeps_what_was_reached(threads, monkeypatch):
    one = noisy_problem(shape_of(3, 2, 1, h=40), 2000)
    epochs = 40_000
    recipe = recipe_of(one, np.full(epochs * 125, 1e-3), epochs)
    members = members_of(one, 3)

    class Progress(tabular_training.EpochsProgress):
        def update(self):  # by the caller, between two waits for the threads
            super().update()
            if self.done() > 0:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(tabular_training, "EpochsProgress", Progress)
    interrupted, _ = trained(one, members, threads, recipe)
    assert interrupted
    reached = [len(member.losses) for member in members]
    assert max(reached) > 0
    assert max(reached) < epochs
    assert all(member.is_finite and len(member.held_losses) == len(member.losses) for member in members)


def test_an_error_in_a_thread_is_raised(monkeypatch):
    one = noisy_problem(shape_of(3, 2, 1, h=40), 100)
    kernel = provider.kernel

    def failing_kernel(name, dtype):
        function = kernel(name, dtype)

        def call(record):
            if threading.current_thread() is not threading.main_thread():
                raise RuntimeError("no way into the kernel")
            function(record)

        return call if name == "jobs" else function

    monkeypatch.setattr(provider, "kernel", failing_kernel)
    monkeypatch.setattr(system, "IS_POSIX", False)  # so that workers are threads of Python
    before = _thread._count()
    recipe = recipe_of(one, np.full(10**6, 1e-3), 10_000)
    with pytest.raises(RuntimeError, match="no way into the kernel"):
        trained(one, members_of(one, 3), 2, recipe)
    assert_ended(before)


def test_the_work_of_a_sample_grows_with_all_of_its_parts():
    least = work_of_sample(shape_of(3, 2, 1))
    for more in (
        shape_of(4, 2, 1),
        shape_of(3, 3, 1),
        shape_of(3, 2, 2),
        shape_of(3, 2, 1, h=100),
        shape_of(3, 2, 1, o=2),
    ):
        assert work_of_sample(more) > least
    assert work_of_sample(shape_of(3, 2, 1, bins=64)) == least
