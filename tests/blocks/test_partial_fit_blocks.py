"""partial_fit_blocks: it is a loop of partial_fit, bit for bit, and says where an error is."""

import os
import subprocess
import sys
import time
import types

import numpy as np
import pandas as pd
import pytest
import sklearn.neural_network
from block_data import EPOCHS, NAMES, Failing, Reiterable, blocks_of, cut, everything, looped, model_of, moons, trained
from checkpoint_fits import data_of
from data import DTYPES, PATIENCE
from interrupt_data import LIMIT
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn2
from fastnn2.blocks.open_blocks import open_blocks
from fastnn2.blocks.partial_fit_checkpoints import KIND
from fastnn2.storage import checkpoint_file

X, Y = moons(400)
BLOCKS = cut(X, Y, cuts=(0, 100, 200, 300, 400))


def new(cls=fastnn2.MLPClassifier, **parameters):
    return cls(**{"hidden_layer_sizes": 5, "batch_size": 50, "random_state": 0, **parameters})


# The same bits as a loop of partial_fit


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shuffle", [True, False])
def test_it_is_a_loop_of_partial_fit(name, shuffle):
    blocks, X = blocks_of(name), data_of(name)[0]
    model = trained(model_of(name), blocks, shuffle=shuffle, random_state=4)
    found = everything(model, X)
    expected = everything(looped(model_of(name), blocks, shuffle=shuffle, random_state=4), X)
    assert found == expected
    assert len(model.loss_curve_) == EPOCHS * sum(block[0].shape[0] > 0 for block in blocks)
    if not shuffle:
        assert everything(trained(model_of(name), Reiterable(blocks), shuffle=False), X) == expected


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_fitted_estimator_goes_on(solver, dtype):
    blocks = [(X.astype(dtype), Y) for X, Y in BLOCKS]
    models = [new(solver=solver, max_iter=3, tol=0.0, n_iter_no_change=10) for _ in range(2)]
    for model in models:
        with pytest.warns(sklearn.exceptions.ConvergenceWarning):
            model.fit(*blocks[0])
    assert everything(trained(models[0], blocks, random_state=1), X) == everything(
        looped(models[1], blocks, random_state=1), X
    )
    assert models[0].coefs_[0].dtype == dtype
    assert everything(trained(models[0], blocks, 1, random_state=2), X) == everything(
        looped(models[1], blocks, 1, random_state=2), X
    )


def test_numpys_global_random_state():
    found = []
    for function in (trained, looped):
        np.random.seed(8)
        found.append(everything(function(new(random_state=None), BLOCKS), X))
        found.append(np.random.random_sample())
    assert found[:2] == found[2:]


def test_one_random_state_for_rows_and_blocks():
    found = []
    for function in (trained, looped):
        source = np.random.RandomState(5)
        found.append(everything(function(new(random_state=source), BLOCKS, random_state=source), X))
    assert found[0] == found[1]


def test_the_orders_of_blocks(monkeypatch):
    seen = []

    def partial_fit(self, X, y, **options):
        seen.append(X[0, 0])
        return original(self, X, y, **options)

    original = fastnn2.MLPClassifier.partial_fit
    monkeypatch.setattr(fastnn2.MLPClassifier, "partial_fit", partial_fit)
    trained(new(), BLOCKS, 5, random_state=3)
    orders = np.reshape([[X[0, 0] for X, _ in BLOCKS].index(each) for each in seen], (5, 4))
    source = np.random.RandomState(3)
    assert orders.tolist() == [source.permutation(4).tolist() for _ in range(5)]
    assert len({tuple(order) for order in orders}) > 1


def test_data_frames():
    frames = [(pd.DataFrame(X, columns=["a", "b"]), pd.Series(y)) for X, y in BLOCKS]
    model = trained(new(), frames, random_state=0)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert np.array_equal(model.coefs_[0], looped(new(), BLOCKS, random_state=0).coefs_[0])


def test_a_tuple_of_blocks():
    pair = tuple(BLOCKS[:2])
    assert everything(trained(new(), pair, random_state=0), X) == everything(looped(new(), pair, random_state=0), X)


# Classes


