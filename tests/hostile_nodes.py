"""Nodes of skops' schema that a stranger would write: functions to call, classes to make, arrays to read many times."""

import json
import os
import tempfile


def node(loader, name, **fields):
    """Return a node that makes `name` by a loader."""
    module, _, class_name = name.rpartition(".")
    return {"__class__": class_name, "__module__": module, "__loader__": loader, **fields}


def value(content):
    """Return the node of None, a number or a text."""
    return node("JsonNode", "builtins.str", content=json.dumps(content), is_json=True)


def listed(loader, name, *nodes, **fields):
    return node(loader, name, content=list(nodes), **fields)


def mapping(__id__=70001, **items):
    """Return the node of a dict with texts as keys."""
    types = listed("ListNode", "builtins.list", *[node("TypeNode", "builtins.str")] * len(items), __id__=__id__ + 1)
    return node("DictNode", "builtins.dict", content=items, key_types=types, __id__=__id__)


SENTINEL = os.path.join(tempfile.gettempdir(), "fastnn2-hostile-file-ran")
COMMAND = f"touch {SENTINEL}"
_ARGUMENTS = listed("TupleNode", "builtins.tuple", value(COMMAND))
_EMPTY = mapping(__id__=70101)
_REDUCE = {"args": _ARGUMENTS}
_CLASSIFIER = "fastnn2.estimators.MLPClassifier"
_DATES, _TEXTS = "fastnn2.estimators.DateColumns", "fastnn2.estimators.TextColumns"
_ARRAY = node("NdArrayNode", "numpy.ndarray", type="numpy", file="1.npy", __id__=70201)

