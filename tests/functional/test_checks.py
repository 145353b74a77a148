"""Invalid arguments raise an error that says what was found, expected and what to do; all others are accepted."""

import datetime
import fractions
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

import fastnn2

D, H, O, N = 3, 4, 2, 7
RNG = np.random.RandomState(0)
X = RNG.standard_normal((D, N))
Y = RNG.randint(0, 2, (O, N)).astype(float)
PARAMS = fastnn2.init_params(X, Y, H)
NAN, INF = float("nan"), float("inf")


def with_value(array, at, value):
    changed = np.array(array, dtype=float)
    changed[at] = value
    return changed


def train(X=X, Y=Y, learning_rate=0.5, hidden_size=H, number_of_iterations=3, **options):
    return fastnn2.fit(X, Y, learning_rate, hidden_size, number_of_iterations, **options)


def gradient(X=X, Y=Y, params=PARAMS, cache=None, **options):
    if cache is None:
        cache = fastnn2.forward(globals()["X"], PARAMS)[1]
    return fastnn2.backward(X, Y, params, cache, **options)


# Every public function with an argument X, as a function of X alone.
TAKES_X = {
    "fit": lambda X: train(X),
    "forward": lambda X: fastnn2.forward(X, PARAMS),
    "predict": lambda X: fastnn2.predict(X, PARAMS),
    "backward": lambda X: gradient(X),
}
# Every public function with targets, as a function of targets and weights.
TAKES_Y = {
    "fit": ("Y", lambda Y, **options: train(Y=Y, **options)),
    "backward": ("Y", lambda Y, **options: gradient(Y=Y, **options)),
    "cost": ("actual", lambda Y, **options: fastnn2.cost(np.full((O, N), 0.25), Y, **options)),
}
each_x = pytest.mark.parametrize("function", TAKES_X.values(), ids=TAKES_X)
each_y = pytest.mark.parametrize(("name", "function"), TAKES_Y.values(), ids=TAKES_Y)


def raises(kind, *texts):
    """Expect an error whose message has all these texts, in this order."""
    return pytest.raises(kind, match="(?s)" + ".*".join(re.escape(text) for text in texts))


# Shapes
def test_different_numbers_of_samples():
    with raises(ValueError, "X has 7 samples (columns) and Y has 5", "expected the same number in both"):
        train(Y=Y[:, :5])
    with raises(ValueError, "X has 7 samples (columns) and Y has 5"):
        gradient(Y=Y[:, :5])
    with raises(ValueError, "predict", "(2, 7)", "actual", "(2, 6)", "expected the same shape"):
        fastnn2.cost(Y, Y[:, :6])


def test_transposed_arrays_get_a_hint():
    with raises(ValueError, "X has 3 samples (columns) and Y has 7", "(7, 3)", "one row per sample", "pass X.T"):
        train(X.T)
    with raises(ValueError, "X has 3 samples (columns) and Y has 7", "pass X.T"):
        train(X.T, Y[0])
    with raises(ValueError, "one row per sample", "pass X.T and Y.T"):
        train(X.T, Y.T)
    for function in (fastnn2.forward, fastnn2.predict):
        with raises(ValueError, "X has 7 features (rows)", "expected 3", "W1", "pass X.T"):
            function(X.T, PARAMS)


def test_no_hint_if_nothing_looks_transposed():
    with pytest.raises(ValueError, match="expected the same number in both") as caught:
        train(Y=Y[:, :5])
    assert "X.T" not in str(caught.value)


@each_x
@pytest.mark.parametrize("wrong", [np.float64(1.0), X[0], X[np.newaxis]], ids=["0d", "1d", "3d"])
def test_wrong_dimensions_of_x(function, wrong):
    with raises(ValueError, f"X has shape {wrong.shape}", "expected two dimensions", "(features, samples)"):
        function(wrong)


@each_y
@pytest.mark.parametrize("wrong", [np.float64(1.0), Y[np.newaxis]], ids=["0d", "3d"])
def test_wrong_dimensions_of_targets(name, function, wrong):
    with raises(ValueError, f"{name} has shape {wrong.shape}", "expected (outputs, samples) or (samples,)"):
        function(wrong)