def test_classes_from_a_first_pass_or_given():
    names = [(X, np.array(["left", "right"], dtype=object)[y]) for X, y in BLOCKS]
    names[0] = names[0][0][:5], np.array(["left"] * 5, dtype=object)
    blocks = Reiterable(names)
    model = trained(new(), blocks, 2, shuffle=False)
    assert blocks.passes == 3
    assert model.classes_.tolist() == ["left", "right"]
    blocks = Reiterable(names)
    given = trained(new(), blocks, 2, shuffle=False, classes=["right", "left"])
    assert blocks.passes == 2
    assert everything(given, X) == everything(model, X)
    trained(model, blocks, 2, shuffle=False)
    assert blocks.passes == 4
    more = trained(new(), blocks, 1, shuffle=False, classes=["left", "up", "right"])
    assert more.classes_.tolist() == ["left", "right", "up"]
    with pytest.raises(ValueError, match=r"block 1, in epoch 1: .*has classes not in"):
        trained(new(), blocks, shuffle=False, classes=["left", "down"])


def test_labels_that_are_no_classes():
    with pytest.raises(ValueError, match=r"^the classes of block 0: Unknown label type"):
        trained(new(), cut(X, X[:, 0], cuts=(0, 200, 400)), random_state=0)
    with pytest.raises(ValueError, match=r"^the classes of block 1: Mix of label input types"):
        trained(new(), [BLOCKS[0], (X[:9], np.array(["a"] * 9))])
    with pytest.raises(TypeError, match="classes is given, and the estimator is MLPRegressor"):
        trained(new(fastnn2.MLPRegressor), BLOCKS, classes=[0, 1])


# Refusals


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((sklearn.neural_network.MLPClassifier(), BLOCKS), TypeError, "expected fastnn2's MLPClassifier or MLPRegr"),
        ((make_pipeline(StandardScaler(), new()), BLOCKS), TypeError, "estimator is Pipeline; .* Pass the last step"),
        ((new(solver="lbfgs"), BLOCKS), ValueError, 'solver is "lbfgs", .*; take "sgd" or "adam"'),
        ((new(early_stopping=True), BLOCKS), ValueError, "early_stopping is True, .* set it to False"),
        ((new(class_weight="balanced"), BLOCKS), ValueError, 'class_weight is "balanced", .*; pass a dict'),
        ((new(alpha=-1.0), BLOCKS), ValueError, "'alpha' parameter of MLPClassifier must be"),
        ((new(hidden_layer_sizes=(5, 5)), BLOCKS), ValueError, "2 hidden layers"),
        ((new(), BLOCKS, 0), ValueError, "epochs is 0"),
        ((new(), Reiterable(BLOCKS)), ValueError, "shuffle is True, .* Reiterable come in one order only; pass a seq"),
        ((new(), (block for block in BLOCKS)), TypeError, "blocks is generator, .* only once; pass a list"),
        ((new(), X), TypeError, "blocks is ndarray; expected a tuple"),
        ((new(), pd.DataFrame(X)), TypeError, "blocks is DataFrame; expected a tuple"),
        ((new(), types.MappingProxyType({"X": X})), TypeError, "blocks is mappingproxy; expected a tuple"),
        ((new(), 5), TypeError, "blocks is int; expected a tuple"),
        ((new(), []), ValueError, "blocks has no block"),
        ((new(), [X, Y]), TypeError, "block 0 is ndarray; expected a tuple"),
        ((new(), [BLOCKS[0], BLOCKS[1][:1]]), ValueError, "block 1 has 1 members"),
        ((new(), [BLOCKS[0], (*BLOCKS[1], np.ones(100))]), ValueError, "block 1 has sample_weight, and block 0 has no"),
        ((new(), [(X[:0], Y[:0])]), ValueError, "blocks has no rows"),
    ],
)
def test_what_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        fastnn2.partial_fit_blocks(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"shuffle": 1}, TypeError, "shuffle is 1; expected True or False"),
        ({"progress": 1}, ValueError, "progress is 1; expected True, False or None"),
        ({"random_state": "a"}, ValueError, "cannot be used to seed"),
        ({"target": "y"}, TypeError, "target names a column of a Parquet file; blocks is list"),
        ({"weight": "w"}, TypeError, "weight names a column of a Parquet file; blocks is list"),
        ({"resume": True}, ValueError, "resume is True, but checkpoint is None"),
    ],
)
def test_what_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        fastnn2.partial_fit_blocks(new(), BLOCKS, **options)


# Errors amid the training, after which the estimator has what was trained


def test_a_block_with_nan():
    blocks = list(BLOCKS)
    blocks[2] = blocks[2][0].copy(), blocks[2][1]
    blocks[2][0][17, 1] = np.nan
    model = new()
    with pytest.raises(ValueError, match=r"^block 2, in epoch 1 \(row 17 of block 2 is not finite\): Input X contains"):
        trained(model, blocks, shuffle=False)
    assert everything(model, X) == everything(looped(new(), BLOCKS[:2], 1, shuffle=False), X)
    assert not model._raises_interrupt


