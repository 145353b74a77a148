"""What may be in skops' schema: the JSON that says which objects a file has, as a tree of nodes.

skops asks for each node whether its class is trusted. More matters here. A node also names its loader, and with some
loaders a file calls a function or a method; skops has one list of trusted names for all loaders; a file can have one
array read any number of times; nothing checks the state of a random generator. So a schema is checked here first, node
by node: its loader, its class, its fields, its arrays. Only then skops reads it.
"""

import json
import re
from typing import Any

import numpy as np

from fastnn2.files.saved.array_header import MOST_AXES, Header

PROTOCOL = 2  # skops' number of the form of its schema that is described here

# Exact names, no prefixes. skops' own list has scikit-learn's estimators and transformers, and ufuncs.
OBJECTS = (
    "fastnn2.estimators.DateColumns",
    "fastnn2.estimators.MLPClassifier",
    "fastnn2.estimators.MLPRegressor",
    "fastnn2.estimators.NumberColumns",
    "fastnn2.estimators.TextColumns",
    "fastnn2.tabular.TabularClassifier",
    "fastnn2.tabular.TabularRegressor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.compose._column_transformer.make_column_selector",
)
DTYPE = "numpy.dtype"
ABSTRACT = "numpy.number"  # what column selectors ask for
TRUSTED = (*OBJECTS, DTYPE, ABSTRACT)

_NUMBERS = tuple(
    f"numpy.{name}"
    for name in (
        "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "longlong", "ulonglong", "float16",
        "float32", "float64", "str_",
    )
)  # fmt: skip
_SCALARS = (*_NUMBERS, "numpy.bool", "numpy.bool_", "numpy.bytes_")
_KEY_TYPES = ("builtins.str", "builtins.int", "builtins.float", *_NUMBERS)  # skops takes every bool key for True
_TYPES = ("builtins.bool", *_KEY_TYPES, *_SCALARS, "numpy.object_", ABSTRACT)

# Which classes each loader may make, and the fields of its nodes. None: skops has the list.
LOADERS: dict[str, tuple[tuple[str, ...] | None, set[str]]] = {
    "DictNode": (("builtins.dict", "collections.OrderedDict"), {"content", "key_types"}),
    "ListNode": (("builtins.list",), {"content"}),
    "TupleNode": (("builtins.tuple",), {"content"}),
    "SliceNode": (("builtins.slice",), {"content"}),
    "JsonNode": (("builtins.str",), {"content", "is_json"}),
    "TypeNode": (_TYPES, set()),
    "DTypeNode": ((DTYPE,), {"content"}),
    "NdArrayNode": (("numpy.ndarray", *_SCALARS), {"type", "file"}),
    "RandomStateNode": (("numpy.random.mtrand.RandomState",), {"content"}),
    "FunctionNode": (None, set()),
    "ObjectNode": (None, {"content"}),
}
# Loaders of objects that can be in two places of a model, where a change of one is a change of the other.
_SHARED = ("DictNode", "ListNode", "NdArrayNode", "RandomStateNode", "ObjectNode")
_OF_EVERY_NODE = {"__class__", "__module__", "__loader__", "__id__"}
_OF_THE_ROOT = {"protocol", "_skops_version"}

# The parameters and attributes that only one of our transformers has.
_FRAME_COLUMNS: dict[str, tuple[str, ...]] = {
    "fastnn2.estimators.DateColumns": ("dtype", "has_time_"),
    "fastnn2.estimators.NumberColumns": ("dtype",),
    "fastnn2.estimators.TextColumns": ("missing_texts", "booleans"),
}

# While skops reads a node it takes up to 1 KB, and one of an estimator or a function 4 KB, with skops' list of names.
MOST_NODES = 40_000
WEIGHT = 20
_HEAVY = ("ObjectNode", "FunctionNode")
MOST_VALUES = 10 * MOST_NODES
MOST_BYTES = 8 << 20
MOST_DEPTH = 60


def node_name(state: dict[str, Any]) -> str:
    """Return the name of the class, or of the function, of a node."""
    return f"{state['__module__']}.{state['__class__']}"


def _parts(state: dict[str, Any]) -> list[Any]:
    """Return the nodes in a node."""
    loader, content = state["__loader__"], state.get("content")
    if loader == "DictNode":
        return [state["key_types"], *state["content"].values()]
    if loader in ("ListNode", "TupleNode"):
        return list(state["content"])
    if loader == "NdArrayNode":
        return [*state["content"], state["shape"]] if state["type"] == "json" else []
    return [content] if loader in ("ObjectNode", "RandomStateNode", "DTypeNode") and content is not None else []


