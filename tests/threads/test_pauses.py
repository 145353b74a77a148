"""Pauses: workers that are late, few, dropped or asleep, signals at any point, forks, progress, errors."""

import _thread
import os
import time

import pytest
from data import assert_ended, assert_same_bits, can_use_native_threads, fail_before_kernel, problem
from thread_data import ThreadLimit, count_threads, data, fit, raise_at_bytecode, run, use_python_threads

import fastnn2
from fastnn2.engine import full_batch
from fastnn2.functional import callbacks
from fastnn2.kernels.shared import control_words
from fastnn2.threads import native, pauses, team
from fastnn2.threads.progress import Progress

ITERATIONS = 60
needs_native = pytest.mark.skipif(not can_use_native_threads(), reason="needs threads of the system")


@pytest.fixture(params=["native", "python"])
def kind(request, monkeypatch):
    if request.param == "python":
        use_python_threads(monkeypatch)
    return request.param


@pytest.fixture(params=[True, False], ids=["short parts", "long parts"])
def is_short(request, monkeypatch):
    monkeypatch.setattr(full_batch, "is_short_job", lambda *_: request.param)
    return request.param


def fit_in_parts(n_threads, every=7, work=lambda *_: None, iterations=ITERATIONS):
    """Return the result and the numbers of completed iterations that the callback was given."""
    seen = []

    def callback(iteration, cost, params):
        seen.append(iteration)
        return work(iteration, cost, params)

    return fit(n_threads=n_threads, iterations=iterations, callback=callback, callback_every=every), seen


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_caller_runs_every_callback(n_threads, is_short, kind):
    before, callers = _thread._count(), []
    expected = fit(n_threads=1, iterations=ITERATIONS)
    result, seen = fit_in_parts(n_threads, work=lambda *_: callers.append(_thread.get_ident()))
    assert_same_bits(result, expected)
    assert seen == list(range(7, ITERATIONS + 1, 7))
    assert set(callers) == {_thread.get_ident()}
    assert_ended(before)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_workers_join_in_any_part(n_threads, is_short, monkeypatch):
    run_worker, completed = native.PythonThreads._run, []

    def delayed(self, job, running):
        while job._arrays["control"][control_words.COMPLETED] < 20:
            time.sleep(0.001)
        completed.append(int(job._arrays["control"][control_words.COMPLETED]))
        run_worker(self, job, running)

    expected = fit(n_threads=1, iterations=ITERATIONS)
    monkeypatch.setattr(native.PythonThreads, "_run", delayed)
    use_python_threads(monkeypatch)
    result, _ = fit_in_parts(n_threads, work=lambda *_: time.sleep(0.002))
    assert_same_bits(result, expected)
    assert len(completed) == n_threads - 1
    assert min(completed) >= 20


@pytest.mark.parametrize("n_threads", [2, 3])
def test_thread_0_goes_on_alone_in_later_parts(n_threads, is_short, kind, monkeypatch):
    make, controls, before = full_batch.Job.__init__, [], _thread._count()

    def new(self, *arguments):
        make(self, *arguments)
        self.control[control_words.WAITED] = 1 << 60
        controls.append(self.control)

    expected = fit(n_threads=1, iterations=ITERATIONS)
    monkeypatch.setattr(full_batch.Job, "__init__", new)
    result, seen = fit_in_parts(n_threads, every=1, work=lambda *_: time.sleep(0.001))
    assert_same_bits(result, expected)
    assert len(seen) == ITERATIONS
    assert 0 <= controls[0][control_words.SERIAL_FROM] < ITERATIONS
    assert_ended(before)


@pytest.mark.parametrize("granted", [0, 1])
def test_team_is_smaller_if_the_system_refuses_threads(granted, is_short, kind, monkeypatch):
    expected = fit(n_threads=1, iterations=ITERATIONS)
    limit = ThreadLimit(granted + (not is_short), monkeypatch)
    assert_same_bits(fit_in_parts(3)[0], expected)
    assert limit.left == granted + (not is_short)


@needs_native
def test_workers_sleep_in_a_long_pause():
    used = []

    def wait(iteration, cost, params):
        before = time.process_time()
        time.sleep(1.0)
        used.append(time.process_time() - before)

    fit_in_parts(2, every=30, work=wait)
    print(f"{min(used):.3f} s of processor time in a pause of 1 s")
    assert min(used) < 0.3


@pytest.mark.parametrize("n_threads", [1, 2])
def test_pause_asked_for_while_the_kernel_runs(n_threads, monkeypatch):
    """The job pauses after the present iteration, and no iteration is lost; the tenth pause ends it."""
    monkeypatch.setattr(team, "POLL_SECONDS", 0.001)

    class AtAnyTime(pauses.Observer):
        def __init__(self):
            self.seen = []

        def next_pause(self, completed):
            return control_words.NEVER

        def is_due(self):
            return True

        def look(self, completed):
            self.seen.append(completed)
            return len(self.seen) == 10

    observer, run_job = AtAnyTime(), full_batch.Job.run
    monkeypatch.setattr(full_batch, "is_short_job", lambda *_: False)
    with monkeypatch.context() as patched:
        patched.setattr(full_batch.Job, "run", lambda self, *arguments: run_job(self, *arguments, observer))
        result = fit(n_threads=n_threads, iterations=100_000_000)
    assert len(observer.seen) == 10
    assert observer.seen == sorted(set(observer.seen))
    assert_same_bits(result, fit(n_threads=n_threads, iterations=observer.seen[-1]))


