"""fit's callback: what it gets, how it ends a run, and that it changes no bit."""

import contextlib
import dataclasses
import gc
import signal
import weakref

import numpy as np
import pytest
from data import DTYPES, assert_same_bits, problem, published_data

import fastnn2
from fastnn2.engine import full_batch
from fastnn2.functional import fit as fit_module
from fastnn2.kernels.shared import tuning

RATE = 0.05
# d, h, o, n for each kernel; with stealing, and with parameters that threads share.
SHAPES = {
    "narrow": (2, 5, 1, 3000),
    "layered": (3, 7, 2, 3000),
    "stealing": (30, 32, 1, 10_000),
    "shared": (40, 110, 1, 3000),
    "wide": (220, 600, 1, 300),
    "wide in batches": (220, 600, 3, 2000),
}
KERNELS = dict.fromkeys(SHAPES, "train") | {
    "narrow": "train_narrow",
    "wide": "train_wide",
    "wide in batches": "train_wide",
}


class Seen:
    """A callback that keeps what it gets, and ends the run after iteration `stop`."""

    def __init__(self, stop=None):
        self.calls, self.stop = [], stop

    def __call__(self, iteration, cost, params):
        self.calls.append((iteration, cost, params))
        return iteration == self.stop


def small(iterations=20, **options):
    X, Y, init, _ = problem(2, 3, 1, 40)
    return fastnn2.fit(X, Y, RATE, 3, iterations, init=init, **options)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_bit_changes(shape, dtype, n_threads):
    d, h, o, n = SHAPES[shape]
    assert tuning.train_kernel(d, h, o) == KERNELS[shape]
    X, Y, init, weights = problem(d, h, o, n, dtype)
    for options in ({}, {"alpha": 0.5, "sample_weight": weights}):
        params, cost_ = fastnn2.fit(X, Y, RATE, h, 12, init=init, n_threads=1, **options)
        for every in (1, 5, 12, 13):
            seen = Seen()
            result = fastnn2.fit(
                X, Y, RATE, h, 12, init=init, n_threads=n_threads, callback=seen, callback_every=every, **options
            )
            assert_same_bits(result, (params, cost_))
            assert [call[:2] for call in seen.calls] == [(i, cost_[i - 1]) for i in range(every, 13, every)]
            for iteration, _, found in seen.calls[:3]:
                then, _ = fastnn2.fit(X, Y, RATE, h, iteration, init=init, n_threads=1, **options)
                assert_same_bits(found, then)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_true_ends_the_run(shape, dtype, n_threads):
    d, h, o, n = SHAPES[shape]
    X, Y, init, _ = problem(d, h, o, n, dtype)
    for every, stop in ((1, 1), (1, 6), (3, 6)):
        options = {"callback": Seen(stop), "callback_every": every}
        result = fastnn2.fit(X, Y, RATE, h, 1000, init=init, n_threads=n_threads, **options)
        assert_same_bits(result, fastnn2.fit(X, Y, RATE, h, stop, init=init, n_threads=1))
        assert result[1].base is None  # not a view of 1000 costs


def test_types_of_what_a_callback_gets():
    seen = Seen()
    small(3, callback=seen, callback_every=np.int64(2))
    [(iteration, cost, params)] = seen.calls
    assert (type(iteration), type(cost), type(params)) == (int, float, dict)
    assert [array.shape for array in params.values()] == [(3, 2), (3, 1), (1, 3), (1, 1)]


def test_parameters_are_copies():
    def spoil(iteration, cost, params):
        for array in params.values():
            array[...] = np.nan

    assert_same_bits(small(callback=spoil), small())


def test_data_are_laid_out_once(monkeypatch):
    laid_out, to_groups = [], fit_module.to_groups

    def count(*arguments):
        laid_out.append(arguments)
        return to_groups(*arguments)

    monkeypatch.setattr(fit_module, "to_groups", count)
    small(callback=Seen())
    assert len(laid_out) == 2  # X and Y


@pytest.mark.parametrize("value", [True, 1, "yes", np.True_, np.array(True), np.array([1.0])])
def test_any_true_value_ends_the_run(value):
    assert len(small(callback=lambda *_: value, callback_every=3)[1]) == 3


@pytest.mark.parametrize("value", [None, False, 0, "", np.False_, np.array([0.0])])
def test_no_false_value_ends_the_run(value):
    assert len(small(callback=lambda *_: value)[1]) == 20


def test_array_that_is_neither_true_nor_false():
    with pytest.raises(ValueError, match="truth value of an array") as caught:
        small(callback=lambda *_: np.zeros(2), callback_every=4)
    assert_same_bits(caught.value.training, small(4))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_callback_after_the_last_iteration(n_threads):
    seen = Seen(stop=20)
    assert_same_bits(small(callback=seen, callback_every=10, n_threads=n_threads), small())
    assert [call[0] for call in seen.calls] == [10, 20]


@pytest.mark.parametrize("every", [21, 10**30])
def test_callback_later_than_the_last_iteration(every):
    seen = Seen()
    assert_same_bits(small(callback=seen, callback_every=every), small())
    assert seen.calls == []


