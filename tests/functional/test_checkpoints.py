"""fit's checkpoints: runs that are killed, stopped or refused, and what goes on from them."""

import _thread
import dataclasses
import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_ended, assert_same_bits, fail_before_kernel, problem, wait_for_change

import fastnn2
from fastnn2.engine import full_batch
from fastnn2.storage import checkpoint_file, checkpointer
from fastnn2.threads import team

RATE = 0.05
KILLS = 20
SHAPES = {
    "narrow": (2, 5, 1, 3000),
    "layered": (3, 7, 2, 300),
    "shared": (40, 110, 1, 3000),
    "wide": (220, 600, 3, 800),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


def small(iterations=20, **options):
    X, Y, init, _ = problem(2, 3, 1, 40)
    options = {"init": init, "X": X, "Y": Y, "learning_rate": RATE, "hidden_size": 3, **options}
    return fastnn2.fit(number_of_iterations=iterations, **options)


def stop_at(iteration):
    return lambda done, cost, params: done == iteration


def done_in(path):
    """Return the number of iterations in a checkpoint."""
    description, arrays = checkpoint_file.read(path, "fit")
    assert description["iterations"] == len(arrays["cost_"])
    return description["iterations"]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_end_is_that_of_the_undisturbed_run(shape, dtype, n_threads, path):
    d, h, o, n = SHAPES[shape]
    X, Y, init, weights = problem(d, h, o, n, dtype)
    for options in ({}, {"alpha": 0.5, "sample_weight": weights}):
        options = {"init": init, **options}
        expected = fastnn2.fit(X, Y, RATE, h, 9, n_threads=1, **options)
        for stops in ((1, 2, 7), (4,), (5, 8)):
            path.unlink(missing_ok=True)
            for stop in stops:
                seen = []

                def callback(iteration, cost, params, seen=seen, stop=stop):
                    seen.append((iteration, cost))
                    return iteration == stop

                fastnn2.fit(
                    X, Y, RATE, h, 9, n_threads=n_threads, callback=callback, checkpoint=path, resume=True, **options
                )
                assert done_in(path) == stop
            result = fastnn2.fit(X, Y, RATE, h, 9, n_threads=n_threads, checkpoint=path, resume=True, **options)
            assert_same_bits(result, expected)
            assert seen[-1] == (stops[-1], expected[1][stops[-1] - 1])
            assert len(seen) == stops[-1] - ((0, *stops)[-2])  # numbered on from the last checkpoint
            assert done_in(path) == 9
    assert os.listdir(path.parent) == [path.name]


TRAIN = """
import json, sys, time
import numpy as np
import fastnn2
path, iterations, limit = json.loads(sys.argv[1])
X = np.empty((2, 3000))
X[0] = np.linspace(-1, 1, 3000)
X[1] = np.modf(X[0] * 777)[0]
weights = 1 + np.arange(3000) % 3
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
options = {} if path is None else {"checkpoint": path, "checkpoint_seconds": 0, "resume": True}
fastnn2.fit(X[:, :10], np.arange(10) % 2, 0.5, 5, 1)  # loads the kernel
print("ready", flush=True)
params, cost_ = fastnn2.fit(X, X[0] * X[1] > 0, 0.5, 5, iterations, alpha=0.1, sample_weight=weights, **options)
print(json.dumps([cost_[-1].hex(), float(cost_.sum()).hex(), [a.tobytes().hex() for a in params.values()]]))
"""


def train_in_a_process(*arguments):
    command = [sys.executable, "-W", "ignore", "-c", TRAIN, json.dumps(arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_run_that_is_killed_again_and_again(path):
    """Each fourth run has a full disk: its checkpoints fail, and the last good one stays.

    Runs that are killed have no end in sight, however fast they are; the last one ends a little later.
    """
    source, done = random.Random(0), [0]
    for kill in range(KILLS):
        is_full = kill % 4 == 3
        process = train_in_a_process(str(path), 10**8, 4000 if is_full else None)
        try:
            assert process.stdout.readline() == "ready\n"
            for _ in range(0 if is_full else source.randrange(1, 4)):
                wait_for_change(path, process)
            time.sleep(source.random() * (0.2 if is_full else 0.05))
            assert process.poll() is None
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)
        done.append(done_in(path))
        assert (done[-1] == done[-2]) == is_full
    print(f"iterations in the checkpoint after each kill: {done}")
    assert done == sorted(done)
    iterations = done[-1] + 1000
    expected = finish(train_in_a_process(None, iterations, None))
    assert finish(train_in_a_process(str(path), iterations, None)) == expected
    assert done_in(path) == iterations


@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_checkpoint_is_written_from_time_to_time(n_threads, path, monkeypatch):
    """And at Ctrl-C; the run can go on from each."""
    written, write = [], checkpoint_file.write

    def keep(path, kind, description, arrays):
        written.append((description["iterations"], {name: array.copy() for name, array in arrays.items()}))
        write(path, kind, description, arrays)
        if len(written) == 4:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(team, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(checkpoint_file, "write", keep)
    X, Y, init, _ = problem(2, 5, 1, 3000)
    with pytest.raises(fastnn2.TrainingInterrupted) as caught:
        fastnn2.fit(X, Y, RATE, 5, 10**8, init=init, n_threads=n_threads, checkpoint=path, checkpoint_seconds=0.05)
    error, counts = caught.value, [count for count, _ in written]
    assert counts == sorted(set(counts))
    assert done_in(path) == counts[-1] == len(error.cost_)
    expected, cost_ = fastnn2.fit(X, Y, RATE, 5, counts[0], init=init)
    assert_same_bits(written[0][1], {**expected, "cost_": cost_})
    result = fastnn2.fit(X, Y, RATE, 5, counts[-1] + 5, init=init, checkpoint=path, resume=True)
    assert_same_bits(result, fastnn2.fit(X, Y, RATE, 5, counts[-1] + 5, init=init))


def test_checkpoints_between_callbacks(path, monkeypatch):
    """Parts between callbacks may be too short for a look at the time; so each callback's pause has one."""
    written, write = [], checkpoint_file.write

    def keep(path, kind, description, arrays):
        written.append(description["iterations"])
        write(path, kind, description, arrays)

    monkeypatch.setattr(checkpoint_file, "write", keep)
    callback = lambda *_: time.sleep(0.02)  # noqa: E731
    small(20, callback=callback, callback_every=2, checkpoint=path, checkpoint_seconds=0.03)
    assert written[-1] == 20
    assert len(written) > 2
    assert all(count % 2 == 0 for count in written)


def test_settings_that_may_change(path):
    expected = small(30)
    small(10, checkpoint=path)
    small(20, checkpoint=path, resume=True, n_threads=2, progress=False, callback=stop_at(15), callback_every=5)
    assert done_in(path) == 15
    assert_same_bits(small(30, checkpoint=str(path), resume=True, checkpoint_seconds=1), expected)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 4, "init": "he"}, "hidden_size is 3 there and 4 here"),
        ({"learning_rate": 0.1}, "learning_rate is 0.05 there and 0.1 here"),
        ({"alpha": 1.5}, "alpha is 0.0 there and 1.5 here"),
        ({"dtype": "float32"}, "dtype is 'float64' there and 'float32' here"),
        ({"sample_weight": np.ones(40)}, "the data .X, Y and sample_weight. differ"),
        ({"Y": np.ones(40)}, "the data"),
        ({"init": "he"}, "the initial parameters .from init and random_state. differ"),
        ({"init": "he", "random_state": None}, "init is 'parameters' there and 'he' here"),
        (
            {"learning_rate": 0.1, "alpha": 1.5},
            "learning_rate is 0.05 there and 0.1 here; alpha is 0.0 there and 1.5 here",
        ),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(options, message, resume, path):
    small(5, checkpoint=path)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=f"is of another run: {message}.*Choose another file, or"):
        small(20, checkpoint=path, resume=resume, **options)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_data_of_another_shape_are_refused(path):
    small(5, checkpoint=path)
    X, Y, _, _ = problem(2, 3, 1, 40)
    with pytest.raises(ValueError, match="the number of samples is 40 there and 39 here"):
        small(5, checkpoint=path, X=X[:, :39], Y=Y[:, :39])
    padded = np.hstack([X, np.zeros((2, 1))]), np.hstack([Y, np.zeros((1, 1))])  # as zeros follow the last sample
    with pytest.raises(ValueError, match="the number of samples is 40 there and 41 here"):
        small(5, checkpoint=path, X=padded[0], Y=padded[1])


