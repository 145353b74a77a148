"""fit_blocks: gradient descent over all samples, of which only some are in memory at a time."""

import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn2.blocks.block_reader import read_all, read_blocks
from fastnn2.blocks.budget import BUFFERS, make_budget
from fastnn2.blocks.memory_limit import as_memory_limit
from fastnn2.blocks.open_source import open_source
from fastnn2.blocks.read_ahead import ReadAhead
from fastnn2.engine.block_job import BlockJob
from fastnn2.engine.full_batch import count_threads, job_class
from fastnn2.exceptions import Params
from fastnn2.functional import checks
from fastnn2.functional.callbacks import as_caller
from fastnn2.functional.initial import initial_params, initial_source
from fastnn2.functional.observed import as_saver, run_observed

Array = np.ndarray[Any, Any]

DEPTH = BUFFERS - 1  # blocks that are made before they are asked for: all but the one in use


def fit_blocks(
    blocks: Any,
    learning_rate: float,
    hidden_size: int,
    number_of_iterations: int = 5000,
    *,
    target: str | list[str] | None = None,
    weight: str | None = None,
    memory_limit: int | str | None = None,
    init: Any = "he",
    random_state: Any = 3,
    alpha: float = 0.0,
    dtype: Any = None,
    n_threads: int | None = None,
    progress: bool | None = None,
    callback: Callable[[int, float, Params], Any] | None = None,
    callback_every: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    resume: bool = False,
) -> tuple[Params, Array]:
    """Train as :func:`fit` on samples that need not fit in memory; costs and parameters have the same bits.

    The samples are read in each iteration. Another thread reads the next ones while the present ones are in use. Those
    for which there is room stay in memory; if there is room for all, they are read once.

    Parameters
    ----------
    blocks : tuple, str, path or iterable
        The samples, as rows: features X (n, d), targets Y (n,) or (n, o) from 0 to 1, and optionally weights (n,).

        - A tuple (X, Y) or (X, Y, sample_weight): arrays, memory maps, or paths of .npy files.
        - The path of a Parquet file, or of a folder of them, with `target`. All columns but `target` and `weight` are
          features. It needs Polars: ``pip install 'fastnn2[tables]'``.
        - An iterable that yields such tuples of arrays, the rows of a block, each time it is iterated over; another
          thread does so. Its rows are counted in a first pass.
    learning_rate : float
        Step size of gradient descent, above 0.
    hidden_size : int
        Number of hidden units h.
    number_of_iterations : int
        Number of updates; 0 returns the initial parameters.
    target : str or list of str, optional
        The columns of Y in a Parquet file.
    weight : str, optional
        The column of the weights in a Parquet file.
    memory_limit : int or str, optional
        The most memory for samples and buffers, in bytes or as ``"500MB"`` or ``"2GiB"``. None is half of what the
        process may still use. An array that is passed, and what an iterable holds, are not counted, but a block of an
        iterable is.
    init : {"he", "small"} or dict
        How to draw the initial weights, or parameters to continue from, as for :func:`fit`.
    random_state : int, RandomState, Generator or None
        Source of the initial weights, as for :func:`fit`.
    alpha : float
        L2 penalty: ``alpha/(2n) (|W1|^2 + |W2|^2)`` is added to the cost.
    dtype : {None, "float32", "float64"}
        The dtype of the run; None means float32 if X is, else float64.
    n_threads : int, optional
        Maximum number of threads, besides the one that reads, as for :func:`fit`.
    progress : bool, optional
        Whether to show a progress bar, as for :func:`fit`. Unless all samples are in memory, it counts rows, and says
        for how much of the time it has waited for them: if that is much, the disk or the iterable is slower than the
        processor.
    callback : callable, optional
        ``callback(iteration, cost, params)``, as for :func:`fit`.
    callback_every : int, optional
        The number of iterations from one call of `callback` to the next; 1 by default.
    checkpoint : str or Path, optional
        A file for the parameters and costs of the run so far, as for :func:`fit`. It knows the samples by their form
        and about a thousand of their rows.
    checkpoint_seconds : float
        The least time from one checkpoint to the next.
    resume : bool
        Whether to go on from `checkpoint`, where there is such a file, as for :func:`fit`.

    Returns
    -------
    params : dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1) after the last update, in the dtype of the run.
    cost_ : ndarray (number_of_iterations,)
        float64; the cost of iteration j is that of the parameters before update j.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid; a number in the samples is invalid (the message has its file and row); or the samples
        are not as before: a file has changed, or an iterable yields other blocks. Once training has begun, the error
        has ``(params, cost_)`` in its attribute ``training``.
    OSError
        A file cannot be read.
    TrainingDiverged, TrainingInterrupted
        As for :func:`fit`.

    See Also
    --------
    fit : The same for arrays in memory, with samples as columns.
    partial_fit_blocks : Mini-batches with the optimizers of the estimators.

    Notes
    -----
    Where any rows can be read, threads work on rows that are far apart. The rows of an iterable or a Parquet file come
    in their order only: with a small `memory_limit`, fewer threads have work. Very wide hidden layers, whose threads
    share the hidden units, are refused unless all samples fit in memory.

    Examples
    --------
    >>> import numpy as np, os, tempfile, fastnn2
    >>> X = np.linspace(0.0, 3.0, 100_000).reshape(-1, 2)
    >>> Y = X[:, 0] > 1.5
    >>> folder = tempfile.mkdtemp()
    >>> files = os.path.join(folder, "X.npy"), os.path.join(folder, "Y.npy")
    >>> for file, array in zip(files, (X, Y)):
    ...     np.save(file, array)
    >>> params, cost_ = fastnn2.fit_blocks(files, 1.0, 2, 20, memory_limit="1MB")
    >>> bool((cost_ == fastnn2.fit(X.T, Y, 1.0, 2, 20)[1]).all())
    True
    """
    learning_rate, h, iterations, alpha, n_threads = checks.as_settings(
        learning_rate, hidden_size, number_of_iterations, alpha, n_threads, progress
    )
    limit = as_memory_limit(memory_limit)
    caller = as_caller(callback, callback_every)
    saver = as_saver(checkpoint, checkpoint_seconds, resume, "fit_blocks")
    source = open_source(blocks, target, weight)
    d, o = source.d, source.o
    run_dtype = checks.choose_dtype(source, dtype)
    initial_values = initial_source(init, random_state, (d, h, o), run_dtype, "blocks and hidden_size")

    with saver or contextlib.nullcontext():
        source.count(run_dtype)
        shape = d, h, o, source.n
        threads = count_threads(d, source.n, h, o, iterations, run_dtype, n_threads)
        budget = make_budget(source, shape, run_dtype, threads, limit)
        initial = functools.partial(initial_params, init, initial_values, (d, h, o), run_dtype)
        if saver is None:
            flat, costs_so_far = initial(), None
        else:
            flat, costs_so_far = saver.begin(
                source.fingerprint(run_dtype), shape, learning_rate, alpha, run_dtype, init, iterations, initial,
                matches_any=random_state is None and isinstance(init, str))  # fmt: skip
        if budget.fits:
            X, Y, weights = read_all(source, budget, run_dtype)
            job = job_class(d, h, o)(
                X, Y, weights if source.has_weights else None, flat, shape, alpha, iterations, n_threads, costs_so_far
            )
            job.function = "fit_blocks"
            return run_observed(job, learning_rate, source.total_weight, progress, caller, saver)
        passes = iterations - (0 if costs_so_far is None else len(costs_so_far))
        with ReadAhead(read_blocks(source, budget, run_dtype, passes), DEPTH) as reader:
            block_job = BlockJob(
                reader, len(budget.blocks), lambda: reader.waited, flat, shape, source.has_weights, alpha,
                iterations, threads,
                costs_so_far)  # fmt: skip
            return run_observed(block_job, learning_rate, source.total_weight, progress, caller, saver)