@each_x
@pytest.mark.parametrize("shape", [(0, N), (D, 0), (0, 0)])
def test_empty_x(function, shape):
    with raises(ValueError, f"X has shape {shape}", "empty", "expected at least one"):
        function(np.empty(shape))


@each_y
@pytest.mark.parametrize("shape", [(0, N), (O, 0), (0,)])
def test_empty_targets(name, function, shape):
    with pytest.raises(ValueError, match=rf"{name} has shape .*empty"):
        function(np.empty(shape))


def test_x_with_other_features_than_the_params():
    for function in (fastnn2.forward, fastnn2.predict):
        with raises(ValueError, "X has 2 features (rows)", "expected 3", "W1 has 3 columns"):
            function(X[:2], PARAMS)
    with raises(ValueError, "X has 2 features (rows)", "expected 3"):
        gradient(X[:2])


def test_targets_with_other_outputs_than_the_params():
    with raises(ValueError, "Y has 1 rows", "expected 2", "W2"):
        gradient(Y=Y[:1])


# Numbers that are not finite: the message has the first position
@each_x
@pytest.mark.parametrize(("value", "text"), [(NAN, "nan"), (INF, "inf"), (-INF, "-inf")])
def test_x_with_a_number_that_is_not_finite(function, value, text):
    wrong = with_value(X, ([1, 2, 2], [5, 0, 6]), value)
    with raises(ValueError, f"X has {text} at row 1, sample 5", "expected finite numbers", "Remove or replace it"):
        function(wrong)


def test_first_position_in_a_large_array():
    wrong = np.zeros((2, 300_000))
    wrong[1, [299_998, 299_999]] = NAN
    with raises(ValueError, "X has nan at row 1, sample 299998"):
        train(wrong, np.zeros(300_000))


@each_y
@pytest.mark.parametrize(("value", "text"), [(NAN, "nan"), (INF, "inf"), (-INF, "-inf")])
def test_targets_with_a_number_that_is_not_finite(name, function, value, text):
    with raises(ValueError, f"{name} has {text} at row 1, sample 4", "expected finite numbers"):
        function(with_value(Y, ([1, 1], [4, 6]), value))


@each_y
@pytest.mark.parametrize(("value", "text"), [(-1.0, "-1.0"), (1.5, "1.5"), (np.nextafter(1, 2), "1.0000000000000002")])
def test_targets_outside_the_unit_interval(name, function, value, text):
    with raises(ValueError, f"{name} has {text} at row 0, sample 3", "expected targets from 0 to 1"):
        function(with_value(Y, (0, 3), value))


def test_integer_targets_outside_the_unit_interval():
    with raises(ValueError, "Y has -1 at row 0, sample 0", "from 0 to 1", "(Y + 1) / 2"):
        train(Y=np.array([-1, 1, 1, -1, 1, 1, 1]))


def test_predictions_outside_the_unit_interval():
    with raises(ValueError, "predict has 1.25 at row 1, sample 2", "expected probabilities from 0 to 1"):
        fastnn2.cost(with_value(Y, (1, 2), 1.25), Y)


@pytest.mark.parametrize("name", ["A1", "y"])
def test_cache_with_a_number_that_is_not_finite(name):
    cache = fastnn2.forward(X, PARAMS)[1]
    cache[name] = with_value(cache[name], (1, 3), NAN)
    with raises(ValueError, name, "nan at row 1, sample 3"):
        gradient(cache=cache)


# Arrays of other things than real numbers
NOT_REAL = {
    "complex": (np.ones((D, N), dtype=complex), "complex128"),
    "object": (np.full((D, N), None), "object"),
    "fractions": (np.full((D, N), fractions.Fraction(1, 2)), "object"),
    "string": (np.full((D, N), "1.0"), "<U3"),
    "bytes": (np.full((D, N), b"1.0"), "S3"),
    "datetime": (np.full((D, N), np.datetime64("2020-01-01")), "datetime64"),
    "timedelta": (np.full((D, N), np.timedelta64(1, "s")), "timedelta64"),
    "dates": ([[datetime.date(2020, 1, 1)] * N] * D, "object"),
    "record": (np.zeros((D, N), dtype=[("a", float)]), "('a', '<f8')"),
    "dict": ({"a": 1}, "object"),
    "text": ("abc", "<U3"),
}
not_real = pytest.mark.parametrize(("wrong", "found"), NOT_REAL.values(), ids=NOT_REAL)


