"""Teams of threads: several at once, in child processes, on too few cores, with signals, and if threads are refused."""

import _thread
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from data import PATIENCE, assert_ended, can_use_native_threads, count_os_threads, fail_before_kernel
from numpy.testing import assert_array_equal
from thread_data import (
    N,
    ThreadLimit,
    count_threads,
    data,
    fit,
    raise_at_bytecode,
    run,
    use_python_threads,
)

import fastnn2
from fastnn2.codegen.processor import Processor
from fastnn2.engine import full_batch
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.threads import native, system, team


def assert_same(result, expected):
    params, costs = result
    assert_array_equal(costs, expected[1])
    for name, array in expected[0].items():
        assert_array_equal(params[name], array)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7, 64, 1000])
def test_any_number_of_threads_gives_the_bits_of_one(n_threads):
    assert_same(fit(n_threads=n_threads), fit(n_threads=1))


@pytest.mark.parametrize("n_threads", [2, 7])
def test_any_number_of_threads_with_shared_parameters_gives_the_bits_of_one(n_threads):
    X = np.random.RandomState(1).standard_normal((40, 2000))
    Y = (X[0] > 0).astype(float)
    one, many = (fastnn2.fit(X, Y, 0.1, 110, 20, n_threads=count) for count in (1, n_threads))
    assert_same(many, one)


def test_fits_in_several_threads_at_once():
    expected = [fit(seed, 1) for seed in range(6)]
    start = threading.Barrier(6)

    def together(seed):
        start.wait(timeout=PATIENCE)
        return [fit(seed, n_threads) for n_threads in (1, 2, 3)]

    with ThreadPoolExecutor(6) as pool:
        for results, right in zip(pool.map(together, range(6)), expected, strict=True):
            for result in results:
                assert_same(result, right)


def test_first_fits_in_several_threads_at_once(expected_digest):
    # One thread loads or compiles the kernel while the others wait for it.
    code = """
import threading
import time
digests, start = [], threading.Barrier(8)
def work():
    start.wait()
    digests.append(digest())
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(digests), *set(digests))
"""
    assert run(code).split() == ["8", expected_digest]


def test_assert_ended_sees_a_running_thread():
    assert_ended(0, lambda: _thread._count() - threading.active_count() + 1)  # those of earlier tests
    before, gate = _thread._count(), threading.Event()
    threading.Thread(target=gate.wait).start()
    assert _thread._count() == before + 1
    gate.set()
    assert_ended(before)


def test_no_thread_is_left_after_a_fit():
    before = _thread._count()
    fit(n_threads=7)
    assert_ended(before)


@pytest.mark.parametrize("wrong", ["diverged", "memory", "value"])
def test_no_thread_is_left_after_an_error(wrong):
    before = _thread._count()
    X, Y = data()
    if wrong == "diverged":
        with pytest.raises(fastnn2.TrainingDiverged):
            fastnn2.fit(X, Y, 1e308, 5, 100, alpha=1e10, n_threads=3)
    elif wrong == "memory":
        with pytest.raises(MemoryError):  # the costs alone would take 8 petabytes
            fastnn2.fit(X, Y, 0.5, 5, 10**15, n_threads=3)
    else:
        with pytest.raises(ValueError):
            fastnn2.fit(X, Y + 1, 0.5, 5, 100, n_threads=3)
    assert_ended(before)


@pytest.mark.skipif(not Processor.here().has_fma, reason="no job is short without fma")
def test_is_short_job():
    def is_short(d, n, h, o, iterations):
        work = iterations * tuning.work_of_iteration(d, n, h, o)
        return team.is_short_job(work, iterations, tuning.count_params(d, h, o))

    assert is_short(2, 500, 5, 1, 5_000)
    assert not is_short(2, 50_000, 5, 1, 5_000)
    assert not is_short(1, 2, 1, 1, 8_000_000)  # a second, as there are many iterations
    assert not is_short(784, 1, 100, 10, 3_300)  # most of the time is the update


LONG = 2 * team.SHORT_JOB_WORK // (N * 5 * 19)  # number of iterations of a job that is not short


needs_native = pytest.mark.skipif(not can_use_native_threads(), reason="needs two cores and native threads")


@pytest.mark.parametrize("granted", [1, 2])
@pytest.mark.parametrize("iterations", [100, LONG])
def test_team_is_smaller_if_the_system_refuses_threads(granted, iterations, kind, monkeypatch):
    expected, before = fit(n_threads=1, iterations=iterations), count_threads()
    limit = ThreadLimit(granted, monkeypatch)
    assert_same(fit(n_threads=4, iterations=iterations), expected)
    assert limit.requests > granted
    assert_ended(before, count_threads)
    assert limit.left == granted


