"""Trainings on tables that are killed and go on from their checkpoints; run as a script, of which a test runs a little.

    python tests/table_kills.py FOLDER [ROUNDS] [CASE ...]

Each round kills a training of each case at random moments, lets the last attempt end, and compares the file of the
model with that of a training that was never killed, byte for byte. Processes are forked before polars has threads.
"""

import contextlib
import gzip
import io
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time
from unittest import mock

import numpy as np
from checkpoint_fits import ended, in_another_process, wait_for_change

from fastnn2.commands.main import main
from fastnn2.tables.training import block_run, network

KILLS = 4
ROWS = 2500
MOST_DELAY = 0.05  # seconds before a kill, at most
BLOCKS = ["--memory-limit", "100kB"]
CASES = {
    "memory": ("numbers.csv", ["--target", "kind", "--max-iter", "300", "--learning-rate", "2e-4"]),
    "memory by loss": ("numbers.csv", ["--target", "y", "--no-early-stopping", "--max-iter", "300", "--drop", "kind"]),
    "blocks": ("numbers.csv", [*BLOCKS, "--target", "y", "--max-iter", "25", "--drop", "kind"]),
    "blocks of classes": (
        "numbers.csv",
        [*BLOCKS, "--target", "kind", "--max-iter", "20", "--class-weight", "balanced", "--weight", "weight"],
    ),
    "blocks in order": ("numbers.csv.gz", [*BLOCKS, "--target", "kind", "--no-early-stopping", "--max-iter", "20"]),
}


def write_table(folder):
    """Write a table as CSV, also compressed."""
    source = np.random.default_rng(0)
    X = source.standard_normal((ROWS, 4))
    weights = source.uniform(0.5, 2, ROWS)
    kinds = np.array(["low", "middle", "high"])[np.digitize(X[:, 0] + 0.3 * X[:, 1], [-0.5, 0.5])]
    lines = ["a,b,c,text,weight,y,kind"]
    for (a, b, c, noise), weight, kind in zip(X, weights, kinds, strict=True):
        letter, y = "xyz"[int(abs(c) % 3)], a * b + 0.1 * noise
        lines.append(f"{a:.6g},{b:.6g},{c:.6g},{letter},{weight:.6g},{y:.6g},{kind}")
    text = "\n".join(lines).encode() + b"\n"
    (folder / "numbers.csv").write_bytes(text)
    (folder / "numbers.csv.gz").write_bytes(gzip.compress(text, 1))


def run(name, folder, model, checkpoint=None):
    """Run the command; it writes the file of the model at its end."""
    file, options = CASES[name]
    arguments = ["train", str(folder / file), *options, "--out", str(model), "--threads", "1"]
    if checkpoint is not None:
        arguments += ["--checkpoint", str(checkpoint), "--resume"]
    printed = io.StringIO()
    with (
        mock.patch.object(network, "CHECKPOINT_SECONDS", 0.0),
        mock.patch.object(block_run, "CHECKPOINT_SECONDS", 0.0),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        code = main(arguments)
    if code:
        sys.__stderr__.write(printed.getvalue())
        raise SystemExit(code)


def killed(name, folder, source):
    """Kill a training KILLS times; return how many kills came before its end, and whether the end is right."""
    checkpoint, model, expected = (folder / each for each in ("checkpoint", "model", "expected"))
    assert ended(in_another_process(lambda: run(name, folder, expected)))
    kills = changes = 0
    for attempt in range(KILLS + 1):
        child = in_another_process(lambda: run(name, folder, model, checkpoint))
        if attempt < KILLS:
            for _ in range(source.randrange(8)):
                before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
                wait_for_change(checkpoint, model)
                changes += checkpoint.exists() and checkpoint.stat().st_mtime_ns != before
            time.sleep(source.uniform(0, MOST_DELAY))
            os.kill(child, signal.SIGKILL)
        kills += not ended(child)
        if model.exists():
            break
    # A training that has ended gives its model again.
    again = folder / "again"
    assert ended(in_another_process(lambda: run(name, folder, again, checkpoint)))
    same = model.read_bytes() == expected.read_bytes() == again.read_bytes()
    left = sorted(each.name for each in folder.iterdir() if each.name.endswith((".lock", ".tmp")))
    return {"kills": kills, "changes": changes, "is_right": same, "left": left}


if __name__ == "__main__":
    os.fsync = lambda descriptor: None  # a kill does not need it, and a slow disk would leave little of a run to kill
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    source = random.Random(35)
    for number in range(rounds):
        for name in sys.argv[3:] or CASES:
            folder = pathlib.Path(sys.argv[1], f"{name.replace(' ', '-')}-{number}")
            folder.mkdir()
            write_table(folder)
            print(json.dumps({"name": name, **killed(name, folder, source)}), flush=True)
            shutil.rmtree(folder)
