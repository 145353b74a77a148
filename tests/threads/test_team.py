"""Teams of threads: several at once, in child processes, on too few cores, with signals, and if threads are refused."""

import _thread
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from data import PATIENCE, assert_ended, can_use_native_threads, count_os_threads
from numpy.testing import assert_array_equal

import fastnn2
from fastnn2.codegen.processor import Processor
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.threads import native, team

N = 3000  # samples of eight chunks, so that a team can have several threads


def data(seed=0, n=N):
    source = np.random.RandomState(seed)
    X = source.standard_normal((2, n))
    return X, (X[0] * X[1] > 0).astype(float)


def fit(seed=0, n_threads=2, iterations=100, **options):
    return fastnn2.fit(*data(seed), 0.5, 5, iterations, random_state=seed, n_threads=n_threads, **options)


def assert_same(result, expected):
    params, costs = result
    assert_array_equal(costs, expected[1])
    for name, array in expected[0].items():
        assert_array_equal(params[name], array)


def run(code, *, timeout=PATIENCE, **environment):
    """Run a script in a process of its own; return its output."""
    command = [sys.executable, "-W", "ignore", "-c", PREAMBLE + code]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PREAMBLE = f"""
import hashlib, os, sys
import numpy as np
import fastnn2
source = np.random.RandomState(0)
X = source.standard_normal((2, {N}))
Y = (X[0] * X[1] > 0).astype(float)
def digest(n_threads=2, iterations=100):
    params, costs = fastnn2.fit(X, Y, 0.5, 5, iterations, random_state=0, n_threads=n_threads)
    return hashlib.sha256(costs.tobytes() + b"".join(params[name].tobytes() for name in sorted(params))).hexdigest()
"""


@pytest.fixture(scope="module")
def digest():
    """The digest that `digest()` in a script must return."""
    import hashlib

    params, costs = fit(n_threads=1)
    return hashlib.sha256(costs.tobytes() + b"".join(params[name].tobytes() for name in sorted(params))).hexdigest()


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


def test_first_fits_in_several_threads_at_once(digest):
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
    assert run(code).split() == ["8", digest]


def test_assert_ended_sees_a_running_thread():
    time.sleep(0.1)  # threads of earlier tests may be about to end
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


def refuse_threads(monkeypatch, granted):
    """Let the system start only `granted` Python threads, and no native ones; return the list of requests."""
    requests, start = [], team.start_new_thread

    def start_or_refuse(function, arguments):
        requests.append(arguments)
        if len(requests) > granted:
            raise RuntimeError("can't start new thread")
        start(function, arguments)

    monkeypatch.setattr(team, "start_new_thread", start_or_refuse)
    monkeypatch.setattr(native.NativeThreads, "start", lambda self: False)
    return requests


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


@pytest.mark.parametrize("granted", [1, 2])
@pytest.mark.parametrize("iterations", [100, LONG])
def test_team_is_smaller_if_the_system_refuses_threads(granted, iterations, monkeypatch):
    expected = fit(n_threads=1, iterations=iterations)
    requests = refuse_threads(monkeypatch, granted)
    assert_same(fit(n_threads=4, iterations=iterations), expected)
    assert len(requests) > granted


@pytest.mark.parametrize("n", [N, 20_000], ids=["a chunk for each of 8 threads", "more chunks"])
@pytest.mark.parametrize(("asked", "granted"), [(4, 3), (8, 3), (8, 7)])
def test_smaller_team_has_room_for_more_sums(asked, granted, n, monkeypatch):
    """Four threads that do not steal chunks leave one sum each; three leave the gradients of all chunks."""
    X, Y = data(n=n)
    expected = fastnn2.fit(X, Y, 0.5, 20, 40, n_threads=1)
    refuse_threads(monkeypatch, granted)
    assert_same(fastnn2.fit(X, Y, 0.5, 20, 40, n_threads=asked), expected)


def test_error_if_the_system_refuses_every_thread_of_a_long_job(monkeypatch):
    before = _thread._count()
    refuse_threads(monkeypatch, 0)
    with pytest.raises(RuntimeError, match="thread"):
        fit(n_threads=2, iterations=LONG)
    assert_ended(before)


needs_native = pytest.mark.skipif(not can_use_native_threads(), reason="needs two cores and native threads")