@pytest.mark.parametrize("change", [{"init": "small"}, {"init": "small", "random_state": None}, {"random_state": 4}])
def test_other_draws_are_refused(change, path):
    small(5, checkpoint=path, init="he", random_state=3)
    with pytest.raises(ValueError, match=r"is of another run: .*init"):
        small(5, checkpoint=path, **{"init": "he", "random_state": 3, **change})


def test_the_same_initial_parameters_are_those_of_any_source(path):
    X, Y, _, _ = problem(2, 3, 1, 40)
    expected = small(20, init="he", random_state=3)
    for options in (
        {"init": "he", "random_state": np.random.RandomState(3)},
        {"init": fastnn2.init_params(X, Y, 3, random_state=3)},
        {"init": "he", "random_state": None},
    ):
        path.unlink(missing_ok=True)
        small(5, checkpoint=path, init="he", random_state=3)
        assert_same_bits(small(20, checkpoint=path, resume=True, **options), expected)


def test_random_state_none(path, monkeypatch):
    first = small(5, init="he", random_state=None, checkpoint=path)
    drawn = []
    monkeypatch.setattr("fastnn2.functional.fit.initial_params", lambda *_: drawn.append(1))
    params, cost_ = small(20, init="he", random_state=None, checkpoint=path, resume=True)
    assert drawn == []
    monkeypatch.undo()
    assert_same_bits((params, cost_[5:]), small(15, init=first[0]))
    other = small(5, init="he", random_state=None, checkpoint=path)
    assert not np.array_equal(other[1], first[1])
    assert np.array_equal(checkpoint_file.read(path, "fit")[1]["cost_"], other[1])