def test_nan_in_targets_and_weights(tmp_path):
    values = X[:, 0].astype(float)
    values[17] = np.nan
    np.save(tmp_path / "y.npy", values)
    for blocks, place in (
        ((X, tmp_path / "y.npy"), r"rows 0 to 399 of X\), in epoch 1 \(row 17 of y \(.*y.npy'\)"),
        ([(X, values)], r"block 0, in epoch 1 \(row 17 of y of block 0"),
        ([(X, X + values[:, None])], r"block 0, in epoch 1 \(row 17 of y of block 0"),
        ([(X, X[:, 0], values)], r"block 0, in epoch 1 \(row 17 of sample_weight of block 0"),
    ):
        with pytest.raises(ValueError, match=rf"{place} is not finite\): Input .* contains NaN"):
            trained(new(fastnn2.MLPRegressor), blocks)
    message = r"^the classes of block 0 \(row 17 of y of block 0 is not finite\): Input"
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):  # scikit-learn casts y to integers
        trained(new(), [(X, values)])


def test_blocks_of_another_width():
    with pytest.raises(ValueError, match=r"^block 1, in epoch 1: X has 1 features, but MLPClassifier is expecting 2"):
        trained(new(), [BLOCKS[0], (X[:, :1], Y)], shuffle=False)


def test_an_error_of_another_type_has_a_note(monkeypatch):
    def partial_fit(self, X, y, **options):
        raise MemoryError

    monkeypatch.setattr(fastnn2.MLPClassifier, "partial_fit", partial_fit)
    with pytest.raises(MemoryError) as raised:
        trained(new(), BLOCKS, shuffle=False)
    assert raised.value.__notes__ == ["in block 0, in epoch 1"]


class Changing(Reiterable):
    """Gives other blocks in the second pass."""

    def __init__(self, *passes):
        self.all = passes
        super().__init__(passes[0])

    def __iter__(self):
        self.blocks = self.all[min(self.passes, len(self.all) - 1)]
        return super().__iter__()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (BLOCKS[:2], "blocks ended after 2 blocks, and had 3 before; expected the same blocks each time"),
        (BLOCKS, "block 3 has 100 rows, and blocks ended after 3 blocks before"),
        ([BLOCKS[0], (X[:7], Y[:7]), BLOCKS[2]], "block 1 has 7 rows, and had 100 before"),
    ],
)
def test_an_iterable_that_gives_other_rows(second, message):
    model = new()
    with pytest.raises(ValueError, match=message):
        trained(model, Changing(BLOCKS[:3], second), shuffle=False, classes=[0, 1])
    assert len(model.loss_curve_) == 3 + (3 if len(second) == 4 else len(second) if len(second) == 2 else 1)


def test_a_sequence_that_gives_other_rows():
    blocks = list(BLOCKS)

    class Shrinking(list):
        def __getitem__(self, index):
            found = super().__getitem__(index)
            self[index] = found[0][:50], found[1][:50]
            return found

    with pytest.raises(ValueError, match=r"block \d has 50 rows, and had 100 before; expected the same blocks"):
        trained(new(), Shrinking(blocks), classes=[0, 1])

    class Emptied(list):
        def __getitem__(self, index):
            return [][index]

    with pytest.raises(ValueError, match="blocks had 4 blocks at the beginning, and now has no block 0"):
        trained(new(), Emptied(blocks), shuffle=False)


def test_what_a_sequence_raises():
    model, error = new(), RuntimeError("the disk is on fire")
    with pytest.raises(RuntimeError) as raised:
        trained(model, Failing(BLOCKS, 6, error), shuffle=False, classes=[0, 1])
    assert raised.value is error
    assert len(model.loss_curve_) == 6


# Memory, Ctrl-C, losses


