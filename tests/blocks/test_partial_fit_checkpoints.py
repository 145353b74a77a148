"""Checkpoints of partial_fit_blocks: a run that goes on ends with the bits of one that was never disturbed."""

import json
import pathlib
import subprocess
import sys

import block_kills
import numpy as np
import pytest
from block_data import (
    EPOCHS,
    NAMES,
    Failing,
    Reiterable,
    blocks_of,
    cut,
    everything,
    looped,
    model_of,
    moons,
    trained,
)
from checkpoint_fits import bits, data_of
from data import PATIENCE
from sklearn.base import is_classifier

import fastnn2
from fastnn2.blocks import partial_fit_checkpoints
from fastnn2.blocks.partial_fit_checkpoints import KIND, MODEL, ORDER, ORDER_STATE
from fastnn2.storage import checkpoint_file
from fastnn2.storage.lock import FileLock

X, Y = moons(400)
BLOCKS = cut(X, Y, cuts=(0, 100, 200, 300, 400))


def new(cls=fastnn2.MLPClassifier, **parameters):
    return cls(**{"hidden_layer_sizes": 5, "batch_size": 50, "random_state": 0, **parameters})


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.checkpoint"


class Stopped(Exception):
    """Ends a run."""


def stopped(model, blocks, at, file, **options):
    """Train until a block is asked for the at-th time, by the digests of data, a first pass or training."""
    with pytest.raises(Stopped):
        trained(model, Failing(blocks, at, Stopped()), checkpoint=file, checkpoint_seconds=0, **options)
    return model


def position(file):
    return checkpoint_file.read(file, KIND)[0]["position"]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_goes_on_with_the_same_bits(name, file):
    blocks, X = blocks_of(name), data_of(name)[0]
    source = np.random.RandomState(9)

    def orders():
        return {"the order of X": np.random.RandomState(9), "labels": None, "sparse": source}.get(name, 4)

    expected = everything(looped(model_of(name), blocks, random_state=orders()), X)
    source.seed(9)
    n = len(blocks)
    first_pass = n if is_classifier(model_of(name)) else 0
    for blocks_done in (3, n + 1, 2 * n):
        source.seed(9)
        stopped(model_of(name), blocks, 2 + first_pass + blocks_done, file, random_state=orders())
        assert position(file) == list(divmod(blocks_done, n))
        model = trained(model_of(name), blocks, checkpoint=file, resume=True, random_state=orders())
        assert everything(model, X) == expected
        assert position(file) == [EPOCHS, 0]
        file.unlink()


def test_an_iterable_goes_on(file, monkeypatch):
    monkeypatch.setattr(partial_fit_checkpoints, "KEEP_SECONDS", 0)
    for cls in (fastnn2.MLPClassifier, fastnn2.MLPRegressor):
        model = new(cls)
        blocks = [*BLOCKS[:3], (X[:10, :1], Y[:10])]
        with pytest.raises(ValueError, match="block 3"):
            trained(model, Reiterable(blocks), checkpoint=file, shuffle=False)
        assert position(file) == [0, 3]
        model = trained(new(cls), Reiterable(BLOCKS), checkpoint=file, resume=True, shuffle=False)
        assert everything(model, X) == everything(looped(new(cls), BLOCKS, shuffle=False), X)
        file.unlink()


def test_the_first_pass_is_not_repeated(file):
    with pytest.raises(ValueError, match="block 1, in epoch 1"):
        trained(new(), Reiterable([BLOCKS[0], (X[:5, :1], [0] * 5)]), shuffle=False, checkpoint=file)
    blocks = Reiterable(BLOCKS)
    model = trained(new(), blocks, 1, shuffle=False, checkpoint=file, resume=True)
    assert blocks.passes == 2  # one for the digests, one for training
    assert everything(model, X) == everything(looped(new(), BLOCKS, 1, shuffle=False), X)


def test_more_epochs(file):
    trained(new(), BLOCKS, 2, random_state=1, checkpoint=file)
    model = trained(new(), BLOCKS, 5, random_state=1, checkpoint=file, resume=True)
    expected = everything(looped(new(), BLOCKS, 5, random_state=1), X)
    assert everything(model, X) == expected
    for _ in range(2):  # an estimator that is fitted gets the state of the file, too
        assert everything(trained(model, BLOCKS, 5, random_state=1, checkpoint=file, resume=True), X) == expected
    with pytest.raises(ValueError, match=r"epochs is 4, and the checkpoint .* is in epoch 5; pass 5 or more"):
        trained(model, BLOCKS, 4, random_state=1, checkpoint=file, resume=True)
    assert everything(trained(new(), BLOCKS, 2, random_state=1, checkpoint=file), X) != expected
    assert position(file) == [2, 0]


