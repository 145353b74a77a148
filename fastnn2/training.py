"""fit: check, lay out, start the team, watch it, hand back parameters and costs."""

import itertools
from typing import Any

import numpy as np

from fastnn2 import checks
from fastnn2.cores import usable_cores
from fastnn2.exceptions import Params, TrainingDiverged, TrainingInterrupted
from fastnn2.kernels import plan, store
from fastnn2.layout import address, aligned_zeros, padded, to_groups
from fastnn2.reference import init_params
from fastnn2.team import Team, conduct, is_short

Array = np.ndarray[Any, Any]

# With fewer multiplications in the whole job, starting threads costs more than the job.
WORK_OF_JOB = 10_000_000
# Iterations of fewer suffer where other processes want the cores: they wait for whoever lost its core.
WORK_OF_SHORT_ITERATION = 1_000_000
# Threads that are done early take what is left of the others', with so many chunks or more for each thread. Where then
# each sums all of them, an iteration has to have so many multiplications for each number that all threads add.
CHUNKS_TO_CLAIM, WORK_OF_SUM = 4, 200


def fit(
    X: Any,
    Y: Any,
    learning_rate: float,
    hidden_size: int,
    number_of_iterations: int = 5000,
    *,
    init: Any = "he",
    random_state: Any = 3,
    alpha: float = 0.0,
    sample_weight: Any = None,
    dtype: Any = None,
    n_threads: int | None = None,
    progress: bool | None = None,
) -> tuple[Params, Array]:
    """Train a two-layer network (tanh, then sigmoid) by gradient descent over all samples.

    Parameters
    ----------
    X : array_like (d, n)
        Inputs, one column a sample.
    Y : array_like (o, n) or (n,)
        Targets from 0 to 1, one row for each yes/no question.
    learning_rate : float
        Step of the descent, above 0.
    hidden_size : int
        Number of hidden units h.
    number_of_iterations : int
        Steps; 0 returns the initial parameters.
    init : {"he", "small"} or dict
        How to draw the initial weights (see :func:`init_params`), or parameters to go on from, which are cast to the
        dtype of the run. 2,000 iterations and then 3,000 from their parameters are 5,000 in one go, bit for bit.
    random_state : int, RandomState, Generator or None
        For the initial weights. None takes fresh entropy; the global state is neither read nor changed.
    alpha : float
        L2 penalty: alpha/(2n) (|W1|^2 + |W2|^2) is added to the cost.
    sample_weight : array_like (n,), optional
        Weights of the samples, 0 or more. The n of all formulas is then their sum.
    dtype : {None, "float32", "float64"}
        None: float32 where X is, else float64.
    n_threads : int, optional
        At most so many threads; None takes as many as may be used and are worth it. The result does not depend on it.
    progress : bool, optional
        Whether to show a bar; None shows one on a terminal when the job takes over a second.

    Returns
    -------
    params : dict
        W1 (h, d), b1 (h, 1), W2 (o, h), b2 (o, 1) after the last step, in the dtype of the run.
    cost_ : ndarray (number_of_iterations,)
        float64; the cost of iteration j is that of the parameters before update j.

    Raises
    ------
    TypeError, ValueError
        What was handed in cannot be used; the message says what was found, what was expected and what to do.
    TrainingDiverged
        A cost or parameter is no longer finite. Carries the last finite ``params`` and ``cost_``.
    TrainingInterrupted
        Ctrl-C. Carries ``params`` and ``cost_`` up to there.

    Notes
    -----
    The tutorial's formulas, as :mod:`fastnn2.reference` writes them out, in one compiled loop; see
    :mod:`fastnn2.kernels.train`. Results are the same, bit for bit, for any number of threads and on any processor.

    Examples
    --------
    >>> import fastnn2
    >>> X, Y = [[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1]
    >>> params, cost_ = fastnn2.fit(X, Y, 1.0, 2, 200)
    >>> fastnn2.predict(X, params)
    array([[0, 0, 1, 1]])
    """
    learning_rate = checks.positive_float(learning_rate, "learning_rate")
    h = checks.integer(hidden_size, "hidden_size", 1, 10**8)
    iterations = checks.integer(number_of_iterations, "number_of_iterations", 0, 10**15)
    alpha = checks.non_negative_float(alpha, "alpha")
    if n_threads is not None:
        n_threads = checks.integer(n_threads, "n_threads", 1)
    if not (progress is None or isinstance(progress, bool)):
        raise ValueError(f"progress is {progress!r}; expected True, False or None")
    X = checks.matrix(X, "X")
    d, n = X.shape
    Y = checks.targets(Y, "Y", n, X)
    o = len(Y)
    run_dtype = checks.run_dtype(X, dtype)
    weights = checks.weights(sample_weight, n, run_dtype)
    source = _check_initial(init, random_state, X, h, Y, run_dtype)

    X_groups, X_finite = to_groups(X, run_dtype, n_threads)
    if not X_finite:
        checks.refuse_not_finite(X, "X", run_dtype)
    Y_groups, Y_inside = to_groups(Y, run_dtype, n_threads, checks.inside_unit)
    if not Y_inside:
        checks.refuse_outside_unit(Y, "Y")
    weight_groups = None if weights is None else to_groups(weights[np.newaxis], run_dtype, n_threads)[0]
    total_weight = checks.total_weight(weights, n)

    flat = source
    if not isinstance(init, dict):
        flat = checks.flat_params(init_params(X, Y, h, init=init, random_state=source), run_dtype, "init[{!r}]")
    job = _Job(X_groups, Y_groups, weight_groups, flat, (d, h, o, n), alpha, iterations, n_threads)
    return job.run(learning_rate, total_weight, progress)