@each_x
@not_real
def test_x_without_real_numbers(function, wrong, found):
    with raises(TypeError, "X has dtype", found, "expected real numbers", "np.asarray(X, dtype=float)"):
        function(wrong)


@each_y
@not_real
def test_targets_without_real_numbers(name, function, wrong, found):
    with raises(TypeError, f"{name} has dtype", found, "expected real numbers"):
        function(wrong)


@pytest.mark.parametrize("case", NOT_REAL)
def test_weights_without_real_numbers(case):
    wrong, found = NOT_REAL[case]
    with raises(TypeError, "sample_weight has dtype", found, "expected real numbers"):
        train(sample_weight=wrong)


@each_x
def test_ragged_x(function):
    with raises(ValueError, "X cannot be converted to an array of numbers", "rows of equal length"):
        function([[1.0, 2.0], [3.0]])


@each_y
def test_ragged_targets(name, function):
    with raises(ValueError, f"{name} cannot be converted to an array of numbers", "rows of equal length"):
        function([[1.0, 0.0], [1.0]])


SPARSE = {
    "csr_matrix": scipy.sparse.csr_matrix,
    "csc_matrix": scipy.sparse.csc_matrix,
    "csr_array": scipy.sparse.csr_array,
    "coo_array": scipy.sparse.coo_array,
    "lil_array": scipy.sparse.lil_array,
    "dia_matrix": scipy.sparse.dia_matrix,
    "dok_array": scipy.sparse.dok_array,
}


@each_x
@pytest.mark.parametrize("make", SPARSE.values(), ids=SPARSE)
def test_sparse_x(function, make):
    with raises(TypeError, "X is sparse", make.__name__, "pass a dense array", "toarray()"):
        function(make(np.ones((D, N))))


@each_y
def test_sparse_targets(name, function):
    with raises(TypeError, f"{name} is sparse", "csr_array", "dense"):
        function(scipy.sparse.csr_array(Y))


@each_x
def test_sparse_frame(function):
    frame = pd.DataFrame(np.ones((D, N))).astype(pd.SparseDtype("float", 0.0))
    with raises(TypeError, "X is sparse", "DataFrame", "dense"):
        function(frame)


def test_frame_with_one_sparse_column():
    frame = pd.DataFrame(np.ones((D, N)))
    frame[2] = pd.arrays.SparseArray(np.ones(D))
    with raises(TypeError, "X is sparse", "DataFrame"):
        train(frame)


def test_sparse_series():
    series = pd.Series(pd.arrays.SparseArray(np.ones(N)))
    with raises(TypeError, "Y is sparse", "Series"):
        train(Y=series)
    with raises(TypeError, "sample_weight is sparse", "Series"):
        train(sample_weight=series)


@each_x
def test_masked_x(function):
    with raises(TypeError, "X is a masked array", "X.filled(0)"):
        function(np.ma.masked_array(X, mask=X > 1))


@each_y
def test_masked_targets(name, function):
    with raises(TypeError, f"{name} is a masked array", "filled"):
        function(np.ma.masked_array(Y))


def test_masked_weights():
    with raises(TypeError, "sample_weight is a masked array", "filled"):
        train(sample_weight=np.ma.masked_array(np.ones(N)))


# Too large for the dtype
def test_float64_too_large_for_float32():
    wrong = with_value(X, (2, 1), -1e39)
    with raises(ValueError, "X has -1e+39 at row 2, sample 1", "too large for float32", "scale it or use float64"):
        train(wrong, dtype=np.float32)
    train(wrong / 1e39, dtype=np.float32)  # the same numbers, scaled, are accepted


def test_params_too_large_for_float32():
    large = {**PARAMS, "W1": PARAMS["W1"] * 1e39}
    with raises(ValueError, "'W1'", "too large for float32"):
        fastnn2.forward(X.astype(np.float32), large)
    with raises(ValueError, "init['W1']", "too large for float32"):
        train(dtype=np.float32, init=large)


