"""Signals while workers run: they reach the main thread at once, and their handlers may do anything."""

import pytest
from data import can_use_native_threads
from thread_data import run

pytestmark = pytest.mark.skipif(not can_use_native_threads(), reason="needs two cores and native threads")

# The caller of a long job looks at its team only every `WAIT` seconds, so it ends early only if the signal wakes it.
WAIT, SOON = 120, 30
SETUP = f"""
import contextlib, signal, threading, time, warnings
from fastnn2.threads import team
warnings.simplefilter("ignore")
signal.alarm(300)  # ends a process that hangs
team.POLL_SECONDS = {WAIT}.0
rows, labels = np.tile(X, 15).T.copy(), np.tile(Y, 15).astype(int)
digest()  # loads the kernel
begin, handled = [], []

def tasks():  # the threads, but for that of PyArrow's allocator, which pandas brings
    names = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{{task}}/comm") as file:
            names.append(file.read())
    return len(names) - names.count("jemalloc_bg_thd\\n")

def noting(handler):
    def note(*arguments):
        handled.append(True)
        return handler(*arguments)
    return note

# Again if it comes just as the main thread begins to wait: Python runs no handler then until something ends the wait.
def send(number=signal.SIGINT):
    begin.append(time.perf_counter())
    while not handled:
        os.kill(os.getpid(), number)
        again = time.monotonic() + 5
        while not handled and time.monotonic() < again:
            time.sleep(0.01)

def send_soon(number=signal.SIGINT):
    before = tasks()
    signal.signal(number, noting(signal.getsignal(number)))

    def watch():
        while tasks() < before + 2:  # this thread and thread 0; on a busy machine the
            time.sleep(0.01)  # workers may have left already, as thread 0 goes on alone
        time.sleep(0.1)
        send(number)

    threading.Thread(target=watch, daemon=True).start()

def wait_until_alone():  # the system counts a thread for a moment after it is joined
    deadline = time.monotonic() + 60
    while tasks() > 1 and time.monotonic() < deadline:
        time.sleep(0.01)

def end():
    seconds = time.perf_counter() - begin[0]
    wait_until_alone()
    print(seconds < {SOON}, tasks())
"""


