"""The check of skops' schema: hostile nodes are refused before skops reads them, also where skops would take them."""

import json

import hostile_nodes
import numpy as np
import pytest
from hostile_nodes import listed, mapping, node, value

from fastnn2.files.saved.array_header import Header
from fastnn2.files.saved.skops_schema import (
    MOST_NODES,
    WEIGHT,
    check_schema,
    normalized,
    read_schema,
    refused_names,
)

ARRAY = node("NdArrayNode", "numpy.ndarray", type="numpy", file="1.npy", __id__=1)
HEADERS = {"1.npy": Header(np.dtype(np.float64), (3, 5))}
RANDOM_HEADERS = {"1.npy": Header(np.dtype(np.uint32), (624,))}


def root(content):
    return {**listed("TupleNode", "builtins.tuple", content), "protocol": 2, "_skops_version": "0.16.0"}


def check(content, headers=()):
    check_schema(root(content), dict(headers))


def random_state(pos=5, name="MT19937", has_gauss=0, gauss=0.0):
    inner = mapping(__id__=20, key=ARRAY, pos=value(pos))
    content = mapping(__id__=30, bit_generator=value(name), state=inner, has_gauss=value(has_gauss), gauss=value(gauss))
    return node("RandomStateNode", "numpy.random.mtrand.RandomState", content=content, __id__=40)


def objects(*nodes, shape):
    shape = listed("TupleNode", "builtins.tuple", *map(value, shape))
    return node("NdArrayNode", "numpy.ndarray", type="json", content=list(nodes), shape=shape, __id__=50)


def transformer(name, **attributes):
    return node("ObjectNode", f"fastnn2.estimators.{name}", content=mapping(**attributes), __id__=3)


def texts(missing=("NA", ""), booleans=False, **attributes):
    missing_texts = listed("TupleNode", "builtins.tuple", *map(value, missing))
    return transformer("TextColumns", missing_texts=missing_texts, booleans=value(booleans), **attributes)


def names(*texts):
    return objects(*map(value, texts), shape=(len(texts),))


