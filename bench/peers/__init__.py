"""The peers, one module each: everything that trains the network.

A module has

- ``TITLE``, for tables,
- ``THREADS``: (1, None) where one thread or all cores (None) can be chosen, else the only choice,
- ``prepare(X, Y, params, learning_rate, iterations, dtype, threads)``, which converts data and weights to what the peer
  needs, in `dtype`, and returns a function without arguments. This does one whole run, from the initial weights, with
  the cost computed at every iteration, and returns the last cost and the parameters. Only its first call may compile.

:func:`bench.measure.thread_limit` sets the number of threads of a library. This file imports nothing at its top, as the
start-up scripts import it.
"""

NAMES = (
    "numpy_reference",
    "numpy_plain",
    "numba_plain",
    "scikit_learn",
    "torch_eager",
    "torch_compiled",
    "jax_scan",
    "fastnn2_fit",
)


class Unavailable(Exception):
    """A peer cannot take part; the message says why."""


def load(name):
    """Return the module of a peer; raise Unavailable where a package that it needs is missing."""
    import importlib

    try:
        return importlib.import_module(f"bench.peers.{name}")
    except ImportError as error:
        raise Unavailable(str(error)) from error
