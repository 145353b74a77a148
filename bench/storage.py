"""How results are kept: JSON with a line for each row, and numbers with as many digits as were measured."""

import json

DIGITS = 9  # significant ones: enough that a table never shows another last digit
WIDTH = 400  # a row


def write(path, results):
    path.write_text(dumps(results) + "\n", encoding="utf-8")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def dumps(value, indent=0):
    """Return JSON in which what fits into one line is on one line, so that a diff shows which rows changed.

    >>> print(dumps({"rounds": 5, "rows": [{"name": "a" * 200, "median": 1 / 3}, {"name": "b" * 200, "median": 2}]}))
    ... # doctest: +ELLIPSIS
    {
     "rounds": 5,
     "rows": [
      {"name": "aaa...aaa", "median": 0.333333333},
      {"name": "bbb...bbb", "median": 2}
     ]
    }
    """
    line = json.dumps(rounded(value), ensure_ascii=False)
    if len(line) + indent <= WIDTH or not isinstance(value, dict | list):
        return line
    inner = " " * (indent + 1)
    if isinstance(value, dict):
        ends, entries = "{}", [f"{json.dumps(key)}: {dumps(entry, indent + 1)}" for key, entry in value.items()]
    else:
        ends, entries = "[]", [dumps(entry, indent + 1) for entry in value]
    return f"{ends[0]}\n{inner}" + f",\n{inner}".join(entries) + f"\n{' ' * indent}{ends[1]}"


def rounded(value):
    """Return the same, with floats that have no more digits than count."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry) for entry in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