def test_weights_too_large_for_float32():
    with raises(ValueError, "sample_weight has 1e+39 at sample 2", "too large for float32"):
        train(dtype=np.float32, sample_weight=with_value(np.ones(N), 2, 1e39))


# Numbers
NOT_A_NUMBER = {
    "true": True,
    "numpy true": np.True_,
    "text": "1",
    "none": None,
    "list": [1],
    "array": np.array([1, 2]),
    "complex": 1j,
}
NOT_POSITIVE = {"zero": 0, "negative": -1, "negative float": -0.5, "nan": NAN, "inf": INF, "-inf": -INF}


def invalid_numbers(valid=(), also=()):
    """Parametrize over the cases above, without the names in `valid` and with those in `also`."""
    cases = {
        **{k: (v, TypeError) for k, v in NOT_A_NUMBER.items()},
        **{k: (v, ValueError) for k, v in NOT_POSITIVE.items()},
    }
    cases = {name: case for name, case in cases.items() if name not in valid}
    cases.update({name: (value, ValueError) for name, value in dict(also).items()})
    return pytest.mark.parametrize(("value", "kind"), cases.values(), ids=cases)


@invalid_numbers()
def test_invalid_learning_rate(value, kind):
    with raises(kind, "learning_rate is", repr(value)[:30], "expected a finite number above 0"):
        train(learning_rate=value)
    gradients = {"d" + name: array for name, array in PARAMS.items()}
    with raises(kind, "learning_rate is", repr(value)[:30], "expected a finite number above 0"):
        fastnn2.update(gradients, PARAMS, value)


@invalid_numbers(also={"float": 5.0, "numpy float": np.float64(5)})
def test_invalid_hidden_size(value, kind):
    with raises(kind, "hidden_size is", repr(value), "expected an integer of 1 or more"):
        train(hidden_size=value)


@invalid_numbers(valid=["zero"], also={"float": 5.0, "numpy float": np.float64(5)})
def test_invalid_number_of_iterations(value, kind):
    with raises(kind, "number_of_iterations is", repr(value), "expected an integer of 0 or more"):
        train(number_of_iterations=value)


@invalid_numbers(valid=["zero"])
def test_invalid_alpha(value, kind):
    for function in (train, gradient, lambda **options: fastnn2.cost(Y, Y, params=PARAMS, **options)):
        with raises(kind, "alpha is", repr(value), "expected a finite number of 0 or more"):
            function(alpha=value)


def test_alpha_without_params():
    with raises(ValueError, "alpha", "params"):
        fastnn2.cost(Y, Y, alpha=0.5)


@invalid_numbers(valid=["none"], also={"float": 2.0})
def test_invalid_n_threads(value, kind):
    with raises(kind, "n_threads is", repr(value), "expected an integer of 1 or more"):
        train(n_threads=value)


@pytest.mark.parametrize("value", ["yes", "", 2, 0.5, [], [True]], ids=repr)
def test_invalid_progress(value):
    with raises((TypeError, ValueError), "progress is", repr(value), "expected True, False or None"):
        train(progress=value)


@pytest.mark.parametrize("value", [-1, 2**32, 1.5, "3", True, NAN, np.random, [1]], ids=repr)
def test_invalid_random_state(value):
    with raises((TypeError, ValueError), "random_state is", "expected an integer from 0", "RandomState", "Generator"):
        train(random_state=value)


@pytest.mark.parametrize("value", ["float16", "int64", bool, complex, "U3", "nonsense", 3, [("a", float)]], ids=repr)
def test_invalid_dtype(value):
    with raises((TypeError, ValueError), "dtype is", "expected float32, float64 or None"):
        train(dtype=value)


@pytest.mark.parametrize("value", ["He", "", None, 3, True, PARAMS["W1"], [PARAMS]], ids=lambda value: str(type(value)))
def test_invalid_init(value):
    with raises((TypeError, ValueError), "init is", "expected 'he', 'small' or a dict of parameters"):
        train(init=value)


