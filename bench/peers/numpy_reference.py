"""fastnn2.reference, the NumPy specification; float64 only."""

from fastnn2 import reference

TITLE = "fastnn2.reference"
THREADS = (None,)


def prepare(X, Y, params, learning_rate, iterations, dtype, threads):
    def run():
        trained, cost_ = reference.fit(X, Y, learning_rate, len(params["W1"]), iterations, init=params)
        return cost_[-1], trained

    return run