def _check_initial(init: Any, random_state: Any, X: Array, h: int, Y: Array, dtype: Any) -> Any:
    """Return parameters, flat and in `dtype`, where `init` is a dict, else where to draw from; nothing is drawn yet."""
    if isinstance(init, str):
        if init not in ("he", "small"):
            raise ValueError(f"init is {init!r}; expected 'he', 'small' or a dict of parameters")
        return checks.random_source(random_state)
    if not isinstance(init, dict):
        raise TypeError(f"init is {type(init).__name__}; expected 'he', 'small' or a dict of parameters")
    params, d, units, o = checks.params_of(init, "init")
    if (d, units, o) != (len(X), h, len(Y)):
        raise ValueError(
            f"init is for {d} features, {units} hidden units and {o} outputs; expected {len(X)}, {h} and {len(Y)}, as "
            "X, hidden_size and Y have them"
        )
    return checks.flat_params(params, dtype, "init[{!r}]")


def threads_for(d: int, n: int, h: int, o: int, iterations: int, dtype: Any, n_threads: int | None) -> int:
    """Return the size of the team: no more than asked for, than chunks, and by default than cores and work to share."""
    chunks = plan.count_chunks(n, d, h, o, dtype)
    if n_threads is not None:
        return min(n_threads, chunks)
    work = plan.work_of_iteration(d, n, h, o)
    if work * iterations < WORK_OF_JOB or chunks == 1:
        return 1
    return int(max(1, min(chunks, work // plan.WORK_PER_THREAD, usable_cores())))


class _Job:
    """All buffers of one training run, and the team that works on them."""

    def __init__(
        self,
        X: Array,
        Y: Array,
        weights: Array | None,
        params: Array,
        shape: tuple[int, int, int, int],
        alpha: float,
        iterations: int,
        n_threads: int | None,
    ) -> None:
        d, h, o, n = shape
        dtype = X.dtype
        self.shape, self.iterations = shape, iterations
        self.X, self.Y, self.weights = X, Y, weights
        self.chunks = plan.count_chunks(n, d, h, o, dtype)
        self.shared = len(params) >= plan.SHARED_PARAMS
        self.tile_groups = plan.count_tile_groups(d, h, o)
        self.threads = threads = threads_for(d, n, h, o, iterations, dtype, n_threads)
        self.work = plan.work_of_iteration(d, n, h, o)
        self.claiming = 1 < threads <= self.chunks // CHUNKS_TO_CLAIM and (
            self.shared or threads * self.chunks * len(params) * WORK_OF_SUM <= self.work
        )
        self.impatient = self.work < WORK_OF_SHORT_ITERATION and not self.shared

        lanes = plan.group_size(dtype)
        sets = 1 if self.shared else threads
        # Few arrays, each for all threads: to make one and ask where it begins takes as long as ten iterations of a
        # small job.
        stride = padded(len(params), dtype)
        self.params = aligned_zeros(sets * 2 * stride, dtype).reshape(sets, 2, stride)
        self.params[0, 0, : len(params)] = params
        # Sums are added in fours and parameters updated in eights; behind both, at the end, stands the cost. One set is
        # enough where a second barrier follows.
        self.updated = -(-len(params) // plan.STEP) * plan.STEP
        self.gradients_stride = padded(max(len(params) + 4, self.updated) + 1, np.float64)
        gradient_sets = 1 if self.shared else 2
        self.sums = gradient_sets * self.chunks * self.gradients_stride
        # The system may refuse some of the threads, and three may hand over more than four.
        mixed = self.shared or self.claiming
        shares = max(plan.count_shares(self.chunks, team, mixed) for team in range(1, threads + 1))
        self.sums_size = 0 if self.shared else shares // 2 * self.gradients_stride
        self.gradients = aligned_zeros(self.sums + threads * self.sums_size, np.float64)
        self.decay = aligned_zeros(stride, np.float64)
        weights_end = (d + 1 + o) * h
        self.decay[: h * d] = self.decay[h * d + h : weights_end] = alpha
        self.has_decay = alpha != 0
        rows = (self.tile_groups * h, self.tile_groups * o, plan.count_spare_rows(h))  # of A1, dZ2 and spare
        *self.scratch_places, self.scratch_size = itertools.accumulate((count * lanes for count in rows), initial=0)
        self.scratch = aligned_zeros(threads * self.scratch_size, dtype)
        self.costs = np.zeros(iterations)
        self.control = aligned_zeros(plan.CLAIMS + 2 * threads * plan.WORD, np.int64)
        for word in (plan.ABANDONED, plan.DIVERGED, plan.ALONE, plan.OUTCOME):
            self.control[word] = -1

    def run(self, learning_rate: float, total_weight: float, progress: bool | None) -> tuple[Params, Array]:
        """Train; return or raise what was reached."""
        d, h, o, n = self.shape
        weights = self.X if self.weights is None else self.weights  # not read without weights
        train = store.kernel(plan.train_kernel(d, o), self.X.dtype)
        # The threads of a short job begin the sooner, the less each has to do in Python.
        X, Y, weights_at = map(address, (self.X, self.Y, weights))
        control, params, decay, gradients = map(address, (self.control, self.params, self.decay, self.gradients))
        scratch, costs, itemsize = address(self.scratch), address(self.costs), self.X.itemsize

        def work(thread: int, threads: int) -> None:
            own_params = params if self.shared else params + thread * self.params.strides[0]
            own_scratch = scratch + thread * self.scratch_size * itemsize
            train(
                *(control, thread, threads, int(self.shared)),
                *(d, h, o, n, self.iterations, self.chunks, self.tile_groups),
                *(int(self.claiming), int(self.impatient)),
                *(X, Y, weights_at, int(self.weights is not None)),
                *(own_params, params, self.params.shape[2]),
                *self.range_of(thread, threads),
                *(decay, int(self.has_decay), gradients, self.gradients_stride, self.sums + thread * self.sums_size),
                *(own_scratch + place * itemsize for place in self.scratch_places),
                *(costs, learning_rate, total_weight),
            )

        short = is_short(self.iterations * self.work)
        return self.result(conduct(Team(self.control), self.threads, work, short, self.iterations, progress))

    def range_of(self, thread: int, threads: int) -> tuple[int, int]:
        """Return the range of parameters that a thread updates: all of its own, or its share of the one set."""
        count = self.updated  # with the zeros behind, so that whole vectors can be written
        if not self.shared:
            return 0, count
        ends = [count * part // threads // plan.RANGE * plan.RANGE for part in range(threads)] + [count]
        return ends[thread], ends[thread + 1]

    def result(self, interrupted: bool) -> tuple[Params, Array]:
        """Return parameters and costs, or raise them where training stopped early or a signal came at its very end."""
        d, h, o, _ = self.shape
        done, outcome = int(self.control[plan.COMPLETED]), self.control[plan.OUTCOME]
        params = checks.named_params(self.params[0, done % 2, : plan.count_params(d, h, o)], d, h, o)
        if outcome == plan.FINISHED and not interrupted:
            return params, self.costs
        if interrupted or outcome == plan.INTERRUPTED:
            message = (
                f"stopped after {done} of {self.iterations} iterations; the error's .params and .cost_ have what was "
                "reached, and fit(..., init=error.params) goes on from there"
            )
            raise TrainingInterrupted(message, params, self.costs[:done].copy())
        costs = self.costs[: done + (outcome == plan.PARAMS_NOT_FINITE)].copy()
        what = "cost is" if outcome == plan.COST_NOT_FINITE else "parameters after the update are"
        # Nothing was learned yet where the very first cost is not finite, so the learning rate is not why.
        remedy = (
            "smaller initial parameters, alpha or weights, or scale the inputs (for example to mean 0 and variance 1)"
        )
        if done or outcome != plan.COST_NOT_FINITE:
            remedy = "a smaller learning rate or scale the inputs (for example to mean 0 and variance 1)"
        last = f"the last finite cost was {costs[-1]:.6g}" if len(costs) else "there was no finite cost before"
        raise TrainingDiverged(
            f"training diverged: at iteration {done} the {what} not finite; {last}. "
            f"Try {remedy}. "
            "The error's .params and .cost_ have the last finite values",
            params,
            costs,
        )
