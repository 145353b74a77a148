"""Encode hostile tables: each is encoded rightly or refused, with an error that names a column or says what to do.

``python tests/hostile_frames.py`` makes 1,000 tables of NumPy, pandas, polars and lists, with columns that no table
should have and arguments that nobody should pass, and for each fitted one a table to predict for that differs from it.
Printed is how many were encoded and refused, and each failure with the seed that makes it again. With ``--estimators``
they are fitted by TabularClassifier and TabularRegressor, some with weights.
"""

import argparse
import collections
import datetime
import decimal
import fractions
import pickle
import re
import traceback
import uuid
import warnings

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse
from sklearn.utils._param_validation import InvalidParameterError

from fastnn2 import TabularClassifier, TabularRegressor

ENCODED, REFUSED = "encoded", "refused"
ARRAYS = ("numbers", "rows", "fractions", "categories")
NAMES = ["a", "", "^a$", "a b", "x0", "größe", "\0", "a" * 300, "{0}", "%s", "column 'b'"]
DAY, MOMENT = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 18, 30, tzinfo=datetime.UTC)

# What an error has to say: which column, or what was expected, or one of the messages of scikit-learn that say it.
CLEAR = re.compile(
    r"column '|column \"|; expected |: pass X\.|feature names|features, but|feature name|[Ee]xpected 2D array|"
    r"[Ee]xpected 2-dimensional|2-dimensional container|0 feature\(s\)|Found array with|0 sample\(s\)|"
    r"parameter of Tabular|sequence or array-like|got scalar|at least one non-zero number|"
    r"Complex data not supported|X has 0 (rows|columns)|Please convert to|of the name|dim 3"
)


# Values of a column


def sparsely(source, values, missing=None, share=0.2):
    """Return values as a list, some of which are missing."""
    return [missing if gone else value for gone, value in zip(source.random(len(values)) < share, values, strict=True)]


def picked(source, n, *values):
    """Return a list of n of these values as they are."""
    return [values[k] for k in source.integers(0, len(values), n)]


NUMBERS = {
    "normal": lambda s, n: s.standard_normal(n).tolist(),
    "constant": lambda s, n: [7.5] * n,
    "missing": lambda s, n: [float("nan")] * n,
    "constant or missing": lambda s, n: sparsely(s, [1.0] * n, float("nan")),
    "two values": lambda s, n: sparsely(
        s, s.integers(0, 2, n).astype(float).tolist(), float("nan"), s.choice([0, 0.3])
    ),
    "some missing": lambda s, n: sparsely(s, s.standard_normal(n).tolist(), float("nan")),
    "infinite": lambda s, n: sparsely(s, s.standard_normal(n).tolist(), s.choice([np.inf, -np.inf]).item()),
    "huge": lambda s, n: (s.choice([-1, 1], n) * 10.0 ** s.uniform(300, 308.2, n)).tolist(),
    "tiny": lambda s, n: (5e-324 * s.integers(-3, 4, n)).tolist(),
    "all magnitudes": lambda s, n: (s.choice([-1, 1], n) * 10.0 ** s.uniform(-320, 308, n)).tolist(),
    "single precision": lambda s, n: (2.0**-149 * s.integers(0, 9, n)).tolist(),
    "close": lambda s, n: (1e16 + 2 * s.integers(0, 4, n)).tolist(),
    "zeros": lambda s, n: picked(s, n, 0.0, -0.0),
    "rare": lambda s, n: (s.random(n) < 0.05).astype(float).tolist(),
    "integers": lambda s, n: s.integers(-9, 9, n).tolist(),
    "great integers": lambda s, n: s.integers(-(2**63), 2**63 - 1, n).tolist(),
}
TEXTS = {
    "few": lambda s, n: picked(s, n, "a", "b", "c"),
    "many": lambda s, n: [f"id {k}" for k in range(n)],
    "with None": lambda s, n: picked(s, n, "a", "", None),
    "strange": lambda s, n: picked(
        s, n, "é", "e\u0301", "\0", "a\0", "a", " a", "😀", "x" * 2000, "nan", "None", "true"
    ),
    "numbers": lambda s, n: picked(s, n, "1", "1.0", "-1e999", "inf", "NaN", ""),
    "one": lambda s, n: ["a"] * n,
}
BOOLEANS = {
    "some": lambda s, n: picked(s, n, True, False),
    "missing": lambda s, n: picked(s, n, True, False, None),
    "one": lambda s, n: [True] * n,
}
DATES = {
    "dates": lambda s, n: picked(s, n, DAY, None),
    "times": lambda s, n: picked(s, n, MOMENT, None),
    "spans": lambda s, n: picked(s, n, datetime.timedelta(1), None),
    "hours": lambda s, n: picked(s, n, datetime.time(1), None),
}
OBJECTS = {
    "mixed": lambda s, n: picked(s, n, 1, 1.5, "a", True, None, float("nan")),
    "None": lambda s, n: [None] * n,
    "decimals": lambda s, n: picked(s, n, decimal.Decimal("0.1"), decimal.Decimal("1e5"), decimal.Decimal("NaN")),
    "signaling": lambda s, n: picked(s, n, decimal.Decimal("1"), decimal.Decimal("sNaN")),
    "infinite": lambda s, n: picked(s, n, decimal.Decimal("inf"), 1),
    "fractions": lambda s, n: picked(s, n, fractions.Fraction(1, 3), fractions.Fraction(10**400), 2),
    "great integers": lambda s, n: picked(s, n, 10**400, 1, 10**5000),
    "lists": lambda s, n: picked(s, n, [1, 2], [], None),
    "dicts": lambda s, n: picked(s, n, {"a": 1}, None),
    "sets and texts": lambda s, n: picked(s, n, {1}, "a"),
    "arrays": lambda s, n: picked(s, n, np.arange(2), np.arange(3)),
    "objects": lambda s, n: [object() for _ in range(n)],
    "functions": lambda s, n: picked(s, n, len, sparsely),
    "types": lambda s, n: picked(s, n, int, str),
    "bytes": lambda s, n: picked(s, n, b"a", b"\xff", None),
    "complex": lambda s, n: picked(s, n, 1j, 2.0),
    "tuples": lambda s, n: picked(s, n, (1, 2), (1,), ()),
    "identities": lambda s, n: picked(s, n, uuid.UUID(int=1), uuid.UUID(int=2)),
    "missing ones": lambda s, n: picked(s, n, pd.NA, pd.NaT, None, float("nan"), np.datetime64("NaT")),
    "texts of NumPy": lambda s, n: picked(s, n, np.str_("a"), "a", np.float32(0.1), np.bool_(True)),
}
KINDS = (NUMBERS, TEXTS, BOOLEANS, DATES, OBJECTS)