NODES = (
    *(node("FunctionNode", name) for name in ("os.system", "builtins.eval", "numpy.load", "posix.system", "numpy.sin")),
    *(node("TypeNode", name) for name in ("subprocess.Popen", "builtins.map", "builtins.type", _CLASSIFIER)),
    node("TypeNode", "numpy.void"),
    node("FunctionNode", "numpy.dtype"),
    node("FunctionNode", _CLASSIFIER),
    node("FunctionNode", "x.y", content={"module_path": "os", "function": "system"}),
    node("ConstructorFromReduceNode", "os.system", content=_ARGUMENTS),
    node("ConstructorFromReduceNode", _CLASSIFIER, content=_ARGUMENTS),
    node("ConstructorFromReduceNode", "numpy.dtype", content=_ARGUMENTS),
    node("PartialNode", "functools.partial", content={
        "func": node("FunctionNode", "os.system"), "args": _ARGUMENTS, "kwds": _EMPTY, "namespace": value(None)}),
    node("OperatorFuncNode", "operator.methodcaller", attrs=_ARGUMENTS),
    node("OperatorFuncNode", "operator.attrgetter", attrs=_ARGUMENTS),
    node("MethodNode", "builtins.str", content={"func": "format", "obj": value("{0.__class__}")}),
    node("MethodNode", _CLASSIFIER, content={"func": "fit", "obj": node("ObjectNode", _CLASSIFIER, content=_EMPTY)}),
    node("TreeNode", "sklearn.tree._tree.Tree", content=_EMPTY, __reduce__=_REDUCE),
    node("LossNode", "sklearn._loss._loss.CyHalfSquaredError", content=_EMPTY, __reduce__=_REDUCE),
    node("QuantileForestNode", "os.system", content=_EMPTY, __reduce__=_REDUCE),
    node("BytesNode", "builtins.bytes", file="1.npy"),
    node("BytearrayNode", "builtins.bytearray", file="1.npy"),
    node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="1.npy"),
    node("MaskedArrayNode", "numpy.ma.MaskedArray", content={"data": _ARRAY, "mask": _ARRAY}),
    node("CachedNode", "builtins.str", __id__=1),
    node("DefaultDictNode", "collections.defaultdict", content={
        "main": _EMPTY, "default_factory": node("FunctionNode", "os.getcwd")}),
    listed("SetNode", "builtins.set", value(1)),
    listed("ListNode", "builtins.exec", value(COMMAND), __id__=70301),
    listed("ListNode", "os.system", value(COMMAND), __id__=70302),
    listed("ListNode", _CLASSIFIER, value(COMMAND), __id__=70303),
    listed("TupleNode", "collections.namedtuple", value(COMMAND)),
    node("DictNode", _CLASSIFIER, content={}, __id__=70304, key_types=listed(
        "ListNode", "builtins.list", __id__=70305)),
    node("DictNode", "builtins.dict", content={"9" * 4000: value(1)}, __id__=70306, key_types=listed(
        "ListNode", "builtins.list", node("TypeNode", "numpy.void"), __id__=70307)),
    node("DictNode", "builtins.dict", content={"1" * 5000: value(1)}, __id__=70308, key_types=listed(
        "ListNode", "builtins.list", node("TypeNode", "builtins.int"), __id__=70309)),
    node("ObjectNode", "os._wrap_close", content=_EMPTY, __id__=70401),
    node("ObjectNode", "numpy.dtype", content=_EMPTY, __id__=70402),
    node("ObjectNode", "numpy.number", content=_EMPTY, __id__=70403),
    node("ObjectNode", "sklearn.pipeline.Pipeline", content=mapping(memory=value("/tmp/stranger")), __id__=70404),
    node("ObjectNode", "sklearn.svm._classes.SVC", content=_EMPTY, __id__=70405),
    node("ObjectNode", "sklearn.isotonic.IsotonicRegression", content=mapping(X_thresholds_=value(3)), __id__=70406),
    node("ObjectNode", "sklearn.base.BaseEstimator", content=mapping(__setstate__=value(3)), __id__=70407),
    node("ObjectNode", "sklearn.pipeline.x.Pipeline", content=_EMPTY, __id__=70408),
    {**node("ObjectNode", "x.y", content=_EMPTY, __id__=70409), "__module__": "os", "__class__": "path.join"},
    node("ObjectNode", _DATES, content=mapping(dtype=value("(999999999,)f8")), __id__=70410),
    node("ObjectNode", _DATES, content=mapping(
        dtype=value("float64"), n_features_in_=value(10**9), has_time_=_ARRAY), __id__=70411),
    node("ObjectNode", _TEXTS, content=mapping(transform=node("FunctionNode", "numpy.sin")), __id__=70412),
    node("RandomStateNode", "numpy.random.mtrand.RandomState", __id__=70501, content=mapping(
        bit_generator=value("MT19937"), has_gauss=value(0), gauss=value(0.0),
        state=mapping(__id__=70511, key=_ARRAY, pos=value(10**6)))),
    node("RandomStateNode", "numpy.random.mtrand.RandomState", __id__=70502, content=_EMPTY),
    node("RandomGeneratorNode", "numpy.random._generator.Generator", content={
        "bit_generator": mapping(bit_generator=value("seed")), "seed_seq": _EMPTY}),
    node("DTypeNode", "numpy.dtype", content=_ARRAY),
    node("SliceNode", "builtins.slice", content={"start": {}, "stop": [], "step": "x"}),
    node("JsonNode", "builtins.str", content="[" * 100_000, is_json=True),
    node("JsonNode", "builtins.str", content="[[],[]]", is_json=True),
    node("JsonNode", "builtins.str", content="9" * 10_000, is_json=True),
    node("JsonNode", "os.system", content='"x"', is_json=True),
    node("NdArrayNode", "numpy.ndarray", type="numpy", file="../../etc/passwd", __id__=70601),
    node("NdArrayNode", "numpy.ndarray", type="numpy", file="schema.json", __id__=70602),
    node("NdArrayNode", "numpy.ndarray", type="numpy", file="fastnn2.json", __id__=70603),
    node("NdArrayNode", "numpy.str_", type="numpy", file="1.npy", __id__=70604),
    node("NdArrayNode", "numpy.memmap", type="numpy", file="1.npy", __id__=70605),
    node("NdArrayNode", "numpy.ndarray", type="pickle", file="1.npy", __id__=70606),
    node("NdArrayNode", "numpy.ndarray", type="json", content=[value(1)] * 4, __id__=70607, shape=listed(
        "TupleNode", "builtins.tuple", value(10**9), value(10**9))),
    node("NdArrayNode", "numpy.ndarray", type="json", content=[value(1)] * 4, __id__=70608, shape=value(3)),
    # One array, read 3,000 times; the most nodes that are read, and more.
    listed("ListNode", "builtins.list", *({**_ARRAY, "__id__": 80_000 + n} for n in range(3000)), __id__=70701),
    listed("ListNode", "builtins.list", *[value(1.5)] * 38_000, __id__=70702),
    listed("ListNode", "builtins.list", *[value(1.5)] * 45_000, __id__=70703),
    listed("ListNode", "builtins.list", *[node("FunctionNode", "numpy.sin")] * 30_000, __id__=70704),
)  # fmt: skip


def nested(depth):
    """Return lists in lists."""
    inside = value(1)
    for number in range(depth):
        inside = listed("ListNode", "builtins.list", inside, __id__=90_000 + number)
    return inside
