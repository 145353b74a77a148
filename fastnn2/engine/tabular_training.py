"""Training of the members of a tabular ensemble, side by side: each is a job of one thread (loops/tabular.py)."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn2.codegen import provider
from fastnn2.engine.encoded_rows import EncodedRows
from fastnn2.engine.layout import aligned_zeros
from fastnn2.engine.samples import count_threads
from fastnn2.engine.tabular_shape import TabularShape
from fastnn2.kernels.shared import control_words, tuning
from fastnn2.kernels.shared.tabular_records import JobsRecord, TabularRecord
from fastnn2.threads.progress import EpochsProgress
from fastnn2.threads.team import Team, monitor, run_team

Array = np.ndarray[Any, Any]

WORK_OF_LOOKUP = 3  # multiplications of a unit that take as long as the look-ups of a binned feature


@dataclasses.dataclass
class Member:
    """What one network is trained from, and what it has reached.

    Attributes
    ----------
    params : ndarray
        Packed; the initial ones, and then those that were reached.
    order : ndarray of int64
        The samples of the training, which are shuffled in place.
    held : ndarray of int64
        The samples that are held out; none if the parameters of the last epoch are kept.
    seed : int
        Of the random numbers, from 0 to 2^63 - 1.
    losses, held_losses : ndarray
        Of the completed epochs.
    is_finite : bool
        Whether no loss and no parameter was infinite or NaN, which ends a training.
    """

    params: Array
    order: Array
    held: Array
    seed: int
    losses: Array = dataclasses.field(default_factory=lambda: np.zeros(0))
    held_losses: Array = dataclasses.field(default_factory=lambda: np.zeros(0))
    is_finite: bool = True


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    loss : int
        See :mod:`fastnn2.kernels.shared.choices`.
    epochs, batch : int
    drop : int
        A unit is dropped with probability drop / 256.
    rates : ndarray (epochs * mini-batches,)
        Learning rates with the bias corrections of Adam.
    beta_1, beta_2, epsilon : float
    """

    loss: int
    epochs: int
    batch: int
    drop: int
    rates: Array
    beta_1: float
    beta_2: float
    epsilon: float


def train_members(
    shape: TabularShape, samples: EncodedRows, Y: Array, weights: Array | None, members: Sequence[Member],
    recipe: Recipe, n_threads: int | None, progress: bool | None,
) -> bool:  # fmt: skip
    """Train all members; return whether Ctrl-C came. What a member has reached is written to it.

    Y (n, o) and weights (n,) are C-contiguous and of the dtype of the shape. All members have as many samples.
    """
    work = recipe.epochs * len(members[0].order) * work_of_sample(shape)
    threads = count_threads(work * len(members), len(members), n_threads)
    size = control_words.CONTROL_SIZE
    controls = aligned_zeros((1 + len(members)) * size, np.int64).reshape(-1, size)
    jobs = [
        _MemberJob(shape, samples, Y, weights, member, recipe, control)
        for member, control in zip(members, controls[1:], strict=True)
    ]
    addresses = np.array([job.record.address for job in jobs])
    entry = provider.kernel("tabular", shape.dtype).address

    def record(thread: int, threads: int) -> JobsRecord:
        return JobsRecord(control=controls[0], entry=entry, addresses=addresses, count=len(jobs))

    team = Team(
        provider.kernel("jobs", shape.dtype), record, controls[0], threads, stops=controls[:, control_words.STOP]
    )

    def run(team: Team) -> None:
        team.run_beside()
        with EpochsProgress(controls[1:], recipe.epochs, progress) as bar:
            monitor(team, bar)

    interrupted = run_team(team, False, recipe.epochs, False, run)
    for job in jobs:
        job.write_result()
    return interrupted


def work_of_sample(shape: TabularShape) -> int:
    """Return about how many multiplications a sample takes in an epoch."""
    return shape.units * (shape.d + WORK_OF_LOOKUP * shape.p + shape.q + shape.o + tuning.WORK_OF_UNIT)


def allocate_batch(shape: TabularShape, batch: int) -> dict[str, Any]:
    """Return the fields of a record that hold a batch."""
    groups = tuning.count_groups(batch, shape.dtype) * tuning.group_size(shape.dtype)
    return {
        "batch_X": aligned_zeros(batch * shape.d, shape.dtype),
        "batch_rows": aligned_zeros(batch * shape.p, np.uint32),
        "batch_fractions": aligned_zeros(batch * shape.p, shape.dtype),
        "batch_categories": aligned_zeros(batch * shape.q, np.uint32),
        "A": aligned_zeros(batch * shape.units, shape.dtype),
        "Z2": aligned_zeros(groups * shape.o, shape.dtype),
    }


class _MemberJob:
    """The buffers and the record of a member."""

    def __init__(
        self, shape: TabularShape, samples: EncodedRows, Y: Array, weights: Array | None, member: Member,
        recipe: Recipe, control: Array,
    ) -> None:  # fmt: skip
        self._member, self._control = member, control
        dtype, batch = shape.dtype, recipe.batch
        lanes = tuning.group_size(dtype)
        groups = tuning.count_groups(batch, dtype) * lanes
        self._params, self._best, gradient, first, second = (aligned_zeros(shape.count, dtype) for _ in range(5))
        self._params[:] = member.params
        self._losses, self._held_losses = np.zeros(recipe.epochs), np.zeros(recipe.epochs)
        self.record = TabularRecord(
            **shape.fields(), **samples.fields(), **allocate_batch(shape, batch), control=control, bins=shape.bins,
            count=shape.count, n=len(member.order), n_held=len(member.held), batch=batch, epochs=recipe.epochs,
            loss=recipe.loss, drop=recipe.drop, seed=member.seed, Y=Y, weights=Y if weights is None else weights,
            has_weights=weights is not None, order=member.order, held=member.held, params=self._params,
            best=self._best, gradient=gradient, first_moments=first, second_moments=second, rates=recipe.rates,
            beta_1=recipe.beta_1, beta_2=recipe.beta_2, epsilon=recipe.epsilon, losses=self._losses,
            held_losses=self._held_losses, E=aligned_zeros(shape.E_count, dtype),
            batch_Y=aligned_zeros(groups * shape.o, dtype), batch_weights=aligned_zeros(groups, dtype),
            dZ=aligned_zeros(batch * shape.units, dtype), db2=aligned_zeros(shape.o, np.float64),
            bin_counts=aligned_zeros((shape.bins + 1) * lanes, dtype),
            bin_totals=aligned_zeros((shape.bins + 1) * lanes, dtype),
        )  # fmt: skip

    def write_result(self) -> None:
        """Write parameters and losses to the member: those of the best epoch, of the last one if none is held out.

        Before the end of the first epoch, they are those of the last mini-batch.
        """
        completed = int(self._control[control_words.COMPLETED])
        member = self._member
        member.losses, member.held_losses = self._losses[:completed], self._held_losses[:completed]
        member.params = self._best if completed > 0 else self._params
        ended_well = self._control[control_words.OUTCOME] in (control_words.FINISHED, control_words.INTERRUPTED)
        has_best = not len(member.held) or completed == 0 or bool(np.isfinite(member.held_losses).any())
        member.is_finite = ended_well and has_best and bool(np.isfinite(member.params).all())
