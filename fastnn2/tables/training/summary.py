"""The summary of a training, which its end and ``fastnn2 show`` print; the model file has it as JSON."""

import dataclasses
import json
from typing import Any

from fastnn2.tables.training.summary_checks import check_content

FORMAT = 1
ATTRIBUTE = "table_"  # of the Pipeline
TIMES = ("seconds", "rows_per_second")  # of a training; they do not travel with the model


@dataclasses.dataclass
class ColumnUse:
    """How a column is used.

    Attributes
    ----------
    name, kind : str
    use : str
        In words, such as "standardised", "one-hot: 7 categories" or "dropped: has no values".
    width : int
        How many inputs of the network it makes; 0 for one that is not used.
    form : str or None
        How the text file of the training wrote its values, as `Column.form`; None for dates of ISO 8601.
    """

    name: str
    kind: str
    use: str
    width: int
    form: str | None = None


@dataclasses.dataclass
class Summary:
    """The summary of a training.

    Attributes
    ----------
    fastnn2 : str
        The version.
    file, target, task : str
        The name of the file, without its folder; the column; CLASSIFICATION or REGRESSION.
    weight : str or None
    columns : list of ColumnUse
    classes : list or None
        Labels of the classes: text, booleans or integers; None for a regression.
    rows : dict
        "file", "without target", "without weight" (where there are some), "training", "validation" (some of those for
        training) and "test", each a count.
    test : str
        Where the test rows come from, in words.
    options : dict
        Those that change the model.
    network : dict
        "inputs", "hidden", "outputs", "parameters" and "dtype".
    training : dict
        "epochs", "seconds" and "rows_per_second" (which do not travel), "ended" (in words), "loss", "validation_loss"
        and "validation_score" (the last three are lists with one entry for each epoch, or empty).
    scores : dict
        For each model, by its name, a score on the test rows by its name; None where it is not defined.
    notes : list of str
    """

    fastnn2: str
    file: str
    target: str
    task: str
    weight: str | None
    columns: list[ColumnUse]
    classes: list[Any] | None
    rows: dict[str, int]
    test: str
    options: dict[str, Any]
    network: dict[str, Any]
    training: dict[str, Any]
    scores: dict[str, dict[str, float | None]]
    notes: list[str]

    def to_json(self, indent: int | None = None) -> str:
        """Return it as a text."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Summary":
        """Return the summary in a text.

        Raises
        ------
        ValueError
            It is none, or of a newer format.
        """
        try:
            content = json.loads(text)
            version = content.pop("format")
            if version == FORMAT:
                check_content(content, cls)
                content["columns"] = [ColumnUse(**column) for column in content["columns"]]
                return cls(**content)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                f"what it says of its training cannot be read ({type(error).__name__}: {error})"
            ) from error
        raise ValueError(f"what it says of its training has the format {version!r}; upgrade fastnn2")


def network_sizes(network: Any) -> dict[str, Any]:
    """Return the sizes of a fitted network, as `Summary.network` has them."""
    (d, h), o = network.coefs_[0].shape, network.n_outputs_
    parameters = d * h + h + h * o + o
    return {"inputs": d, "hidden": h, "outputs": o, "parameters": parameters, "dtype": network.coefs_[0].dtype.name}


def attach(summary: Summary, model: Any) -> None:
    """Give a Pipeline its summary as an attribute, without times, so that a repeated training gives the same file."""
    training = {name: value for name, value in summary.training.items() if name not in TIMES}
    setattr(model, ATTRIBUTE, dataclasses.replace(summary, training=training).to_json())


def summary_of(model: Any) -> Summary | None:
    """Return the summary of a model, or None if it has none: it was not trained by ``fastnn2 train``."""
    text = getattr(model, ATTRIBUTE, None)
    return Summary.from_json(text) if isinstance(text, str) else None
