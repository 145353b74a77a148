"""A raw table as numbers, bins and categories: by hand, in any library, at prediction, and what is refused."""

import itertools
import os
import pickle
import subprocess
import sys

import frame_data
import numpy as np
import pandas as pd
import polars as pl
import pytest
from data import DTYPES, PATIENCE, extra
from sklearn.linear_model import LinearRegression

from fastnn2.tabular.bins import look_up
from fastnn2.tabular.encoder import COLUMNS_AT_A_TIME, ROWS_AT_A_TIME, TableEncoder
from fastnn2.tabular.scaling import smoothly_clipped

NAN = np.nan
COLUMNS = [*frame_data.NUMBERS, *frame_data.TEXTS]
FRAMES = {name: frame[COLUMNS] for name, frame in frame_data.frames().items()}
ARRAYS = ("numbers", "rows", "fractions", "categories")
EPS = {name: float(np.finfo(name).eps) for name in DTYPES}


def encoder(n_bins=4, max_categories=10, categorical_features="from_dtype", **options):
    return TableEncoder(n_bins, max_categories, categorical_features, **options)


def assert_same(found, expected):
    for name in ARRAYS:
        assert getattr(found, name).dtype == getattr(expected, name).dtype
        assert getattr(found, name).shape == getattr(expected, name).shape
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes(), name


def column(*values):
    return np.array(values, dtype=float).reshape(-1, 1)


# By hand


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_table_by_hand(dtype):
    frame = pd.DataFrame({"a": [0.0, 1, 2, 3, 4, NAN], "b": [*"xyxxz", None], "c": [1, 1, 3, 3, 3, 3]})
    made = encoder(n_bins=2, max_categories=1, dtype=dtype)
    found = made.fit_encode(frame)
    assert (found.n, made.d, made.p, made.q, made.bins, made.category_rows) == (6, 2, 1, 1, 2, 3)
    assert made.names == ["a", "b", "c"]
    a = (np.array([0, 1, 2, 3, 4, 2]) - 2) / 2  # the quartiles are 1, 2 and 3
    c = (np.array([1, 1, 3, 3, 3, 3]) - 3) / 1.5  # 1.5, 3 and 3
    z = np.transpose([a, c])
    np.testing.assert_allclose(found.numbers, z / np.sqrt(1 + (z / 3) ** 2), rtol=4 * EPS[dtype])
    assert found.rows.tolist() == [[0], [0], [1], [1], [1], [2]]
    assert found.fractions.tolist() == [[0], [0.5], [0], [0.5], [1], [1]]
    assert found.categories.tolist() == [[0], [1], [0], [0], [1], [2]]
    for name in ARRAYS:
        assert getattr(found, name).flags.c_contiguous
    assert found.numbers.dtype == found.fractions.dtype == dtype
    assert found.rows.dtype == found.categories.dtype == np.uint32


def test_rows_are_numbered_through_all_features():
    values = np.arange(6.0)
    frame = pd.DataFrame({"a": values, "b": [*"xyxyxy"], "c": -values, "d": [*"uvwuvw"]})
    made = encoder(n_bins=3)
    found = made.fit_encode(frame)
    assert found.rows[0].tolist() == [0, 4 + 2]
    assert found.rows[:, 0].max() < 4
    assert found.rows[:, 1].min() >= 4
    assert found.categories.tolist()[:3] == [[0, 4], [1, 5], [0, 6]]
    assert made.category_rows == 4 + 5
    new = pd.DataFrame({"a": [NAN], "b": ["new"], "c": [NAN], "d": pd.Series([None], dtype=object)})
    assert made.encode(new).rows.tolist() == [[3, 7]]
    assert made.encode(new).categories.tolist() == [[2, 8]]


def test_rows_that_may_never_be_trained_begin_at_0():
    """So a category that is new at prediction adds nothing where none was rare in training."""
    made = encoder()
    made.fit_encode(pd.DataFrame({"a": [*"xy"], "b": [True, True]}))
    assert made.zero_rows.tolist() == [False, False, True, True, False, True, True]
    made.fit_encode(np.eye(2))
    assert made.zero_rows.tolist() == []


def test_missing_values_of_a_feature_of_two_values():
    """Present ones add nothing to the numbers, which have them."""
    made = encoder()
    found = made.fit_encode(column(0, 1, NAN, 1))
    assert (made.d, made.p) == (1, 1)
    assert found.rows.tolist() == [[0], [0], [4], [0]]
    assert found.fractions.tolist() == [[0], [0], [1], [0]]
    assert found.numbers[2, 0] == 0
    found = made.encode(column(0.5, NAN))
    assert found.rows.tolist() == [[0], [4]]


