"""PyTorch's own compiler (inductor) over one step of :mod:`bench.peers.torch_eager`."""

import torch

from bench.peers import Unavailable, torch_eager

TITLE = "torch.compile"
THREADS = (None,)  # the compiled code has the number of threads built in

_shapes = set()  # of the case that code is kept for


def prepare(X, Y, params, learning_rate, iterations, dtype, threads):
    if (X.shape, Y.shape) not in _shapes:  # else the ninth would be run uncompiled, without a word
        torch.compiler.reset()
        _shapes.clear()
        _shapes.add((X.shape, Y.shape))
    compiled = torch.compile(torch_eager.step, fullgraph=True, dynamic=False)
    run = torch_eager.prepare(X, Y, params, learning_rate, iterations, dtype, threads, step=compiled)
    try:
        torch_eager.prepare(X, Y, params, learning_rate, 1, dtype, threads, step=compiled)()
    except Exception as error:  # a compiler that is missing or fails shows itself in many ways
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Unavailable(f"it does not compile here: {lines[0]}") from error
    return run
