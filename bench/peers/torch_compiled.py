"""PyTorch's own compiler (inductor) over one step of :mod:`bench.peers.torch_eager`."""

import functools

import torch

from bench.peers import Unavailable, torch_eager

TITLE = "torch.compile"
THREADS = (None,)  # the compiled code has the number of threads built in


@functools.lru_cache(maxsize=1)
def forget_other_cases(*shapes):
    """Drop code compiled for other shapes: from the ninth shape on, torch would silently run uncompiled."""
    torch.compiler.reset()


def prepare(X, Y, params, learning_rate, iterations, dtype, threads):
    forget_other_cases(X.shape, Y.shape)
    compiled = torch.compile(torch_eager.step, fullgraph=True, dynamic=False)
    run = torch_eager.prepare(X, Y, params, learning_rate, iterations, dtype, threads, step=compiled)
    try:
        torch_eager.prepare(X, Y, params, learning_rate, 1, dtype, threads, step=compiled)()
    except Exception as error:  # a missing or failing compiler raises many types
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Unavailable(f"it does not compile here: {lines[0]}") from error
    return run
