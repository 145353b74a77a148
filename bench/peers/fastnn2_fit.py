"""fastnn2.fit, the whole call: checks, layout, start of the team."""

import fastnn2

TITLE = "fastnn2"
THREADS = (1, None)


def prepare(X, Y, params, learning_rate, iterations, dtype, threads):
    X, Y = X.astype(dtype, copy=False), Y.astype(dtype, copy=False)
    h = len(params["W1"])

    def run():
        trained, cost_ = fastnn2.fit(
            X, Y, learning_rate, h, iterations, init=params, n_threads=threads, progress=False
        )  # fmt: skip
        return cost_[-1], trained

    return run
