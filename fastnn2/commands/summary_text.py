"""The summary of a training as lines of text, for 80 columns."""

from fastnn2.tables.summary import Summary

LABEL = 14  # columns


def summary_lines(summary: Summary) -> list[str]:
    """Return what is told of a training."""
    rows, network, training = summary.rows, summary.network, summary.training
    lines = [_line(summary.task, f"of {summary.target!r} in {summary.file}"), "columns"]
    longest = min(24, max(len(use.name) for use in summary.columns))
    lines += [f"  {use.name:<{longest}}  {use.kind:<8}{use.use}" for use in summary.columns]
    if summary.classes is not None:
        lines.append(_line("classes", _some(summary.classes)))
    validation = f" ({rows['validation']:,} of them for validation)" if rows["validation"] else ""
    lines.append(_line("rows", f"{rows['training']:,} for training{validation}, {rows['test']:,} for the test"))
    outputs = "1 output" if network["outputs"] == 1 else f"{network['outputs']:,} outputs"
    lines.append(
        _line(
            "network",
            f"{network['inputs']:,} inputs, {network['hidden']:,} hidden units, {outputs}, {network['dtype']}",
        )
    )
    speed = ""
    if "seconds" in training:
        speed = f" in {training['seconds']:.3g} s, {training['rows_per_second']:,.0f} rows/s"
    lines.append(_line("training", f"{training['epochs']:,} epochs{speed}"))
    lines.append(_line("", training["ended"]))
    return lines + score_lines(summary)


def score_lines(summary: Summary) -> list[str]:
    """Return the table of scores on the test rows."""
    names = list(next(iter(summary.scores.values())))
    width = max(map(len, summary.scores)) + 2
    lines = [f"{'test':<{width}}" + "".join(f"{name:>{len(name) + 4}}" for name in names)]
    for model, scores in summary.scores.items():
        cells = ("–" if scores[name] is None else f"{scores[name]:.4g}" for name in names)
        lines.append(
            f"  {model:<{width - 2}}"
            + "".join(f"{cell:>{len(name) + 4}}" for cell, name in zip(cells, names, strict=True))
        )
    return lines


def _line(label: str, text: str) -> str:
    return f"{label:<{LABEL}}{text}"


def _some(values: list[object], most: int = 8) -> str:
    words = ", ".join(map(str, values[:most]))
    return words if len(values) <= most else f"{words}, … ({len(values):,} in all)"