def test_an_estimator_that_was_fitted_before(file):
    def fitted():
        model = new(random_state=np.random.RandomState(0))
        model.partial_fit(*BLOCKS[0], classes=[0, 1])
        return model.set_params(learning_rate_init=0.1, max_iter=7)

    expected = everything(looped(fitted(), BLOCKS, random_state=1), X)
    for given in (fitted, lambda: new(learning_rate_init=0.1, random_state=np.random.RandomState(5))):
        stopped(fitted(), BLOCKS, 2 + 5, file, random_state=1)
        model = trained(given(), BLOCKS, checkpoint=file, resume=True, random_state=1).set_params(max_iter=7)
        assert everything(model, X) == expected
        assert model._optimizer.learning_rate_init == 0.001


def test_an_optimizer_of_another_solver(file):
    def fitted():
        return new(solver="sgd", momentum=0.5).partial_fit(*BLOCKS[0], classes=[0, 1]).set_params(solver="adam")

    stopped(fitted(), BLOCKS, 2 + 5, file, random_state=1)
    model = trained(new(solver="adam", momentum=0.5), BLOCKS, checkpoint=file, resume=True, random_state=1)
    assert everything(model, X) == everything(looped(fitted(), BLOCKS, random_state=1), X)
    assert model.solver == "adam"


def test_names_of_features_and_labels(file):
    import pandas as pd

    frames = [(pd.DataFrame(X, columns=["a", "b"]), y) for X, y in BLOCKS]
    for labels in (["no", "yes"], [1.5, 2.0], np.array([3, 7], dtype=np.uint8), np.array(["é", "ö"], dtype=object)):
        blocks = [(X, np.asarray(labels)[y]) for X, y in frames]
        if isinstance(labels[0], float):
            blocks = [(X, np.array([1.0, 2.0])[y]) for X, y in frames]
        trained(new(), blocks, 1, random_state=1, checkpoint=file)
        model = trained(new(), blocks, 2, random_state=1, checkpoint=file, resume=True)
        assert everything(model, frames[0][0]) == everything(looped(new(), blocks, 2, random_state=1), frames[0][0])
        assert model.feature_names_in_.tolist() == ["a", "b"]
        file.unlink()
    # A model that has no names of features loses those that it had.
    trained(new(), BLOCKS, 1, random_state=1, checkpoint=file)
    assert not hasattr(trained(model, BLOCKS, 1, random_state=1, checkpoint=file, resume=True), "feature_names_in_")


def test_numpys_global_random_state_is_left_alone(file):
    np.random.seed(3)
    expected = everything(looped(new(random_state=None), BLOCKS), X)
    np.random.seed(3)
    stopped(new(random_state=None), BLOCKS, 2 + 4 + 5, file)
    np.random.seed(10)
    before = bits(np.random.mtrand._rand)
    model = trained(new(random_state=None), BLOCKS, checkpoint=file, resume=True)
    assert bits(np.random.mtrand._rand) == before
    assert everything(model, X) == expected
    assert model.random_state is None


# What is refused


@pytest.mark.parametrize(
    ("parameters", "options", "message"),
    [
        ({"alpha": 0.5}, {}, "alpha is 0.0001 there and 0.5 here"),
        ({"random_state": 1}, {}, "random_state is 0 there and 1 here"),
        ({}, {"random_state": 2}, "random_state of the blocks is 1 there and 2 here"),
        ({}, {"shuffle": False}, "shuffle of the blocks is True there and False here"),
        ({}, {"classes": [0, 1]}, r"classes is None there and \[0, 1\] here"),
        ({"cls": fastnn2.MLPRegressor}, {}, "it is of MLPClassifier, and this is MLPRegressor"),
        ({}, {"blocks": BLOCKS[:3]}, "another run: X differs; y differs. Choose"),
        ({}, {"blocks": [*BLOCKS[:2], *BLOCKS[1:]]}, "another run: X differs. Choose"),
        ({}, {"blocks": (X, Y)}, "another run: X differs; y differs. Choose"),
        ({}, {"blocks": [(X, 1 - y) for X, y in BLOCKS]}, "another run: y differs"),
        ({}, {"blocks": [(X.astype(np.float32), y) for X, y in BLOCKS]}, "another run: X differs. Choose"),
        ({}, {"blocks": [(X, y, np.ones(100)) for X, y in BLOCKS]}, "another run: sample_weight differs"),
    ],
)
def test_the_checkpoint_of_another_run(parameters, options, message, file):
    stopped(new(), BLOCKS, 2 + 4 + 2, file, random_state=1)
    content = file.read_bytes()
    blocks = options.pop("blocks", BLOCKS)
    for resume in (True, False):
        model = new(**parameters)
        with pytest.raises(ValueError, match=message):
            trained(model, blocks, 1, **{"random_state": 1, **options}, checkpoint=file, resume=resume)
        assert not hasattr(model, "coefs_")
    assert file.read_bytes() == content


