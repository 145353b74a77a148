"""Faults of files with estimators; in most of them the digest is right, as a stranger's can be."""

import json
import pickle
import re
import warnings

import hostile_nodes
import numpy as np
import pytest
from data import extra
from hostile_nodes import listed, mapping, node, value
from mutated_files import FORMATS, with_schema

import fastnn2
from fastnn2.files.saved import plain_zip

extra("skops.io", "files")
FORMAT = FORMATS["classifier"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    FORMAT.original(folder)
    return (folder / "original").read_bytes()


@pytest.fixture
def members(written):
    return {name: bytes(content) for name, content in plain_zip.unpack(written).items()}


def refuses(data, folder, message):
    file = folder / "model"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=f"cannot load {re.escape(repr(str(file)))}: .*{message}"):
        fastnn2.load(file)


def with_attribute(members, **attributes):
    """Return a file whose model has other attributes; its digest is right."""
    schema = json.loads(members["schema.json"])
    content = schema["content"]
    for name, state in attributes.items():
        if name not in content["content"]:
            content["key_types"]["content"].append(node("TypeNode", "builtins.str"))
        content["content"][name] = state
    return signed(members, schema)


def signed(members, schema):
    return FORMAT.signed(with_schema(members, schema))


def test_the_original_is_read(written, members, tmp_path):
    assert FORMAT.signed(members) == written
    (tmp_path / "model").write_bytes(with_attribute(members, more=value("x")))
    assert fastnn2.load(tmp_path / "model").more == "x"


HARMLESS = ("numpy.sin", "sklearn.isotonic.IsotonicRegression", "sklearn.svm._classes.SVC", "builtins.list")


@pytest.mark.parametrize("number", range(len(hostile_nodes.NODES)))
def test_hostile_nodes(number, members, tmp_path):
    """What is loaded is a ufunc, or a scikit-learn estimator, of which nothing is called."""
    hostile = hostile_nodes.NODES[number]
    file = tmp_path / "model"
    file.write_bytes(with_attribute(members, more=hostile))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions of scikit-learn
            loaded = fastnn2.load(file)
    except ValueError as error:
        assert str(file) in str(error)  # noqa: PT017
    else:
        assert f"{hostile['__module__']}.{hostile['__class__']}" in HARMLESS
        assert type(loaded.more).__name__ in ("ufunc", "IsotonicRegression", "SVC", "list")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"more": node("FunctionNode", "os.system")}, r"posix.system|os\.system"),
        ({"more": node("ObjectNode", "os._wrap_close", content=mapping(), __id__=10**6)}, r"os\._wrap_close"),
        ({"more": node("TypeNode", "subprocess.Popen")}, r"subprocess\.Popen by the loader TypeNode, which is refused"),
        ({"coefs_": value(5)}, "its coefs_ and intercepts_ should be two arrays each"),
        ({"n_outputs_": value(10**9)}, "its n_outputs_ should be 3"),
        ({"activation": value("sin")}, "its activation should be one of"),
        ({"activation": mapping()}, "its model is not complete"),
        ({"n_threads": value(-1)}, "its n_threads should be"),
        ({"_optimizer": value(None)}, "its _optimizer should be an optimizer"),
        ({"class_weight": listed("ListNode", "builtins.list", value(1), __id__=10**6)}, "is not complete"),
        ({"_random_state": hostile_nodes.NODES[-1]}, "more than 40000 nodes"),
    ],
)
def test_hostile_attributes(attributes, message, members, tmp_path):
    refuses(with_attribute(members, **attributes), tmp_path, message)


def test_a_random_state_that_reads_outside_of_its_array(members, tmp_path):
    text = members["schema.json"].decode()
    position = re.search(r'"pos":\{[^}]*?"content":"(\d+)"', text)
    changed = text[: position.start(1)] + "1000000" + text[position.end(1) :]
    refuses(FORMAT.signed({**members, "schema.json": changed.encode()}), tmp_path, "the state of NumPy's MT19937")


