"""Training on a table that does not fit in memory: in blocks, with the test, validation and sample rows in memory."""

import contextlib
from typing import Any

import numpy as np

from fastnn2.tables.training.best_file import BestFile, SavedBest, identity_of
from fastnn2.tables.training.block_parts import Parts, PartSizes, part_sizes, read_parts
from fastnn2.tables.training.block_run import BlockRun, finish_network
from fastnn2.tables.training.checkpoint_checks import check_same
from fastnn2.tables.training.epoch_history import EpochHistory
from fastnn2.tables.training.evaluate import FittedNetwork, Samples, check_before_fit, evaluate
from fastnn2.tables.training.memory_plan import MemoryPlan
from fastnn2.tables.training.network import divergence_as_error, make_network
from fastnn2.tables.training.preparation import as_input, prepare
from fastnn2.tables.training.split import VALIDATION
from fastnn2.tables.training.table_blocks import BlockPreparation, OrderedTableBlocks, TableBlocks
from fastnn2.tables.training.target_survey import TargetSurvey
from fastnn2.tables.training.targets import Scale
from fastnn2.tables.training.train_memory import choose_early_stopping
from fastnn2.tables.training.training_job import Trained, TrainingJob

Array = np.ndarray[Any, Any]


def train_in_blocks(job: TrainingJob, plan: MemoryPlan) -> Trained:
    """Train a Pipeline on a table; see :func:`fastnn2.tables.training.train.train`."""
    job.notify(_reason(plan))
    survey = TargetSurvey(job)
    identity = identity_of(job, survey.digest)
    choose_early_stopping(job, survey.n)
    recorded = SavedBest.of(job.options)
    sizes = recorded.sizes if recorded is not None else part_sizes(job, plan, survey.n)
    if recorded is not None:
        check_same(job.options, recorded.differences(identity))
    parts = read_parts(job, survey, sizes)
    learnt = survey.n - len(parts.held_out)
    job.rows |= {"training": learnt + len(parts.validation), "validation": len(parts.validation)}
    job.rows["test"] = len(parts.test)
    _note_sizes(job, sizes, learnt)
    preparation = prepare(parts.sample.frame, job.features, job.options)
    for text in preparation.notes:
        job.add_note(text)
    inputs = as_input(parts.sample.frame, preparation.columns)
    X = preparation.transformer.fit_transform(inputs).astype(job.options.dtype, copy=False)
    sample = Samples(X, survey.goals(parts.sample.target), parts.sample.weights)
    scale = None if job.is_classification else Scale(sample.y, sample.weights, job.options.dtype)
    fitted = BlockPreparation(job, survey, preparation.transformer, preparation.columns, X.shape[1], scale)
    test = Samples(fitted.X(parts.test), survey.goals(parts.test.target), parts.test.weights)
    parts.sample.frame = parts.test.frame = inputs = None
    final = make_network(job.task, job.options, job.options.stops_early, VALIDATION)
    check_before_fit(job, preparation, final, sample)
    network = _network_for_blocks(job, survey)
    history = EpochHistory(network.tol, network.n_iter_no_change, job.options.stops_early)
    if recorded is not None:
        history = recorded.history(history)
    with contextlib.ExitStack() as stack, divergence_as_error(network):
        best_file = None
        if job.options.checkpoint is not None:
            best_file = stack.enter_context(BestFile(job.options.checkpoint, identity, sizes))
            best_file.write(history)
        run = BlockRun(network, job.options, history, _scorer(fitted, parts), best_file, job.watch, job.notify)
        kind = TableBlocks if job.table.has_any_order else OrderedTableBlocks
        ended = run.run(kind(fitted, parts.held_out, sizes.block), job.table.has_any_order, survey.classes)
    finish_network(network, history, learnt, final.get_params(deep=False))
    if scale is not None:
        scale.fold_into(network)
    return evaluate(job, preparation, FittedNetwork(network, ended, run.seconds, run.epochs_here), sample, test)


def _reason(plan: MemoryPlan) -> str:
    """Return a note on why the network is trained in blocks."""
    if plan.fits:
        return "the training goes on in blocks of rows, as it began"
    needed, limit = shown_size(plan.needed), shown_size(plan.limit)
    return (
        f"all rows would take about {needed} of memory, more than the {limit} that they may take (--memory-limit): the "
        "network is trained in blocks of rows"
    )


def _network_for_blocks(job: TrainingJob, survey: TargetSurvey) -> Any:
    """Return the network that partial_fit trains, which knows neither validation nor balanced classes."""
    network = make_network(job.task, job.options, False, VALIDATION)
    network.set_params(random_state=np.random.RandomState(job.options.seed))  # blocks take different orders from it
    if job.options.class_weight is not None and survey.classes is not None and survey.counts is not None:
        weights = survey.n / (len(survey.classes) * survey.counts)
        network.set_params(class_weight=dict(zip(survey.classes.tolist(), weights.tolist(), strict=True)))
    return network


def _note_sizes(job: TrainingJob, sizes: PartSizes, learnt: int) -> None:
    """Add a note on the sizes of the parts; `learnt` rows are for training without those for validation."""
    test = ""
    if job.rows.get("test file", 0) > job.rows["test"]:
        test = f"; it is tested on a sample of {job.rows['test']:,} of the {job.rows['test file']:,} rows of the test"
    whole = "all" if sizes.sample == learnt else f"a sample of {sizes.sample:,} of the"
    job.add_note(
        f"trained in blocks of {sizes.block:,} rows; preparation and simple models are fitted to {whole} "
        f"{learnt:,} rows that the network learns from{test}"
    )


def _scorer(fitted: BlockPreparation, parts: Parts) -> Any:
    """Return a function that scores a network on the rows for validation; None without such rows."""
    if not len(parts.validation):
        return None
    X, y, weights = (
        fitted.X(parts.validation),
        fitted.y(parts.validation),
        parts.validation.weights,
    )
    parts.validation.frame = None

    def score(network: Any) -> float:
        return float(network.score(X, y, sample_weight=weights))

    return score


def shown_size(size: int) -> str:
    """Return a number of bytes for a message."""
    for factor, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