def test_resume_begins_where_there_is_no_checkpoint(path):
    assert_same_bits(small(checkpoint=path, resume=True), small())
    assert done_in(path) == 20


def test_the_same_run_overwrites_its_checkpoint(path):
    small(20, checkpoint=path)
    small(5, checkpoint=path)
    assert done_in(path) == 5


def test_a_run_that_is_complete_returns_its_result(path):
    expected, seen = small(20, checkpoint=path), []
    again = small(20, checkpoint=path, resume=True, callback=lambda *given: seen.append(given), callback_every=20)
    assert_same_bits(again, expected)
    assert seen == []


def test_fewer_iterations_than_are_done_are_refused(path):
    small(20, checkpoint=path)
    with pytest.raises(
        ValueError, match=r"number_of_iterations is 19, but the checkpoint .* has 20 iterations; pass 20"
    ):
        small(19, checkpoint=path, resume=True)


def test_no_iteration_no_checkpoint(path):
    assert_same_bits(small(0, checkpoint=path), small(0))
    assert os.listdir(path.parent) == []


def test_an_error_that_takes_no_attribute_leaves_a_checkpoint(path):
    @dataclasses.dataclass(frozen=True)
    class Frozen(Exception):
        number: int

    def fail(*_):
        raise Frozen(3)

    with pytest.raises(Frozen):
        small(20, callback=fail, callback_every=7, checkpoint=path)
    assert done_in(path) == 7


