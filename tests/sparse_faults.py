"""Sparse matrices with faults in their index arrays, and every way to hand them to an estimator.

Run as a program with a format, it tries all of them: where one is not refused, the process may crash.
"""

import sys
import warnings

import numpy as np
import pytest
import scipy.sparse

FAR = 50_000_000  # so far outside of all arrays that reading there crashes
SHAPE = (120, 24)


def _set(name, place, value):
    def change(matrix):
        getattr(matrix, name)[place] = value

    return change


def _replace(name, new):
    def change(matrix):
        setattr(matrix, name, new(getattr(matrix, name)))

    return change


def _replace_coordinates(axis, new):
    def change(matrix):
        coordinates = list(matrix.coords)
        coordinates[axis] = new(coordinates[axis])
        matrix.coords = tuple(coordinates)

    return change


def _rise_at_once(matrix):
    """Of a y with such data scikit-learn's partial_fit reads the first row, to see of what kind it is."""
    matrix.data[0] = 2.0
    matrix.indptr[1] = FAR


def _of_compressed(outer, inner, kind):
    """Return the faults of CSR, CSC or BSR with so many rows, or columns, in indptr and in indices."""
    return {
        "index too large": (_set("indices", -3, inner), rf"the {kind} index {inner}; expected 0 to {inner - 1}\."),
        "index far too large": (_set("indices", 5, FAR), rf"the {kind} index {FAR}; expected 0 to {inner - 1}\."),
        "negative index": (_set("indices", 5, -1), rf"the {kind} index -1; expected 0 to {inner - 1}\."),
        "far negative index": (_set("indices", 0, -FAR), rf"the {kind} index -{FAR}; expected 0"),
        "indptr rises too far": (_set("indptr", 4, FAR), rf"indptr\[4\] = {FAR} and indptr\[5\] = \d+; .* never decr"),
        "indptr rises too far at once": (_rise_at_once, rf"indptr\[1\] = {FAR} and indptr\[2\] = \d+; .* never"),
        "indptr falls": (_set("indptr", 4, -FAR), rf"indptr\[3\] = \d+ and indptr\[4\] = -{FAR}; .* never decrease"),
        "indptr starts late": (_set("indptr", 0, 1), r"indptr\[0\] = 1; expected 0\."),
        "indptr starts early": (_set("indptr", 0, -FAR), rf"indptr\[0\] = -{FAR}; expected 0\."),
        "indptr ends too late": (_set("indptr", -1, FAR), rf"\d+ entries in indices; expected {FAR}, the last number"),
        "indptr too short": (_replace("indptr", lambda a: a[:-1]), rf"{outer} numbers in indptr; expected {outer + 1}"),
        "indptr too long": (_replace("indptr", lambda a: np.append(a, a[-1])), rf"{outer + 2} numbers in indptr"),
        "indptr empty": (_replace("indptr", lambda a: a[:0]), "0 numbers in indptr"),
        "indptr of floats": (
            _replace("indptr", lambda a: a.astype(float)),
            "indptr of shape .* dtype float64; .*integ",
        ),
        "indices too short": (_replace("indices", lambda a: a[:1]), r"1 entries in indices; expected \d+"),
        "indices of floats": (
            _replace("indices", lambda a: a * np.nan),
            "indices of shape .* dtype float64; .*integers",
        ),
        "indices in two dimensions": (_replace("indices", lambda a: a[:, None]), r"indices of shape \(\d+, 1\) and"),
        "data too short": (_replace("data", lambda a: a[:1]), r"1 entries in data; expected \d+, the last number in"),
    }


def _with_wrong_data(faults, message):
    return faults | {"data in two dimensions": (_replace("data", lambda a: a.reshape(len(a), -1)), message)}