def run_alone(code):
    """Run a script without the threads that BLAS has."""
    return run(SETUP + code, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")


FITS = {
    "fit": "fastnn2.fit(X, Y, 0.5, 5, 100_000_000, n_threads=2)",
    "wide": "fastnn2.fit(np.tile(X, (110, 1)), Y, 0.5, 600, 100_000, n_threads=2)",
    "epochs": "fastnn2.MLPClassifier(50, max_iter=10**6, tol=0, batch_size=30_000, n_threads=2, n_iter_no_change=10**6)"
    ".fit(rows, labels)",
    "epochs of units": "fastnn2.MLPClassifier(100, max_iter=10**6, tol=0, batch_size=200, n_threads=2, "
    "n_iter_no_change=10**6).fit(rows, labels)",
    "predictions": "[model.predict(many) for _ in range(10**6)]",
}


@pytest.mark.parametrize("call", FITS.values(), ids=FITS)
def test_ctrl_c_wakes_the_caller_of_a_long_job_at_once(call):
    code = f"""
model = fastnn2.MLPClassifier(500, max_iter=1, n_threads=2).fit(rows[:, :2], labels)
many = np.tile(rows, (40, 1))
send_soon()
with contextlib.suppress(KeyboardInterrupt):  # an estimator's fit warns, and returns
    {call}
end()
"""
    assert run_alone(code) == "True 1\n"


def test_signal_wakes_the_main_thread_while_another_trains():
    code = """
def work():
    try:
        fastnn2.fit(X, Y, 0.5, 5, 100_000_000, n_threads=2)
    except BaseException as error:
        print(error)
thread = threading.Thread(target=work)
send_soon()
thread.start()
try:
    time.sleep(WAIT)
except KeyboardInterrupt:
    print(time.perf_counter() - begin[0] < SOON, thread.is_alive(), flush=True)
os._exit(0)  # the fit has minutes to go
"""
    assert run_alone(f"WAIT, SOON = {WAIT}, {SOON}\n" + code) == "True True\n"


def test_signal_wakes_a_callback_while_workers_wait():
    code = """
class Sleeper:
    def setup(self, estimator, context): pass
    def teardown(self, estimator, context): pass
    def on_fit_task_begin(self, estimator, context): pass
    def on_fit_task_end(self, estimator, context):
        if context.task_name != "epoch":
            sender.join()
            wait_until_alone()
        workers.append(tasks() - 1)
        if context.task_name == "epoch":
            sender.start()
            time.sleep(WAIT)
workers, sender = [], threading.Timer(0.2, send)
signal.signal(signal.SIGINT, noting(signal.default_int_handler))
model = fastnn2.MLPClassifier(5, max_iter=50, batch_size=3000, n_threads=2).set_callbacks(Sleeper())
try:
    model.fit(rows[:3000], labels[:3000])
except KeyboardInterrupt:
    pass
print(workers)
end()
"""
    assert run_alone(f"WAIT = {WAIT}\n" + code) == "[1, 0]\nTrue 1\n"  # none when the fit ends


@pytest.mark.parametrize("error", ["SystemExit", "Alarm"])
@pytest.mark.parametrize("call", FITS.values(), ids=FITS)
def test_exception_of_a_handler_ends_the_team(call, error):
    code = f"""
class Alarm(BaseException):
    pass

def ring(*_):
    raise {error}

signal.signal(signal.SIGUSR1, ring)
model = fastnn2.MLPClassifier(500, max_iter=1, n_threads=2).fit(rows[:, :2], labels)
many = np.tile(rows, (40, 1))
send_soon(signal.SIGUSR1)
try:
    {call}
except {error}:
    end()
"""
    assert run_alone(code) == "True 1\n"


def test_handler_may_fit_and_predict():
    code = """
expected = digest(1), digest(1, 30_000)
model = fastnn2.MLPClassifier(5, max_iter=3, random_state=0, n_threads=2)
right = model.fit(rows, labels).predict_proba(rows).tobytes()
found, equal = [], True

def work(*_):
    found.append(digest(2))
    found.append(digest(2, 30_000))
    found.append(model.fit(rows, labels).predict_proba(rows).tobytes())

signal.signal(signal.SIGUSR1, work)
team.POLL_SECONDS = 0.05
send_soon(signal.SIGUSR1)
while not found:  # the signal comes in one of these fits
    equal &= digest(2, 30_000) == expected[1]
print(equal, found == [*expected, right])
end()
"""
    assert run_alone(code).splitlines()[0] == "True True"


def test_storm_of_signals_while_an_estimator_trains_and_predicts():
    """Each ends a fit or a prediction, or comes between two; no thread is left, and the next results are right."""
    code = """
import random
team.POLL_SECONDS = 0.05
few, few_labels = rows[:3000], labels[:3000]
options = dict(hidden_layer_sizes=5, max_iter=8, random_state=0, n_threads=2, batch_size=1000)
models = [fastnn2.MLPClassifier(early_stopping=early, solver=solver, **options)
          for early, solver in ((False, "adam"), (True, "adam"), (False, "lbfgs"))]
right = [model.fit(few, few_labels).predict_proba(few).tobytes() for model in models]
losses = models[0].loss_curve_
source, lost, wrong = random.Random(0), 0, 0
for number in range(120):
    ready, sent = threading.Event(), threading.Event()

    def send():
        ready.wait()
        time.sleep(source.random() * 0.02)
        os.kill(os.getpid(), signal.SIGINT)
        sent.set()

    sender = threading.Thread(target=send)
    sender.start()
    model = models[number % 3]
    try:
        ready.set()
        while not sent.is_set():
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.fit(few, few_labels)
            if any("interrupted" in str(each.message) for each in caught):
                if model is models[0]:
                    wrong += model.loss_curve_ != losses[: len(model.loss_curve_)]
                break
            wrong += model.predict_proba(few).tobytes() != right[number % 3]
        else:
            time.sleep(0.05)
            lost += not model.early_stopping  # in its stratified split, NumPy swallows what a signal raises
    except KeyboardInterrupt:
        pass
    sender.join()
wrong += [model.fit(few, few_labels).predict_proba(few).tobytes() for model in models] != right
wait_until_alone()
print(lost, wrong, tasks())
"""
    assert run_alone(code) == "0 0 1\n"
