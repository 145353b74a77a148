"""The fits of many estimators: which may go beside each other, and how they run, fail and stop.

A fit that draws from a random state of its own goes beside the others, on one thread. Fits that draw from one random
state form a chain: they run one after the other, in the order of the list, so that each draws what it draws in a loop.
Fits that call code of others, or print, run in the caller after all that go beside each other, in the order of the
list, and so do the chains that they are part of.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import sklearn

from fastnn2.engine.samples import count_threads
from fastnn2.estimators import collected_warnings
from fastnn2.estimators.checked_inputs import CheckedData, CheckedInputs
from fastnn2.estimators.mlp import MLPClassifier, MLPRegressor
from fastnn2.estimators.seats import Seat
from fastnn2.threads.beside import run_beside

Array = np.ndarray[Any, Any]


@dataclasses.dataclass
class Job:
    """One fit.

    Attributes
    ----------
    inputs : tuple
        X, y and sample_weight, as the caller gave them.
    is_own : bool
        Whether it runs in the caller, by the estimator's own ``fit``; set by :func:`check`, as are `data` and
        `weights`, which a fit beside others takes.
    is_done : bool
        Whether it has come to its end.
    error : Exception or None
        What it raised.
    warnings : list
    """

    number: int
    model: Any
    inputs: tuple[Any, Any, Any]
    is_own: bool = False
    data: CheckedData | None = None
    weights: Any = None
    is_done: bool = False
    error: Exception | None = None
    warnings: collected_warnings.Found = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """What messages call the estimator."""
        return f"estimators[{self.number}]"


def check(jobs: list[Job]) -> None:
    """Check parameters and data of all before any fit; raise the first error, which names the estimator."""
    checks = CheckedInputs()
    with collected_warnings.collecting():
        for job in jobs:
            with collected_warnings.into(job.warnings):
                try:
                    _check(job, checks)
                except Exception as error:
                    raise _named(error, job)  # noqa: B904  (it is the same error)


def _check(job: Job, checks: CheckedInputs) -> None:
    model = job.model
    is_subclass = type(model) not in (MLPClassifier, MLPRegressor)
    job.is_own = bool(
        is_subclass or model.verbose or getattr(model, "_skl_callbacks", None) or model._resumes_from is not None
    )
    if is_subclass:  # only its ``fit`` knows what it takes
        model._validate_params()
        return
    X, y, sample_weight = job.inputs
    checks.check_parameters(model)
    job.data = checks.data(model, X, y)
    job.weights = checks.weights(sample_weight, job.data)
    checks.check_class_weight(model, job.data, job.weights)
    if job.is_own:
        job.warnings.clear()  # its own ``fit`` checks, and warns, again


def _named(error: Exception, job: Job) -> Exception:
    """Return an error whose text, or a note, names the estimator that it comes from."""
    if error.args and isinstance(error.args[0], str):
        error.args = (f"{job.name}: {error.args[0]}", *error.args[1:])
    if job.name not in str(error):
        error.add_note(f"raised by the fit of {job.name}")
    return error


def raise_first(jobs: list[Job]) -> None:
    """Raise the error of the first fit that has failed, if any has."""
    errors = [(job, job.error) for job in jobs if job.error is not None]
    if errors:
        job, error = errors[0]
        if len(errors) > 1:
            error.add_note(f"these have failed, too: {', '.join(other.name for other, _ in errors[1:])}")
        raise _named(error, job)


def chains_of(jobs: list[Job]) -> list[list[Job]]:
    """Return the jobs in chains: those of one chain draw from one random state."""
    chains: dict[Any, list[Job]] = {}
    for job in jobs:
        chains.setdefault(_generator(job), []).append(job)
    return list(chains.values())


def _generator(job: Job) -> Any:
    """Return what tells the random state of a fit from those of others."""
    random_state = getattr(job.model, "random_state", 0)  # a subclass may have parameters of its own
    if random_state is None:
        random_state = np.random.mtrand._rand
    if isinstance(random_state, np.random.RandomState):
        return "shared", id(getattr(random_state, "_bit_generator", random_state))
    return "own", job.number


def run(jobs: list[Job], n_threads: int | None) -> None:
    """Fit all; errors and warnings are left in the jobs. Ctrl-C raises KeyboardInterrupt when all threads have ended.

    An estimator whose fit it cuts short is then as it was before.
    """
    chains = chains_of(jobs)
    beside = [chain for chain in chains if not any(job.is_own for job in chain)]
    in_caller = [job for chain in chains if any(job.is_own for job in chain) for job in chain]
    threads = count_threads(len(beside), len(beside), n_threads, work_per_thread=1) if beside else 0
    config = {**sklearn.get_config(), "skip_parameter_validation": True}
    remaining = iter(beside)
    # A chain alone has all the threads.
    seats = [Seat(n_threads if len(beside) == 1 else 1) for _ in range(max(threads, 1))]

    def work(thread: int) -> None:
        with sklearn.config_context(**config):
            for chain in remaining:
                for job in chain:
                    _fit(job, seats[thread])

    def stop() -> None:
        for seat in seats:
            seat.stop()

    with collected_warnings.collecting():
        if threads < 2 or not run_beside(work, threads, stop):
            work(0)
    if in_caller:
        with collected_warnings.collecting():
            seat = Seat(n_threads)
            for job in sorted(in_caller, key=lambda job: job.number):
                _fit(job, seat)


def _fit(job: Job, seat: Seat) -> None:
    """Fit one; keep its error and its warnings. A KeyboardInterrupt leaves the estimator as it was."""
    model, before = job.model, _state(job.model)
    try:
        with _seated(model, seat), collected_warnings.into(job.warnings):
            if job.is_own:
                X, y, sample_weight = job.inputs
                weights = {} if sample_weight is None else {"sample_weight": sample_weight}
                model.fit(X, y, **weights)
            else:
                model._fit(job.data, None, sample_weight=job.weights)
        job.is_done = True
    except Exception as error:
        job.error = error
    except BaseException:
        model.__dict__, job.is_done = before, False
        raise


@contextlib.contextmanager
def _seated(model: Any, seat: Seat) -> Iterator[None]:
    model._seat, model._raises_interrupt = seat, True
    try:
        yield
    finally:
        for name in ("_seat", "_raises_interrupt"):
            vars(model).pop(name, None)


def _state(model: Any) -> dict[str, Any]:
    """Return the attributes of an estimator, those that a fit with warm_start changes in place as copies."""
    state = dict(vars(model))
    if getattr(model, "warm_start", False):
        for name, value in state.items():
            if isinstance(value, list):
                state[name] = [each.copy() if isinstance(each, np.ndarray) else each for each in value]
    return state