def test_a_run_without_checkpoints_imports_nothing_for_them():
    """The first fit of a process is not slower for what it does not use."""
    code = "import sys, fastnn2; fastnn2.fit([[0.0, 1.0]], [0, 1], 0.5, 2, 3); "
    code += "print('fastnn2.functional.checkpoints' in sys.modules)"
    fastnn2.fit([[0.0, 1.0]], [0, 1], 0.5, 2, 3)  # so that the kernel is in the store
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_an_error_of_the_callback_leaves_a_checkpoint(path):
    error = RuntimeError("mine")

    def fail(iteration, cost, params):
        if iteration == 6:
            raise error

    with pytest.raises(RuntimeError, match="mine") as caught:
        small(20, callback=fail, callback_every=2, checkpoint=path)
    assert caught.value is error
    assert_same_bits(error.training, small(6))
    assert done_in(path) == 6
    assert_same_bits(small(20, checkpoint=path, resume=True), small(20))


def test_divergence_of_a_fit_in_the_callback_leaves_a_checkpoint(path):
    def diverge(iteration, cost, params):
        if iteration == 6:
            small(20, learning_rate=1e308, init={name: array * 1e300 for name, array in params.items()})

    with pytest.raises(fastnn2.TrainingDiverged) as caught:
        small(20, callback=diverge, callback_every=2, checkpoint=path)
    assert_same_bits(caught.value.training, small(6))
    assert done_in(path) == 6


def test_divergence_writes_no_checkpoint(path):
    init = problem(2, 3, 1, 40)[2]
    huge = {name: array * 1e300 if name == "W2" else array for name, array in init.items()}
    options = {"init": huge, "learning_rate": 1e308, "checkpoint": path, "resume": True}
    with pytest.raises(fastnn2.TrainingDiverged):
        small(20, **options)
    assert os.listdir(path.parent) == []


def test_a_worker_that_fails_leaves_no_checkpoint(path, monkeypatch):
    fail_before_kernel(0, monkeypatch)
    with pytest.raises(RuntimeError, match="no way into the kernel"):
        small(20, checkpoint=path)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("signals", [1, 2])
def test_interrupt_while_the_last_checkpoint_is_written(signals, path, monkeypatch):
    write, before = checkpoint_file.write, _thread._count()

    def slow(*arguments):
        for _ in range(signals):
            time.sleep(0.05)
            _thread.interrupt_main()
        time.sleep(0.05)
        write(*arguments)

    monkeypatch.setattr(checkpoint_file, "write", slow)
    with pytest.raises(fastnn2.TrainingInterrupted, match="stopped after 20 of 20 iterations") as caught:
        small(20, checkpoint=path)
    assert_same_bits((caught.value.params, caught.value.cost_), small(20))
    assert done_in(path) == 20
    assert os.listdir(path.parent) == [path.name]
    assert_ended(before)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_cannot_be_written(number, path, monkeypatch):
    """Training goes on, there is one warning, and the last good checkpoint is intact."""
    small(5, checkpoint=path)
    content, calls = path.read_bytes(), []

    def fail(*arguments):
        calls.append(arguments)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkpoint_file, "write", fail)
    with pytest.warns(RuntimeWarning, match=f"{os.strerror(number)}. Training goes on") as caught:
        result = small(20, checkpoint=path, resume=True, checkpoint_seconds=0, callback=lambda *_: time.sleep(0.02))
    assert len(calls) > 1
    assert len(caught) == 1
    assert_same_bits(result, small(20))
    assert path.read_bytes() == content


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who is not allowed everything")
def test_a_folder_that_cannot_be_written(path):
    os.chmod(path.parent, 0o500)
    try:
        with pytest.warns(RuntimeWarning, match="Training goes on"):
            assert_same_bits(small(20, checkpoint=path), small(20))
    finally:
        os.chmod(path.parent, 0o700)


def test_one_run_of_a_process_has_the_file(path):
    failed = []

    def callback(*_):
        with pytest.raises(ValueError, match="another run, of this process or another one, writes the checkpoint"):
            small(20, checkpoint=path)
        failed.append(True)

    small(20, checkpoint=path, callback=callback, callback_every=10)
    assert failed == [True, True]
    assert done_in(path) == 20