# Parameters
NOT_A_DICT = {"list": [1, 2], "NoneType": None, "str": "he"}
PARAMS_ERRORS = {
    "missing": ({name: PARAMS[name] for name in ("W1", "b1", "W2")}, "['W1', 'W2', 'b1']", "expected a dict with"),
    "more": ({**PARAMS, "W3": 1}, "'W3'", "expected a dict with W1, b1, W2 and b2"),
    "b1 flat": ({**PARAMS, "b1": np.zeros(H)}, "['b1'] has shape (4,)", "expected"),
    "b1 a row": ({**PARAMS, "b1": np.zeros((1, H))}, "['b1'] has shape (1, 4)", "expected (4, 1)"),
    "b2 long": ({**PARAMS, "b2": np.zeros((O + 1, 1))}, "['b2'] has shape (3, 1)", "expected (2, 1)"),
    "W2 transposed": ({**PARAMS, "W2": PARAMS["W2"].T}, "['W2'] has shape (4, 2)", "expected"),
    "W1 empty": ({**PARAMS, "W1": np.zeros((0, D))}, "['W1'] has shape (0, 3)", "expected"),
    "nan": ({**PARAMS, "W2": with_value(PARAMS["W2"], (1, 2), NAN)}, "['W2'] has nan at row 1", "expected finite"),
    "text": ({**PARAMS, "W2": np.full((O, H), "a")}, "['W2'] has dtype", "expected real numbers"),
    "sparse": ({**PARAMS, "W2": scipy.sparse.csr_array(PARAMS["W2"])}, "['W2'] is sparse", "dense"),
}
TAKES_PARAMS = {
    "fit": ("init", lambda params: train(init=params)),
    "forward": ("params", lambda params: fastnn2.forward(X, params)),
    "predict": ("params", lambda params: fastnn2.predict(X, params)),
    "backward": ("params", lambda params: gradient(params=params)),
    "cost": ("params", lambda params: fastnn2.cost(Y, Y, params=params, alpha=1.0)),
    "update": ("params", lambda params: fastnn2.update({"d" + k: v for k, v in PARAMS.items()}, params, 0.5)),
}


@pytest.mark.parametrize(("name", "function"), TAKES_PARAMS.values(), ids=TAKES_PARAMS)
@pytest.mark.parametrize(("wrong", "found", "expected"), PARAMS_ERRORS.values(), ids=PARAMS_ERRORS)
def test_invalid_params(name, function, wrong, found, expected):
    with raises((TypeError, ValueError), name, found, expected):
        function(wrong)


@pytest.mark.parametrize("function", ["forward", "predict", "backward", "update"])
@pytest.mark.parametrize(("found", "wrong"), NOT_A_DICT.items(), ids=NOT_A_DICT)
def test_params_that_are_not_a_dict(function, found, wrong):
    with raises((TypeError, ValueError), "params is", found, "expected a dict with W1, b1, W2 and b2"):
        TAKES_PARAMS[function][1](wrong)


@pytest.mark.parametrize(
    ("d", "h", "o"), [(D + 1, H, O), (D, H + 1, O), (D, H, O + 1)], ids=["features", "units", "outputs"]
)
def test_init_for_another_network(d, h, o):
    other = fastnn2.init_params(np.zeros((d, N)), np.zeros((o, N)), h)
    with raises(ValueError, f"init is for {d} features, {h} hidden units and {o} outputs", "expected 3, 4 and 2"):
        train(init=other)


def test_invalid_gradients():
    gradients = {"d" + name: array for name, array in PARAMS.items()}
    with raises(ValueError, "gradients has the keys ['W1', ", "expected a dict with dW1, db1, dW2 and db2"):
        fastnn2.update(PARAMS, PARAMS, 0.5)
    with raises(ValueError, "gradients is NoneType", "expected a dict with dW1, db1, dW2 and db2"):
        fastnn2.update(None, PARAMS, 0.5)
    with raises(ValueError, "gradients['dW1'] has shape (3, 4)", "expected (4, 3)"):
        fastnn2.update({**gradients, "dW1": PARAMS["W1"].T}, PARAMS, 0.5)
    with raises(ValueError, "gradients['dW1'] has inf at row 3", "expected finite numbers"):
        fastnn2.update({**gradients, "dW1": with_value(PARAMS["W1"], (3, 2), INF)}, PARAMS, 0.5)