@pytest.mark.parametrize("n", [N, 20_000], ids=["a chunk for each of 8 threads", "more chunks"])
@pytest.mark.parametrize(("asked", "granted"), [(4, 2), (8, 2), (8, 6)])
def test_smaller_team_has_room_for_more_sums(asked, granted, n, monkeypatch):
    """Four threads that do not steal chunks leave one sum each; three leave the gradients of all chunks."""
    X, Y = data(n=n)
    expected = fastnn2.fit(X, Y, 0.5, 20, 40, n_threads=1)
    ThreadLimit(granted, monkeypatch)
    assert_same(fastnn2.fit(X, Y, 0.5, 20, 40, n_threads=asked), expected)


def test_error_if_the_system_refuses_every_thread_of_a_long_job(monkeypatch):
    before = count_threads()
    ThreadLimit(0, monkeypatch)
    with pytest.raises(RuntimeError, match="thread"):
        fit(n_threads=2, iterations=LONG)
    assert_ended(before, count_threads)


def test_caller_works_alone_if_the_system_refuses_every_thread_of_a_short_job(kind, monkeypatch):
    expected = fit(n_threads=1)
    ThreadLimit(0, monkeypatch)
    assert_same(fit(n_threads=2), expected)


@needs_native
def test_limits_of_the_system_itself(expected_digest):
    """Each thread of the C library takes memory for its stack, and each of Python, too."""
    code = """
import resource
digest(1), digest(2)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 100_000_000, resource.RLIM_INFINITY))
print(digest(64), digest(3), digest(1000))
"""
    assert run(code, OMP_NUM_THREADS="1").split() == [expected_digest] * 3


@needs_native
def test_caller_is_thread_0_of_a_short_job_and_the_others_use_other_cores(monkeypatch):
    expected, cores, teams, used = fit(n_threads=1), system.affinity(), [], []
    start, attributes = native.NativeThreads.start, system.thread_attributes

    def started(self):
        teams.append(self)
        return start(self)

    monkeypatch.setattr(native.NativeThreads, "start", started)
    monkeypatch.setattr(system, "thread_attributes", lambda others: used.append(others) or attributes(others))
    monkeypatch.setattr(team, "start_new_thread", None)  # no Python thread may be started
    before = count_os_threads()
    assert_same(fit(n_threads=2), expected)
    assert [(len(cores - others), others < cores) for others in used] == [(1, True)]
    assert [threads._join_codes for threads in teams] == [[0]]
    assert_ended(before, count_os_threads)
    assert system.affinity() == cores  # the caller may still run on all cores


@needs_native
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_exception_before_the_caller_enters_the_kernel(error, monkeypatch):
    """The other threads wait for thread 0 in the kernel, and must be told to leave."""
    before, start, teams = count_os_threads(), native.NativeThreads.start, []

    def interrupted(self):
        teams.append(self)
        start(self)
        monkeypatch.undo()
        time.sleep(0.05)  # the other thread is in the kernel
        assert count_os_threads() == before + 1
        raise error

    monkeypatch.setattr(native.NativeThreads, "start", interrupted)
    with pytest.raises(fastnn2.TrainingInterrupted if error is KeyboardInterrupt else error) as caught:
        fit(n_threads=2)
    if error is KeyboardInterrupt:
        assert len(caught.value.cost_) == 0
    assert [threads._join_codes for threads in teams] == [[0]]
    assert_ended(before, count_os_threads)


@pytest.mark.parametrize("is_short", [True, False])
@pytest.mark.parametrize("size", [1, 2])
def test_error_of_thread_0(size, is_short, monkeypatch):
    before = count_threads()
    fail_before_kernel(0, monkeypatch)
    monkeypatch.setattr(full_batch, "is_short_job", lambda *_: is_short)
    with pytest.raises(RuntimeError, match="no way into the kernel"):
        fit(n_threads=size)
    assert_ended(before, count_threads)


def delay_workers(monkeypatch, seconds, least=0):
    """Delay the workers, which are Python threads, for some seconds and until `least` iterations are complete.

    Return a list of how many are complete as each starts.
    """
    run_worker, completed = native.PythonThreads._run, []

    def delayed(self, job, running):
        time.sleep(seconds)
        deadline = time.monotonic() + PATIENCE
        while (done := int(job._arrays["control"][control_words.COMPLETED])) < least and time.monotonic() < deadline:
            time.sleep(0.001)
        completed.append(done)
        run_worker(self, job, running)

    monkeypatch.setattr(native.PythonThreads, "_run", delayed)
    use_python_threads(monkeypatch)
    return completed


