"""Trainers whose workers wait between short runs: bits, changing runs, errors, signals at any point, fork."""

import _thread
import contextlib
import gc
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from data import PATIENCE, assert_ended, assert_same_bits, can_use_native_threads, count_os_threads
from mini_batch_data import OPTIMIZERS, begin_runs_with, keep_teams_whole, make_trainer, orders_and_rates
from thread_data import ThreadLimit, blocked_signals, cpu_seconds, raise_at_bytecode, use_python_threads

from fastnn2.codegen.processor import Processor
from fastnn2.engine import mini_batch
from fastnn2.kernels.shared import choices, control_words
from fastnn2.threads import native, system, team

pytestmark = pytest.mark.skipif(not Processor.here().has_fma, reason="no run is short without fma")
needs_native = pytest.mark.skipif(not can_use_native_threads(), reason="needs two cores and native threads")

SAMPLES, UNITS = (5, 7, 11, 3000, 3000), (30, 100, 1, 450, 200)  # threads share the samples, or the hidden units


def new_trainer(shape=SAMPLES, n_threads=2, **options):
    return make_trainer(shape, "relu", "cross_entropy", "float64", n_threads=n_threads, **OPTIMIZERS["adam"] | options)


def state(trainer):
    return trainer.params, trainer.first_moments, trainer.second_moments


@pytest.fixture(autouse=True)
def whole_teams(monkeypatch):
    keep_teams_whole(monkeypatch)


