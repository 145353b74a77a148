"""fit_many: train many networks in one call."""

import itertools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastnn2.engine.layout import param_views
from fastnn2.engine.network_run import NetworkRun
from fastnn2.engine.networks import run_networks
from fastnn2.engine.training_run import diverged_message
from fastnn2.exceptions import Params, Results, TrainingDiverged, TrainingInterrupted
from fastnn2.functional import checks
from fastnn2.functional.many_runs import as_runs
from fastnn2.kernels.shared import control_words

Array = np.ndarray[Any, Any]


def fit_many(
    X: Any,
    Y: Any,
    learning_rate: Any,
    hidden_size: Any,
    number_of_iterations: Any = 5000,
    *,
    init: Any = "he",
    random_state: Any = 3,
    alpha: Any = 0.0,
    sample_weight: Any = None,
    dtype: Any = None,
    costs: str = "all",
    on_divergence: str = "raise",
    n_threads: int | None = None,
    progress: bool | None = None,
) -> list[tuple[Params, Array]]:
    """Train many two-layer networks side by side, each as :func:`fit` trains it, with the same bits.

    Each of X to sample_weight is one value for all networks, or a list or tuple with one entry for each. All lists have
    the same length, which is the number of networks; without a list there is one. An array or a data frame is always
    one value for all.

    Parameters
    ----------
    X : array_like (d, n), or list of them
        Inputs, one column per sample.
    Y : array_like (o, n) or (n,), or list of them
        Targets from 0 to 1, one row for each yes/no question.
    learning_rate : float, or list of them
        Step size of gradient descent, above 0.
    hidden_size : int, or list of them
        Number of hidden units h.
    number_of_iterations : int, or list of them
        Number of updates; 0 returns the initial parameters.
    init : {"he", "small"} or dict, or list of them
        How to draw the initial weights, or parameters to continue from.
    random_state : int, RandomState, Generator or None, or list of them
        Source of the initial weights. One int for all gives networks of one shape the same initial weights. A
        RandomState or Generator that networks share is drawn from in the order of the networks.
    alpha : float, or list of them
        L2 penalty.
    sample_weight : array_like (n,) or (networks, n), or list of arrays (n,) and None, optional
        Weights of the samples, 0 or more.
    dtype : {None, "float32", "float64"}
        The dtype of all runs; None means float32 for a network whose X is, else float64.
    costs : {"all", "last"}
        Whether to return all costs of a network, or the last one alone, which takes little memory.
    on_divergence : {"raise", "keep"}
        What to do where a cost or a parameter of a network is no longer finite: raise TrainingDiverged once the others
        are trained; or give that network its last finite parameters and costs, and one warning for all of them.
    n_threads : int, optional
        Maximum number of threads; None uses the available cores if they pay off. It does not change the results.
    progress : bool, optional
        Whether to show a progress bar, which counts networks; None shows one on a terminal if training takes over a
        second.

    Returns
    -------
    results : list of tuple
        For each network ``(params, cost_)``, as :func:`fit` returns them. With ``costs="last"``, ``cost_`` has one
        number, or none without iterations.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid; the message names the entry, and says what was found, what was expected and what to do.
        Nothing has been trained.
    TrainingDiverged
        Networks have diverged. The message names them. ``params`` and ``cost_`` are those of the first one; ``results``
        has the results of the others, and None for each that has diverged.
    TrainingInterrupted
        Ctrl-C was pressed. ``results`` has a result, or None, for each network.

    Warns
    -----
    RuntimeWarning
        Networks have diverged, with ``on_divergence="keep"``. The message lists them all, in ranges.

    Notes
    -----
    A network is trained by one thread, and threads take the next network that is left: first those of the most work.
    Where the last ones are large, all threads share them, as in :func:`fit`; very wide networks are always shared. An X
    or Y that several networks have is brought into the kernel's layout once. Memory is that of the arguments and
    results, and of one network's buffers for each thread.

    Examples
    --------
    Which learning rate is best?

    >>> import fastnn2
    >>> import numpy as np
    >>> X, Y = np.array([[0.0, 1.0, 2.0, 3.0]]), np.array([0, 0, 1, 1])
    >>> rates = [0.01, 0.1, 1.0]
    >>> results = fastnn2.fit_many(X, Y, rates, 2, 200)
    >>> [round(float(cost_[-1]), 2) for _, cost_ in results]
    [0.55, 0.1, 0.01]

    A network for each of two groups, of different sizes:

    >>> groups = [np.array([[0.0, 1.0, 2.0]]), np.array([[0.0, 5.0]])]
    >>> results = fastnn2.fit_many(groups, [[0, 0, 1], [1, 0]], 0.5, 2, 500)
    >>> [fastnn2.predict(x, params).tolist() for x, (params, _) in zip(groups, results)]
    [[[0, 0, 1]], [[1, 0]]]
    """
    checks.check_choice(costs, "costs", ("all", "last"))
    checks.check_choice(on_divergence, "on_divergence", ("raise", "keep"))
    n_threads = checks.as_thread_count(n_threads)
    checks.check_progress(progress)
    runs, prepare = as_runs(
        X, Y, learning_rate, hidden_size, number_of_iterations, init, random_state, alpha, sample_weight, dtype,
        costs == "all", n_threads,
    )  # fmt: skip
    interrupted = run_networks(runs, n_threads, progress, prepare, _complete) if runs else False
    while True:
        try:
            _complete(runs)
            diverged = [i for i, run in enumerate(runs) if _has_diverged(run)]
            results: Results = [run.result if run.outcome == control_words.FINISHED else None for run in runs]
            break
        except KeyboardInterrupt:  # start again: what is trained is kept
            interrupted = True
    if interrupted:
        raise _interrupted(results)
    if diverged and on_divergence == "raise":
        raise _diverged(runs, diverged, results)
    if diverged:
        warnings.warn(
            f"{_count_and_list(diverged, len(runs))} diverged: a cost or a parameter is no longer finite. They have "
            "their last finite parameters and costs. Try smaller learning rates, a smaller alpha, or scale the inputs",
            RuntimeWarning,
            stacklevel=2,
        )
    return [run.result for run in runs]