def test_one_process_has_the_file(path):
    process = train_in_a_process(str(path), 10**8, None)
    try:
        assert process.stdout.readline() == "ready\n"
        deadline = time.monotonic() + PATIENCE
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(ValueError, match="another run"):
            small(20, checkpoint=path)
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)
    with pytest.raises(ValueError, match="is of another run: "):  # its lock has died with it
        small(20, checkpoint=path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_writes_no_checkpoint(path):
    children, statuses = [], []

    def fork(iteration, cost, params):
        if iteration == 10:
            children.append(os.fork())
            if children[0]:
                statuses.append(os.waitpid(children[0], 0)[1])

    try:
        small(20, checkpoint=path, callback=fork, callback_every=10)
        failure = ""
    except RuntimeError as error:
        failure = str(error)
    if children[0] == 0:
        os._exit(0 if "forked during training" in failure and not path.exists() else 3)
    assert (failure, statuses) == ("", [0])
    assert done_in(path) == 20
    assert os.listdir(path.parent) == [path.name]


def test_damaged_files_are_refused(path):
    small(5, checkpoint=path)
    content = path.read_bytes()
    for damaged in (content[:-1], content[:100], b"", b"text", content[:-3] + b"\0" + content[-2:]):
        path.write_bytes(damaged)
        for resume in (False, True):
            with pytest.raises(ValueError, match=r"run\.checkpoint' (is damaged|is not a checkpoint|does not begin)"):
                small(20, checkpoint=path, resume=resume)
        assert path.read_bytes() == damaged


@pytest.mark.parametrize(
    "change",
    [
        lambda description, arrays: arrays.pop("b2"),
        lambda description, arrays: arrays.update(W1=arrays["W1"].T),
        lambda description, arrays: arrays.update(W1=arrays["W1"].astype("float32")),
        lambda description, arrays: arrays.update(W1=arrays["W1"] * np.nan),
        lambda description, arrays: arrays.update(cost_=arrays["cost_"][:-1]),
        lambda description, arrays: arrays.update(cost_=arrays["cost_"].astype("float32")),
        lambda description, arrays: arrays.update(more=arrays["W1"]),
        lambda description, arrays: description.update(iterations="5"),
        lambda description, arrays: description.pop("iterations"),
    ],
)
def test_files_of_other_arrays_are_refused(change, path):
    small(5, checkpoint=path)
    description, arrays = checkpoint_file.read(path, "fit")
    change(description, arrays)
    checkpoint_file.write(path, "fit", description, arrays)
    with pytest.raises(ValueError, match="is damaged: its arrays are not those of its description"):
        small(20, checkpoint=path, resume=True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"resume": True}, ValueError, "resume is True, but checkpoint is None; pass the file"),
        ({"checkpoint": 3}, TypeError, "checkpoint is int; expected the path of a file"),
        ({"checkpoint": ""}, ValueError, "checkpoint is ''; expected the path of a file"),
        ({"checkpoint": "."}, ValueError, "checkpoint is '.', a folder; expected the path of a file"),
        ({"checkpoint": "a", "resume": 1}, TypeError, "resume is 1; expected True or False"),
        ({"checkpoint": "a", "checkpoint_seconds": -1}, ValueError, "checkpoint_seconds is -1; expected a finite"),
        ({"checkpoint": "a", "checkpoint_seconds": None}, TypeError, "checkpoint_seconds is None; expected a finite"),
        ({"checkpoint": os.path.join("no folder", "a")}, ValueError, "there is no folder"),
    ],
)
def test_wrong_arguments(options, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        small(**options)
    assert os.listdir(tmp_path) == []


def test_invalid_data_leave_no_lock(path):
    with pytest.raises(ValueError, match="nan"):
        small(checkpoint=path, X=np.full((2, 40), np.nan))
    assert os.listdir(path.parent) == []
    small(checkpoint=path)


def test_signal_during_a_checkpoint_run_is_not_lost(path, monkeypatch):
    monkeypatch.setattr(full_batch, "is_short_job", lambda *_: False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(fastnn2.TrainingInterrupted, match=re.escape("stopped after 10 of 20")):
            small(20, checkpoint=path, callback=lambda *_: signal.raise_signal(signal.SIGINT), callback_every=10)
    assert done_in(path) == 10
    assert checkpointer.Checkpointer(path, "fit", 0.0).read() is not None
