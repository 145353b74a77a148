"""The argument categorical_features: by types of columns, as a mask, as indices, as names, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from fastnn2.tabular.categorical_features import categorical_mask, plain_choice

FRAME = pd.DataFrame({"size": [1.5, 2.0], "city": ["Oslo", "Rome"], "rooms": [1, 2], "sold": [True, False]})


def mask(chosen, frame=FRAME, has_names=True):
    columns = (
        frame.get_columns() if hasattr(frame, "get_columns") else [frame.iloc[:, k] for k in range(frame.shape[1])]
    )
    return categorical_mask(plain_choice(chosen), columns, list(frame.columns), has_names).tolist()


@pytest.mark.parametrize(
    "frame", [FRAME, FRAME.astype(object), pl.DataFrame(FRAME.to_dict("list"))], ids=["pandas", "objects", "polars"]
)
def test_by_types(frame):
    assert mask("from_dtype", frame) == [False, True, False, True]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, []),
        ([], []),
        ([2], [2]),
        ((0, 2, 2), [0, 2]),
        (np.array([3], dtype=np.uint8), [3]),
        ([True, False, False, True], [0, 3]),
        (np.array([False] * 4), []),
        (["rooms"], [2]),
        (pd.Index(["size", "sold"]), [0, 3]),
        (pl.Series(["size"]), [0]),
        (np.array(["city"], dtype=object), [1]),
    ],
)
def test_by_the_caller(chosen, expected):
    """Types do not matter then."""
    assert np.flatnonzero(mask(chosen)).tolist() == expected


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            "size",
            "categorical_features is 'size'; expected \"from_dtype\", None, a mask, .* in a list",
        ),
        (3, "categorical_features is 3; expected .* in one dimension"),
        ([[0], [1]], "expected .* in one dimension"),
        ([[0], [1, 2]], "expected .* in one dimension"),
        ({0, 1}, "expected .* in one dimension"),
        ([4], "has the index 4; expected 0 to 3, as X has 4 columns"),
        ([-1], "has the index -1; expected 0 to 3"),
        ([True], "is a mask of 1 booleans; expected 4, one a column"),
        ([1.0], "has 1.0, a float; expected"),
        ([None], "has None, a NoneType; expected"),
        (["rooms", "town"], "names the column 'town', but X has the columns 'size', 'city', 'rooms', 'sold'"),
    ],
)
def test_what_is_refused(chosen, message):
    with pytest.raises(ValueError, match=message):
        mask(chosen)


def test_names_of_columns_without_names():
    with pytest.raises(ValueError, match="names the column 'x0', but X has no names of columns; pass indices"):
        mask(["x0"], has_names=False)


def test_many_names_are_cut_short():
    frame = pd.DataFrame(np.zeros((1, 50)), columns=[f"a{k}" for k in range(50)])
    with pytest.raises(ValueError, match=r"'a19', …$"):
        mask(["b"], frame)
