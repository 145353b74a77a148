"""Items that another thread makes ahead of the caller."""

import contextlib
import gc
import queue
import signal
import threading
import time
import weakref

import pytest
from data import PATIENCE

from fastnn2.blocks import read_ahead
from fastnn2.blocks.read_ahead import ReadAhead


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "fastnn2 reader"]


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    assert readers() == []
    yield
    wait_until(lambda: readers() == [])


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_items_come_in_order(count, depth):
    with ReadAhead(iter(range(count)), depth) as items:
        assert list(items) == list(range(count))
        assert list(items) == []  # it stays at its end
        assert list(items) == []


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_than_depth_items_are_made_before_they_are_asked_for(depth):
    made = []

    def source():
        for number in range(50):
            made.append(number)
            yield number

    with ReadAhead(source(), depth) as items:
        wait_until(lambda: len(made) == depth)
        for taken in range(1, 20):
            next(items)
            wait_until(lambda: len(made) == depth + taken)  # noqa: B023 - it is called in this turn of the loop
            time.sleep(0.002)
            assert len(made) == depth + taken


def test_an_item_is_in_use_until_the_next_is_asked_for():
    """An iterator with depth + 1 buffers, in turn, must not overwrite what the caller has."""
    depth = 2
    buffers = [[None] for _ in range(depth + 1)]

    def source():
        for number in range(300):
            buffer = buffers[number % len(buffers)]
            buffer[0] = number
            yield buffer

    with ReadAhead(source(), depth) as items:
        for number, item in enumerate(items):
            if number % 50 == 0:
                time.sleep(0.005)  # the other thread has time to run too far
            assert item == [number]


@pytest.mark.parametrize(
    "error", [ValueError("bad row"), OSError(5, "I/O", "file"), KeyboardInterrupt(), SystemExit(3)]
)
def test_errors_come_after_the_items_before(error):
    def source():
        yield 1
        yield 2
        raise error

    with ReadAhead(source(), 5) as items:
        assert next(items) == 1
        assert next(items) == 2
        with pytest.raises(type(error)) as caught:
            next(items)
        assert caught.value is error
        assert list(items) == []  # as a generator


def test_a_generator_is_closed_in_the_thread_that_uses_it():
    closed_by = []

    def source():
        try:
            yield from range(100)
        finally:
            closed_by.append(threading.current_thread().name)

    with ReadAhead(source(), 2) as items:
        next(items)
    wait_until(lambda: closed_by)
    assert closed_by == ["fastnn2 reader"]


def test_an_error_while_a_generator_is_closed_is_of_no_interest():
    def source():
        try:
            yield 1
            yield 2
        finally:
            raise ValueError("while closing")

    with ReadAhead(source()) as items:
        assert next(items) == 1


def test_close_does_not_wait_for_an_item_that_is_being_made():
    begun, go_on = threading.Event(), threading.Event()
    made = []

    def source():
        yield 0
        begun.set()
        go_on.wait(PATIENCE)
        made.append(1)
        yield 1
        made.append(2)  # is not reached
        yield 2

    items = ReadAhead(source())
    assert next(items) == 0
    assert begun.wait(PATIENCE)
    items.close()
    assert readers() != []  # it is in the midst of an item
    go_on.set()
    wait_until(lambda: readers() == [])
    assert made == [1]


def test_the_thread_ends_with_its_object():
    """As where a signal comes just before the ``with`` block, so that nobody calls close()."""
    items = ReadAhead(iter(range(10)))
    assert next(items) == 0
    del items
    wait_until(lambda: readers() == [])


def test_the_thread_ends_if_a_signal_comes_while_it_starts(monkeypatch):
    def start(thread, start=threading.Thread.start):
        start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(KeyboardInterrupt):
            ReadAhead(iter(range(10)))
    wait_until(lambda: readers() == [])


def test_an_error_that_nobody_has_any_more_leaves_nothing():
    """Without the help of the garbage collector: an error knows the buffers of the iterator that has raised it."""

    class Buffer:
        pass

    buffers = []

    def source():
        buffer = Buffer()
        buffers.append(weakref.ref(buffer))
        yield 1
        raise ValueError("bad row")

    def use():
        with ReadAhead(source()) as items, pytest.raises(ValueError, match=r"^bad row$"):
            list(items)

    gc.disable()
    try:
        use()
        wait_until(lambda: readers() == [] and buffers[0]() is None)
    finally:
        gc.enable()


def test_close_may_be_called_again_and_after_the_end():
    items = ReadAhead(iter([1]))
    assert list(items) == [1]
    items.close()
    items.close()


@pytest.fixture
def is_waited_for(monkeypatch):
    """Return an event that is set once the caller waits for an item that is not there."""
    event = threading.Event()

    class Queue(queue.SimpleQueue):
        def get(self, *arguments, **keywords):
            if "timeout" in keywords and not event.is_set():  # a signal amid set() would leave its lock locked
                event.set()
            return super().get(*arguments, **keywords)

    monkeypatch.setattr(read_ahead.queue, "SimpleQueue", Queue)
    return event


def test_time_that_is_waited_for_items(is_waited_for):
    def source():
        is_waited_for.wait(PATIENCE)
        time.sleep(0.3)
        yield from range(3)

    with ReadAhead(source()) as items:
        assert items.waited == 0
        next(items)
        first = items.waited
        assert 0.29 < first < PATIENCE
        while not items._ready.empty():
            next(items)
        assert items.waited >= first


def test_a_signal_ends_the_wait_in_the_main_thread(is_waited_for):
    """Ctrl-C while the disk is waited for; another thread of the process may receive the signal."""
    go_on = threading.Event()

    def source():
        go_on.wait(PATIENCE)
        yield 1

    def send():
        is_waited_for.wait(PATIENCE)
        time.sleep(0.1)
        signal.raise_signal(signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    sender = threading.Thread(target=send)
    sender.start()
    try:
        with ReadAhead(source()) as items:
            with pytest.raises(KeyboardInterrupt):
                next(items)
            assert items.waited > 0.09
            go_on.set()
            assert next(items) == 1  # nothing is lost
    finally:
        sender.join(PATIENCE)
        signal.signal(signal.SIGALRM, before)
        go_on.set()


def test_the_wait_polls(monkeypatch):
    """A signal that another thread receives sets a flag, which the main thread only sees between waits."""
    waits = []

    class Queue(queue.SimpleQueue):
        def get(self, *arguments, **keywords):
            if "timeout" in keywords:
                waits.append(keywords["timeout"])
            return super().get(*arguments, **keywords)

    monkeypatch.setattr(read_ahead.queue, "SimpleQueue", Queue)
    monkeypatch.setattr(read_ahead, "POLL_SECONDS", 0.01)

    def source():
        wait_until(lambda: len(waits) > 2)
        yield 1

    with ReadAhead(source()) as items:
        assert next(items) == 1
    assert set(waits) == {0.01}


def test_many_short_runs():
    """Close at any moment: no thread is left, and no item is lost before."""
    for count in range(100):
        items = ReadAhead(iter(range(100)), 1 + count % 3)
        with contextlib.closing(items):
            assert [next(items) for _ in range(count % 7)] == list(range(count % 7))