def test_no_iteration_no_callback():
    seen = Seen()
    assert_same_bits(small(0, callback=seen), small(0))
    assert seen.calls == []


class Slots(Exception):
    __slots__ = ("training",)


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    number: int


class Own(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), GeneratorExit(), Own(), Slots(), StopIteration()])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("when", [5, 20])
def test_an_error_is_raised_as_it_is(error, n_threads, when):
    def fail(iteration, cost, params):
        if iteration == when:
            raise error

    with pytest.raises(type(error)) as caught:
        small(callback=fail, callback_every=5, n_threads=n_threads)
    assert caught.value is error
    assert_same_bits(error.training, small(when))


def test_an_error_that_takes_no_attribute():
    error = Frozen(3)

    def fail(*_):
        raise error

    with pytest.raises(Frozen) as caught:
        small(callback=fail)
    assert caught.value is error
    assert not hasattr(error, "training")


@pytest.mark.parametrize("when", [5, 20])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_keyboard_interrupt_in_a_callback(n_threads, when):
    def interrupt(iteration, cost, params):
        if iteration == when:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(fastnn2.TrainingInterrupted, match=f"stopped after {when} of 20 iterations") as caught:
        small(callback=interrupt, callback_every=5, n_threads=n_threads)
    assert_same_bits((caught.value.params, caught.value.cost_), small(when))


def test_interrupt_of_a_fit_in_a_callback_interrupts_both():
    def interrupt(*_):
        raise KeyboardInterrupt

    def train(*_):
        return small(100, callback=interrupt)

    with pytest.raises(fastnn2.TrainingInterrupted, match="stopped after 7 of 20 iterations") as caught:
        small(callback=train, callback_every=7)
    assert_same_bits((caught.value.params, caught.value.cost_), small(7))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_other_functions_in_a_callback(n_threads):
    X, Y, init, _ = problem(2, 5, 1, 3000)
    expected, results = fastnn2.fit(X, Y, RATE, 5, 12, init=init), []

    def call(iteration, cost, params):
        results.append(fastnn2.fit(X, Y, RATE, 5, 12, init=init, n_threads=n_threads))
        assert fastnn2.cost(fastnn2.forward(X, params)[0], Y) < cost

    options = {"callback": call, "callback_every": 4, "n_threads": n_threads}
    results.append(fastnn2.fit(X, Y, RATE, 5, 12, init=init, **options))
    assert len(results) == 4
    for result in results:
        assert_same_bits(result, expected)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("shape", ["narrow", "wide"])
def test_divergence(shape, n_threads):
    d, h, o, n = SHAPES[shape]
    X, Y, init, _ = problem(d, h, o, n)
    huge = {name: array * 1e300 if name == "W2" else array for name, array in init.items()}
    seen = Seen()
    with pytest.raises(fastnn2.TrainingDiverged) as expected:
        fastnn2.fit(X, Y, 1e308, h, 10, init=huge, n_threads=1)
    with pytest.raises(fastnn2.TrainingDiverged, match=str(expected.value).partition(";")[0]) as caught:
        fastnn2.fit(X, Y, 1e308, h, 10, init=huge, n_threads=n_threads, callback=seen)
    assert_same_bits((caught.value.params, caught.value.cost_), (expected.value.params, expected.value.cost_))


def fail_at_6(iteration, cost, params):
    if iteration == 6:
        raise ValueError


@pytest.mark.parametrize("callback", [None, Seen(), Seen(stop=4), fail_at_6], ids=["none", "looks", "ends", "fails"])
@pytest.mark.parametrize("has_checkpoint", [False, True])
def test_a_run_is_freed_at_once(callback, has_checkpoint, tmp_path, monkeypatch):
    """Its data are not kept until a collection of garbage."""
    make, jobs = full_batch.Job.__init__, []

    def new(self, *arguments):
        make(self, *arguments)
        jobs.append(weakref.ref(self))

    monkeypatch.setattr(full_batch.Job, "__init__", new)
    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            small(callback=callback, n_threads=2, checkpoint=tmp_path / "a" if has_checkpoint else None)
        assert [job() for job in jobs] == [None]
    finally:
        gc.enable()


def test_published_run_with_a_callback():
    X, Y, _ = published_data()
    seen = Seen()
    expected = fastnn2.fit(X, Y, 0.3, 5, 5000)
    assert_same_bits(fastnn2.fit(X, Y, 0.3, 5, 5000, callback=seen, callback_every=100), expected)
    assert len(seen.calls) == 50


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"callback": 3}, TypeError, "callback is int; expected a function of .iteration, cost, params., or None"),
        ({"callback": print, "callback_every": 0}, ValueError, "callback_every is 0; expected an integer of 1 or more"),
        ({"callback": print, "callback_every": 2.5}, ValueError, "callback_every is 2.5; expected an integer"),
        ({"callback": print, "callback_every": "2"}, TypeError, "callback_every is '2'; expected an integer"),
        ({"callback": print, "callback_every": True}, TypeError, "callback_every is True; expected an integer"),
        ({"callback_every": 5}, ValueError, "callback_every is 5, but callback is None; pass a function as callback"),
    ],
)
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        small(**options)