PANDAS_TYPES = ["category", "string", "Int64", "Float32", "boolean", "float32", "int8", "object", "Sparse[float64]"]
PANDAS_TYPES += ["datetime64[ns]", "timedelta64[s]", "complex128", "str", "period[D]", "float64[pyarrow]", "bool"]
POLARS_TYPES = [pl.Categorical, pl.Enum(["a", "b"]), pl.Float32, pl.Int8, pl.Int128, pl.UInt64, pl.String, pl.Boolean]
POLARS_TYPES += [pl.Date, pl.Datetime("ms"), pl.Binary, pl.Decimal(10, 2), pl.Null, pl.List(pl.Int8), pl.Object]
ARRAY_TYPES = ["f2", "f4", "f8", "g", "i1", "u8", "?", "U5", "S5", "O", "c16", "M8[D]", "m8[s]", ">f8"]


def values_of_column(source, n):
    """Return a list of n values, of numbers in half of the columns."""
    kind = source.choice(len(KINDS), p=[0.5, 0.2, 0.1, 0.05, 0.15])
    return KINDS[kind][source.choice([*KINDS[kind]])](source, n)


# Tables


def pandas_column(source, values):
    """Return a Series, of a type of its own if it takes these values."""
    try:
        if source.random() < 0.4:
            return pd.Series(values, dtype=str(source.choice(PANDAS_TYPES)))
        if source.random() < 0.05:
            return pd.Series(pd.cut(pd.Series(values), 3))
        return pd.Series(values)
    except Exception:
        return pd.Series(values, dtype=object)


def upsets_polars(value):
    """Return whether polars panics or prints errors while it makes a column of a value."""
    if isinstance(value, decimal.Decimal):
        return not value.is_finite()
    return type(value) is int and value > 10**4000


def polars_column(source, name, values):
    """Return a Series, of a type of its own if it takes these values."""
    strict = source.random() < 0.5
    if any(map(upsets_polars, values)):
        values = list(range(len(values)))
    try:
        if source.random() < 0.4:
            return pl.Series(name, values, dtype=POLARS_TYPES[source.integers(len(POLARS_TYPES))], strict=strict)
        return pl.Series(name, values, strict=strict)
    except Exception:
        return pl.Series(name, list(range(len(values))))


