"""Trainings on tables that are killed, interrupted and go on; checkpoints that belong to something else."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import table_kills
from data import PATIENCE, assert_same_bits, extra
from training_data import SMALL, parameters, table_of, trained_on, written

from fastnn2.storage import checkpoint_file
from fastnn2.storage.lock import FileLock

extra("skops", "tables")
WAYS = {"memory": {}, "blocks": {"memory_limit": SMALL}}
SETTINGS = {"max_iter": 4, "drop": ("number", "kind"), "threads": 1}


def test_trainings_that_are_killed_end_as_undisturbed_ones(tmp_path):
    cases = ["memory", "blocks of classes"]
    script = pathlib.Path(table_kills.__file__)
    command = [sys.executable, script, tmp_path, "1", *cases]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.returncode == 0, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert [each["name"] for each in found] == cases
    for each in found:
        assert each["is_right"], each
        assert each["kills"] >= 1, each
        assert not each["left"], "no file is left behind"


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Return the folders of trainings of two epochs, with their table and their checkpoint, by the way they go."""
    folders = {}
    for way, options in WAYS.items():
        folders[way] = tmp_path_factory.mktemp(way)
        path = written(table_of(3000), folders[way], "rows.csv")
        trained_on(path, "y", checkpoint=folders[way] / "a.ckpt", **{**SETTINGS, **options, "max_iter": 2})
    return folders


@pytest.fixture(params=WAYS)
def folder(request, begun, tmp_path):
    shutil.copytree(begun[request.param], tmp_path, dirs_exist_ok=True)
    return tmp_path


def options_of(folder):
    """Return the options with which a training was begun."""
    return {**SETTINGS, **(WAYS["blocks"] if (folder / "a.ckpt.best").exists() else {}), "max_iter": 2}


def test_more_epochs_go_on(folder):
    options = {**options_of(folder), "max_iter": 5}
    expected, _ = trained_on(folder / "rows.csv", "y", **options)
    epochs = []
    found, _ = trained_on(
        folder / "rows.csv", "y", checkpoint=folder / "a.ckpt", resume=True,
        watch=lambda epoch, *_: epochs.append(epoch), **options,
    )  # fmt: skip
    assert epochs == [3, 4, 5]
    assert_same_bits((*parameters(found), found.predicted), (*parameters(expected), expected.predicted))
    assert found.summary.training["loss"] == expected.summary.training["loss"]
    assert found.summary.training["validation_score"] == expected.summary.training["validation_score"]


def test_a_training_in_blocks_goes_on_in_blocks_with_any_memory(begun, tmp_path):
    shutil.copytree(begun["blocks"], tmp_path, dirs_exist_ok=True)
    file = tmp_path / "a.ckpt"
    found, notes = trained_on(tmp_path / "rows.csv", "y", checkpoint=file, resume=True, **{**SETTINGS, "max_iter": 2})
    assert "the training goes on in blocks of rows, as it began" in notes
    assert any("trained in blocks" in note for note in notes)
    assert found.summary.training["epochs"] == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hidden": 7}, "hidden|is of a training with hidden"),
        ({"seed": 1}, "seed|random_state"),
        ({"alpha": 0.5}, "alpha=0.0001 .here 0.5."),
        ({"max_iter": 1}, "--max-iter is 1, which may only grow; pass 2 or more"),
        ({"resume": False}, "already; pass --resume to go on from it, or remove it"),
        ({"drop": ("number", "kind", "a")}, "is of a training (on other|with drop)"),
        ({"test_size": 0.5}, "is of a training (on other|with test_size)"),
        ({"early_stopping": False}, "early_stopping"),
    ],
)
def test_other_options_are_refused_and_the_file_stays(changed, message, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    options = {**options_of(folder), "checkpoint": folder / "a.ckpt", "resume": True, **changed}
    with pytest.raises(ValueError, match=message) as caught:
        trained_on(folder / "rows.csv", "y", **options)
    assert repr(str(folder / "a.ckpt")) in str(caught.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_other_rows_are_refused(folder):
    path = written(table_of(3000, seed=1), folder, "rows.csv")
    with pytest.raises(ValueError, match=r"is of a training (on other rows|with other targets)"):
        trained_on(path, "y", checkpoint=folder / "a.ckpt", resume=True, **options_of(folder))


@pytest.mark.parametrize(("way", "name"), [("memory", "a.ckpt"), ("blocks", "a.ckpt"), ("blocks", "a.ckpt.best")])
@pytest.mark.parametrize("damage", ["cut", "changed", "other", "folder", "missing"])
def test_a_file_that_is_no_checkpoint_is_refused(way, name, damage, begun, tmp_path):
    folder = shutil.copytree(begun[way], tmp_path, dirs_exist_ok=True)
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "other":
        checkpoint_file.write(path, "fit", {}, {"a": np.zeros(3)})
    elif damage == "folder":
        path.mkdir()
    options = {**options_of(folder), "checkpoint": folder / "a.ckpt", "resume": True}
    if damage == "missing" and name == "a.ckpt":
        trained_on(folder / "rows.csv", "y", **options)  # from the beginning
        assert path.exists()
        return
    with pytest.raises(ValueError, match=r"is damaged|is a checkpoint of kind 'fit'|cannot be read|lacks|end is mis"):
        trained_on(folder / "rows.csv", "y", **options)


def test_a_file_that_another_training_writes_is_refused(folder):
    lock = FileLock(folder / "a.ckpt")
    assert lock.acquire()
    try:
        with pytest.raises(ValueError, match="another training writes the checkpoint"):
            trained_on(folder / "rows.csv", "y", checkpoint=folder / "a.ckpt", resume=True, **options_of(folder))
    finally:
        lock.release()


# Ctrl-C


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_interrupted_training_has_the_model_that_was_reached(way, early_stopping, tmp_path):
    path = written(table_of(3000), tmp_path)
    options = {**SETTINGS, **WAYS[way], "early_stopping": early_stopping}

    def interrupt(epoch, *_):
        if epoch == 3:
            signal.raise_signal(signal.SIGINT)

    found, _ = trained_on(path, "y", watch=interrupt, **{**options, "max_iter": 50})
    assert found.is_interrupted
    assert found.summary.training["ended"] == "interrupted"
    assert found.summary.training["epochs"] == 3
    expected, _ = trained_on(path, "y", **{**options, "max_iter": 3})
    assert_same_bits(parameters(found), parameters(expected))


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupt_of_the_command_leaves_a_whole_model(way, tmp_path):
    path, out = written(table_of(3000), tmp_path), tmp_path / "a.model"
    limit = ["--memory-limit", SMALL] if way == "blocks" else []
    code = (
        "import os, signal, sys\n"
        "from fastnn2.commands import training_bar\n"
        "from fastnn2.commands.main import main\n"
        "def show(self, epoch, *_):\n"
        "    if epoch == 2: os.kill(os.getpid(), signal.SIGINT)\n"
        "training_bar.TrainingBar.show = show\n"
        "sys.exit(main())\n"
    )
    options = ["train", path, "--target", "y", "--max-iter", "500", "--drop", "kind", "--out", out, *limit]
    done = subprocess.run(
        [sys.executable, "-c", code, *options], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1].endswith(
        f"interrupted after 2 epochs; the model that was reached is in {str(out)!r}"
    )
    shown = subprocess.run(
        [sys.executable, "-m", "fastnn2", "show", out], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert "interrupted" in shown.stdout
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.model", "rows.parquet"]