def test_invalid_cache():
    cache = fastnn2.forward(X, PARAMS)[1]
    with raises(ValueError, "cache has no A1", "forward"):
        gradient(cache={})
    with raises(ValueError, "cache has no A1", "forward"):
        gradient(cache=[1])
    with raises(ValueError, "cache has no y", "forward"):
        gradient(cache={"A1": cache["A1"]})
    with raises(ValueError, "cache['A1'] has shape (4, 6)", "expected (4, 7)"):
        gradient(cache={**cache, "A1": cache["A1"][:, :6]})


# Weights
@each_y
def test_invalid_weights(name, function):
    with raises(ValueError, "sample_weight has shape (6,)", "expected (7,)", "one weight for each sample"):
        function(Y, sample_weight=np.ones(N - 1))
    with raises(ValueError, "sample_weight has shape (1, 7)", "expected (7,)"):
        function(Y, sample_weight=np.ones((1, N)))
    with raises(ValueError, "sample_weight has shape ()", "expected (7,)"):
        function(Y, sample_weight=1.0)
    with raises(ValueError, "sample_weight has -0.5 at sample 3", "expected weights of 0 or more"):
        function(Y, sample_weight=with_value(np.ones(N), 3, -0.5))
    with raises(ValueError, "sample_weight is zero for all samples", "expected at least one weight above 0"):
        function(Y, sample_weight=np.zeros(N))
    with raises(ValueError, "sample_weight has nan at sample 2", "expected finite numbers"):
        function(Y, sample_weight=with_value(np.ones(N), ([2, 4],), NAN))
    with raises(ValueError, "sample_weight has inf at sample 5"):
        function(Y, sample_weight=with_value(np.ones(N), 5, INF))


def test_weights_that_round_to_zero_in_float32():
    with raises(ValueError, "sample_weight is zero for all samples"):
        train(dtype=np.float32, sample_weight=np.full(N, 1e-60))


# The caller's arrays
def test_arguments_are_not_changed():
    cache = fastnn2.forward(X, PARAMS)[1]
    mine = {
        "X": X.copy(),
        "Y": Y.copy(),
        "weights": np.linspace(0.5, 2, N),
        "bad": with_value(X, (1, 1), NAN),
        **{name: array.copy() for name, array in PARAMS.items()},
        **{"cache " + name: array.copy() for name, array in cache.items()},
    }
    before = {name: array.copy() for name, array in mine.items()}
    params = {name: mine[name] for name in PARAMS}
    my_cache = {name: mine["cache " + name] for name in cache}
    for bad in (mine["bad"], mine["X"][:, :4]):
        with pytest.raises(ValueError):
            train(bad, mine["Y"], init=params, sample_weight=mine["weights"])
        with pytest.raises(ValueError):
            fastnn2.backward(bad, mine["Y"], params, my_cache, sample_weight=mine["weights"])
    train(mine["X"], mine["Y"], init=params, sample_weight=mine["weights"])
    gradients = fastnn2.backward(mine["X"], mine["Y"], params, my_cache, sample_weight=mine["weights"])
    fastnn2.update(gradients, params, 0.5)
    fastnn2.predict(mine["X"], params)
    fastnn2.cost(my_cache["y"], mine["Y"], sample_weight=mine["weights"], params=params, alpha=0.5)
    for name, array in before.items():
        assert_array_equal(mine[name], array, err_msg=name)


def test_error_draws_nothing_from_the_random_state():
    source = np.random.RandomState(5)
    with pytest.raises(ValueError):
        train(with_value(X, (0, 0), NAN), random_state=source)
    assert_array_equal(source.standard_normal(3), np.random.RandomState(5).standard_normal(3))


# Accepted arguments
def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def strided(array):
    wide = np.full((2 * array.shape[0], 3 * array.shape[1]), 99, dtype=array.dtype)
    wide[::2, ::3] = array
    return wide[::2, ::3]


