"""What may be X, Y and weights on a cluster, and what is refused, with words that help."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from dask_data import as_frame, cut, da, dd, fit, local_fit, rows_of, without_sizes
from data import assert_same_bits, extra

from fastnn2.dask.collections import Collection, check_forms, check_same_rows
from fastnn2.dask.requests import Cluster
from fastnn2.functional import checks

delayed = extra("dask", "dask").delayed

SHAPE = "layers"  # five features, one output
NAMES = ["age", "height", "mass", "speed", "time"]


def rows(n=600):
    X, Y = rows_of(SHAPE, n=n)
    return X, Y, np.ones(n)


# What is taken


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint64", "float16", "float32", ">f8", "longdouble", "Int64", "Float32", "boolean"]
)
def test_numbers_of_any_type(dtype, client):
    """The dtype of the run is that of fit, too."""
    X = np.random.default_rng(0).integers(0, 2, (600, 5))
    Y = X[:, 0] ^ X[:, 1]
    if dtype[0].isupper() or dtype == "boolean":
        local = pd.DataFrame(X).astype(dtype)
        collection, targets = dd.from_pandas(local, npartitions=4), dd.from_pandas(pd.Series(Y), npartitions=3)
    else:
        local = X.astype(dtype)
        collection, targets = cut(local, 130), cut(Y.astype(dtype), 190)
    expected = local_fit((checks.as_real_array(local, "X"), Y), SHAPE)
    assert_same_bits(fit(client, (collection, targets), SHAPE), expected)


def test_columns_of_several_types(client):
    X, Y, _ = rows()
    types = {"age": "int16", "height": "float32", "mass": "bool", "speed": "Float32"}
    frame = pd.DataFrame(X, columns=NAMES).astype(types)
    expected = local_fit((frame.to_numpy(dtype=float), Y), SHAPE)
    assert_same_bits(fit(client, (dd.from_pandas(frame, npartitions=3), cut(Y, 100)), SHAPE), expected)


def test_targets_of_one_column(client):
    X, Y, _ = rows()
    expected = local_fit((X, Y), SHAPE)
    for targets in (cut(Y[:, np.newaxis], 170), as_frame(Y[:, np.newaxis], 3)):
        assert_same_bits(fit(client, (cut(X, 200), targets), SHAPE), expected)


def test_partitions_that_are_made_again(client):
    """What is read twice, for its lengths and for its numbers, may be in other memory each time."""
    X, Y, _ = rows()
    parts = [da.from_delayed(delayed(np.array)(X[i : i + 100]), (np.nan, 5), X.dtype) for i in range(0, 600, 100)]
    assert_same_bits(fit(client, (da.concatenate(parts), cut(Y, 90)), SHAPE), local_fit((X, Y), SHAPE))


def test_small_files_of_parquet_are_fewer_partitions_than_the_frame_says(client, tmp_path):
    extra("pyarrow", "dask")
    X, Y, _ = rows()
    frame = pd.DataFrame(X, columns=NAMES).assign(wanted=Y, other="of no use")
    for first in range(0, 600, 100):
        frame.iloc[first : first + 100].to_parquet(tmp_path / f"{first:03}.parquet")
    table = dd.read_parquet(tmp_path)
    assert len(Collection(table["wanted"], "Y").partitions) < table["wanted"].npartitions
    assert_same_bits(fit(client, (table[NAMES], table["wanted"]), SHAPE), local_fit((X, Y), SHAPE))


def test_attributes():
    X, Y, _ = rows()
    found = Collection(cut(X, 250), "X")
    assert (found.lengths, found.n, found.columns, found.is_matrix) == ([250, 250, 100], 600, 5, True)
    assert (found.dtype, found.names, found.shape) == (np.float64, None, "(600, 5)")
    frame = Collection(dd.from_pandas(pd.DataFrame(X, columns=NAMES).astype("float32"), npartitions=3), "X")
    assert (frame.lengths, frame.names, frame.dtype, frame.shape) == ([], NAMES, np.float32, "(samples, 5)")
    series = Collection(as_frame(Y, 4), "Y")
    assert (series.columns, series.is_matrix, series.names, len(series.partitions)) == (1, False, None, 4)
    assert series.shape == "(samples,)"
    assert Collection(dd.from_pandas(pd.Series(["a", "b"]), npartitions=1), "y").dtype == object


@pytest.mark.parametrize(("first", "last"), [(0, 600), (0, 1), (99, 101), (100, 200), (599, 600), (150, 450)])
def test_rows_of_partitions(first, last, client):
    X = np.arange(1200).reshape(600, 2)
    collection = Collection(cut(X, (0, 100, 0, 0, 300, 200, 0)), "X")
    parts = collection.rows(first, last)
    found = Cluster(client, 60.0).compute([part.rows for part in parts])
    counted = [(part.partition, len(rows)) for part, rows in zip(parts, found, strict=True)]
    assert counted == collection.rows_in_partitions(first, last)
    assert_same_bits(np.concatenate(found), X[first:last])
    starts = np.cumsum([0, *collection.lengths])
    assert [starts[part.partition] + part.first_row for part in parts] == [part[0, 0] // 2 for part in found]


def test_lengths_are_counted_where_they_are_unknown(client):
    X, _, _ = rows()
    sizes = (0, 100, 0, 0, 300, 200, 0)
    for collection in (without_sizes(cut(X, sizes)), cut(X, sizes)):
        found = Collection(collection, "X")
        found.find_lengths(Cluster(client, 60.0))
        assert found.lengths == list(sizes)


# What is refused, before any work


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (np.zeros((6, 5)), r"X is ndarray; .* dask.array.from_array\(X, chunks=\(100_000, -1\)\)"),
        (np.zeros(6), r"X is ndarray; .* dask.array.from_array\(X, chunks=100_000\)"),
        (pd.DataFrame(np.zeros((6, 5))), r"X is DataFrame; .* dask.dataframe.from_pandas\(X, chunksize=100_000\)"),
        (pd.Series(np.zeros(6)), r"X is Series; .* dask.dataframe.from_pandas\(X, chunksize=100_000\)"),
        ([[0.0] * 5] * 6, r"X is list; .* dask.array.from_array\(numpy.asarray\(X\), chunks=\(100_000, -1\)\)"),
        (None, r"X is NoneType; expected a dask array, DataFrame or Series"),
        ("X.parquet", "X is str; expected a dask array"),
        (delayed(np.zeros)(3), r"X is Delayed; .* dask.array.from_delayed\(part, shape, dtype\) of each part of X"),
        (scipy.sparse.csr_matrix((6, 5)), r"X is csr_matrix; expected a dask array"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_collection(value, remedy):
    with pytest.raises(TypeError, match=remedy):
        Collection(value, "X")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda: da.zeros((2, 2, 2)), "X has 3 dimensions; expected one or two, samples as rows"),
        (lambda: da.zeros(()), "X has 0 dimensions; expected one or two"),
        (lambda: da.zeros((6, 0)), "X has no columns; expected at least one"),
        (lambda: dd.from_pandas(pd.DataFrame(index=range(6)), npartitions=2), "X has no columns"),
        (lambda: da.zeros((6, 4))[:, da.ones(4) > 0], r"X has an unknown number of columns; .*compute_chunk_sizes\(\)"),
    ],
)
def test_dimensions(value, message):
    with pytest.raises(ValueError, match=message):
        Collection(value(), "X")


def sparse_chunks():
    return da.zeros((6, 5), chunks=3).map_blocks(scipy.sparse.csr_matrix)


def masked_chunks():
    return da.ma.masked_equal(da.zeros((6, 5), chunks=3), 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda: da.zeros((6, 5), dtype=complex), "X has dtype complex128; expected real numbers"),
        (lambda: da.zeros((6, 5), dtype=object, chunks=3), "X has dtype object; expected real numbers"),
        (lambda: da.zeros((6, 5), dtype="M8[s]"), r"X has dtype datetime64\[s\]; expected real numbers"),
        (lambda: da.from_array(np.array([["a"] * 5] * 6)), "X has dtype <U1; expected real numbers"),
        (sparse_chunks, r"X is sparse \(csr_matrix\)"),
        (masked_chunks, "X is a masked array, which fastnn2 does not support; fill it first"),
        (lambda: frame_with(["a"] * 6), "X has dtype object; expected real numbers"),
        (lambda: frame_with(pd.Categorical(["a"] * 6)), "X has dtype object; expected real numbers"),
        (lambda: frame_with(pd.to_datetime([1] * 6)), "X has dtype object; expected real numbers"),
        (lambda: frame_with(pd.arrays.SparseArray([0.0] * 6)), r"X is sparse \(DataFrame\)"),
    ],
    ids=["complex", "object", "dates", "text", "sparse", "masked", "column of text", "categories", "column of dates",
         "sparse column"],
)  # fmt: skip
def test_what_are_no_numbers(value, message):
    X = Collection(value(), "X")
    with pytest.raises(TypeError, match=message):
        check_forms(X, Collection(da.zeros(6), "Y"), None)
    with pytest.raises(TypeError, match=message.replace("X ", "Y ", 1)):
        check_forms(Collection(da.zeros((6, 2)), "X"), Collection(value(), "Y"), None)


def test_what_are_no_numbers_can_be_converted_on_the_workers():
    """NumPy's conversion would bring all samples to the client."""
    Y = Collection(da.zeros(6), "Y")
    with pytest.raises(TypeError, match=r"X has dtype <U1; .* for example X\.astype\(float\)$"):
        check_forms(Collection(da.from_array(np.array([["1"] * 5] * 6)), "X"), Y, None)
    frame = frame_with(["1"] * 6)
    with pytest.raises(TypeError, match=r"X has dtype object; .* for example X\.astype\({'name': 'float'}\)$"):
        check_forms(Collection(frame, "X"), Y, None)
    check_forms(Collection(frame.astype({"name": "float"}), "X"), Y, None)


