"""Everything that trains the network, one module each.

A module has

- ``TITLE``, for tables,
- ``THREADS``: (1, None) where one thread and all cores (None) can be chosen, else what it always runs on,
- ``prepare(X, Y, params, learning_rate, iterations, dtype, threads)``, which brings data and weights to where the
  peer wants them, in `dtype`, and returns a function without arguments: one whole run, from the initial weights,
  with the cost computed at every iteration. It returns the last cost and the parameters. Its first call may
  compile; later ones do not.

How many threads a library uses is set from outside, by :func:`bench.measure.thread_limit`. This file imports nothing,
as the start-up scripts go through it.
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
    """A peer that cannot take part, with the reason."""


def load(name):
    """Return the module of a peer; raise Unavailable where what it needs is not installed."""
    import importlib

    try:
        return importlib.import_module(f"bench.peers.{name}")
    except ImportError as error:
        raise Unavailable(str(error)) from error