def refused_names(state: dict[str, Any]) -> set[str]:
    """Return the names in a schema of skops that :func:`check_schema` would refuse; skops' own list is not asked."""
    if not _is_known(state):
        return {node_name(state)}
    return set().union(*map(refused_names, _parts(state)))


def _is_known(state: dict[str, Any]) -> bool:
    """Return whether a node's loader may make its class, as far as skops' own list does not decide that."""
    loader, name = state["__loader__"], node_name(state)
    if loader not in LOADERS:
        return False
    classes = LOADERS[loader][0]
    if classes is None:
        return name not in TRUSTED or (loader == "ObjectNode" and name in OBJECTS)
    return name in classes


def normalized(schema: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return skops' schema as a text that follows from the model alone, and the new name of each of its arrays.

    skops names objects and arrays by addresses in memory. Here they are counted.
    """
    first: dict[int, dict[str, Any]] = {}
    files: dict[str, str] = {}

    def visit(state: dict[str, Any]) -> None:
        address = state.pop("__id__")
        if state["__loader__"] in _SHARED:
            if address in first:  # skops asked it again for its state, and got new objects; it reads the first ones
                state.clear()
                state.update(first[address])
                return
            first[address] = state
            state["__id__"] = len(first)
        if "file" in state:
            state["file"] = files.setdefault(state["file"], f"{len(files) + 1}.npy")
        for part in _parts(state):
            visit(part)

    visit(schema)
    return _as_text(schema), files


def _as_text(schema: Any) -> bytes:
    return json.dumps(schema, separators=(",", ":")).encode("ascii")


def read_schema(text: bytes) -> dict[str, Any]:
    """Return the schema in a text that :func:`normalized` wrote; a text that takes much memory is not read.

    Raises
    ------
    ValueError
        It is another text.
    """
    values = 1 + sum(map(text.count, (b",", b"[", b"{")))
    if len(text) > MOST_BYTES or values > MOST_VALUES:
        raise ValueError(
            f"its schema has {len(text)} bytes and about {values} values; the most are {MOST_BYTES} and {MOST_VALUES}"
        )
    if not text.isascii():
        raise ValueError("its schema is not ASCII")
    try:
        schema = json.loads(text)
        if isinstance(schema, dict) and _as_text(schema) == text:
            return schema
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its schema is not JSON that can be read ({error})") from error
    raise ValueError("its schema is not a JSON object as fastnn2.save writes it")


def check_schema(schema: dict[str, Any], headers: dict[str, Header]) -> None:
    """Check all nodes of a schema; `headers` are those of the file's arrays.

    Raises
    ------
    ValueError
        A node is not one that skops may read, or an array is not used once.
    """
    protocol = schema.get("protocol")
    if type(protocol) is not int or protocol != PROTOCOL:
        raise ValueError(f"its schema has the protocol {protocol!r} of skops; expected {PROTOCOL}")
    if type(schema.get("_skops_version")) is not str:
        raise ValueError("its schema does not say which version of skops wrote it")
    check = _Check(headers)
    try:
        check.visit({name: value for name, value in schema.items() if name not in _OF_THE_ROOT}, 0)
    except RecursionError as error:
        raise ValueError("its schema is too deep") from error
    except (AttributeError, LookupError, TypeError) as error:  # values of other types than those that are looked at
        raise ValueError(f"its schema is not as skops writes it ({type(error).__name__}: {error})") from error
    unused = sorted(headers.keys() - check.users.keys())
    if unused:
        raise ValueError(f"its schema does not use {', '.join(unused[:5])}")


class _Check:
    """One pass over a schema."""

    def __init__(self, headers: dict[str, Header]) -> None:
        self.headers = headers
        self.nodes = 0
        self.seen: dict[int, Any] = {}  # by id
        self.users: dict[str, int] = {}  # by array: the id of its node

    def visit(self, state: Any, depth: int) -> None:
        loader = self._check_head(state)
        self.nodes += WEIGHT if loader in _HEAVY else 1
        if self.nodes > MOST_NODES or depth > MOST_DEPTH:
            raise ValueError(
                f"its schema has more than {MOST_NODES} nodes, one of an estimator counting as {WEIGHT}, or more than "
                f"{MOST_DEPTH} in each other"
            )
        if loader in _SHARED:
            own_id = state.get("__id__")
            _expect(type(own_id) is int and own_id > 0, state, "a number of its own")
            if own_id in self.seen:  # skops takes the first one
                _expect(self.seen[own_id] == state, state, "the same content as the other node with its number")
                return
            self.seen[own_id] = state
        getattr(self, f"_check_{loader}", _check_nothing)(state)
        for part in _parts(state):
            self.visit(part, depth + 1)

    def _check_head(self, state: Any) -> str:
        """Return the loader of a node that has the fields that its loader reads, and a class that it may make."""
        names = [state.get(key) if isinstance(state, dict) else None for key in ("__module__", "__class__")]
        if not all(isinstance(name, str) for name in names) or not re.fullmatch(r"\w{1,100}", str(names[1])):
            raise ValueError("its schema has a node without a class")
        loader = state.get("__loader__")
        if not isinstance(loader, str) or loader not in LOADERS or not _is_known(state):
            raise ValueError(f"it has {node_name(state)[:200]} by the loader {str(loader)[:50]}, which is refused")
        fields = LOADERS[loader][1]
        if loader == "NdArrayNode" and state.get("type") == "json":
            fields = {"type", "content", "shape"}
        own = {"__id__"} if loader in _SHARED else set()
        _expect(state.keys() == fields | own | (_OF_EVERY_NODE - {"__id__"}), state, f"the fields {sorted(fields)}")
        return loader

    def _check_DictNode(self, state: Any) -> None:
        types = state["key_types"]
        _expect(isinstance(state["content"], dict) and isinstance(types, dict), state, "keys and values")
        _expect(
            types.get("__loader__") == "ListNode" and isinstance(types.get("content"), list), state, "types of keys"
        )
        _expect(len(types["content"]) == len(state["content"]), state, "keys that are different as texts")
        for key_type in types["content"]:
            _expect(self._check_head(key_type) == "TypeNode", key_type, "a type")
            name = node_name(key_type)
            if name not in _KEY_TYPES:
                raise ValueError(f"it has a dict with keys of type {name}; expected keys of str, int or float")

    def _check_ListNode(self, state: Any) -> None:
        _expect(isinstance(state["content"], list), state, "a list")

    _check_TupleNode = _check_ListNode

    def _check_SliceNode(self, state: Any) -> None:
        content = state["content"]
        is_slice = isinstance(content, dict) and content.keys() == {"start", "stop", "step"}
        _expect(is_slice and all(n is None or type(n) is int for n in content.values()), state, "integers or None")

    def _check_JsonNode(self, state: Any) -> None:
        text = state["content"]
        _expect(isinstance(text, str) and state["is_json"] is True, state, "a text")
        is_one = not text.lstrip().startswith(("[", "{"))  # neither deep nor large
        try:
            json.loads(text if is_one else "null")
        except ValueError:
            is_one = False
        _expect(is_one, state, "None, a number or a text")

    def _check_NdArrayNode(self, state: Any) -> None:
        is_scalar = node_name(state) != "numpy.ndarray"
        if state["type"] == "json":
            _expect(not is_scalar and isinstance(state["content"], list), state, "a list of objects")
            _expect(self._check_head(state["shape"]) == "TupleNode", state, "a shape")
            shape = state["shape"]["content"]
            is_right = isinstance(shape, list) and 0 < len(shape) <= MOST_AXES
            _expect(is_right and _has_shape(state["content"], list(map(_value, shape))), state, "as many objects")
            return
        name = state["file"]
        _expect(
            state["type"] == "numpy" and isinstance(name, str) and name in self.headers, state, "an array of the file"
        )
        _expect(
            self.users.setdefault(name, state["__id__"]) == state["__id__"], state, "an array that no other node has"
        )
        _expect(not is_scalar or self.headers[name].shape == (), state, "one number or text")

    def _check_ObjectNode(self, state: Any) -> None:
        _expect(self._check_head(state["content"]) == "DictNode", state, "attributes")
        attributes = state["content"]["content"]
        _expect(isinstance(attributes, dict), state, "attributes")
        if "_sklearn_version" in attributes:  # a warning of scikit-learn has it
            _expect(
                isinstance(_value(attributes["_sklearn_version"]), str), state, "a text as the version of scikit-learn"
            )
        if "memory" in attributes:
            memory = attributes["memory"] if isinstance(attributes["memory"], dict) else {}
            is_none = memory.get("__loader__") == "JsonNode" and memory.get("content") == "null"
            if not is_none:  # a later fit would read pickles from there
                raise ValueError(f"{node_name(state)} has a `memory`, a folder of pickles; expected None")

        if node_name(state) in _FRAME_COLUMNS:
            self._check_frame_columns(state, attributes)

    def _check_frame_columns(self, state: Any, attributes: dict[str, Any]) -> None:
        """Check that one of our transformers has its own attributes alone, of the right types and sizes."""
        own = _FRAME_COLUMNS[node_name(state)]
        known = {*own, "n_features_in_", "feature_names_in_", "_sklearn_version", "_sklearn_output_config"}
        _expect(attributes.keys() <= known, state, f"no attributes but {', '.join(sorted(known))}")
        if "dtype" in own:
            _expect(_value(attributes["dtype"]) in ("float64", "float32"), state, "float64 or float32 as dtype")
        if "missing_texts" in own:
            texts = attributes["missing_texts"]
            _expect(texts["__loader__"] == "TupleNode", state, "a tuple as missing_texts")
            _expect(all(isinstance(_value(text), str) for text in texts["content"]), state, "texts as missing_texts")
            _expect(type(_value(attributes["booleans"])) is bool, state, "a boolean as booleans")
        if attributes.keys() & {"n_features_in_", "feature_names_in_", "has_time_"}:
            count = _value(attributes["n_features_in_"])
            _expect(type(count) is int and count > 0, state, "a number of features")
            names = attributes.get("feature_names_in_")
            _expect(names is None or _count_texts(names) == count, state, f"{count} names that are texts")
            if "has_time_" in own:
                header = self.headers.get(str(attributes["has_time_"]["file"]))
                _expect(header == Header(np.dtype(bool), (count,)), state, f"{count} booleans as has_time_")

    def _check_DTypeNode(self, state: Any) -> None:
        content = state["content"]
        _expect(self._check_head(content) == "NdArrayNode" and node_name(content) == "numpy.ndarray", state, "an array")
        header = self.headers.get(str(content["file"])) if content["type"] == "numpy" else None
        _expect(header.shape == (0,) if header else content.get("content") == [], state, "an empty array")

    def _check_RandomStateNode(self, state: Any) -> None:
        """NumPy takes any position in the array of a RandomState, and then reads beyond it."""
        state_of = _items(state["content"])
        generator = _items(state_of.get("state"))
        key = generator.get("key")
        is_array = isinstance(key, dict) and isinstance(key.get("file"), str)
        header = self.headers.get(key["file"]) if key and is_array else None
        _expect(
            state_of.keys() == {"bit_generator", "state", "has_gauss", "gauss"}
            and generator.keys() == {"key", "pos"}
            and header == Header(np.dtype(np.uint32), (624,))
            and _value(state_of["bit_generator"]) == "MT19937"
            and _value(generator["pos"]) in range(625)
            and _value(state_of["has_gauss"]) in (0, 1)
            and isinstance(_value(state_of["gauss"]), float),
            state,
            "the state of NumPy's MT19937",
        )


def _check_nothing(state: Any) -> None:
    """Types and functions have a name only."""


def _has_shape(nodes: Any, shape: list[Any]) -> bool:
    """Return whether nodes, and those in them, are as many as a shape says."""
    if not isinstance(nodes, list) or type(shape[0]) is not int or len(nodes) != shape[0]:
        return False
    lists = [node.get("content") if isinstance(node, dict) else None for node in nodes]
    return len(shape) == 1 or all(_has_shape(content, shape[1:]) for content in lists)


def _items(state: Any) -> dict[str, Any]:
    """Return what a DictNode has, nothing for another node."""
    is_dict = isinstance(state, dict) and state.get("__loader__") == "DictNode"
    content = state.get("content") if is_dict else None
    return content if isinstance(content, dict) else {}


def _value(state: Any) -> Any:
    """Return what a JsonNode has, None for another node."""
    is_json = isinstance(state, dict) and state.get("__loader__") == "JsonNode"
    return json.loads(state["content"]) if is_json and isinstance(state.get("content"), str) else None


def _count_texts(state: Any) -> int:
    """Return how many texts a 1-D array of objects has, -1 for another node."""
    nodes = state["content"] if state["__loader__"] == "NdArrayNode" and state["type"] == "json" else [None]
    return len(nodes) if all(isinstance(_value(node), str) for node in nodes) else -1


def _expect(condition: Any, state: Any, what: str) -> None:
    if not condition:
        name = node_name(state)[:200] if isinstance(state, dict) and "__class__" in state else "a node"
        raise ValueError(f"its schema has {name}; expected {what}")