def test_missing_values_at_prediction_alone():
    made = encoder()
    made.fit_encode(np.hstack([column(0, 1, 2), column(0, 1, 1)]))
    found = made.encode(np.full((1, 2), NAN))
    assert (made.d, made.p) == (2, 1)
    assert found.numbers.tolist() == [[0, 0]]
    assert (found.rows.tolist(), found.fractions.tolist()) == ([[4]], [[1]])


def test_a_constant_says_only_where_it_is_missing():
    made = encoder()
    found = made.fit_encode(np.hstack([column(7, NAN, 7), column(7, 7, 7), column(NAN, NAN, NAN)]))
    assert (made.d, made.p) == (0, 1)
    assert (found.rows.tolist(), found.fractions.tolist()) == ([[0], [4], [0]], [[0], [1], [0]])
    assert found.numbers.shape == (3, 0)
    assert made.encode(np.array([[9, 8, 7.0]])).rows.tolist() == [[0]]


def test_nothing_to_learn_from():
    made = encoder()
    found = made.fit_encode(np.ones((3, 2)))
    assert (made.d, made.p, made.q, made.category_rows, found.n) == (0, 0, 0, 0, 3)
    for name in ARRAYS:
        assert getattr(found, name).shape == (3, 0)


def test_without_bins():
    made = encoder(n_bins=0)
    found = made.fit_encode(np.hstack([column(0, 1, NAN), column(0, 1, 2)]))
    assert (made.d, made.p) == (2, 1)
    assert (found.rows.tolist(), found.fractions.tolist()) == ([[0], [0], [0]], [[0], [0], [1]])


# Numbers


def test_bins_beyond_the_training_range_are_the_outermost():
    made = encoder(dtype="float64")
    found = made.fit_encode(column(*range(9)))
    for low, high in ((-1, 9), (-1e300, 1e300)):
        clipped = made.encode(column(low, high))
        np.testing.assert_array_equal(clipped.rows, found.rows[[0, -1]])
        np.testing.assert_array_equal(clipped.fractions, found.fractions[[0, -1]])


def test_smooth_clipping():
    """As the quartiles of 0, ..., 8 are 2 and 6."""
    made = encoder(dtype="float64")
    found = made.fit_encode(column(*range(9)))
    z = (np.arange(9) - 4) / 4
    np.testing.assert_allclose(found.numbers[:, 0], z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-15)
    np.testing.assert_allclose(made.encode(column(-1e300, 1e300)).numbers[:, 0], [-3, 3])


