"""One side of a comparison: a process that prepares a job, and times it once for each order.

Orders are lines of JSON on standard input; answers are lines of JSON on standard output. The script comes from the
checkout that compares, and fastnn2 from PYTHONPATH. That one may be much older, so only its public names are used.
"""

import contextlib
import gc
import hashlib
import json
import os
import signal
import statistics
import sys
import threading
import time
import traceback
import warnings

import numpy as np

PAUSE = 0.05  # seconds: threads of BLAS, in either process, spin for about 30 ms after their work
WARM_SECONDS = 0.005  # an idle core needs a millisecond or two to reach its full clock
LONG = 0.3  # seconds; longer runs need no warm-up
SIGNAL_AFTER = 0.02  # seconds of training until Ctrl-C


class Repeated:
    """A job that is run several times in one measurement.

    Parameters
    ----------
    run : callable
        Does the work.
    arrays_of : callable
        Takes what `run` returns, and returns a dict of arrays.
    """

    def __init__(self, run, arrays_of):
        self.run = run
        self.digest = digest(arrays_of(run()))  # this run compiles or loads the kernels
        self.seconds = self._measure(1)
        if self.seconds < LONG:
            self.seconds = min(self.seconds, self._measure(1))

    def _measure(self, repeats):
        begin = time.perf_counter()
        for _ in range(repeats):
            self.run()
        return time.perf_counter() - begin

    def time(self, repeats):
        """Return the seconds of one run, the mean over `repeats`."""
        time.sleep(PAUSE)
        if self.seconds * repeats < LONG:
            self._measure(min(repeats, 1 + int(WARM_SECONDS / self.seconds)))
        return self._measure(repeats) / repeats


class Interrupted:
    """A run that would take minutes; the time from a signal to its end is measured."""

    def __init__(self, run, arrays_of):
        self.run = run
        self.digest = None  # each run stops elsewhere
        self.seconds = SIGNAL_AFTER + self.time(2)

    def time(self, repeats):
        """Return the seconds from the signal to the end of the call, the median over `repeats`."""
        return statistics.median(self._time_once() for _ in range(repeats))

    def _time_once(self):
        sent = []

        def send():
            time.sleep(SIGNAL_AFTER)
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        sender = threading.Thread(target=send)
        with contextlib.suppress(KeyboardInterrupt):
            sender.start()
            self.run()
        ended = time.perf_counter()
        if not sent:
            raise RuntimeError(f"the run was over within {SIGNAL_AFTER} s, before the signal")
        sender.join()
        return ended - sent[0]


def digest(result):
    """Return a hash of the dtypes, shapes and bytes of a dict of arrays, by name."""
    found = hashlib.sha256()
    for name, value in sorted(result.items()):
        array = np.ascontiguousarray(value)
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def fit(data, dtype, *, learning_rate, iterations, threads=None):
    """Return a run of fastnn2.fit from given parameters, and a function that names the arrays of its result."""
    import fastnn2

    X, Y = data["X"].astype(dtype), data["Y"].astype(dtype)
    init = {name: data[name] for name in ("W1", "b1", "W2", "b2")}

    def run():
        return fastnn2.fit(
            X, Y, learning_rate, len(init["W1"]), iterations, init=init, n_threads=threads, progress=False
        )

    return run, lambda result: {**result[0], "cost_": result[1]}


def estimator(data, dtype, *, name, params):
    """Return a run of an estimator's fit, and a function that names the arrays of its result."""
    import fastnn2

    X, y = data["X"].astype(dtype), data["y"]
    model = getattr(fastnn2, name)(random_state=0, **params)

    def arrays_of(model):
        arrays = [*model.coefs_, *model.intercepts_, model.loss_]
        return {str(place): array for place, array in enumerate(arrays)}

    return lambda: model.fit(X, y), arrays_of


def prediction(data, dtype, *, method, fitted, predicted, params):
    """Return a run of a classifier's method on the first `predicted` rows, after a fit on the first `fitted`."""
    import fastnn2

    X = data["X"].astype(dtype)
    model = fastnn2.MLPClassifier(random_state=0, **params).fit(X[:fitted], data["y"][:fitted])
    call, X = getattr(model, method), X[:predicted]
    return lambda: call(X), lambda result: {"": result}


JOBS = {"fit": fit, "estimator": estimator, "prediction": prediction}
WAYS = {"repeated": Repeated, "interrupted": Interrupted}


def prepare(order):
    """Return the job of an order, warm."""
    with np.load(order["data"]) as data:
        arguments = data, order["dtype"]
        make = JOBS[order["job"]]
        if order["short"]:  # imports and compiles first: a signal during these is another case
            run, _ = make(*arguments, **order["options"] | order["short"])
            run()
        return WAYS[order["way"]](*make(*arguments, **order["options"]))


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other prints go to standard error
    signal.signal(signal.SIGINT, signal.default_int_handler)  # processes in the background may ignore SIGINT
    warnings.simplefilter("ignore")  # about convergence, as the number of iterations is given
    import fastnn2

    def answer(**values):
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    answer(file=fastnn2.__file__)
    job = None
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if order["do"] == "prepare":
                job = prepare(order)
                gc.collect()
                gc.disable()
                answer(digest=job.digest, seconds=job.seconds)
            else:
                answer(seconds=job.time(order["repeats"]))
                gc.collect()
        except Exception as error:
            traceback.print_exc()
            answer(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