@pytest.mark.parametrize("granted", [2, 0], ids=["granted", "refused"])
def test_signal_between_any_two_bytecodes(granted, is_short, kind, monkeypatch):
    """No thread is left, and no iteration is wrong."""
    X, Y = data()
    expected = fastnn2.fit(X, Y, 0.5, 5, 20, n_threads=1)
    of_team, caller = team.Team, callbacks.Caller
    functions = [of_team.start, of_team.call, of_team.end, of_team.run, of_team.run_beside, of_team.wait, of_team.stop]
    functions += [of_team.is_paused, team.run_team, team.monitor, pauses.run_with_pauses, caller.look]
    functions += [caller.next_pause, Progress.update]
    step = 2 if granted else 5
    target, before, limit = 0, count_threads(), ThreadLimit(granted + (not is_short), monkeypatch)
    while True:
        target += step
        try:
            with raise_at_bytecode(target, functions, KeyboardInterrupt) as seen:
                result = fastnn2.fit(X, Y, 0.5, 5, 20, n_threads=2, callback=lambda *_: None, callback_every=10)
                assert_same_bits(result, expected)
        except fastnn2.TrainingInterrupted as interrupted:
            assert_same_bits(interrupted.cost_, expected[1][: len(interrupted.cost_)])
        except KeyboardInterrupt:
            assert seen[target - 1][0] in ("run_team", "stop", "is_paused", "wait")  # when all is done
        assert_ended(before, count_threads)
        if len(seen) < target:
            break
    assert target > 200
    assert limit.left == granted + (not is_short)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_error_of_a_thread(failing, is_short, monkeypatch):
    before = _thread._count()
    use_python_threads(monkeypatch)
    fail_before_kernel(failing, monkeypatch)
    with pytest.raises(RuntimeError, match="no way into the kernel") as caught:
        fit_in_parts(3)
    assert not hasattr(caught.value, "training")
    assert_ended(before)


@pytest.mark.parametrize("kernel", ["chunks", "shared", "wide"])
@pytest.mark.parametrize("n_threads", [2, 3])
def test_end_in_a_pause_while_workers_are_ahead(kernel, n_threads, is_short, kind):
    d, h = {"chunks": (2, 5), "shared": (40, 110), "wide": (220, 600)}[kernel]
    before = count_threads()
    X, Y, init, _ = problem(d, h, 1, 3000)

    def end(iteration, cost, params):
        time.sleep(0.05)
        return iteration == 4

    result = fastnn2.fit(X, Y, 0.01, h, 50, init=init, n_threads=n_threads, callback=end, callback_every=2)
    assert_same_bits(result, fastnn2.fit(X, Y, 0.01, h, 4, init=init, n_threads=1))
    assert_ended(before, count_threads)


FORK = """
import time
before, outcomes, children = digest(iterations=40), [], []

def callback(iteration, cost, params):
    if iteration == 20:
        children.append(os.fork())
        {in_child}

try:
    fastnn2.fit(X, Y, 0.5, 5, 40, random_state=0, n_threads={n_threads}, callback=callback, callback_every=10)
    outcomes.append("done")
except RuntimeError as error:
    outcomes.append(str(error))
except ValueError as error:
    outcomes.append(f"{{error}} {{len(error.training[1])}}")
if children[0] == 0:
    right = {expected} and digest(iterations=40) == before
    os._exit(0 if right else 3)
print(outcomes, os.waitpid(children[0], 0)[1])
"""
FORKED = "'was forked during training' in outcomes[0]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    ("in_child", "expected"),
    [
        ("pass", FORKED),
        ("return children[0] == 0", FORKED),
        ("if children[0] == 0: raise ValueError('of the child')", "outcomes == ['of the child 20']"),
    ],
    ids=["goes on", "ends", "fails"],
)
def test_fork_in_a_callback(in_child, expected, n_threads):
    """The parent goes on; the child, which has no workers, does not, and can train anew."""
    code = FORK.format(in_child=in_child, expected=expected, n_threads=n_threads)
    assert run(code) == "['done'] 0\n"


def test_one_bar_for_all_parts():
    code = """
fit = lambda: fastnn2.fit(X, Y, 0.5, 5, 60, progress=True, callback=lambda *_: None, callback_every=7)
from fastnn2.threads import progress
made, shown = [], progress.Progress._show
def show(self):
    made.append(self)
    shown(self)
progress.Progress._show = show
fit()
print(len(made), made[0]._bar.n, made[0]._bar.disable)
"""
    assert run(code) == "1 60 True\n"