EXTREMES = {
    "the greatest": [-1.7e308, 1.7e308, 0, 1e308, -1e308, 1e-300],
    "the least": [0, 5e-324, 1e-323, 2e-320, -5e-324],
    "subnormal float32": np.array([0, 1.4e-45, 2.8e-45, 1e-44], dtype=np.float32).astype(float).tolist(),
    "close together": [1e300, np.nextafter(1e300, np.inf), np.nextafter(1e300, 0), 1e300],
    "integers": [2**53 - 1, 2**53, 2**53 + 2],
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_magnitudes(name):
    made = encoder(dtype="float64")
    found = made.fit_encode(column(*EXTREMES[name]))
    order = np.argsort(EXTREMES[name])
    for values in (found.numbers[order, 0], (found.rows + found.fractions)[order, 0]):
        assert np.isfinite(values).all()
        assert (np.diff(values) >= 0).all()
        assert values[0] < values[-1]
    others = made.encode(column(-1.7e308, 1.7e308, 0, NAN))
    assert np.isfinite(others.numbers).all()
    assert others.fractions.min() >= 0
    assert others.fractions.max() <= 1


def test_both_dtypes_have_the_same_bins():
    """All is computed in float64."""
    values = np.random.default_rng(0).standard_normal((500, 3))
    double, single = (encoder(n_bins=16, dtype=dtype).fit_encode(values) for dtype in ("float64", "float32"))
    np.testing.assert_array_equal(single.rows, double.rows)
    np.testing.assert_array_equal(single.fractions, double.fractions.astype(np.float32))
    np.testing.assert_array_equal(single.numbers, double.numbers.astype(np.float32))


def test_a_linear_model_of_bins_is_piecewise_linear():
    """What the encoding is for: with the table of fractions and full bins, it fits what is linear between edges."""
    x = np.random.default_rng(0).uniform(-2, 2, 400)
    made = encoder(n_bins=8, dtype="float64")
    found = made.fit_encode(x.reshape(-1, 1))
    edges = made.edges[0]
    steps = np.clip((found.rows + found.fractions) - np.arange(8), 0, 1)  # (1, …, 1, f, 0, …, 0)
    heights = np.array([1.0, -1, 2, 0, 5, 5, -3, 2, 2])
    y = np.interp(x, edges, heights)
    model = LinearRegression().fit(steps, y)
    np.testing.assert_allclose(model.coef_, np.diff(heights), atol=1e-9)


@pytest.mark.parametrize("n_columns", [1, COLUMNS_AT_A_TIME, COLUMNS_AT_A_TIME + 1])
@pytest.mark.parametrize("n_rows", [ROWS_AT_A_TIME - 1, ROWS_AT_A_TIME, ROWS_AT_A_TIME + 1])
def test_tables_are_encoded_in_parts(n_rows, n_columns):
    values = np.random.default_rng(0).standard_normal((n_rows, n_columns))
    made = encoder(dtype="float64")
    found = made.fit_encode(values)
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    np.testing.assert_allclose(found.numbers, smoothly_clipped((values - median) / (upper - lower)), atol=1e-12)
    for k in range(n_columns):
        bins, fractions = look_up(values[:, k], made.edges[k])
        np.testing.assert_array_equal(found.rows[:, k], bins + k * 5)
        np.testing.assert_array_equal(found.fractions[:, k], fractions)
    # The last row has an error of its own place.
    values[-1, -1] = np.inf
    with pytest.raises(ValueError, match=rf"column 'x{n_columns - 1}' has inf in row {n_rows - 1} "):
        made.encode(values)
    with pytest.raises(ValueError, match=rf"column 'x{n_columns - 1}' has inf in row {n_rows - 1} "):
        encoder().fit_encode(values)


# Libraries


@pytest.mark.parametrize(("fitted", "other"), list(itertools.product(FRAMES, ["polars", "pandas"])))
def test_frames_of_each_kind_have_the_same_bits(fitted, other):
    made = encoder(n_bins=16)
    found = made.fit_encode(FRAMES[fitted])
    reference = encoder(n_bins=16)
    assert_same(found, reference.fit_encode(FRAMES[other]))
    assert made.categories == reference.categories == [["Oslo", "Rome"], ["false", "true"], ["false", "true"]]
    assert_same(made.encode(FRAMES[other]), found)


def test_arrays_have_the_bits_of_frames():
    expected = encoder().fit_encode(FRAMES["polars"])
    rows = FRAMES["polars"].rows()
    for table in (rows, np.array(rows, dtype=object)):
        assert_same(encoder().fit_encode(table), expected)
    numbers = FRAMES["pandas"][frame_data.NUMBERS].to_numpy(float)
    expected = encoder().fit_encode(FRAMES["polars"][frame_data.NUMBERS])
    for table in (numbers, np.asfortranarray(numbers), np.repeat(numbers, 2, axis=0)[::2], numbers.tolist()):
        assert_same(encoder().fit_encode(table), expected)


@pytest.mark.parametrize("make", [np.array, pd.DataFrame, lambda rows: pl.DataFrame(rows, schema=["a"], orient="row")])
def test_tables_of_texts_or_booleans(make):
    assert encoder().fit_encode(make([["b"], ["a"], ["b"]])).categories.tolist() == [[1], [0], [1]]
    assert encoder().fit_encode(make([[True], [False]])).categories.tolist() == [[1], [0]]


def test_numbers_and_booleans_as_the_caller_says():
    frame = pd.DataFrame({"month": [1, 12, 2, 12], "sold": [True, False, True, True]})
    made = encoder(categorical_features=["month"])
    found = made.fit_encode(frame)
    assert made.categories == [["1", "12", "2"]]
    assert found.categories.tolist() == [[0], [1], [2], [1]]
    assert (made.d, made.p) == (1, 0)
    assert_same(made.encode(frame.astype(float)), found)
    assert_same(encoder(categorical_features=[0]).fit_encode(frame.to_numpy(float)), found)
    assert_same(encoder(categorical_features=[True, False]).fit_encode(pl.DataFrame(frame.to_dict("list"))), found)


def test_neither_library_is_imported():
    code = (
        "import sys\n"
        "sys.modules['pandas'] = sys.modules['polars'] = None\n"
        "from fastnn2.tabular.encoder import TableEncoder\n"
        "found = TableEncoder(2, 3, 'from_dtype').fit_encode([['a', 1.0], [None, 2.0], ['b', None]])\n"
        "assert found.categories.tolist() == [[0], [3], [1]], found\n"
        "assert found.rows.tolist() == [[0], [0], [2]], found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)


def test_the_table_stays_as_it_was():
    for frame in (FRAMES["pandas"], FRAMES["pandas, nullable"]):
        before = frame.copy(deep=True)
        encoder().fit_encode(frame)
        pd.testing.assert_frame_equal(frame, before)


# Prediction


def test_names_and_numbers_of_columns_are_checked():
    class Owner:
        __sklearn_tags__ = TableEncoder.__sklearn_tags__

    frame, owner = FRAMES["pandas"], Owner()
    made = encoder()
    made.fit_encode(frame, owner)
    assert owner.feature_names_in_.tolist() == made.names == COLUMNS
    assert owner.n_features_in_ == len(COLUMNS)
    assert not hasattr(made, "n_features_in_")
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- town\n.*seen at fit time, yet now missing:\n- city"):
        made.encode(frame.rename(columns={"city": "town"}), owner)
    made.fit_encode(np.ones((3, 1)), owner)
    with pytest.raises(ValueError, match="X has 2 features, but Owner is expecting 1"):
        made.encode(np.ones((3, 2)), owner)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("city", [1.0, 2.0], r"column 'city' has numbers \(float64\); expected texts, as in the fit: convert"),
        ("new", [1, 0], r"column 'new' has numbers \(int64\); expected booleans, as in the fit: convert"),
        ("size", ["a", "b"], r"column 'size' has 'a' in row 0 .* not a number; expected numbers or booleans"),
        ("size", [1.0, -np.inf], r"column 'size' has -inf in row 1 .*; expected finite numbers, or NaN .*: replace it"),
        ("size", pd.to_datetime(["2024-01-01"] * 2), r"column 'size' has dates or times \(datetime64.*DateColumns"),
        ("city", [["a"], ["b"]], "column 'city' has a list in row 0 .* make a column of each value"),
    ],
)
def test_types_are_checked(name, values, message):
    made = encoder()
    made.fit_encode(FRAMES["polars"])
    with pytest.raises(ValueError, match=message):
        made.encode(FRAMES["pandas"][:2].assign(**{name: values}))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([None, None], [3, 3]),
        ([NAN, NAN], [3, 3]),
        (pd.array([None, None], dtype="Int64"), [3, 3]),
        ([1, "Oslo"], [2, 0]),
    ],
)
def test_missing_and_some_other_values_are_no_other_type(values, expected):
    made = encoder()
    made.fit_encode(FRAMES["polars"])
    found = made.encode(FRAMES["pandas"][:2].assign(city=values))
    assert found.categories[:, 0].tolist() == expected