def test_one_block_is_read_ahead(monkeypatch):
    events = []

    class Noting(list):
        def __getitem__(self, index):
            events.append(("read", index))
            return super().__getitem__(index)

    def partial_fit(self, X, y, **options):
        deadline = time.monotonic() + PATIENCE
        first = int(100 * next(i for i, block in enumerate(BLOCKS) if block[0] is X) / 100)
        while first < 3 and ("read", first + 1) not in events and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.05)
        events.append(("trained", first))
        return original(self, X, y, **options)

    original = fastnn2.MLPClassifier.partial_fit
    monkeypatch.setattr(fastnn2.MLPClassifier, "partial_fit", partial_fit)
    trained(new(), Noting(BLOCKS), 1, shuffle=False, classes=[0, 1])
    expected = [("read", 0), ("read", 1), ("trained", 0), ("read", 2), ("trained", 1), ("read", 3)]
    assert events == [*expected, ("trained", 2), ("trained", 3)]


CTRL_C = """
import signal, sys, threading, time
import numpy as np, fastnn2
from fastnn2.blocks import partial_fit_checkpoints
where, n = sys.argv[1], int(sys.argv[2])
X = np.random.RandomState(0).standard_normal((n, 20)); y = (X[:, 0] > 0).astype(int)
new = lambda: fastnn2.MLPClassifier(50, random_state=0, n_threads=1)
fastnn2.partial_fit_blocks(new(), [(X[:500], y[:500])])  # which may compile
partial_fit_checkpoints.KEEP_SECONDS = 0.0  # a state after each block, however fast the processor is
sent = []
def interrupt():
    while where == "reader" and len(getattr(model, "loss_curve_", ())) < 2:
        time.sleep(0.001)
    sent.append(time.perf_counter())
    signal.raise_signal(signal.SIGINT)
class Blocks:
    def __iter__(self):
        for i in range(10**9):
            if i == (0 if where == "first pass" else 2):
                threading.Timer(0.3, interrupt).start()
                if where != "kernel":
                    time.sleep(120)
            yield X, y
model = new()
try:
    fastnn2.partial_fit_blocks(
        model, Blocks(), shuffle=False, classes=None if where == "first pass" else [0, 1],
        checkpoint=sys.argv[3], checkpoint_seconds=3600,
    )
except KeyboardInterrupt:
    print(time.perf_counter() - sent[0])
if where != "first pass":
    print(len(model.loss_curve_), np.isfinite(model.coefs_[0]).all(), "_raises_interrupt" in vars(model))
    model.partial_fit(X, y)
"""


@pytest.mark.parametrize(("where", "n"), [("first pass", 500), ("reader", 500), ("kernel", 1_000_000)])
def test_ctrl_c(where, n, tmp_path):
    file = tmp_path / "a.checkpoint"
    command = [sys.executable, "-c", CTRL_C, where, str(n), file]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.returncode == 0, run.stderr
    seconds, *rest = run.stdout.splitlines()
    assert float(seconds) < LIMIT  # 0.2 on a machine that is not busy
    if where == "reader":
        assert rest == ["2 True False"]
        assert checkpoint_file.read(file, KIND)[0]["position"] == [0, 2]
    if where == "kernel":
        assert rest[0].endswith("True False")
        epoch, done = checkpoint_file.read(file, KIND)[0]["position"]
        assert epoch == 0
        assert 0 <= int(rest[0].split()[0]) - done <= 1


def test_losses_are_as_those_of_fit():
    """After 20 epochs, the mean loss over 8 seeds is that of fit within 5 %, which is how far seeds are apart."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    blocks = cut(X, y, cuts=(0, 450, 900, 1350, 1797))
    losses = []
    for seed in range(8):
        options = {"hidden_layer_sizes": 30, "random_state": np.random.RandomState(seed), "batch_size": 50}
        fitted = fastnn2.MLPClassifier(max_iter=20, **options)
        with pytest.warns(sklearn.exceptions.ConvergenceWarning):
            fitted.fit(X, y)
        by_blocks = trained(fastnn2.MLPClassifier(**options), blocks, 20, random_state=seed)
        losses.append([log_loss(y, model.predict_proba(X)) for model in (fitted, by_blocks)])
    mean = np.mean(losses, axis=0)
    assert abs(mean[1] / mean[0] - 1) < 0.05, losses


@pytest.mark.parametrize("name", ["X", "y"])
def test_a_memory_map_whose_file_is_cut_short(name, tmp_path):
    paths = {"X": tmp_path / "X.npy", "y": tmp_path / "y.npy"}
    np.save(paths["X"], X)
    np.save(paths["y"], Y)
    maps = tuple(np.load(path, mmap_mode="r") for path in paths.values())
    opened = open_blocks(maps)
    os.truncate(paths[name], 200)  # to read the map now would end the process
    with pytest.raises(ValueError, match=rf"{name}.npy' has changed while its samples were in use"):
        opened.block(0)