@pytest.mark.parametrize("shape", [SAMPLES, UNITS], ids=["samples", "units"])
def test_runs_of_changing_kinds_give_the_bits_of_one_thread(shape, kind):
    """The number of threads, the orders, what is kept of the tiles and the number of epochs change between runs."""

    def runs(n_threads, waits):
        trainer, found = new_trainer(shape, max(n_threads)), []
        with trainer.persistent_workers():
            trainer.is_persistent = waits
            for number, threads in enumerate(n_threads):
                trainer.threads = threads
                epochs = (1, 3, 3, 2)[number % 4]
                orders, rates = orders_and_rates(shape, trainer.n_batches, epochs, number // 3 % 2 == 1)
                losses, interrupted = trainer.run(rates * (1 + number), orders)
                assert not interrupted
                found += [losses, *state(trainer)]
        return tuple(found)

    expected = runs([1] * 14, False)
    before = count_os_threads() if kind == "native" else _thread._count()
    assert_same_bits(runs([1] * 14, True), expected)
    assert_same_bits(runs([2] * 14, True), expected)
    assert_same_bits(runs([2, 2, 3, 3, 1, 1, 2, 2, 4, 4, 4, 1, 2, 3], True), expected)
    assert_ended(before, count_os_threads if kind == "native" else _thread._count)


def test_no_team_waits_where_workers_cannot(monkeypatch):
    """As on Windows, where a worker that sleeps wakes too late for the next run."""
    expected, trainer, rates = new_trainer(n_threads=1), new_trainer(), np.full(1, 0.01)
    monkeypatch.setattr(system, "WORKERS_CAN_WAIT", False)
    before = count_os_threads()
    with trainer.persistent_workers():
        for _ in range(3):
            assert_same_bits(trainer.run(rates)[0], expected.run(rates)[0])
            assert_same_bits(state(trainer), state(expected))
            assert_ended(before, count_os_threads)


def test_team_works_again_after_an_error():
    expected = new_trainer(n_threads=1)
    trainer = new_trainer()
    rates = np.full(1, 0.01)
    with trainer.persistent_workers(), pytest.MonkeyPatch.context() as patched:
        for error in (ValueError, KeyboardInterrupt):
            assert_same_bits(trainer.run(rates)[0], expected.run(rates)[0])

            def fail(self, error=error):
                raise error("of the caller")

            patched.setattr(team.Team, "call", fail)
            if error is ValueError:
                with pytest.raises(ValueError, match="of the caller"):
                    trainer.run(rates)
            else:
                losses, interrupted = trainer.run(rates)
                assert (len(losses), interrupted) == (0, True)
            patched.undo()
            assert trainer._waiting is None
        assert trainer.batches_done == 2
        assert_same_bits(trainer.run(rates)[0], expected.run(rates)[0])
    assert trainer.batches_done == 3
    assert_same_bits(state(trainer), state(expected))


def signal_functions():
    # Without persistent_workers: Python looks for signals there only inside the `try` statements, and in the calls.
    trainer = mini_batch.MiniBatchTrainer
    return [
        trainer.run,
        trainer._prepare_waiting_team,
        trainer._end_waiting_team,
        trainer._losses,
        trainer._choose_keep_mode,
        trainer.batches_done.fget,
        mini_batch.RunArrays.__init__,
        mini_batch.RunArrays.renew,
        team.Team.start,
        team.Team.call,
        team.Team.end,
        team.Team.stop,
        team.Team.is_usable,
        native.NativeThreads.__init__,
        native.NativeThreads.start,
        native.NativeThreads.join,
    ]


@needs_native
def test_signal_between_any_two_bytecodes():
    """No run is counted twice or not at all, no thread is left, and the next runs are right."""
    shape = (2, 5, 1, 900, 900)

    def new():
        return new_trainer(shape, optimizer=choices.SGD)

    orders, rates = orders_and_rates(shape, 1, 2, True)
    reference, states, losses = new(), {}, []
    states[0] = state(reference)
    for order in (None, None, orders, None):
        reference.threads = 1
        losses.append(reference.run(rates, order)[0])
        states[reference.batches_done] = state(reference)
    assert sorted(states) == [0, 2, 4, 6, 8]

    before, target, outcomes = count_os_threads(), 0, []
    while True:
        target += 3  # a bytecode of three: all take half a minute
        trainer, interrupted, found = new(), False, []
        try:
            with (
                raise_at_bytecode(target, signal_functions(), KeyboardInterrupt) as seen,
                trainer.persistent_workers(),
            ):
                for order in (None, None, orders, None):
                    new_losses, interrupted = trainer.run(rates, order)
                    found.append(new_losses)
                    if interrupted:
                        break
        except KeyboardInterrupt:
            interrupted = True
        assert interrupted == (len(seen) >= target), seen[-1]
        if not interrupted:
            break
        done = trainer.batches_done
        assert_same_bits(state(trainer), states[done])
        assert_same_bits(tuple(each for each in found if len(each)), tuple(losses[: sum(map(bool, map(len, found)))]))
        assert_ended(before, count_os_threads)
        outcomes.append(done)
        with trainer.persistent_workers():  # goes on as if nothing had been
            for number, order in list(enumerate((None, None, orders, None)))[done // 2 :]:
                assert_same_bits(trainer.run(rates, order)[0], losses[number])
        assert_same_bits(state(trainer), states[8])
    assert set(outcomes) == set(states)
    assert len(outcomes) > 300
    assert trainer.threads == 2


@pytest.mark.parametrize("shape", [SAMPLES, UNITS], ids=["samples", "units"])
@pytest.mark.parametrize("n_threads", [2, 3])
def test_team_that_waits_too_long_is_one_thread_from_then_on(n_threads, shape, kind, monkeypatch):
    monkeypatch.undo()
    if kind == "python":
        use_python_threads(monkeypatch)
    begin_runs_with(control_words.WAITED, 1 << 60, monkeypatch)  # cycles for which thread 0 has waited
    trainer, expected, before = new_trainer(shape, n_threads), new_trainer(shape, 1), _thread._count()
    rates = np.full(2 * trainer.n_batches, 0.01)
    with trainer.persistent_workers():
        for _ in range(3):
            assert_same_bits(trainer.run(rates)[0], expected.run(rates)[0])
            assert trainer.has_slow_workers
        assert trainer._waiting[0].size == 1
    assert_same_bits(state(trainer), state(expected))
    assert_ended(before)


@pytest.mark.parametrize("granted", [0, 1, 2])
def test_team_is_smaller_if_the_system_refuses_threads(granted, kind, monkeypatch):
    """A team of the size that was asked for is not tried again for each run."""
    trainer, expected = new_trainer(n_threads=4), new_trainer(n_threads=1)
    assert trainer.threads == 4
    limit = ThreadLimit(granted, monkeypatch)
    with trainer.persistent_workers():
        for number in range(3):
            assert_same_bits(trainer.run(np.full(1, 0.01))[0], expected.run(np.full(1, 0.01))[0])
            if number == 0:
                requests = limit.requests
            waiting, _ = trainer._waiting
            assert (waiting.asked, waiting.size, limit.left) == (4, 1 + granted, 0)
    assert limit.requests == requests
    assert_same_bits(state(trainer), state(expected))


@needs_native
@pytest.mark.parametrize("left", ["an exception", "a forgotten trainer"])
def test_no_worker_waits_for_ever(left):
    before, trainer = count_os_threads(), new_trainer()
    if left == "an exception":
        with contextlib.suppress(ValueError), trainer.persistent_workers():
            trainer.run(np.zeros(1))
            assert trainer._waiting[0].size == 2
            raise ValueError
    else:
        waits = trainer.persistent_workers()
        waits.__enter__()
        trainer.run(np.zeros(1))
        assert trainer._waiting[0].size == 2
        del trainer, waits
        gc.collect()
    assert_ended(before, count_os_threads)


@needs_native
def test_workers_that_wait_use_next_to_no_processor_time():
    """The first milliseconds of a wait are spinning; then each sleep is longer, up to a millisecond."""
    before, trainer = set(os.listdir("/proc/self/task")), new_trainer()
    with trainer.persistent_workers():
        trainer.run(np.zeros(1))
        (worker,) = set(os.listdir("/proc/self/task")) - before
        time.sleep(1.0)
        begin, begin_cpu = time.perf_counter(), cpu_seconds(worker)
        time.sleep(2.0)
        share = (cpu_seconds(worker) - begin_cpu) / (time.perf_counter() - begin)
    print(f"a worker that waits keeps its core busy for {share:.1%} of the time")
    assert share < 0.1
    assert_ended(len(before), count_os_threads)


@needs_native
def test_workers_block_signals():
    """Else one of them may receive a signal that is to wake the main thread."""
    before, trainer = set(os.listdir("/proc/self/task")), new_trainer()
    with trainer.persistent_workers():
        trainer.run(np.zeros(1))
        (worker,) = set(os.listdir("/proc/self/task")) - before
        blocked = blocked_signals(worker)
    assert signal.SIGINT not in blocked_signals("self")
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD} <= blocked
    assert signal.SIGSEGV not in blocked


FORK = """
import os, signal, sys, time
import numpy as np
import pytest
from mini_batch_data import OPTIMIZERS, keep_teams_whole, make_trainer
keep_teams_whole(pytest.MonkeyPatch())
signal.alarm(300)  # ends a process that hangs

def new(n_threads):
    return make_trainer((5, 7, 11, 3000, 3000), "relu", "cross_entropy", "float64", n_threads=n_threads,
                        **OPTIMIZERS["adam"])

expected = [new(1)]
for _ in range(6):
    expected[0].run(np.full(1, 0.01))
trainer, children = new(2), []
with trainer.persistent_workers():
    for number in range(6):
        trainer.run(np.full(1, 0.01))
        assert trainer._waiting[0].size == 2
        if number == 2:
            child = os.fork()
            signal.alarm(300)
right = (trainer.params == expected[0].params).all() and trainer.batches_done == 6
deadline = time.monotonic() + 60
if child == 0:
    while len(os.listdir("/proc/self/task")) > 1:  # the system counts a thread for a moment after it is joined
        if time.monotonic() > deadline:
            os._exit(4)
        time.sleep(0.01)
    os._exit(0 if right else 3)
print(right, os.waitpid(child, 0)[1])
"""


@needs_native
def test_forked_child_goes_on_with_workers_of_its_own(tmp_path):
    """The child trains on and leaves the `with` statement, although its parent's workers are not in it."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK],
        capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "True 0\n"), done.stderr