DATES = {"dtype": value("float64"), "n_features_in_": value(2), "has_time_": ARRAY}
TIMES = {"1.npy": Header(np.dtype(bool), (2,))}
GOOD = {
    "numbers": (value(1.5), {}),
    "a dict": (mapping(a=value(1), b=value("x")), {}),
    "an array": (ARRAY, HEADERS),
    "an array in two places": (listed("ListNode", "builtins.list", ARRAY, dict(ARRAY), __id__=2), HEADERS),
    "a random state": (random_state(), RANDOM_HEADERS),
    "the end of a random state": (random_state(pos=624), RANDOM_HEADERS),
    "a ufunc": (node("FunctionNode", "numpy.sin"), {}),
    "a type": (node("TypeNode", "numpy.float64"), {}),
    "an estimator": (node("ObjectNode", "fastnn2.estimators.MLPClassifier", content=mapping(), __id__=3), {}),
    "no cache": (node("ObjectNode", "sklearn.pipeline.Pipeline", content=mapping(memory=value(None)), __id__=3), {}),
    "dates": (transformer("DateColumns", **DATES, feature_names_in_=names("a", "b")), TIMES),
    "dates without names": (transformer("DateColumns", **DATES), TIMES),
    "dates that are not fitted": (transformer("DateColumns", dtype=value("float32")), {}),
    "numbers of a frame": (transformer("NumberColumns", dtype=value("float32"), n_features_in_=value(2)), {}),
    "texts": (texts(n_features_in_=value(1), feature_names_in_=names("a")), {}),
    "texts that are not fitted": (texts(), {}),
    "texts of booleans": (texts(booleans=True), {}),
    "objects": (objects(value("x"), value("y"), shape=(2,)), {}),
    "a matrix of objects": (objects(listed("ListNode", "builtins.list", value(1), __id__=2), shape=(1, 1)), {}),
    "a slice": (node("SliceNode", "builtins.slice", content={"start": None, "stop": 3, "step": None}), {}),
}
BAD = {
    "a position outside": (random_state(pos=625), RANDOM_HEADERS, "the state of NumPy's MT19937"),
    "a negative position": (random_state(pos=-1), RANDOM_HEADERS, "the state of NumPy's MT19937"),
    "another generator": (random_state(name="PCG64"), RANDOM_HEADERS, "the state of NumPy's MT19937"),
    "a short key": (random_state(), {"1.npy": Header(np.dtype(np.uint32), (3,))}, "the state of NumPy's MT19937"),
    "a key of another dtype": (random_state(), {"1.npy": Header(np.dtype("i8"), (624,))}, "the state of NumPy's"),
    "a number as gauss": (random_state(gauss="x"), RANDOM_HEADERS, "the state of NumPy's MT19937"),
    "an array that is missing": (ARRAY, {}, "an array of the file"),
    "an array that is not used": (value(1), HEADERS, r"does not use 1\.npy"),
    "an array for two": (
        listed("ListNode", "builtins.list", ARRAY, {**ARRAY, "__id__": 9}, __id__=2), HEADERS, "that no other node has",
    ),
    "one number for two": (
        listed("ListNode", "builtins.list", ARRAY, mapping(__id__=1), __id__=2), HEADERS, "the same content",
    ),
    "a dtype by a list": (node("DTypeNode", "numpy.dtype", content={**ARRAY, "file": []}), {}, "an empty array"),
    "an array by a list": ({**ARRAY, "file": []}, {}, "an array of the file"),
    "an array as a number": ({**ARRAY, "__class__": "float64"}, HEADERS, "one number or text"),
    "an object as a version": (
        node("ObjectNode", "sklearn.pipeline.Pipeline", content=mapping(_sklearn_version=mapping(__id__=60)), __id__=3),
        {}, "a text as the version",
    ),
    "another dtype of dates": (transformer("DateColumns", dtype=value("(9,)f8")), {}, "float64 or float32 as dtype"),
    "another dtype of numbers": (transformer("NumberColumns", dtype=value("O")), {}, "float64 or float32 as dtype"),
    "no dtype of dates": (transformer("DateColumns"), {}, "not as skops writes it"),
    "a number for texts of booleans": (texts(booleans=1), {}, "a boolean as booleans"),
    "more of texts": (texts(transform=node("FunctionNode", "numpy.sin")), {}, "no attributes but"),
    "times of texts": (texts(n_features_in_=value(1), has_time_=ARRAY), HEADERS, "no attributes"),
    "times of another type": (transformer("DateColumns", **DATES), HEADERS, "2 booleans as has_time_"),
    "times of another number": (
        transformer("DateColumns", **DATES | {"n_features_in_": value(3)}), TIMES, "3 booleans as has_time_",
    ),
    "times without a number": (
        transformer("DateColumns", dtype=value("float64"), has_time_=ARRAY), TIMES, "not as skops writes it",
    ),
    "a number without times": (
        transformer("DateColumns", dtype=value("float64"), n_features_in_=value(3)), {}, "not as skops writes it",
    ),
    "a number as a text": (texts(missing=("NA", 1)), {}, "texts as missing_texts"),
    "a text as a tuple": (transformer("TextColumns", missing_texts=value("NA")), {}, "a tuple as missing_texts"),
    "a text as a number": (texts(n_features_in_=value("1")), {}, "a number of features"),
    "too many names": (
        texts(n_features_in_=value(1), feature_names_in_=names("a", "b")), {}, "1 names",
    ),
    "names that are numbers": (
        texts(n_features_in_=value(1), feature_names_in_=names(5)), {}, "names that are texts",
    ),
    "too few objects": (objects(value("x"), shape=(10**9,)), {}, "as many objects"),
    "too few objects in lists": (
        objects(listed("ListNode", "builtins.list", value(1), __id__=2), shape=(1, 10**9)), {}, "as many objects",
    ),
    "no matrix of objects": (objects(value(1), shape=(1, 1)), {}, "as many objects"),
    "objects of no shape": (objects(shape=()), {}, "as many objects"),
    "a shape of texts": (objects(value(1), shape=("1",)), {}, "as many objects"),
    "a cache": (
        node("ObjectNode", "sklearn.pipeline.Pipeline", content=mapping(memory=value("/tmp/x")), __id__=3), {},
        "`memory`",
    ),
    "keys of bool": (
        node("DictNode", "builtins.dict", content={"true": value(1)}, __id__=5, key_types=listed(
            "ListNode", "builtins.list", node("TypeNode", "builtins.bool"), __id__=6)),
        {}, "keys of type builtins.bool",
    ),
    "too many nodes": (listed("TupleNode", "builtins.tuple", *[value(1)] * MOST_NODES), {}, "more than 40000 nodes"),
    "too many functions": (
        listed("TupleNode", "builtins.tuple", *[node("FunctionNode", "numpy.sin")] * (MOST_NODES // WEIGHT)), {},
        "more than 40000 nodes",
    ),
    "too deep": (hostile_nodes.nested(70), {}, "more than 60 in each other"),
    "far too deep": (hostile_nodes.nested(300), {}, "more than 60 in each other"),
    "more fields": ({**value(1), "more": 1}, {}, "the fields"),
    "no class": ({"__loader__": "JsonNode"}, {}, "a node without a class"),
    "a number": (5, {}, "a node without a class"),
    "a dotted class": ({**value(1), "__class__": "path.join"}, {}, "a node without a class"),
    "no JSON": (node("JsonNode", "builtins.str", content="x", is_json=True), {}, "None, a number or a text"),
    "a long number": (node("JsonNode", "builtins.str", content="9" * 5000, is_json=True), {}, "None, a number or"),
    "JSON in JSON": (node("JsonNode", "builtins.str", content="[1]", is_json=True), {}, "None, a number or a text"),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_is_read(name):
    check(*GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name):
    content, headers, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        check(content, headers)


def test_every_loader_that_calls_is_refused():
    """The loaders of skops that are not in the table, among them all that call a function or a method."""
    calling = ("ConstructorFromReduceNode", "MethodNode", "OperatorFuncNode", "PartialNode", "TreeNode", "LossNode")
    others = ("CachedNode", "BytesNode", "SparseMatrixNode", "RandomGeneratorNode", "Unknown", 5, None)
    for loader in (*calling, *others):
        with pytest.raises(ValueError, match="which is refused"):
            check(node(loader, "sklearn.preprocessing._data.StandardScaler"))


@pytest.mark.parametrize("protocol", [0, 1, 3, True, "2", None])
def test_protocols(protocol):
    with pytest.raises(ValueError, match=r"the protocol .* of skops; expected 2"):
        check_schema({**root(value(1)), "protocol": protocol}, {})


# Texts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", None),
        (b'{"a":1,"a":1}', "not a JSON object as fastnn2.save writes it"),
        (b'{"a": 1}', "not a JSON object as fastnn2.save writes it"),
        (b'{"a":"\\u0061"}', "not a JSON object as fastnn2.save writes it"),
        (b'{"a":1e999}', "not a JSON object as fastnn2.save writes it"),
        ('{"a":"é"}'.encode(), "not ASCII"),
        (b'{"a":' + b"1" * 5000 + b"}", "not JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON"),
        (b'{"a":[' + b"[]," * 500_000 + b"[]]}", "about 1000004 values; the most are"),
        (b'{"a":"' + b"x" * (9 << 20) + b'"}', "9437192 bytes"),
    ],
)
def test_texts(text, message):
    if message is None:
        assert read_schema(text) == {}
        return
    with pytest.raises(ValueError, match=message):
        read_schema(text)


def test_names_follow_from_the_model_alone():
    """skops' numbers are addresses; an object in two places is asked twice for its state, and is written once."""

    def schema(start):
        first, second = (
            listed(
                "ListNode", "builtins.list", {**ARRAY, "__id__": start + n, "file": f"{start + n}.npy"}, __id__=start
            )
            for n in (1, 2)
        )
        return listed("TupleNode", "builtins.tuple", first, {**value(1), "__id__": start + 5}, second, __id__=start + 9)

    def with_ids(state):
        return json.loads(json.dumps(state))

    text, files = normalized(with_ids(schema(139919665483664)))
    again, others = normalized(with_ids(schema(7)))
    assert text == again
    assert files == {"139919665483665.npy": "1.npy"}
    assert others == {"8.npy": "1.npy"}
    check_schema({**json.loads(text), "protocol": 2, "_skops_version": "0"}, HEADERS)


def test_refused_names_are_all_named():
    found = refused_names(root(listed("ListNode", "builtins.list", *hostile_nodes.NODES[:2], __id__=1)))
    assert found == set()  # functions are for skops' list
    bad = [node("PartialNode", "functools.partial"), node("TypeNode", "subprocess.Popen"), value(1)]
    assert refused_names(root(listed("ListNode", "builtins.list", *bad, __id__=1))) == {
        "functools.partial", "subprocess.Popen",
    }  # fmt: skip