def frame_with(column):
    return dd.from_pandas(pd.DataFrame({"age": [1.0] * 6, "name": column}), npartitions=2)


@pytest.mark.parametrize(
    ("X", "Y", "weights", "message"),
    [
        (da.zeros(6), da.zeros(6), None, r"X has shape \(6,\); expected two dimensions.* pass X.reshape\(-1, 1\)"),
        (as_frame(np.zeros(6), 2), da.zeros(6), None, r"X has shape \(samples,\); .* pass X.to_frame\(\)"),
        (da.zeros((6, 2)), da.zeros(6), da.zeros((6, 1)), r"sample_weight has shape \(6, 1\); expected \(samples,\)"),
        (da.zeros((6, 2)), da.zeros(6), as_frame(np.zeros((6, 1)), 2), r"sample_weight has shape \(samples, 1\)"),
        (da.zeros((6, 2)), da.zeros(5), None, r"X has 6 samples \(rows\) and Y has 5; expected the same number"),
        (da.zeros((6, 2)), da.zeros(6), da.zeros(7), r"X has 6 samples \(rows\) and sample_weight has 7"),
        (da.zeros((2, 6)), da.zeros(6), None, r"X of shape \(2, 6\) looks like one column per sample: pass X.T"),
        (da.zeros((6, 2)), da.zeros((1, 6)), None, r"Y of shape \(1, 6\) looks like one column per sample: pass Y.T"),
        (da.zeros((0, 2)), da.zeros(0), None, "X has no rows in its 1 partitions; expected at least one sample"),
    ],
)
def test_forms(X, Y, weights, message):
    collections = [None if value is None else Collection(value, name) for value, name in
                   ((X, "X"), (Y, "Y"), (weights, "sample_weight"))]  # fmt: skip
    with pytest.raises(ValueError, match=message):
        check_forms(*collections)