@pytest.mark.parametrize(("delay", "least"), [(0.001, 0), (0.1, 1)], ids=["during the job", "after its end"])
@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("iterations", [1000, LONG])
def test_thread_0_begins_alone_and_the_others_join_later(iterations, n_threads, delay, least, monkeypatch):
    before, expected = _thread._count(), fit(n_threads=1, iterations=iterations)
    completed = delay_workers(monkeypatch, delay, least)
    assert_same(fit(n_threads=n_threads, iterations=iterations), expected)
    assert len(completed) == n_threads - 1
    assert min(completed) >= least
    assert_ended(before)


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize(("d", "h"), [(40, 110), (220, 600)], ids=["of samples", "of hidden units"])
def test_threads_with_shared_parameters_begin_together(d, h, n_threads, monkeypatch):
    X = np.random.RandomState(1).standard_normal((d, 2000))
    Y = (X[0] > 0).astype(float)
    expected = fastnn2.fit(X, Y, 0.1, h, 20, n_threads=1)
    completed = delay_workers(monkeypatch, 0.02)
    assert_same(fastnn2.fit(X, Y, 0.1, h, 20, n_threads=n_threads), expected)
    assert completed == [0] * (n_threads - 1)


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_each_thread_steals_chunks_from_all_others(threads, monkeypatch):
    """A thread takes chunks of each range until one attempt fails: each range sees one failed attempt per thread."""
    X = np.random.RandomState(1).standard_normal((40, 4000))
    Y, h, controls, end = (X[0] > 0).astype(float), 110, [], team.Team.end

    def keep(self):
        controls.append(self.control)
        return end(self)

    monkeypatch.setattr(team.Team, "end", keep)
    fastnn2.fit(X, Y, 0.1, h, 1, n_threads=threads)
    chunks = tuning.count_chunks(4000, 40, h, 1, X.dtype)
    next_chunks = controls[0][control_words.NEXT_CHUNKS :: control_words.WORD].reshape(threads, 2)
    ends = [(thread + 1) * chunks // threads for thread in range(threads)]
    assert next_chunks[:, 0].tolist() == [end + threads for end in ends]
    assert next_chunks[:, 1].tolist() == [0, *ends[:-1]]  # prepared for a second iteration, which does not come


@needs_native
def test_second_signal_before_the_team_is_told_to_stop(monkeypatch):
    before, start, stop, calls = count_os_threads(), native.NativeThreads.start, team.Team.stop, []

    def interrupted_start(self):
        start(self)
        raise KeyboardInterrupt

    def interrupted_stop(self):
        calls.append(self)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return stop(self)

    monkeypatch.setattr(native.NativeThreads, "start", interrupted_start)
    monkeypatch.setattr(team.Team, "run", team.Team.start)  # the signal came before `end` was called there
    monkeypatch.setattr(team.Team, "stop", interrupted_stop)
    with pytest.raises(fastnn2.TrainingInterrupted):
        fit(n_threads=2)
    assert len(calls) == 2
    assert_ended(before, count_os_threads)


@pytest.mark.parametrize("granted", [2, 0], ids=["granted", "refused"])
@pytest.mark.parametrize("is_short", [True, False], ids=["short", "long"])
def test_signal_between_any_two_bytecodes(is_short, granted, kind, monkeypatch):
    """No thread is left, and no iteration is wrong."""
    X, Y = data()
    monkeypatch.setattr(full_batch, "is_short_job", lambda *_: is_short)
    expected = fastnn2.fit(X, Y, 0.5, 5, 20, n_threads=1)
    of_team = team.Team
    functions = [of_team.start, of_team.call, of_team.end, of_team.run, of_team.run_beside, of_team.wait, of_team.stop]
    target, before, limit = 0, count_threads(), ThreadLimit(granted + (not is_short), monkeypatch)
    while True:
        target += 2
        try:
            with raise_at_bytecode(target, [*functions, team.run_team, team.monitor], KeyboardInterrupt) as seen:
                assert_same(fastnn2.fit(X, Y, 0.5, 5, 20, n_threads=2), expected)
        except fastnn2.TrainingInterrupted as interrupted:
            assert_array_equal(interrupted.cost_, expected[1][: len(interrupted.cost_)])
        except KeyboardInterrupt:
            assert seen[target - 1][0] in ("run_team", "stop")  # when all is done
        assert_ended(before, count_threads)
        if len(seen) < target:
            break
    assert target > 100
    assert limit.left == granted + (not is_short)


@pytest.mark.parametrize("how", ["stop", "a worker that fails"])
@pytest.mark.parametrize("rows", [None, 3], ids=["of the team", "of each thread"])
def test_every_word_that_stops_a_thread_is_set(rows, how):
    """Where threads look at words of their own, those of the team are not enough."""
    controls, jobs = np.zeros((3, control_words.CONTROL_SIZE), dtype=np.int64), []
    stops = None if rows is None else controls[:, control_words.STOP]

    def kernel(job):
        jobs.append(job)
        while not controls[0 if rows is None else rows - 1, control_words.STOP]:
            time.sleep(0.001)

    made = team.Team(kernel, lambda thread, threads: thread, controls[0], 1, stops)
    made.run_beside()
    if how == "stop":
        assert made.stop() is None
    else:
        made._fail(ValueError("broken"))
        assert made.wait(PATIENCE)
    assert jobs == [0]
    assert controls[:, control_words.STOP].tolist() == ([1, 0, 0] if rows is None else [1, 1, 1])