def test_other_roots(members, tmp_path):
    schema = json.loads(members["schema.json"])
    for name in ("sklearn.linear_model._logistic.LogisticRegression", "sklearn.pipeline.Pipeline"):
        module, _, class_name = name.rpartition(".")
        other = {**schema, "__module__": module, "__class__": class_name}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refuses(signed(members, other), tmp_path, f"{class_name}|its model is not complete")
    content = {**listed("ListNode", "builtins.list", __id__=1), "protocol": 2, "_skops_version": "0.16.0"}
    refuses(FORMAT.signed({"fastnn2.json": members["fastnn2.json"], "schema.json": json.dumps(
        content, separators=(",", ":")).encode()}), tmp_path, r"builtins\.list; expected fastnn2's")  # fmt: skip


def test_what_a_file_says_of_itself(members, tmp_path):
    info = json.loads(members["fastnn2.json"])

    def refuses_info(message, **changes):
        new = json.dumps({**info, **changes}, sort_keys=True, separators=(",", ":")).encode()
        refuses(FORMAT.signed({**members, "fastnn2.json": new}), tmp_path, message)

    refuses_info("version 2, .*upgrade fastnn2", version=2)
    refuses_info("version 99, .*upgrade fastnn2", version=99, more=[1, 2])
    refuses_info("version 'x'; expected 1", version="x")
    refuses_info("version True; expected 1", version=True)
    refuses_info("version 0; expected 1", version=0)
    refuses_info(r"its fastnn2\.json is not as fastnn2\.save writes it", format="other")
    refuses_info(r"its fastnn2\.json is not as fastnn2\.save writes it", more=1)
    refuses_info(r"it says that it has a 'Pipeline' of 'float64'", **{"class": "Pipeline"})
    refuses_info(r"it says that it has a 'MLPClassifier' of 'float32'", dtype="float32")
    refuses_info(r"does not begin with fastnn2\.json", more="x" * 5000)


def test_a_later_format_says_so_whatever_it_looks_like(tmp_path):
    """All that a later version keeps is its name and version at the start."""
    start = plain_zip.pack({"fastnn2.json": b'{"version":2}'})[:60]
    refuses(start + b"something else", tmp_path, "upgrade fastnn2")


def test_the_digest(written, members, tmp_path):
    array = next(name for name in members if name.endswith(".npy") and len(members[name]) > 150)
    changed = {**members, array: members[array][:-1] + b"\1"}
    refuses(plain_zip.pack(changed), tmp_path, "another SHA-256 digest")
    refuses(plain_zip.pack(dict(sorted(members.items()))), tmp_path, r"fastnn2\.json")
    swapped = list(members.items())
    swapped[2], swapped[3] = swapped[3], swapped[2]
    refuses(plain_zip.pack(dict(swapped)), tmp_path, "another SHA-256 digest")
    del members["schema.json"]
    refuses(FORMAT.signed(members), tmp_path, r"it has no schema\.json")


def test_every_byte_counts(written):
    """A bit of a byte changes, of every seventh byte; no file but the one that was written is read."""
    from fastnn2.files.saved import estimator_file

    for place in [*range(100), *range(100, len(written), 7), len(written) - 1]:
        changed = bytearray(written)
        changed[place] ^= 1 << place % 8
        with pytest.raises(ValueError):
            estimator_file.from_bytes(bytes(changed))


def test_files_of_others(tmp_path, written):
    import skops.io
    from sklearn.preprocessing import StandardScaler

    refuses(skops.io.dumps(StandardScaler()), tmp_path, "not a file of fastnn2.save")
    refuses(pickle.dumps(fastnn2.MLPClassifier()), tmp_path, "not a file of fastnn2.save")
    refuses(b"PK", tmp_path, "not a file of fastnn2.save")
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    refuses((tmp_path / "other.npz").read_bytes(), tmp_path, "not a file of fastnn2.save")


def test_errors_of_other_versions_name_them(members, tmp_path):
    info = json.loads(members["fastnn2.json"])
    info["scikit-learn"] = "9.9"
    members["fastnn2.json"] = json.dumps(info, sort_keys=True, separators=(",", ":")).encode()
    data = with_attribute(members, more=node("FunctionNode", "numpy.unknown_ufunc"))
    refuses(data, tmp_path, r"numpy\.unknown_ufunc.*It was written with scikit-learn '9\.9', here")