def test_files_that_are_none_or_in_use(file):
    file.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"is not a checkpoint of fastnn2. Choose another file"):
        trained(new(), BLOCKS, checkpoint=file)
    file.unlink()
    fastnn2.fit(X.T, Y, 0.3, 5, 5, checkpoint=file)
    with pytest.raises(ValueError, match="is a checkpoint of kind 'fit'; expected 'partial_fit_blocks'"):
        trained(new(), BLOCKS, checkpoint=file)
    file.unlink()
    lock = FileLock(file)
    assert lock.acquire()
    with pytest.raises(ValueError, match="another run"):
        trained(new(), BLOCKS, checkpoint=file)
    lock.release()
    with pytest.raises(ValueError, match="there is no folder"):
        trained(new(), BLOCKS, checkpoint=file.parent / "none" / "a")


def set_in(description, path, value):
    *parents, last = path
    for name in parents:
        description = description[name]
    description[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("position",), None),
        (("position",), [0]),
        (("position",), [0, -1]),
        (("position",), [0, 5]),
        (("position",), [0.0, 1]),
        (("model",), None),
        (("model", "features"), 3),
        (("model", "features"), 10**12),
        (("model", "outputs"), "1"),
        (("model", "out_activation"), "nothing"),
        (("model", "solver"), "lbfgs"),
        (("model", "optimizer"), {}),
        (("model", "feature_names"), ["a"]),
        (("model", "labels"), None),
        (("model", "labels", "classes"), {"dtype": "<U99999999", "values": ["a"]}),
        (("model", "labels", "classes"), {"dtype": "O", "values": [[]]}),
        (("model", "labels", "classes"), {"dtype": "V8", "values": [1]}),
        (("model", "labels", "classes", "values"), []),
        (("state", "t_"), -1),
        (("fit", "data"), {}),
    ],
)
def test_a_damaged_description(path, value, file):
    trained(new(), BLOCKS, 1, random_state=1, checkpoint=file, checkpoint_seconds=0)
    stopped(new(), BLOCKS, 2 + 4 + 2, file, random_state=1)
    description, arrays = checkpoint_file.read(file, KIND)
    parts = {**description, MODEL: json.loads(arrays[MODEL].tobytes())}
    set_in(parts, path, value)
    arrays = {**arrays, MODEL: np.frombuffer(json.dumps(parts.pop(MODEL)).encode(), np.uint8)}
    checkpoint_file.write(file, KIND, parts, arrays)
    model = new().partial_fit(*BLOCKS[0], classes=[0, 1])
    before = everything(model, X)
    with pytest.raises(ValueError, match=r"is damaged: .*\. Choose another file, or remove this one"):
        trained(model, BLOCKS, random_state=1, checkpoint=file, resume=True)
    assert everything(model, X) == before


@pytest.mark.parametrize(
    "name", [MODEL, ORDER, ORDER_STATE, "params", "first_moments", "random_state", "second_moments"]
)
def test_damaged_arrays(name, file):
    stopped(new(), BLOCKS, 2 + 4 + 2, file, random_state=1)
    description, arrays = checkpoint_file.read(file, KIND)
    right = arrays.pop(name)
    damaged = [{name: right.astype(np.float64 if right.dtype == np.float32 else np.float32)}, {name: right[:-1]}]
    damaged.append({name: np.zeros_like(right)} if name == ORDER else {})
    for replaced in damaged:
        checkpoint_file.write(file, KIND, description, {**arrays, **replaced})
        model = new().partial_fit(*BLOCKS[0], classes=[0, 1])
        before = everything(model, X)
        with pytest.raises(ValueError, match=r"is damaged: .*\. Choose another file, or remove this one"):
            trained(model, BLOCKS, random_state=1, checkpoint=file, resume=True)
        assert everything(model, X) == before


def test_long_names_of_features_and_labels(file):
    import pandas as pd

    rows = np.random.RandomState(0).standard_normal((20, 3000))
    frame = pd.DataFrame(rows, columns=[f"{i} " + 200 * "a" for i in range(3000)])
    labels = np.array([f"{i} " + 15000 * "b" for i in range(20)])
    trained(new(), [(frame, labels)], 1, random_state=1, checkpoint=file)
    model = trained(new(), [(frame, labels)], 2, random_state=1, checkpoint=file, resume=True)
    expected = looped(new(), [(frame, labels)], 2, random_state=1)
    assert everything(model, frame) == everything(expected, frame)
    assert model.feature_names_in_.tolist() == frame.columns.tolist()


# Kills and Ctrl-C


def test_runs_that_are_killed_end_as_undisturbed_ones(tmp_path):
    script = pathlib.Path(block_kills.__file__)
    run = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert run.returncode == 0, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert [each["name"] for each in found] == list(block_kills.CASES)
    for each in found:
        assert each["is_right"], each
        assert each["kills"] == block_kills.KILLS, each
        assert each["positions"] == sorted(each["positions"]), "what was done is never lost"
        assert len(set(map(tuple, each["positions"]))) > 2, "some kills come in the middle of the run"