def _has_diverged(run: NetworkRun) -> bool:
    return run.outcome in (control_words.COST_NOT_FINITE, control_words.PARAMS_NOT_FINITE)


def _complete(runs: Sequence[NetworkRun]) -> None:
    """Give runs that are over their results."""
    for run in runs:
        if run.result is None and run.outcome != control_words.RUNNING:
            d, h, o, _ = run.shape
            run.result = param_views(run.packed, d, h, o), run.finite_costs()
            run.release()


def _interrupted(results: Results) -> TrainingInterrupted:
    done = sum(result is not None for result in results)
    message = (
        f"stopped after {done} of {len(results)} networks; the error's .results have theirs, and None for each that is "
        "not finished"
    )
    return TrainingInterrupted(message, {}, np.empty(0), results)


def _diverged(runs: Sequence[NetworkRun], diverged: Sequence[int], results: Results) -> TrainingDiverged:
    first = diverged[0]
    run = runs[first]
    params, costs = run.result
    found = f"network {first} of {len(runs)}: {diverged_message(run.completed, run.outcome, costs)}"
    if len(diverged) > 1:
        found += f". In all, {_count_and_list(diverged, len(runs))} diverged"
    message = (
        f"{found}. The error's .params and .cost_ have its last finite values, and .results those of the networks that "
        'have not diverged; on_divergence="keep" returns all'
    )
    return TrainingDiverged(message, params, costs, results)


def _count_and_list(indices: Sequence[int], networks: int) -> str:
    return f"{len(indices)} of {networks} networks ({', '.join(_ranges(indices))})"


def _ranges(indices: Sequence[int]) -> Iterator[str]:
    """Return ascending indices as text: three or more in a row are a range, "0 to 4", others stand alone."""
    for _, row in itertools.groupby(enumerate(indices), lambda pair: pair[1] - pair[0]):
        first, *others = (index for _, index in row)
        if len(others) > 1:
            yield f"{first} to {others[-1]}"
        else:
            yield from map(str, (first, *others))