# Format -> name of the fault -> (how to make it, what the error says)
FAULTS = {
    "csr": _with_wrong_data(_of_compressed(*SHAPE, "column"), "data of 2 dimensions; expected 1"),
    "csc": _with_wrong_data(_of_compressed(*SHAPE[::-1], "row"), "data of 2 dimensions; expected 1"),
    "bsr": _with_wrong_data(_of_compressed(SHAPE[0] // 2, SHAPE[1] // 3, "block column"), r"data of shape \(\d+, 6\)")
    | {
        "blocks too large": (_replace("data", lambda a: np.ones((len(a), 7, 3))), "data of shape .* 7, 3.*tile"),
        "blocks of nothing": (_replace("data", lambda a: np.ones((len(a), 2, 0))), "data of shape .* 2, 0.*tile"),
    },
    "coo": {
        "column too large": (_set("col", -3, SHAPE[1]), r"the column index 24; expected 0 to 23\."),
        "column far too large": (_set("col", 5, FAR), rf"the column index {FAR}; expected 0 to 23\."),
        "negative column": (_set("col", 5, -1), r"the column index -1; expected 0 to 23\."),
        "row too large": (_set("row", 5, SHAPE[0]), r"the row index 120; expected 0 to 119\."),
        "far negative row": (_set("row", 5, -FAR), rf"the row index -{FAR}; expected 0 to 119\."),
        "rows too short": (_replace_coordinates(0, lambda a: a[:1]), r"1 entries in row; expected \d+, as many as in"),
        "columns too short": (_replace_coordinates(1, lambda a: a[:1]), "1 entries in col; expected"),
        "data too short": (_replace("data", lambda a: a[:1]), r"\d+ entries in row; expected 1, as many as in data"),
        "columns of floats": (_replace_coordinates(1, lambda a: a * np.nan), "col of shape .* float64; .*integers"),
    },
    "lil": {
        "column too large": (lambda X: X.rows[7].__setitem__(-1, SHAPE[1]), r"the column index 24; expected 0 to 23\."),
        "far negative column": (lambda X: X.rows[7].__setitem__(0, -FAR), rf"the column index -{FAR}; expected 0 to"),
        "a row too short": (lambda X: X.rows[7].pop(), r"\d+ entries in rows\[7\]; expected \d+, as many as in"),
        "a row too long": (lambda X: X.rows[7].append(2), r"\d+ entries in rows\[7\]; expected \d+, as many as"),
        "too few rows": (_replace("rows", lambda a: a[:-1]), "119 lists in rows and 120 in data; expected 120 in"),
        "too many rows": (_replace("rows", lambda a: np.append(a, a)), "240 lists in rows and 120 in data; expected"),
        "too much data": (_replace("data", lambda a: np.append(a, a)), "120 lists in rows and 240 in data; expected"),
    },
    "dia": {
        "too few offsets": (_replace("offsets", lambda a: a[:1]), "1 offsets and data of shape .*a row of data for"),
        "too many offsets": (_replace("offsets", lambda a: np.tile(a, 30)), r"\d+ offsets and data of shape"),
        "offsets of floats": (_replace("offsets", lambda a: a * 1.0), "offsets of shape .* dtype float64; .*integers"),
        "data in one dimension": (_replace("data", lambda a: a[:, 0]), r"\d+ offsets and data of shape \(\d+,\)"),
    },
}  # fmt: skip


def without_fault(kind, share=0.5, container="matrix"):
    """Return a sparse matrix of zeros and ones; at share 0 so sparse that SciPy's product is used to predict."""
    dense = np.random.RandomState(0).uniform(size=SHAPE) < share
    dense[:60, :2] = True
    blocks = {"blocksize": (2, 3)} if kind == "bsr" else {}
    return getattr(scipy.sparse, f"{kind}_{container}")(dense.astype(float), **blocks)


def with_fault(kind, fault, share=0.5, container="matrix"):
    """Return such a matrix with a fault of `FAULTS`."""
    matrix = without_fault(kind, share, container)
    FAULTS[kind][fault][0](matrix)
    return matrix


def try_every_way(kind):
    """Call the estimators with sparse matrices in the place of X and y: without a fault all is well, else refused."""
    from fastnn2 import MLPClassifier, MLPRegressor

    X, labels = without_fault("csr").toarray(), without_fault(kind).toarray().astype(int)
    y = np.arange(len(X)) % 2
    options = {"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0}

    def classifier(**more):
        return MLPClassifier(**options | more)

    def regressor(**more):
        return MLPRegressor(**options | more)

    fitted, fitted_to_labels, fitted_to_numbers = (
        classifier().fit(X, y), classifier().fit(X, labels), regressor().fit(X, y),
    )  # fmt: skip
    again = classifier().partial_fit(X, y, classes=[0, 1])
    again_to_labels = classifier().partial_fit(X, labels, classes=np.arange(SHAPE[1]))
    calls = {
        ("X", "fit"): lambda bad: classifier().fit(bad, y),
        ("X", "fit a regressor"): lambda bad: regressor().fit(bad, y),
        ("X", "fit in order"): lambda bad: classifier(shuffle=False, batch_size=SHAPE[0]).fit(bad, y),
        ("X", "early stopping"): lambda bad: classifier(early_stopping=True).fit(bad, y),
        ("X", "L-BFGS"): lambda bad: classifier(solver="lbfgs").fit(bad, y),
        ("X", "first partial_fit"): lambda bad: classifier().partial_fit(bad, y, classes=[0, 1]),
        ("X", "next partial_fit"): lambda bad: again.partial_fit(bad, y),
        ("X", "partial_fit a regressor"): lambda bad: regressor().partial_fit(bad, y),
        ("X", "predict"): fitted.predict,
        ("X", "predict_proba"): fitted.predict_proba,
        ("X", "predict_log_proba"): fitted.predict_log_proba,
        ("X", "predict numbers"): fitted_to_numbers.predict,
        ("X", "score"): lambda bad: fitted.score(bad, y),
        ("X", "score numbers"): lambda bad: fitted_to_numbers.score(bad, y),
        ("y", "fit"): lambda bad: classifier().fit(X, bad),
        ("y", "first partial_fit"): lambda bad: classifier().partial_fit(X, bad, classes=np.arange(SHAPE[1])),
        ("y", "next partial_fit"): lambda bad: again_to_labels.partial_fit(X, bad),
        ("y", "score"): lambda bad: fitted_to_labels.score(X, bad),
    }
    for (name, _), call in calls.items():
        good = without_fault(kind)
        call(good.astype(int) if name == "y" else good)
    for share in (0.5, 0.0):
        for fault, (_, message) in FAULTS[kind].items():
            for (name, call_name), call in calls.items():
                bad = with_fault(kind, fault, share)
                print(f"{fault} at {share}, {name}, {call_name}", flush=True)
                with pytest.raises(ValueError, match=f"^{name} is a {kind}_matrix of shape .* with {message}"):
                    call(bad)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    try_every_way(sys.argv[1])
    print("all refused")
