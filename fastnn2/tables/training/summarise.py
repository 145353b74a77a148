"""The summary of a training from what it has found."""

import dataclasses
from typing import Any

from fastnn2._version import __version__
from fastnn2.tables.training.model_scores import Scores
from fastnn2.tables.training.summary import Summary, Use
from fastnn2.tables.training.training_job import TrainingJob

# Options that change the model.
CHOSEN = ("hidden", "alpha", "learning_rate", "max_iter", "batch_size", "class_weight", "early_stopping", "seed")


def summarise(
    job: TrainingJob, uses: list[Use], network: Any, seconds: float, epochs_here: int, ended: str, tested: Scores
) -> Summary:
    """Return the summary.

    Parameters
    ----------
    job : TrainingJob
    uses : list of Use
        What became of the columns.
    network : MLPClassifier or MLPRegressor
        Fitted.
    seconds : float
        That training took in this process.
    epochs_here : int
        Epochs that this process has done; a run that goes on from a checkpoint has more.
    ended : str
    tested : dict
        The scores.
    """
    options = dataclasses.asdict(job.options)
    (d, h), o = network.coefs_[0].shape, network.n_outputs_
    epochs = len(network.loss_curve_)
    return Summary(
        fastnn2=__version__, file=job.table.path.name, target=job.target.name, task=job.task,
        weight=job.options.weight, columns=uses,
        classes=network.classes_.tolist() if job.is_classification else None,
        rows=job.rows, test="held out" if job.test is None else job.test.path.name,
        options={name: options[name] for name in CHOSEN},
        network={"inputs": d, "hidden": h, "outputs": o, "parameters": d * h + h + h * o + o,
                 "dtype": network.coefs_[0].dtype.name},
        training={"epochs": epochs, "seconds": seconds,
                  "rows_per_second": job.rows["training"] * epochs_here / seconds,
                  "ended": ended, "loss": list(network.loss_curve_),
                  "validation_loss": list(network.validation_loss_curve_ or []),
                  "validation_score": list(network.validation_scores_ or [])},
        scores=tested, notes=job.notes,
    )  # fmt: skip
