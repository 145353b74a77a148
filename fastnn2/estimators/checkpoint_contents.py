"""What tells the checkpoint of one fit from that of another: the estimator's parameters, and digests of its data.

Parameters are kept as JSON and come back as they were: a tuple as a tuple, ``np.float64`` as ``np.float64``. Digests do
not depend on the process, so labels of any type are taken by what they show, not by their hash.
"""

import dataclasses
import hashlib
from typing import Any

import numpy as np
from scipy.sparse import issparse

from fastnn2.storage.digest import digest

Array = np.ndarray[Any, Any]

FREE = ("n_threads", "verbose", "max_iter")  # parameters that may differ; max_iter must not fall below the epochs done
RANDOM_STATE = "RandomState"  # the place of an instance, whose state is among the arrays of a checkpoint
SCALARS = {name: np.dtype(name) for name in (np.dtype(code).str for code in "?bhilqBHILQefd")}
PLAIN_BYTES = "biufcSUmM"  # kinds of dtypes whose bytes are their values
STATE_WORDS = 628  # of MT19937: 624 numbers, the place of the next, and a normal number that is drawn already, if any


# Parameters


def encoded(value: Any, name: str) -> Any:
    """Return the value of a parameter as JSON can hold it; raise ValueError if it cannot come back as it was."""
    if isinstance(value, np.generic) and value.dtype.str in SCALARS:
        return {"kind": "scalar", "dtype": value.dtype.str, "value": value.item()}
    if isinstance(value, str):
        return str(value)
    if value is None or type(value) in (bool, int, float):
        return value
    if type(value) is np.ndarray and value.dtype.str in SCALARS and value.ndim == 1:
        return {"kind": "array", "dtype": value.dtype.str, "value": value.tolist()}
    if type(value) in (list, tuple):
        return {"kind": type(value).__name__, "value": [encoded(each, name) for each in value]}
    if isinstance(value, dict):
        pairs = [[encoded(key, name), encoded(each, name)] for key, each in value.items()]
        return {"kind": "dict", "value": pairs}
    raise ValueError(
        f"{name} has {value!r} of type {type(value).__name__}, which a checkpoint cannot hold; expected numbers, "
        "strings, None, and lists, tuples, arrays or dicts of them"
    )


def decoded(value: Any) -> Any:
    """Return what :func:`encoded` was given; raise ValueError, TypeError or KeyError for anything else."""
    if not isinstance(value, dict):
        return value
    kind, content = value["kind"], value["value"]
    if kind == "scalar":
        return SCALARS[value["dtype"]].type(content)
    if kind == "array":
        return np.array(content, dtype=SCALARS[value["dtype"]])
    if kind == "dict":
        return {decoded(key): decoded(each) for key, each in content}
    return {"list": list, "tuple": tuple}[kind](decoded(each) for each in content)


def plain(value: Any) -> Any:
    """Return an encoded value without what does not change a fit, to be compared: (5,) is [5], np.float64(1) is 1."""
    if not isinstance(value, dict):
        return value
    if value["kind"] == "scalar":
        return value["value"]
    if value["kind"] == "dict":
        return sorted(([plain(key), plain(each)] for key, each in value["value"]), key=repr)
    return [plain(each) for each in value["value"]]


def parameters_of(model: Any) -> dict[str, Any]:
    """Return the encoded parameters of an estimator; raise ValueError if a checkpoint cannot hold one."""
    parameters = model.get_params(deep=False)
    random_state = parameters.pop("random_state")
    if isinstance(random_state, np.random.RandomState):
        if type(random_state) is not np.random.RandomState:
            raise ValueError(
                f"random_state is a {type(random_state).__name__}, whose state a checkpoint does not know; expected "
                "None, an integer or a numpy.random.RandomState"
            )
        random_state = RANDOM_STATE
    parameters = {name: encoded(value, name) for name, value in parameters.items()}
    return {**parameters, "random_state": encoded(random_state, "random_state")}


# Random states


def words_of(generator: np.random.RandomState) -> Array:
    """Return the state of a generator in one array; raise ValueError if it is not the usual MT19937."""
    state = generator.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise ValueError(
            f"random_state draws from {state['bit_generator']}; a checkpoint holds the state of MT19937, which "
            "numpy.random.RandomState(seed) has"
        )
    key = state["state"]["key"]
    gauss = np.array([state["gauss"]], dtype="<f8").view("<u4")
    return np.concatenate([key, [state["state"]["pos"], state["has_gauss"]], gauss]).astype("<u4")


def are_words(words: Any) -> bool:
    """Return whether an array can be the state of a generator."""
    if not isinstance(words, np.ndarray) or words.shape != (STATE_WORDS,) or words.dtype != np.dtype("<u4"):
        return False
    return bool(words[624] <= 624 and words[625] <= 1)


def set_words(generator: np.random.RandomState, words: Array) -> None:
    """Set the state of a generator to one of :func:`words_of`."""
    gauss = float(words[626:].view("<f8")[0])
    generator.set_state(("MT19937", words[:624].astype(np.uint32), int(words[624]), int(words[625]), gauss))


# Data


def digest_of(data: Any) -> str:
    """Return a digest of X, y or weights as they are given: array_like, sparse or None."""
    if data is None:
        return "none"
    if issparse(data):
        indices = data.coords if data.format == "coo" else (data.indices, data.indptr)
        return digest(_text(f"{data.format} {data.shape}"), data.data, *indices)
    columns = getattr(data, "columns", None)
    names = [] if columns is None else [_text(f"{list(columns)!r}")]
    array = np.atleast_1d(np.asarray(data))
    if array.dtype.kind in PLAIN_BYTES:
        return digest(*names, array)
    found = hashlib.sha256()
    for each in array.ravel().tolist():
        shown = f"{type(each).__name__} {each!r}".encode("utf-8", "surrogatepass")
        found.update(b"%d " % len(shown) + shown)
    return digest(*names, _text(f"{array.shape} {found.hexdigest()}"))


def _text(text: str) -> Array:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)


@dataclasses.dataclass(frozen=True)
class FitIdentity:
    """The fit that a checkpoint is of: the name of the class, its encoded parameters, and the digests of the data."""

    estimator: str
    parameters: dict[str, Any]
    data: dict[str, str]

    @classmethod
    def of(cls, model: Any, X: Any, y: Any, sample_weight: Any) -> "FitIdentity":
        """Return that of a fit, which need not have begun."""
        data = {"X": X, "y": y, "sample_weight": sample_weight}
        return cls(type(model).__name__, parameters_of(model), {name: digest_of(each) for name, each in data.items()})

    def differences(self, recorded: "FitIdentity") -> list[str]:
        """Return what differs from a recorded fit, in words."""
        if recorded.estimator != self.estimator:
            return [f"it is of {recorded.estimator}, and this is {self.estimator}"]
        if recorded.parameters.keys() != self.parameters.keys():
            return [f"its parameters are not those of this version's {self.estimator}"]
        found = [
            f"{name} is {decoded(recorded.parameters[name])!r} there and {decoded(value)!r} here"
            for name, value in self.parameters.items()
            if name not in FREE and plain(recorded.parameters[name]) != plain(value)
        ]
        return found + [f"{name} differs" for name, each in self.data.items() if recorded.data[name] != each]