def array_of(source, columns):
    """Return an array of columns, of any type that takes the values."""
    found = np.empty((len(columns[0]), len(columns)), dtype=object)
    for k, column in enumerate(columns):
        for row, value in enumerate(column):
            found[row, k] = value
    try:
        return found.astype(source.choice(ARRAY_TYPES), order=str(source.choice(["C", "F"])))
    except (TypeError, ValueError, OverflowError):
        return found


def no_table(source, X):
    """Return what is no table, made of an array."""
    number = np.arange(6.0).reshape(3, 2)
    return [
        lambda: sparse.csr_array(number),
        lambda: sparse.coo_matrix(number),
        lambda: np.ma.array(number, mask=number > 3),
        lambda: np.ma.array(X, mask=False),
        lambda: number[:, 0],
        lambda: number[None],
        lambda: X[:0],
        lambda: X[:, :0],
        lambda: pd.DataFrame(X)[:0],
        lambda: pd.DataFrame(index=range(3)),
        lambda: pl.DataFrame(),
        lambda: pd.Series(number[:, 0]),
        lambda: pl.Series([1.0, 2.0]),
        lambda: pl.DataFrame(number).lazy(),
        lambda: None,
        lambda: 3.5,
        lambda: "a,b\n1,2",
        lambda: {"a": [1, 2]},
        list,
        lambda: [[]],
        lambda: [[1, 2], [3]],
        lambda: [1, 2],
        lambda: iter([[1, 2]]),
        lambda: np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        lambda: pd.DataFrame(number, columns=["a", 1]),
        lambda: np.matrix(number),
    ][source.integers(26)]()


def table_of(source, columns, names):
    """Return columns as a table of any library, or as what is none."""
    kind = source.choice(["pandas", "polars", "array", "list", "none"], p=[0.4, 0.3, 0.2, 0.06, 0.04])
    if kind == "polars":
        return pl.DataFrame([polars_column(source, name, v) for name, v in zip(names, columns, strict=True)])
    if kind == "pandas":
        frame = pd.concat([pandas_column(source, values) for values in columns], axis=1)
        frame.columns = [names[0]] * len(names) if source.random() < 0.03 else names
        return frame.set_index(frame.index[::-1]) if source.random() < 0.2 else frame
    if kind == "list":
        return [list(row) for row in zip(*columns, strict=True)]
    array = array_of(source, columns)
    return no_table(source, array) if kind == "none" else array


def make(source, columns=None, names=None):
    """Return a table and its columns and names; like a given one with changes, if there is one."""
    if columns is None:
        n = int(source.choice([1, 2, 3, 10, 60]))
        names = [*NAMES]
        source.shuffle(names)
        names = names[: source.integers(1, 6)]
        columns = [values_of_column(source, n) for _ in names]
    else:
        columns, names = list(columns), list(names)
        change = source.random()
        if change < 0.3:
            columns[source.integers(len(columns))] = values_of_column(source, len(columns[0]))
        elif change < 0.4:
            names[source.integers(len(names))] = "new"
        elif change < 0.5 and len(names) > 1:
            columns, names = columns[1:], names[1:]
        elif change < 0.6:
            columns, names = [*columns, columns[0]], [*names, "more"]
    return table_of(source, columns, names), columns, names


def categorical_features(source, columns, names):
    """Return an argument categorical_features, which may be wrong."""
    if source.random() < 0.7:
        return "from_dtype"
    mask = source.random(len(columns)) < 0.5
    right = [None, [], mask, mask.tolist(), np.flatnonzero(mask), [name for k, name in enumerate(names) if mask[k]]]
    wrong = [[9], [-1], [0.5], ["b"], "all", [None], [[0]], 1, mask[1:], [True, "a"], {"a"}]
    return (right if source.random() < 0.8 else wrong)[source.integers(6)]


# What becomes of them