def test_other_numbers_of_rows_are_found_once_they_are_counted(client):
    X, Y, weights = rows()
    with pytest.raises(ValueError, match=r"X has 600 samples \(rows\) and Y has 599; expected the same number in both"):
        fit(client, (as_frame(X, 3), as_frame(Y[1:], 2)), SHAPE)
    with pytest.raises(ValueError, match=r"X has 600 samples \(rows\) and sample_weight has 1; expected"):
        fit(client, (cut(X, 300), cut(Y, 300), without_sizes(cut(weights[:1], 1))), SHAPE)
    with pytest.raises(ValueError, match="X has no rows in its 2 partitions; expected at least one sample"):
        fit(client, (without_sizes(cut(X[:0], (0, 0))), cut(Y[:0], 0)), SHAPE)
    check_same_rows(Collection(cut(X, 7), "X"), Collection(cut(Y, 70), "Y"), None)


# What is found on the workers


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        ([np.zeros((3, 5)), np.zeros((4, 5))], "partition 1 of X has 4 rows; expected 3, as its collection says"),
        ([np.zeros((3, 5)), np.zeros((0, 5))], "partition 1 of X has 0 rows; expected 3"),
        ([np.zeros((3, 4)), np.zeros((3, 5))], "partition 0 of X has 4 columns; expected 5 columns, as the collection"),
        ([np.zeros((3, 5)), np.zeros(3)], "partition 1 of X has one dimension; expected 5 columns"),
        ([np.zeros((3, 5), complex), np.zeros((3, 5))], "partition 0 of X: X has dtype complex128; expected real numb"),
        ([np.zeros((3, 5)), np.ma.masked_array(np.zeros((3, 5)))], "partition 1 of X: X is a masked array, which"),
        ([np.zeros((3, 5)), scipy.sparse.csr_matrix((3, 5))], r"partition 1 of X: X is sparse \(csr_matrix\)"),
        ([np.zeros((3, 5)), None], "partition 1 of X has 0 rows; expected 3"),
    ],
    ids=["more rows", "no rows", "columns", "dimensions", "complex", "masked", "sparse", "None"],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_partitions_of_arrays(partitions, message, is_known, client):
    shape = (3 if is_known else np.nan, 5)
    X = da.concatenate([da.from_delayed(delayed(part, pure=False), shape, float) for part in partitions])
    if not is_known and "rows; expected" in message:
        message = r"X has [37] samples \(rows\) and Y has 6"
    with pytest.raises((ValueError, TypeError), match=message):
        fit(client, (X, da.zeros(6, chunks=4)), SHAPE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda frame: frame[frame.columns[::-1]],
            r"partition 1 of X has the columns \('time', .*; expected \('age', ",
        ),
        (lambda frame: frame.drop(columns="mass"), "partition 1 of X has 4 columns; expected 5 columns, as the coll"),
        (lambda frame: frame.astype({"mass": str}), "partition 1 of X: X has dtype object; expected real numbers"),
        (lambda frame: frame.to_numpy(), r"partition 1 of X has the columns None; expected \('age', "),
        (lambda frame: frame["age"], "partition 1 of X has one dimension; expected 5 columns"),
    ],
    ids=["order", "fewer", "text", "array", "series"],
)
def test_partitions_of_frames(change, message, client):
    frame = pd.DataFrame(np.zeros((3, 5)), columns=NAMES)
    parts = [frame, change(frame)]
    X = dd.from_delayed([delayed(part, pure=False) for part in parts], meta=frame, verify_meta=False)
    with pytest.raises((ValueError, TypeError), match=message):
        fit(client, (X, da.zeros(6, chunks=4)), SHAPE)


