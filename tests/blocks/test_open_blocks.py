"""The blocks of partial_fit_blocks from arrays, memory maps, .npy files, Parquet files, sequences and iterables."""

import os

import numpy as np
import pytest
from block_data import Reiterable, cut, everything, looped, moons, trained
from data import extra

import fastnn2
from fastnn2.blocks import labelled_arrays
from fastnn2.blocks.labelled_arrays import ArrayBlocks
from fastnn2.blocks.labelled_blocks import BLOCK_ROWS, IterableBlocks, SequenceBlocks, fingerprints
from fastnn2.blocks.open_blocks import open_blocks

X, Y = moons(450)
WEIGHTS = np.random.RandomState(0).uniform(0.5, 2.0, 450)
LABELS = {
    "integers": Y,
    "strings": np.array(["no", "yes"])[Y],
    "objects": np.array(["no", "yes"], dtype=object)[Y],
    "multilabel": np.column_stack([Y, 1 - Y, X[:, 0] > 0]).astype(int),
    "booleans": Y.astype(bool),
}
CUTS = (0, 100, 200, 300, 400, 450)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, request):
    if "real_size" in request.node.name:
        return
    monkeypatch.setattr(labelled_arrays, "BLOCK_ROWS", 100)


def new(cls=fastnn2.MLPClassifier, **parameters):
    return cls(**{"hidden_layer_sizes": 5, "batch_size": 50, "random_state": 0, **parameters})


def saved(folder, **arrays):
    paths = []
    for name, array in arrays.items():
        paths.append(folder / f"{name}.npy")
        np.save(paths[-1], array, allow_pickle=array.dtype == object)
    return tuple(paths)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_arrays_maps_and_files_are_cut_into_blocks(labels, weights, tmp_path):
    y = LABELS[labels]
    expected = everything(looped(new(), cut(X, y, weights, CUTS), random_state=1), X)
    arrays = {"X": X, "y": y} | ({} if weights is None else {"sample_weight": weights})
    members = [tuple(arrays.values()), (X.tolist(), *list(arrays.values())[1:])]
    if labels != "objects":
        paths = saved(tmp_path, **arrays)
        maps = [np.load(path, mmap_mode="r") for path in paths]
        members += [paths, tuple(maps), (str(paths[0]), *maps[1:]), (X, *paths[1:])]
    for each in members:
        assert everything(trained(new(), each, random_state=1), X) == expected


def test_numbers_to_predict(tmp_path):
    y = np.column_stack([X[:, 0] ** 2, X[:, 1]])
    for dtype in (np.float32, np.float64, ">f8", np.int16):
        arrays = (10 * X).astype(dtype), y
        expected = everything(looped(new(fastnn2.MLPRegressor), cut(*arrays, cuts=CUTS), random_state=1), X)
        paths = saved(tmp_path, X=np.asfortranarray(arrays[0]), y=y)
        for each in (arrays, paths):
            assert everything(trained(new(fastnn2.MLPRegressor), each, random_state=1), X) == expected


def test_the_real_size_of_blocks():
    n = 2 * BLOCK_ROWS + 5
    blocks = open_blocks((np.zeros((n, 1)), np.zeros(n)))
    assert BLOCK_ROWS == 65_536
    assert blocks.sizes == [BLOCK_ROWS, BLOCK_ROWS, 5]
    assert [block.rows for _, block in blocks.read(None, 1)] == [BLOCK_ROWS, 5]


def test_what_is_read_of_a_file_is_not_overwritten(tmp_path):
    blocks = open_blocks(saved(tmp_path, X=X, y=Y))
    found = [block for _, block in blocks.read(np.array([2, 0, 4]), 0)]
    for block, first in zip(found, (200, 0, 400), strict=True):
        assert np.array_equal(block.X, X[first : first + 100])
        assert np.array_equal(block.y, Y[first : first + 100])
        assert type(block.X) is np.ndarray
    assert type(next(open_blocks((np.load(tmp_path / "X.npy", mmap_mode="r"), Y)).read(None, 0))[1].X) is np.ndarray