def check(made, encoded):
    """Assert that rows are finite and inside of their tables."""
    n, step = encoded.n, made.n_bins + 1
    assert n > 0
    for name, width in zip(ARRAYS, (made.d, made.p, made.p, made.q), strict=True):
        array = getattr(encoded, name)
        assert array.shape == (n, width), name
        assert array.flags.c_contiguous, name
        assert array.dtype == (made.dtype if name in ("numbers", "fractions") else "uint32"), name
    assert np.isfinite(encoded.numbers).all()
    assert (abs(encoded.numbers) < 1e4).all()
    assert ((encoded.fractions >= 0) & (encoded.fractions <= 1)).all()
    first = np.arange(made.p) * step
    assert ((encoded.rows >= first) & (encoded.rows < first + step)).all()
    ends = np.cumsum([len(known) + 2 for known in made.categories])
    begins = np.concatenate([[0], ends[:-1]])
    assert ((encoded.categories >= begins) & (encoded.categories < ends)).all() if made.q else made.category_rows == 0


def assert_same(found, expected):
    for name in ARRAYS:
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes(), name


def outcome(call):
    """Return ENCODED or REFUSED; an error that is not clear is raised."""
    try:
        call()
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError, InvalidParameterError) or not CLEAR.search(str(error)):
            raise
        return REFUSED, str(error)
    return ENCODED, ""


def encode_one(seed):
    """Return what became of a table in fitting and of another at prediction: (action, outcome, message)."""
    from fastnn2.tabular.encoder import TableEncoder

    source = np.random.default_rng([42, seed])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas and polars while tables are made
        table, columns, names = make(source)
        other, _, _ = make(source, columns, names)
    chosen = categorical_features(source, columns, names)
    n_bins, most = int(source.choice([0, 1, 2, 16, 300])), int(source.choice([1, 2, 100]))
    options = {"dtype": str(source.choice(["float32", "float64"]))}
    fitted = []

    def fit():
        made = TableEncoder(n_bins, most, chosen, **options)
        encoded = made.fit_encode(table)
        check(made, encoded)
        assert_same(made.encode(table), encoded)
        assert_same(pickle.loads(pickle.dumps(made)).encode(table), encoded)
        fitted.append(made)

    def predict():
        check(fitted[0], fitted[0].encode(other))

    found = [("fit", *outcome(fit))]
    if fitted:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X (does not have|has) (valid )?feature names", UserWarning)
            found.append(("predict", *outcome(predict)))
    return found


def fit_one(seed):
    """Return what became of a table in the fit of an estimator and of another at prediction, as encode_one does."""
    source = np.random.default_rng([43, seed])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas and polars while tables are made
        table, columns, names = make(source)
        other, _, _ = make(source, columns, names)
    n = len(columns[0])
    kind, y = ((TabularClassifier, np.arange(n) % 2), (TabularRegressor, source.standard_normal(n)))[seed % 2]
    weights = None if source.random() < 0.6 else source.integers(0, 3, n)
    model = kind(
        categorical_features=categorical_features(source, columns, names), n_bins=int(source.choice([0, 1, 2, 16])),
        max_iter=1, hidden_size=4, n_estimators=2, random_state=0, n_threads=1,
    )  # fmt: skip
    made = []

    def predict(X):
        predicted = model.predict_proba(X) if seed % 2 == 0 else model.predict(X)
        assert np.isfinite(predicted).all()

    def fit():
        model.fit(table, y, sample_weight=weights)
        predict(table)
        made.append(model)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        found = [("fit", *outcome(fit))]
        if made:
            warnings.filterwarnings("ignore", "X (does not have|has) (valid )?feature names", UserWarning)
            found.append(("predict", *outcome(lambda: predict(other))))
    return found


def run(count, first=0, report=print, keep=None, one=encode_one):
    """Encode tables of `count` seeds, report how many were refused, and return the failures as texts."""
    counts, failures = collections.Counter(), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(first, first + count):
            try:
                for action, result, message in one(seed):
                    counts[action, result] += 1
                    if keep is not None and message:
                        keep.append(message)
            except Exception:
                failures.append(f"seed {seed}: {traceback.format_exc(limit=-4)}")
    report(f"{count} tables: " + ", ".join(f"{action} {result} {k}" for (action, result), k in sorted(counts.items())))
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--keep", metavar="FILE", help="write all messages to this file")
    parser.add_argument("--estimators", action="store_true", help="fit estimators")
    arguments = parser.parse_args()
    messages = []
    failures = run(arguments.count, arguments.first, print, messages, fit_one if arguments.estimators else encode_one)
    if arguments.keep:
        with open(arguments.keep, "w", encoding="utf-8", errors="replace") as file:
            file.write("\n".join(messages))
    for failure in failures:
        print(failure)
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