def test_partitions_of_other_numbers_are_cast(client):
    """A collection often says float64 where some of its partitions have integers only."""
    X, Y, _ = rows()
    X[:300] = np.round(X[:300])
    frames = [pd.DataFrame(X[:300].astype("int32"), columns=NAMES), pd.DataFrame(X[300:], columns=NAMES)]
    collection = dd.from_delayed(
        [delayed(frame, pure=False) for frame in frames], meta=frames[1], verify_meta=False
    )  # fmt: skip
    assert_same_bits(fit(client, (collection, cut(Y, 600)), SHAPE), local_fit((X, Y), SHAPE))


def test_empty_partitions_may_be_of_any_form(client):
    X, Y, _ = rows()
    parts = [np.zeros((0, 2), "f4"), X[:300], np.zeros(0), X[300:]]
    collection = da.concatenate([da.from_delayed(delayed(part), (np.nan, 5), float) for part in parts])
    assert_same_bits(fit(client, (collection, cut(Y, 600)), SHAPE), local_fit((X, Y), SHAPE))


def test_a_collection_that_changes(client, tmp_path):
    """Its rows are counted, and are others later."""
    X, Y, _ = rows()
    mark = tmp_path / "computed"

    def shorter_the_second_time(block):
        was_there = mark.exists()
        mark.touch()
        return block[1:] if was_there else block

    collection = without_sizes(cut(X, 600)).map_blocks(shorter_the_second_time, dtype=X.dtype, meta=X[:0])
    with pytest.raises(ValueError, match="partition 0 of X has 599 rows; expected 600, as its collection says or as"):
        fit(client, (collection, cut(Y, 600)), SHAPE)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("X", np.nan, "X has nan at row 50 of partition 2, column 1; expected finite numbers"),
        ("Y", 2.0, "Y has 2.0 at row 50 of partition 2; expected targets from 0 to 1"),
        ("sample_weight", -1.0, "sample_weight has -1.0 at row 50 of partition 2; expected weights of 0 or more"),
    ],
)
def test_numbers_that_are_not_valid(name, value, message, client):
    arrays = dict(zip(("X", "Y", "sample_weight"), rows(), strict=True))
    arrays[name][(450, 1) if name == "X" else 450] = value
    with pytest.raises(ValueError, match=message):
        fit(client, [cut(array, 200) for array in arrays.values()], SHAPE)


def test_missing_values_of_a_frame(client):
    X, Y, _ = rows()
    frame = pd.DataFrame(X, columns=NAMES).astype({"mass": "Float64"})
    frame.loc[450, "mass"] = pd.NA
    with pytest.raises(ValueError, match="X has nan at row 50 of partition 2, column 'mass'; expected finite numbers"):
        fit(client, (dd.from_pandas(frame, chunksize=200), cut(Y, 200)), SHAPE)


def test_weights_of_no_use(client):
    X, Y, weights = rows()
    with pytest.raises(ValueError, match="sample_weight is zero for all samples"):
        fit(client, [cut(array, 200) for array in (X, Y, 0 * weights)], SHAPE)
