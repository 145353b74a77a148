"""Runs of partial_fit_blocks that are killed and go on from their checkpoints; run as a script, by a test.

The script forks a process for each attempt, kills it at a random moment, and lets the last one end.
"""

import json
import os
import pickle
import random
import signal
import sys
import time

from block_data import Reiterable, blocks_of, everything, model_of, trained
from checkpoint_fits import data_of, ended, in_another_process, wait_for_change

from fastnn2.blocks.partial_fit_checkpoints import KIND
from fastnn2.storage import checkpoint_file

KILLS = 5
EPOCHS = 120  # that are left to a run
MOST_DELAY = 0.01  # seconds before a kill, at most
CASES = ("adam", "labels", "sgd with momentum", "sparse", "the order of X")


def run(name, epochs, file=None):
    """Return what a run of so many epochs leaves."""
    blocks, shuffle = blocks_of(name), name != "the order of X"
    options = {} if file is None else {"checkpoint": file, "checkpoint_seconds": 0, "resume": True}
    model = model_of(name, n_threads=1)
    source = None if name == "labels" else 7
    blocks = blocks if shuffle else Reiterable(blocks)
    trained(model, blocks, epochs, shuffle=shuffle, random_state=source, **options)
    return everything(model, data_of(name)[0])


def killed(name, folder, source):
    """Kill a run KILLS times; return where it was after each kill, and whether the end is right.

    There are always some epochs left, however fast they are: there are more as the run comes close to its end.
    """
    file, result = folder / "checkpoint", folder / "result"
    run(name, 1)  # it may have to compile
    kills, positions, epochs = 0, [], EPOCHS

    def forked():
        return in_another_process(lambda: result.write_bytes(pickle.dumps(run(name, epochs, file))))

    while not result.exists():
        child = forked()
        if kills < KILLS:
            for _ in range(source.randrange(1, 30)):
                wait_for_change(file, result)
            time.sleep(source.uniform(0, MOST_DELAY))
            os.kill(child, signal.SIGKILL)
        kills += not ended(child)
        if file.exists():
            positions.append(checkpoint_file.read(file, KIND)[0]["position"])
            if epochs - positions[-1][0] < EPOCHS / 2 and kills < KILLS:
                epochs += EPOCHS
                result.unlink(missing_ok=True)  # the run has come to its end before the kill; now it goes on
    undisturbed = run(name, epochs)
    return {"kills": kills, "positions": positions, "is_right": pickle.loads(result.read_bytes()) == undisturbed}


if __name__ == "__main__":
    import pathlib

    os.fsync = lambda descriptor: None  # a kill does not need it, and a slow disk would leave little of a run to kill
    source = random.Random(32)
    for name in CASES:
        folder = pathlib.Path(sys.argv[1], name.replace(" ", "-"))
        folder.mkdir()
        print(json.dumps({"name": name, **killed(name, folder, source)}), flush=True)
