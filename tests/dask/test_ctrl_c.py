import contextlib
import signal
import sys
import threading
import weakref

import pytest
from cluster_data import cluster, distributed, trained

from fastnn2.dask.ctrl_c import CtrlC
from fastnn2.exceptions import TrainingInterrupted

assert distributed


class Target:
    pass


def press_in_vain(monkeypatch):
    """Press Ctrl-C in the callback of a weak reference, where Python ignores what it raises."""
    ignored = []
    with monkeypatch.context() as patched:
        patched.setattr(sys, "unraisablehook", lambda found: ignored.append(found.exc_type))
        target = Target()
        reference = weakref.ref(target, lambda _: signal.raise_signal(signal.SIGINT))
        del target
    assert reference() is None
    assert ignored == [KeyboardInterrupt]


@pytest.fixture
def handler():
    """The handler before a test, which has to be there after it, too."""
    before = signal.getsignal(signal.SIGINT)
    yield before
    assert signal.getsignal(signal.SIGINT) == before


def test_what_was_lost_is_raised_once(handler, monkeypatch):
    noted = CtrlC()
    noted.check()
    press_in_vain(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        noted.check()
    noted.check()
    press_in_vain(monkeypatch)
    noted.end()
    noted.check()
    assert signal.getsignal(signal.SIGINT) == handler


def test_a_handler_of_the_caller_works_as_before(handler):
    calls = []
    signal.signal(signal.SIGINT, lambda *arguments: calls.append(arguments))
    own = signal.getsignal(signal.SIGINT)
    try:
        noted = CtrlC()
        signal.raise_signal(signal.SIGINT)
        noted.check()  # it has raised nothing
        assert calls[0][0] == signal.SIGINT
        noted.end()
        noted.end()
        assert signal.getsignal(signal.SIGINT) == own
    finally:
        signal.signal(signal.SIGINT, handler)


def test_a_handler_that_came_later_stays(handler):
    noted = CtrlC()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    noted.end()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    CtrlC().end()  # nothing to note
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    signal.signal(signal.SIGINT, handler)


def test_a_handler_that_came_later_may_call_the_one_before(handler):
    noted = CtrlC()
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda *arguments: before(*arguments))
    noted.end()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    noted.check()  # nothing is noted any more
    signal.signal(signal.SIGINT, handler)


def test_other_threads_change_no_handler(handler):
    found = []

    def use():
        noted = CtrlC()
        found.append(signal.getsignal(signal.SIGINT))
        noted.check()
        noted.end()

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found == [handler]


def test_a_training_ends_where_ctrl_c_was_lost(handler, monkeypatch):
    presses = []

    def press(iteration, *_):
        if iteration == 3:
            presses.append(iteration)
            press_in_vain(monkeypatch)

    with cluster(1, processes=False) as (_, client):
        with pytest.raises(TrainingInterrupted, match="stopped after 3 of 50 iterations") as caught:
            trained(client, 50, callback=press)
        assert presses == [3]
        assert len(caught.value.cost_) == 3
        assert signal.getsignal(signal.SIGINT) == handler
        with contextlib.suppress(ZeroDivisionError):
            trained(client, 50, callback=lambda *_: 1 / 0)
        assert signal.getsignal(signal.SIGINT) == handler
