"""The summary of a training as lines of text, for 80 columns."""

import math
import textwrap
from collections.abc import Sequence

from fastnn2.commands.text_lines import WIDTH, labelled_lines, shortened
from fastnn2.tables.models.predict import label_text
from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, TEXT
from fastnn2.tables.training.options import CLASSIFICATION, REGRESSION
from fastnn2.tables.training.summary import ColumnUse, Summary

LONGEST_NAME = 24
MOST_COLUMNS = 20  # with a line of their own; more are grouped by what becomes of them
MOST_CLASSES = 20
MANY = {NUMBER: "numbers", DATE: "dates", TEXT: "text", BOOLEAN: "true and false"}
BEST = {
    CLASSIFICATION: "the best accuracy and AUC are 1 (AUC by chance: 0.5), the best log loss is 0",
    REGRESSION: "the best R2 is 1 (the mean has 0), the best MAE and RMSE are 0",
}


def summary_lines(summary: Summary) -> list[str]:
    """Return what is told of a training."""
    return [
        *labelled_lines("file", _rows_of_file(summary)),
        *labelled_lines("target", f"{shortened(summary.target, 40)}: {summary.task}"),
        *([] if summary.weight is None else labelled_lines("weights", shortened(summary.weight, 40))),
        *_column_lines(summary),
        *([] if summary.classes is None else labelled_lines("classes", _classes(summary.classes))),
        *labelled_lines("rows", _rows(summary)),
        *labelled_lines("network", _network(summary)),
        *labelled_lines("training", _training(summary)),
        "",
        *score_lines(summary),
    ]


def _rows_of_file(summary: Summary) -> str:
    reasons = (("without target", "without a target"), ("without weight", "with the weight 0"))
    counts = [(summary.rows.get(key, 0), reason) for key, reason in reasons]
    dropped = " and ".join(f"{count:,} of them {reason}" for count, reason in counts if count)
    words = f"{shortened(summary.file, 50)}, {summary.rows['file']:,} rows"
    return words if not dropped else f"{words}, {dropped}: not used"


def _column_lines(summary: Summary) -> list[str]:
    used = [use for use in summary.columns if use.width]
    dropped = [use for use in summary.columns if not use.width]
    inputs = summary.network["inputs"]
    text = f"{len(used):,} used, as {inputs:,} {'input' if inputs == 1 else 'inputs'} of the network"
    lines = labelled_lines("columns", text + (f"; {len(dropped):,} dropped" if dropped else ""))
    if len(used) <= MOST_COLUMNS:
        return lines + _lines_of_columns(summary.columns)
    groups: dict[str, list[str]] = {}
    for use in used:
        # Columns of text differ in the number of their categories, which goes to the name.
        is_text = use.kind in (TEXT, BOOLEAN)
        words = f"{MANY[use.kind]}, " + ("one-hot, with the number of categories" if is_text else use.use)
        name = shortened(use.name, LONGEST_NAME)
        groups.setdefault(words, []).append(f"{name} ({use.width:,})" if is_text else name)
    for words, names in groups.items():
        lines += textwrap.wrap(f"{len(names):,} of {words}:", WIDTH, initial_indent="  ", subsequent_indent="  ")
        lines += _listed(names)
    return lines + _lines_of_columns(dropped)


def _lines_of_columns(uses: Sequence[ColumnUse]) -> list[str]:
    """Return a line for each column, or more where it says much."""
    names = [shortened(use.name, LONGEST_NAME) for use in uses]
    longest = max(map(len, names), default=0)
    lines = []
    for name, use in zip(names, uses, strict=True):
        start = f"  {name:<{longest}}  {use.kind:<7}  "
        lines += textwrap.wrap(use.use, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))
    return lines


def _listed(names: Sequence[str]) -> list[str]:
    """Return names in indented lines; a name stays whole."""
    lines = [" " * 3]
    for place, name in enumerate(names):
        word = f" {name}{',' if place < len(names) - 1 else ''}"
        if len(lines[-1]) + len(word) > WIDTH and lines[-1].strip():
            lines.append(" " * 3)
        lines[-1] += word
    return lines


def _classes(classes: Sequence[object]) -> str:
    names = [shortened(label_text(label), LONGEST_NAME) for label in classes[:MOST_CLASSES]]
    more = f", ... ({len(classes):,} in all)" if len(classes) > MOST_CLASSES else ""
    return ", ".join(names) + more


def _rows(summary: Summary) -> str:
    rows = summary.rows
    validation = f", {rows['validation']:,} of them to stop early" if rows["validation"] else ""
    of = "" if summary.test == "held out" else f" in {shortened(summary.test, 40)}"
    return f"{rows['training']:,} for training{validation}; {rows['test']:,} for the test{of}"


def _network(summary: Summary) -> str:
    network = summary.network
    counts = ((network["inputs"], "input"), (network["hidden"], "hidden unit"), (network["outputs"], "output"))
    words = ", ".join(f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in counts)
    return f"{words}: {network['parameters']:,} numbers in {network['dtype']}"


def _training(summary: Summary) -> str:
    training = summary.training
    epochs = training["epochs"]
    words = f"{epochs:,} {'epoch' if epochs == 1 else 'epochs'}"
    if "seconds" in training:
        words += f" in {duration(training['seconds'])}, {training['rows_per_second']:,.0f} rows/s"
    kept = kept_epoch(summary)
    words += f": {training['ended']}"
    return words if kept is None else f"{words}; epoch {kept:,} is kept, the best on validation"


def kept_epoch(summary: Summary) -> int | None:
    """Return the number of the epoch whose network is kept, where early stopping chooses it, or None."""
    scores = summary.training["validation_score"]
    return scores.index(max(scores)) + 1 if scores else None


def duration(seconds: float) -> str:
    """Return a time in words: '0.213 s', '21.3 s', '4 min 05 s' or '2 h 03 min'."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def score_lines(summary: Summary) -> list[str]:
    """Return the table of scores on the test rows."""
    names = list(next(iter(summary.scores.values())))
    columns = {name: _aligned([scores[name] for scores in summary.scores.values()]) for name in names}
    widths = {name: max(len(name), *map(len, cells)) + 3 for name, cells in columns.items()}
    label = f"test on {summary.rows['test']:,} rows"
    width = max(len(label), *(len(model) + 2 for model in summary.scores))
    lines = [f"{label:<{width}}" + "".join(f"{name:>{widths[name]}}" for name in names)]
    for place, model in enumerate(summary.scores):
        cells = "".join(f"{columns[name][place]:>{widths[name]}}" for name in names)
        lines.append(f"  {model:<{width - 2}}{cells}")
    return [*lines, f"  {BEST[summary.task]}"]


def _aligned(values: Sequence[float | None]) -> list[str]:
    """Return the numbers of a column with as many decimals each, '-' for None."""
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return ["-" if value is None else "0" for value in values]
    if max(sizes) >= 1e9 or min(sizes) < 1e-6:
        return ["-" if value is None else f"{value:.3e}" for value in values]
    decimals = 4 if max(sizes) < 10 else max(0, 3 - math.floor(math.log10(min(sizes))))
    return ["-" if value is None else f"{value:z,.{decimals}f}" for value in values]