def unaligned(array):
    memory = np.zeros(array.nbytes + 1, dtype=np.uint8)
    moved = memory[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


def backwards(array):
    return array[::-1, ::-1].copy()[::-1, ::-1]


FORMS = {
    "read-only": read_only,
    "Fortran": np.asfortranarray,
    "transposed": lambda array: array.T.copy().T,
    "strided": strided,
    "negative strides": backwards,
    "unaligned": unaligned,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "list": lambda array: array.tolist(),
    "tuples": lambda array: tuple(map(tuple, array.tolist())),
    "list of arrays": list,
    "frame": pd.DataFrame,
}


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_forms_of_arrays(make, dtype):
    plain_X, plain_Y = X.astype(dtype), Y.astype(dtype)
    params, costs = train(plain_X, plain_Y, dtype=dtype)
    given_params, given_costs = train(make(plain_X), make(plain_Y), dtype=dtype)
    assert_array_equal(given_costs, costs)
    y = fastnn2.forward(plain_X.astype(float), params)[0]
    given_y = fastnn2.forward(make(plain_X.astype(float)), given_params)[0]
    assert_array_equal(given_y, y)
    for name in params:
        assert given_params[name].dtype == dtype
        assert_array_equal(given_params[name], params[name])


def test_broadcast_arrays():
    one = np.linspace(-1, 1, D)[:, np.newaxis]
    stretched = np.broadcast_to(one, (D, N))
    assert stretched.strides[1] == 0
    assert_array_equal(train(stretched)[1], train(stretched.copy())[1])
    targets = np.broadcast_to(1.0, (O, N))
    assert_array_equal(train(Y=targets)[1], train(Y=np.ones((O, N)))[1])


def test_memory_maps(tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "Y.npy", Y)
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "XY"]
    assert_array_equal(train(*mapped)[1], train()[1])


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "i2", "u2", ">i4", "u4", "i8", "u8", "f2", ">f4", "f4", ">f8", "f8", np.longdouble]
)
def test_number_types(dtype):
    integer_X, integer_Y = np.abs(np.round(X)).astype(dtype), Y.astype(dtype)
    run_dtype = np.float32 if np.dtype(dtype).newbyteorder("=") == np.float32 else np.float64
    params, costs = train(integer_X, integer_Y)
    assert params["W1"].dtype == run_dtype
    assert costs.dtype == np.float64
    assert_array_equal(costs, train(integer_X.astype(run_dtype), integer_Y.astype(run_dtype))[1])


@pytest.mark.parametrize("dtype", [bool, "i1", ">i2", "u8", "f2", ">f4", "f8"])
def test_number_types_of_weights(dtype):
    weights = np.array([1, 0, 1, 1, 0, 1, 1])
    assert_array_equal(train(sample_weight=weights.astype(dtype))[1], train(sample_weight=weights.astype(float))[1])


def test_one_dimensional_targets():
    costs = train(Y=Y[0])[1]
    for same in (Y[:1], Y[0].tolist(), Y[0].astype(int), Y[0].astype(bool), pd.Series(Y[0], index=range(5, 5 + N))):
        assert_array_equal(train(Y=same)[1], costs)


def test_none_for_an_array():
    with raises(TypeError, "X is None", "expected an array of numbers"):
        fastnn2.fit(None, [0, 1], 0.5, 2, 1)
    with raises(TypeError, "Y is None", "expected an array of numbers"):
        fastnn2.fit([[0.0, 1.0]], None, 0.5, 2, 1)


def test_integer_too_large_for_a_float():
    with raises(ValueError, "learning_rate is 1000000", "expected a finite number above 0"):
        train(learning_rate=10**400)


def test_maximum_of_iterations_and_units():
    with raises(ValueError, "number_of_iterations is 1", "expected an integer from 0 to 1000000000000000"):
        train(number_of_iterations=10**30)
    with raises(ValueError, "hidden_size is 1", "expected an integer from 1 to 100000000"):
        train(hidden_size=10**30)


def test_pandas_number_types():
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [3, 4]}).convert_dtypes()
    assert_array_equal(train(frame, [0, 1, 1])[1], train(frame.to_numpy(dtype=float), [0, 1, 1])[1])
    frame.loc[1, "a"] = pd.NA
    with raises(ValueError, "X has nan at row 1, sample 0"):
        train(frame, [0, 1, 1])


def test_weights_whose_sum_is_not_a_normal_number():
    for weight in (1.5e308, 1e-320):
        with raises(ValueError, "sample_weight sums to", "Divide the weights by their mean"):
            fastnn2.fit([[1.0, 2.0]], [0, 1], 0.5, 2, 1, sample_weight=[weight, weight])