@needs_native
def test_caller_is_thread_0_of_a_short_job_and_the_others_use_other_cores(monkeypatch):
    expected, cores = fit(n_threads=1), team.affinity()
    teams, start = [], native.NativeThreads.start

    def started(self):
        teams.append(self)
        return start(self)

    monkeypatch.setattr(native.NativeThreads, "start", started)
    used = []
    monkeypatch.setattr(
        native, "_thread_attributes", lambda cores, make=native._thread_attributes: used.append(cores) or make(cores)
    )
    monkeypatch.setattr(team.Team, "_run_thread", None)  # no Python thread may be started
    before = count_os_threads()
    assert_same(fit(n_threads=2), expected)
    assert [(len(cores - others), others < cores) for others in used] == [(1, True)]
    assert [threads._join_codes for threads in teams] == [[0]]
    assert_ended(before, count_os_threads)
    assert team.affinity() == cores  # the caller may still run on all cores


@needs_native
def test_python_threads_replace_native_threads_that_the_system_refuses(monkeypatch):
    expected, before = fit(n_threads=1), count_os_threads()
    start = native.NativeThreads.start
    monkeypatch.setattr(native.NativeThreads, "start", lambda self: start(self) and False)  # but it was started
    started, run_thread = [], team.Team._run_thread

    def recorded(self, thread):
        started.append(thread)
        run_thread(self, thread)

    monkeypatch.setattr(team.Team, "_run_thread", recorded)
    assert_same(fit(n_threads=2), expected)
    assert sorted(started) == [0, 1]
    assert_ended(before, count_os_threads)


@needs_native
@pytest.mark.parametrize("h", [2, 600], ids=["samples", "hidden units"])
def test_signal_after_the_system_refused_native_threads(h, monkeypatch):
    """Thread 0 is then a Python thread, which may not have entered the kernel yet."""
    before, X = _thread._count(), data()[0]
    Y, calls = (X[0] > 0).astype(float), []
    start, release_start_locks = native.NativeThreads.start, team.Team._release_start_locks

    def interrupted(self):
        release_start_locks(self)
        if not calls and self._work is not None:
            calls.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(native.NativeThreads, "start", lambda self: start(self) and False)
    monkeypatch.setattr(team.Team, "_release_start_locks", interrupted)
    for _ in range(50):
        calls.clear()
        with pytest.raises(fastnn2.TrainingInterrupted):
            fastnn2.fit(X, Y, 0.1, h, 5, n_threads=2)
        assert calls
    assert_ended(before)


def test_caller_works_alone_if_the_system_refuses_every_thread_of_a_short_job(monkeypatch):
    expected = fit(n_threads=1)
    refuse_threads(monkeypatch, 0)
    assert_same(fit(n_threads=2), expected)


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


@pytest.mark.parametrize("size", [1, 2])
def test_error_of_the_caller_as_thread_0(size):
    before = _thread._count()
    control = np.zeros(control_words.CONTROL_SIZE, dtype=np.int64)

    def work(thread, threads):
        if thread == 0:
            raise ValueError("wrong")
        while control[control_words.ENTERED] == 0:
            time.sleep(0.001)

    with pytest.raises(ValueError, match="wrong"):
        team.run_team(team.Team(control), size, work, True, 1, False)
    assert_ended(before)


def delay_threads(monkeypatch, seconds):
    """Delay the start of all threads but number 0; return a list of the iterations completed when each of them starts.

    All are Python threads, also in short jobs.
    """
    run_thread, completed = team.Team._run_thread, []

    def delayed(self, thread):
        if thread > 0:
            time.sleep(seconds)
            completed.append(int(self.control[control_words.COMPLETED]))
        run_thread(self, thread)

    monkeypatch.setattr(team.Team, "_run_thread", delayed)
    monkeypatch.setattr(team, "other_cores", lambda threads: frozenset())
    return completed


@pytest.mark.parametrize("delay", [0.001, 0.1], ids=["during the job", "after its end"])
@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("iterations", [1000, LONG])
def test_thread_0_begins_alone_and_the_others_join_later(iterations, n_threads, delay, monkeypatch):
    before, expected = _thread._count(), fit(n_threads=1, iterations=iterations)
    completed = delay_threads(monkeypatch, delay)
    assert_same(fit(n_threads=n_threads, iterations=iterations), expected)
    assert len(completed) == n_threads - 1
    assert min(completed) > 0 or delay < 0.1
    assert_ended(before)


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize(("d", "h"), [(40, 110), (220, 600)], ids=["of samples", "of hidden units"])
def test_threads_with_shared_parameters_begin_together(d, h, n_threads, monkeypatch):
    X = np.random.RandomState(1).standard_normal((d, 2000))
    Y = (X[0] > 0).astype(float)
    expected = fastnn2.fit(X, Y, 0.1, h, 20, n_threads=1)
    completed = delay_threads(monkeypatch, 0.02)
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
def test_second_signal_before_the_team_is_told_to_end(monkeypatch):
    before, start, end, calls = count_os_threads(), native.NativeThreads.start, team.Team.end, []

    def interrupted_start(self):
        start(self)
        raise KeyboardInterrupt

    def interrupted_end(self):
        calls.append(self)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return end(self)

    monkeypatch.setattr(native.NativeThreads, "start", interrupted_start)
    monkeypatch.setattr(team.Team, "end", interrupted_end)
    with pytest.raises(fastnn2.TrainingInterrupted):
        fit(n_threads=2)
    assert len(calls) == 2
    assert_ended(before, count_os_threads)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