def test_pickles():
    made = encoder(categorical_features=pd.Index(["city", "garden", "new"]))
    found = made.fit_encode(FRAMES["pandas"])
    assert_same(pickle.loads(pickle.dumps(made)).encode(FRAMES["polars"]), found)


def test_skops_keeps_it():
    io = extra("skops.io", "files")
    made = encoder(categorical_features=np.array(["city", "garden", "new"]))
    found = made.fit_encode(FRAMES["pandas"])
    stored = io.dumps(made)
    own = "fastnn2.tabular.encoder.TableEncoder"
    assert io.get_untrusted_types(data=stored) == [own]
    assert_same(io.loads(stored, trusted=[own]).encode(FRAMES["polars"]), found)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux says how much memory was used at most")
def test_millions_of_values_take_little_memory():
    """Beyond the results, for which a table in float32 has 3 times its size, less than half of the table."""
    code = (
        "import numpy as np\n"
        "from fastnn2.tabular.encoder import TableEncoder\n"
        "def peak():\n"
        "    return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) * 1024\n"
        "TableEncoder(16, 10, None).fit_encode(np.random.default_rng(0).standard_normal((1000, 16)))\n"
        "X = np.random.default_rng(0).standard_normal((400_000, 16), dtype=np.float32)\n"
        "before = peak()\n"
        "TableEncoder(16, 10, None).fit_encode(X)\n"
        "print((peak() - before) / X.nbytes)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE, capture_output=True, text=True)
    assert 2.5 < float(done.stdout) < 3.5