def test_transposed_targets_get_a_hint():
    rows = np.zeros((50, 1))
    with raises(ValueError, "Y of shape (50, 1) looks like one row per sample: pass Y.T"):
        fastnn2.fit(np.zeros((2, 50)), rows, 0.5, 2, 1)
    with raises(ValueError, "Y of shape (50, 1) looks like one row per sample: pass Y.T"):
        fastnn2.fit(np.zeros((1, 50)), rows, 0.5, 2, 1)


def test_position_after_the_first_block():
    X = np.zeros((2, 200_000))
    X[1, 150_000] = NAN
    for function in (fastnn2.forward, fastnn2.predict):
        with raises(ValueError, "X has nan at row 1, sample 150000"):
            function(X, {"W1": [[1.0, 1.0]], "b1": [[0.0]], "W2": [[1.0]], "b2": [[0.0]]})


def test_invalid_arguments_of_init_params():
    X = np.zeros((2, 6))
    assert fastnn2.init_params(X, np.zeros(6), 5)["W2"].shape == (1, 5)
    with raises(ValueError, "hidden_size is 0", "an integer of 1 or more"):
        fastnn2.init_params(X, np.zeros(6), 0)
    with raises(ValueError, "init is 'foo'", "expected 'he' or 'small'"):
        fastnn2.init_params(X, np.zeros(6), 5, init="foo")
    with raises(ValueError, "random_state is 'foo'"):
        fastnn2.init_params(X, np.zeros(6), 5, random_state="foo")


def test_frames_of_mixed_number_types():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "c": [True, False, True]}).T.T
    numbers = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "c": [4, 5, 6]})
    assert_array_equal(train(numbers, [0, 1, 1])[1], train(numbers.to_numpy(dtype=float), [0, 1, 1])[1])
    with raises(TypeError, "X has dtype object"):  # pandas' dtype for numbers and booleans in one frame
        train(frame, [0, 1, 1])


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.uint64])
def test_numpy_integers(kind):
    params, costs = train(hidden_size=kind(H), number_of_iterations=kind(3), n_threads=kind(2), random_state=kind(4))
    expected_params, expected_costs = train(random_state=4)
    assert_array_equal(costs, expected_costs)
    assert_array_equal(params["W1"], expected_params["W1"])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble, fractions.Fraction])
def test_numpy_floats(kind):
    assert_array_equal(train(learning_rate=kind(0.5), alpha=kind(0.25))[1], train(learning_rate=0.5, alpha=0.25)[1])


def test_integers_for_floats():
    assert_array_equal(train(learning_rate=1, alpha=np.int32(2))[1], train(learning_rate=1.0, alpha=2.0)[1])


def test_zero_iterations_return_the_initial_params():
    params, costs = train(number_of_iterations=0)
    assert costs.shape == (0,)
    for name, array in PARAMS.items():
        assert_array_equal(params[name], array)
        assert not np.shares_memory(params[name], array)


def test_forms_of_params():
    costs = train(init=PARAMS)[1]
    lists = {name: array.tolist() for name, array in PARAMS.items()}
    fortran = {name: np.asfortranarray(array) for name, array in PARAMS.items()}
    swapped = {name: read_only(array.astype(">f8")) for name, array in PARAMS.items()}
    for same in (lists, fortran, swapped):
        assert_array_equal(train(init=same)[1], costs)
        assert_array_equal(fastnn2.forward(X, same)[0], fastnn2.forward(X, PARAMS)[0])


def test_sources_for_random_state():
    for source in (np.random.RandomState(7), np.int64(7)):
        assert_array_equal(train(random_state=source)[1], train(random_state=7)[1])
    drawn = [train(random_state=np.random.default_rng(seed))[1] for seed in (1, 1, 2)]
    assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(train(random_state=None)[1], train(random_state=None)[1])


def test_global_random_state_is_not_changed():
    before = np.random.get_state()[1:3]
    for random_state in (3, None):
        train(random_state=random_state)
    after = np.random.get_state()[1:3]
    assert_array_equal(after[0], before[0])
    assert after[1] == before[1]