def test_threads_of_a_team_for_all_cores_start_on_different_cores(monkeypatch):
    cores, found = os.sched_getaffinity(0), []
    iterations, short = LONG, 100
    expected, expected_of_short = (fit(n_threads=1, iterations=count) for count in (iterations, short))

    def set_affinity(pid, mask):
        assert pid == 0  # the calling thread
        found.append((threading.get_ident(), set(mask)))

    monkeypatch.setattr(os, "sched_setaffinity", set_affinity)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 8})
    monkeypatch.setattr(team, "other_cores", lambda threads: frozenset())  # also a short job has Python threads
    for count, right in ((iterations, expected), (short, expected_of_short)):
        assert_same(fit(n_threads=3, iterations=count), right)
        by_thread = {}
        for thread, mask in found:
            by_thread.setdefault(thread, []).append(mask)
        assert sorted(by_thread.values(), key=str) == [[{core}, {3, 5, 8}] for core in (3, 5, 8)]
        found.clear()
    assert_same(fit(n_threads=2, iterations=iterations), expected)  # fewer threads than cores
    assert found == []

    def refused(pid, mask):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    assert_same(fit(n_threads=3, iterations=iterations), expected)
    monkeypatch.undo()
    assert_same(fit(n_threads=len(cores), iterations=iterations), expected)
    assert os.sched_getaffinity(0) == cores


FORK = hasattr(os, "fork")


@pytest.mark.skipif(not FORK, reason="needs fork")
@pytest.mark.parametrize("before", ["", "digest(3)"], ids=["fresh", "after a fit"])
def test_fit_in_forked_children(before, digest):
    code = f"""
{before}
import signal
reading, writing = os.pipe()
for _ in range(3):
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends a child that hangs
        os.write(writing, digest().encode() + b"\\n")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
os.close(writing)
print(digest())
print(os.fdopen(reading).read())
"""
    assert run(code).split() == [digest] * 4


@pytest.mark.skipif(not FORK, reason="needs fork")
def test_fit_in_a_child_forked_while_other_threads_train(digest):
    code = """
import signal, threading
stop = threading.Event()
def train():
    while not stop.is_set():
        digest(2, 50)
digest()
threads = [threading.Thread(target=train) for _ in range(2)]
for thread in threads: thread.start()
ends = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if digest() == EXPECTED else 3)
    ends.append(os.waitpid(child, 0)[1])
stop.set()
for thread in threads: thread.join()
print(ends)
"""
    assert run(f"EXPECTED = {digest!r}\n" + code) == f"{[0] * 10}\n"


SCRIPT = """
import multiprocessing, sys
import numpy as np
import fastnn2

def work(n_threads):
    source = np.random.RandomState(0)
    X = source.standard_normal((2, {n}))
    params, costs = fastnn2.fit(X, (X[0] * X[1] > 0).astype(float), 0.5, 5, 100, random_state=0, n_threads=n_threads)
    return costs.tolist()

if __name__ == "__main__":
    if sys.argv[2] == "after":
        work(2)
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        results = pool.map_async(work, [1, 2, 3, 7]).get(timeout=300)
    assert all(costs == results[0] for costs in results)
    print(results[0] == work(1))
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize("when", ["fresh", "after"])
def test_fit_in_a_process_pool(method, when, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(n=N))
    command = [sys.executable, "-W", "ignore", str(script), method, when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_fit_ends_while_other_processes_use_all_cores(digest):
    """Threads that wait at a barrier yield their cores."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        out = run("print(digest(2), digest(7))\ndigest(2, 1000)", timeout=60)
        assert all(process.poll() is None for process in busy)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert out.split() == [digest, digest]


def test_fit_on_one_core(digest):
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs an affinity mask")
    core = min(os.sched_getaffinity(0))
    assert run(f"os.sched_setaffinity(0, {{{core}}})\nprint(digest(2), digest(7))").split() == [digest, digest]
