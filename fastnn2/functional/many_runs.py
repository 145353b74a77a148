"""From the arguments of fit_many to the runs of its networks; all checks are made here, before any work."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from fastnn2.engine.network_run import NOT_DRAWN, NetworkRun
from fastnn2.functional import checks
from fastnn2.functional.entries import Argument, count_axes, count_networks, each_once
from fastnn2.functional.initial import check_init, initial_params
from fastnn2.functional.many_samples import ManySamples

Array = np.ndarray[Any, Any]
Value = TypeVar("Value")

NO_WEIGHTS = np.empty((1, 0))


def as_runs(
    X: Any, Y: Any, learning_rate: Any, hidden_size: Any, iterations: Any, init: Any, random_state: Any, alpha: Any,
    sample_weight: Any, dtype: Any, keeps_all_costs: bool, n_threads: int | None,
) -> tuple[list[NetworkRun], Callable[[Sequence[NetworkRun]], None]]:  # fmt: skip
    """Return the runs of fit_many, and a function that gives some of them their initial parameters.

    Raise an error that names the entry where an argument is invalid.
    """
    weights = Argument("sample_weight", _by_network(sample_weight))
    X, Y = Argument("X", X), Argument("Y", Y)
    rate, size = Argument("learning_rate", learning_rate), Argument("hidden_size", hidden_size)
    count, penalty = Argument("number_of_iterations", iterations), Argument("alpha", alpha)
    inits, states = Argument("init", init), Argument("random_state", random_state)
    networks = count_networks((X, Y, rate, size, count, inits, states, penalty, weights))
    if networks == 0:
        return [], lambda runs: None

    rates = rate.numbers(networks, checks.as_positive_float)
    units = size.numbers(networks, checks.as_hidden_size)
    counts = count.numbers(networks, checks.as_iterations)
    alphas = penalty.numbers(networks, checks.as_non_negative_float)
    inputs = X.objects(networks, lambda _, value, name: checks.as_matrix(value, name), 2)
    targets = Y.objects(networks, lambda _, value, name: checks.as_targets(value, name, None), 1)
    dtypes = each_once(inputs, lambda i, array, _: checks.choose_dtype(array, dtype))
    ns = [x.shape[1] for x in inputs]
    for i, (y, n) in enumerate(zip(targets, ns, strict=True)):
        if y.shape[1] != n:
            checks.check_sample_count(y, Y.name_of(i), n, inputs[i], X.name_of(i))

    def cast_weights(i: int, value: Any, name: str) -> tuple[Array, float] | None:
        of = "" if X.count is None else f" of {X.name_of(i)}"
        cast = checks.as_weights(value, ns[i], dtypes[i], name, of)
        return None if cast is None else (cast[np.newaxis], checks.total_weight(cast, ns[i]))

    weight_sums = weights.objects(networks, cast_weights, 1, zip(dtypes, ns, strict=True))
    shapes = _one_object_each((x.shape[0], h, len(y)) for x, h, y in zip(inputs, units, targets, strict=True))
    run_shapes = _one_object_each((*shape, n) for shape, n in zip(shapes, ns, strict=True))
    initial = InitialParams(
        inits, states, shapes, dtypes, lambda i: f"{X.name_of(i)}, {size.name_of(i)} and {Y.name_of(i)}"
    )
    input_samples, target_samples = ManySamples(inputs, dtypes, n_threads), ManySamples(targets, dtypes, n_threads)
    input_samples.check_finite(X)
    target_samples.check_in_unit_interval(Y)
    weight_samples = ManySamples([NO_WEIGHTS if one is None else one[0] for one in weight_sums], dtypes, n_threads)
    runs = [
        NetworkRun(
            i, shape, dtypes[i], rates[i], alphas[i], float(ns[i]) if weight_sum is None else weight_sum[1],
            counts[i], np.empty(counts[i] if keeps_all_costs else min(counts[i], 1)), NOT_DRAWN)
        for i, (shape, weight_sum) in enumerate(zip(run_shapes, weight_sums, strict=True))
    ]  # fmt: skip
    initial.draw_shared(runs)

    def prepare(some: Sequence[NetworkRun]) -> None:
        initial.draw(some)
        for run in some:
            i = run.index
            run.X, run.Y = input_samples.of(i), target_samples.of(i)
            run.weights = None if weight_sums[i] is None else weight_samples.of(i)

    return runs, prepare


def _one_object_each(values: Iterable[Value]) -> list[Value]:
    """Return values of which equal ones are one object, as there may be very many of them."""
    known = dict[Value, Value]()
    return [known.setdefault(value, value) for value in values]


def _by_network(sample_weight: Any) -> Any:
    """Return weights (networks, n) as a list, and others as they are."""
    if sample_weight is None or isinstance(sample_weight, list | tuple) or count_axes(sample_weight) != 2:
        return sample_weight
    return list(checks.as_real_array(sample_weight, "sample_weight"))


class InitialParams:
    """The initial parameters of all networks, which are checked at once, and drawn when they are needed.

    For a message, ``of(i)`` are the arguments that the shape of network i comes from.
    """

    def __init__(
        self,
        inits: Argument,
        states: Argument,
        shapes: Sequence[tuple[int, int, int]],
        dtypes: Sequence[Any],
        of: Callable[[int], str],
    ) -> None:
        networks = len(shapes)
        self._inits, self._states = inits.values(networks), states.values(networks)
        self._shapes, self._dtypes = shapes, dtypes
        inits.check_no_array(may_be_dict=True)
        states.check_no_array()
        each_once(self._states, lambda i, state, _: checks.check_random_state(state, states.name_of(i)))
        self._given = each_once(
            self._inits,
            lambda i, init, _: check_init(init, shapes[i], dtypes[i], of(i), inits.name_of(i)),
            zip(shapes, dtypes, strict=True),
        )
        self._is_one_seed = states.count is None and isinstance(states.values(1)[0], int)
        self._drawn: dict[Any, Array] = {}  # by what the parameters follow from, if all networks have one seed

    def draw_shared(self, runs: Sequence[NetworkRun]) -> None:
        """Draw from generators that the caller has given, in the order of the runs, as networks may share them."""
        self.draw([run for run in runs if not isinstance(self._states[run.index], int | np.integer | None)])

    def draw(self, runs: Sequence[NetworkRun]) -> None:
        """Give runs their initial parameters, each an array of its own."""
        for run in runs:
            if run.packed is NOT_DRAWN:
                run.packed = self._of(run.index)

    def _of(self, i: int) -> Array:
        given = self._given[i]
        if given is not None:
            return given.copy()
        init, shape, dtype = self._inits[i], self._shapes[i], self._dtypes[i]
        key = init, shape, dtype
        if key in self._drawn:
            return self._drawn[key].copy()
        drawn = initial_params(init, self._states[i], shape, dtype)
        if self._is_one_seed:
            self._drawn[key] = drawn.copy()
        return drawn