def test_the_first_pass_reads_y_alone(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(labelled_arrays.NpyFile, "read", lambda self, first, last: read.append(self.name) or Y[:100])
    assert [index for index, _ in open_blocks(saved(tmp_path, X=X, y=Y)).targets()] == [0, 1, 2, 3, 4]
    assert set(read) == {"y"}


def test_which_tuples_are_blocks():
    pair = (X[:100], Y[:100])
    for blocks in ((pair, pair), (pair, pair, pair), [pair], (list(pair), list(pair)), (pair,)):
        assert isinstance(open_blocks(blocks), SequenceBlocks)
    for blocks in (pair, (*pair, WEIGHTS[:100]), (X.tolist(), Y.tolist()), (*pair, None)):
        assert isinstance(open_blocks(blocks), ArrayBlocks)
    assert isinstance(open_blocks(Reiterable([pair])), IterableBlocks)


@pytest.mark.parametrize(
    ("blocks", "error", "message"),
    [
        ((X,), TypeError, "blocks is a tuple of 1; expected a tuple"),
        ((X, Y, WEIGHTS, X), TypeError, "blocks is a tuple of 4; expected a tuple"),
        ((X[:, 0], Y), ValueError, r"X has shape \(450,\); expected two dimensions, \(samples, features\)"),
        ((X, Y[:-1]), ValueError, r"y has shape \(449,\), and X has shape \(450, 2\); expected as many rows"),
        ((X, Y, WEIGHTS[:3]), ValueError, r"sample_weight has shape \(3,\), and X has"),
        ((X[:0], Y[:0]), ValueError, r"X has shape \(0, 2\); expected at least one row"),
        ((X, 5), ValueError, r"y has shape \(\), and X"),
        ((X.astype(str), Y), TypeError, "X has dtype <U32; expected real numbers"),
        (("X.npz", Y), FileNotFoundError, "X.npz"),
        ({1: 2}, TypeError, "blocks is dict; expected"),
        (b"abc", TypeError, "blocks is bytes; expected"),
    ],
)
def test_what_is_refused(blocks, error, message):
    with pytest.raises(error, match=message):
        trained(new(), blocks)


def test_files_of_something_else(tmp_path):
    (path,) = saved(tmp_path, X=X.astype(str))
    with pytest.raises(ValueError, match="expected real numbers"):
        trained(new(), (path, Y))
    (path,) = saved(tmp_path, y=Y.astype("M8[s]"))
    with pytest.raises(ValueError, match="or strings"):
        trained(new(), (X, path))
    (path,) = saved(tmp_path, y=Y.astype(object))
    with pytest.raises(ValueError, match=r"y \('.*y.npy'\)"):
        trained(new(), (X, path))


def test_nan_has_a_file_and_a_row(tmp_path):
    wrong = X.copy()
    wrong[321, 1] = np.inf
    paths = saved(tmp_path, X=wrong, y=Y)
    model = new()
    expected = (
        rf"^block 3 \(rows 300 to 399 of X \('{paths[0]}'\)\), in epoch 1 \(row 321 of X \('{paths[0]}'\) is not "
        "finite\\): Input X contains infinity"
    )
    with pytest.raises(ValueError, match=expected):
        trained(model, paths, shuffle=False)
    assert everything(model, X) == everything(looped(new(), cut(X, Y, cuts=CUTS[:4]), 1, shuffle=False), X)


@pytest.mark.parametrize("what", ["vanished", "been cut short|changed", "changed"])
def test_a_file_that_changes_while_training(what, tmp_path, monkeypatch):
    paths = saved(tmp_path, X=X, y=Y)
    original, calls = fastnn2.MLPClassifier.partial_fit, []

    def partial_fit(self, X, y, **options):
        calls.append(1)
        if len(calls) == 2:
            if what == "vanished":
                paths[0].unlink()
            elif what == "changed":
                np.save(paths[0], 2 * np.load(paths[0]))
            else:
                os.truncate(paths[0], 300)
        return original(self, X, y, **options)

    monkeypatch.setattr(fastnn2.MLPClassifier, "partial_fit", partial_fit)
    model = new()
    with pytest.raises(ValueError, match=f"X.npy' has ({what})"):
        trained(model, paths, classes=[0, 1])
    assert 2 <= len(model.loss_curve_) <= 4
    model.predict(X)


# Fingerprints


def test_fingerprints_tell_data_apart(tmp_path):
    def of(*members):
        return fingerprints(open_blocks(members))

    expected = of(X, Y, WEIGHTS)
    assert of(*saved(tmp_path, X=X, y=Y, w=WEIGHTS)) == expected
    changed = X.copy()
    changed[7, 1] += 1e-9
    for name, other in (
        ("X", of(changed, Y, WEIGHTS)),
        ("X", of(X.astype(np.float32), Y, WEIGHTS)),
        ("y", of(X, 1 - Y, WEIGHTS)),
        ("y", of(X, Y.astype(np.int32), WEIGHTS)),
        ("y", of(X, Y[:, np.newaxis], WEIGHTS)),
        ("sample_weight", of(X, Y, 2 * WEIGHTS)),
        ("sample_weight", of(X, Y)),
    ):
        assert [each for each in expected if expected[each] != other[each]] == [name]
    assert len({of(X, Y)["X"], of(X[:-1], Y[:-1])["X"], of(X[:, :1], Y)["X"]}) == 3


def test_fingerprints_of_many_rows_take_some():
    n = 100_000
    X, y = np.zeros((n, 1)), np.zeros(n, dtype=int)
    expected = fingerprints(open_blocks((X, y)))
    X[1], y[3] = 1, 1
    assert fingerprints(open_blocks((X, y))) == expected
    X[98] = 1
    assert fingerprints(open_blocks((X, y)))["X"] != expected["X"]


# Parquet


@pytest.fixture
def polars():
    return extra("polars", "tables")


@pytest.fixture
def small_slices(polars, monkeypatch):
    from fastnn2.blocks import labelled_parquet

    monkeypatch.setattr(labelled_parquet, "BLOCK_ROWS", 100)


def frame_of(polars, X, y, weights):
    features = {f"x{i}": X[:, i] for i in range(X.shape[1])}
    targets = {f"y{i}": column for i, column in enumerate(np.reshape(y, (len(y), -1)).T)}
    return polars.DataFrame({**targets, **features, "w": weights}), list(targets)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parquet_files(labels, dtype, polars, small_slices, tmp_path):
    x, y = X.astype(dtype), LABELS[labels]
    table, targets = frame_of(polars, x, y, WEIGHTS)
    target = targets[0] if len(targets) == 1 else targets
    expected = everything(looped(new(), cut(x, y_like(y), WEIGHTS, CUTS), random_state=1), x)
    table.write_parquet(tmp_path / "all.parquet")
    found = trained(new(), tmp_path / "all.parquet", target=target, weight="w", random_state=1)
    assert everything(found, x) == expected
    # A folder: blocks end with the files.
    (tmp_path / "folder").mkdir()
    table[:150].write_parquet(tmp_path / "folder" / "1.parquet")
    table[150:].write_parquet(tmp_path / "folder" / "2.parquet", row_group_size=70)
    blocks = cut(x, y_like(y), WEIGHTS, (0, 100, 150, 250, 350, 450))
    expected = everything(looped(new(), blocks, random_state=1), x)
    found = trained(new(), str(tmp_path / "folder"), target=target, weight="w", random_state=1)
    assert everything(found, x) == expected


def y_like(y):
    """Return y with the dtype that it has in a Parquet file: strings are objects."""
    return y.astype(object) if y.dtype.kind == "U" else y


def test_categories_and_numbers_of_parquet(polars, small_slices, tmp_path):
    table = polars.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": LABELS["strings"], "value": X[:, 0] * X[:, 1]})
    file = tmp_path / "a.parquet"
    table.drop("value").with_columns(polars.col("kind").cast(polars.Categorical)).write_parquet(file)
    model = trained(new(), file, target="kind", random_state=1)
    assert model.classes_.tolist() == ["no", "yes"]
    blocks = cut(X, LABELS["objects"], cuts=CUTS)
    assert everything(model, X) == everything(looped(new(), blocks, random_state=1), X)
    table.drop("kind").write_parquet(file)
    model = trained(new(fastnn2.MLPRegressor), file, target=["value"], random_state=1)
    blocks = cut(X, X[:, 0] * X[:, 1], cuts=CUTS)
    assert everything(model, X) == everything(looped(new(fastnn2.MLPRegressor), blocks, random_state=1), X)


def test_parquet_goes_on_from_a_checkpoint(polars, small_slices, tmp_path):
    table, _ = frame_of(polars, X, Y, WEIGHTS)
    table.write_parquet(tmp_path / "a.parquet")
    options = {"target": "y0", "weight": "w", "random_state": 1, "checkpoint": tmp_path / "c"}
    trained(new(), tmp_path / "a.parquet", 1, **options)
    model = trained(new(), tmp_path / "a.parquet", 3, **options, resume=True)
    assert everything(model, X) == everything(looped(new(), cut(X, Y, WEIGHTS, CUTS), random_state=1), X)
    table[:-1].write_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="of another run: X differs; y differs; sample_weight differs"):
        trained(new(), tmp_path / "a.parquet", 3, **options, resume=True)


def test_errors_of_parquet(polars, small_slices, tmp_path):
    file = tmp_path / "a.parquet"
    table = polars.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y})
    table.write_parquet(file)
    with pytest.raises(TypeError, match="target is None; expected the name"):
        trained(new(), file)
    with pytest.raises(ValueError, match="has no column 'z'"):
        trained(new(), file, target="z")
    wrong = X[:, 1].copy()
    wrong[321] = np.nan
    table.with_columns(b=wrong).write_parquet(file)
    with pytest.raises(ValueError, match=rf"^block 3 \(rows 300 to 399 of '{file}'\), .*\(row 321 of '{file}' is not"):
        trained(new(), file, target="y", shuffle=False)
    table.with_columns(y=polars.when(polars.col("y") == 1).then(polars.col("y"))).write_parquet(file)
    with pytest.raises(ValueError, match="column 'y' has no value"):
        trained(new(), file, target="y", shuffle=False)
    table.with_columns(a=polars.lit("text")).write_parquet(file)
    with pytest.raises(TypeError, match=r"column 'a' of .* has dtype String; expected real numbers"):
        trained(new(), file, target="y")
    table[:0].write_parquet(file)
    with pytest.raises(ValueError, match="has no rows"):
        trained(new(), file, target="y")
