"""Load mutated files of each format, and check that each is refused by name or loaded rightly, and does no harm.

``python tests/mutated_files.py --count 10000`` makes so many files of each format: bytes are changed, cut and added,
and hostile structures are written, most of them with the digest that is right for them. Every file is loaded in a
process with limits of memory and time, in which a hook sees each file that Python opens and all code that it starts.
Printed is how many files of each kind were refused and how many loaded.

A format is a class below: how its original file is made and read, what it changes, what is done with a loaded model.
"""

import argparse
import collections
import contextlib
import ctypes
import faulthandler
import functools
import hashlib
import io
import json
import os
import pathlib
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings

import hostile_nodes
import mutations
import numpy as np

MEGABYTE = 1 << 20
MOST_MEMORY = 64 * MEGABYTE  # and twice the file, above what a good file takes
MOST_SECONDS = 10  # for one file
FILES_PER_PROCESS = 1000
SHARE_OF_BYTES = 0.3  # of the mutations, those that know nothing of the format
HARMLESS = re.compile(r"object\.__getattr__|sys\._getframe|builtins\.id")


class SafetensorsFile:
    """A header of JSON with a digest, and the bytes of arrays."""

    unsigned = ("text",)  # ways that leave the digest of the original
    needs_skops = False

    def split(self, data):
        end = 8 + int.from_bytes(data[:8], "little")
        return json.loads(data[8:end]), data[end:]

    def encoded(self, text):
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text

    def signed(self, header, content):
        """Return a file whose digest is right, as far as the header has a place for one."""
        if isinstance(header, dict) and isinstance(header.get("__metadata__"), dict):
            header["__metadata__"]["sha256"] = ""
            head = self.encoded(json.dumps(header, separators=(",", ":")).encode())
            header["__metadata__"]["sha256"] = hashlib.sha256(head + content).hexdigest()
        return self.encoded(json.dumps(header, separators=(",", ":")).encode()) + content

    def change(self, source, data):
        header, content = self.split(data)
        way = source.choice(("json", "json", "json", "text", "content", "longer", "shorter", "huge", "metadata"))
        if way == "json":
            mutations.change_json(source, header)
        elif way == "metadata":
            mutations.change_json(source, header["__metadata__"])
        elif way == "text":
            text = json.dumps(header, separators=(",", ":")).encode()
            return way, self.encoded(mutations.change_text(source, text)) + content
        elif way == "content":
            content = mutations.flip_bits(source, content)
        elif way == "longer":
            content += bytes(source.choice((1, 8, 4096, MEGABYTE)))
        elif way == "shorter":
            content = content[: source.randrange(len(content))]
        else:
            name = source.choice([name for name in header if name != "__metadata__"])
            header[name]["shape"] = source.choice(([10**9, 10**9], [2**31, 1], [2**61, 8], [0, 2**62], [10**6] * 3))
            header[name]["data_offsets"][1] = source.choice((header[name]["data_offsets"][1], 2**63, 10**18, 8))
        return way, self.signed(header, content)


class Params(SafetensorsFile):
    """The tutorial's dict."""

    name = "params"

    def original(self, folder):
        import fastnn2

        params = fastnn2.init_params(np.ones((3, 4)), np.ones((2, 4)), 5)
        fastnn2.save(params, folder / "original")

    def read(self, path):
        import fastnn2

        return fastnn2.load(path)

    def rewritten(self, params):
        from fastnn2.files.saved import params_file

        return params_file.to_bytes(params)

    def use(self, params):
        import fastnn2

        fastnn2.forward(np.ones((params["W1"].shape[1], 3)), params)


class Checkpoint(SafetensorsFile):
    """A checkpoint of a run, as `fastnn2.storage` reads it."""

    def __init__(self, kind):
        self.name, self.kind = f"checkpoint-{kind}", kind

    def original(self, folder):
        self._write(folder / "original", {"iteration": 7, "rate": 0.3, "of": [1, "a"]}, {
            "W1": np.arange(15.0).reshape(5, 3), "costs": np.linspace(1, 0, 7), "key": np.arange(624, dtype=np.uint32),
            "done": np.array(7), "order": np.arange(9)[::-1], "empty": np.zeros((0, 3), dtype=np.float32),
        })  # fmt: skip

    def _write(self, path, description, arrays):
        from fastnn2.storage import checkpoint_file

        checkpoint_file.write(path, self.kind, description, arrays)

    def read(self, path):
        from fastnn2.storage import checkpoint_file

        return checkpoint_file.read(path, self.kind)

    def rewritten(self, found):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "again")
            self._write(path, *found)
            return path.read_bytes()

    def use(self, found):
        for array in found[1].values():
            array.copy().sum()


class Classifier:
    """A zip with skops' schema and arrays."""

    name = "classifier"
    unsigned = ()
    needs_skops = True

    def model(self):
        import fastnn2

        model = fastnn2.MLPClassifier(4, max_iter=3, random_state=np.random.RandomState(5), n_threads=1)
        return model.fit(*self.samples())

    def samples(self):
        return np.arange(24.0).reshape(8, 3) % 7, np.array(["a", "b", "c", "a"] * 2)

    def original(self, folder):
        import fastnn2

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged
            fastnn2.save(self.model(), folder / "original")

    def read(self, path):
        import fastnn2

        return fastnn2.load(path)

    def rewritten(self, model):
        from fastnn2.files.saved import estimator_file

        return estimator_file.to_bytes(model)

    def use(self, model):
        from fastnn2.files.pipelines import network_in

        X, y = self.samples()
        model.predict(X)
        network = network_in(model)
        network.partial_fit(np.ones((4, network.n_features_in_)), y[:4])

    def signed(self, members):
        """Return a zip whose digest and checksums are right."""
        from fastnn2.files.saved import plain_zip

        with contextlib.suppress(ValueError, AttributeError, KeyError):
            info = json.loads(members["fastnn2.json"])
            info.pop("sha256", None)
            found = hashlib.sha256(_json(info))
            for name, content in members.items():
                if name != "fastnn2.json":
                    found.update(name.encode("ascii", "replace") + b"\0" + len(content).to_bytes(8, "little") + content)
            members["fastnn2.json"] = _json({**info, "sha256": found.hexdigest()})
        with contextlib.suppress(UnicodeError):
            return plain_zip.pack(members)
        return b""

    def change(self, source, data):
        from fastnn2.files.saved import plain_zip

        members = {name: bytes(content) for name, content in plain_zip.unpack(data).items()}
        schema, arrays = json.loads(members["schema.json"]), [name for name in members if name.endswith(".npy")]
        array = source.choice(arrays)
        way = source.choice(
            ("json", "json", "json", "node", "node", "node", "text", "content", "header", "npy", "info", "rename",
             "drop", "add", "order", "zipped", "doubled", "bomb", "deep")
        )  # fmt: skip
        if way == "json":
            mutations.change_json(source, schema)
        elif way in ("node", "deep"):
            places = mutations.places_in(schema)
            nodes = [(at, key) for at, key in places if isinstance(at[key], dict) and "__loader__" in at[key]]
            container, key = source.choice(nodes)
            deep = hostile_nodes.nested(source.choice((30, 80, 200)))
            container[key] = deep if way == "deep" else source.choice(hostile_nodes.NODES)
        elif way == "content":
            at = 128 + source.randrange(max(1, len(members[array]) - 128))
            members[array] = members[array][:at] + source.randbytes(1) + members[array][at + 1 :]
        elif way == "header":
            members[array] = mutations.change_digit(source, members[array][:128]) + members[array][128:]
        elif way == "npy":
            members[array] = source.choice((mutations.npy(source), mutations.flip_bits(source, members[array])))
        elif way == "info":
            info = json.loads(members["fastnn2.json"])
            mutations.change_json(source, info)
            members["fastnn2.json"] = _json(info)
        elif way == "rename":
            members = mutations.rename_member(source, members)
        elif way == "drop":
            del members[source.choice(list(members))]
        elif way == "add":
            members[source.choice(("99.npy", "x.pkl", "../x.npy", "schema.json/x"))] = members[array]
        elif way == "order":
            members = dict(source.sample(list(members.items()), len(members)))
        if way in ("json", "node", "deep"):
            members = with_schema(members, schema)
        elif way == "text":
            members["schema.json"] = mutations.change_text(source, members["schema.json"])
        signed = self.signed(members)
        if way == "zipped":
            return way, mutations.zipped(source, members)
        if way == "bomb":
            return way, _bomb(tuple(members.items()))
        if way == "doubled":
            return way, mutations.doubled(source, members)
        return way, signed


class Pipeline(Classifier):
    """A Pipeline with a ColumnTransformer."""

    name = "pipeline"

    def model(self):
        from sklearn.compose import make_column_transformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        import fastnn2

        columns = make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), [0, 1]), (OneHotEncoder(handle_unknown="ignore"), [2])
        )
        network = fastnn2.MLPClassifier(4, solver="sgd", max_iter=3, random_state=5, n_threads=1)
        return make_pipeline(columns, network).fit(*self.samples())


class Table(Classifier):
    """A Pipeline of texts and dates."""

    name = "table"

    def model(self):
        from sklearn.compose import make_column_transformer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder

        import fastnn2
        from fastnn2.estimators import DateColumns, TextColumns

        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        columns = make_column_transformer((make_pipeline(TextColumns(), encoder), [0, 1]), (DateColumns(), [2, 3]))
        network = fastnn2.MLPClassifier(4, max_iter=3, random_state=5, n_threads=1)
        model = make_pipeline(columns, network).fit(*self.samples())
        model.table_ = '{"a": 1}'
        return model

    def samples(self):
        rows = [["x", True, "2024-02-29", "2024-02-29T18:30"], [None, False, "1970-01-01", "1969-12-31"]] * 4
        return np.array(rows, dtype=object), np.array(["a", "b", "c", "a"] * 2)


class Tabular(Classifier):
    """An estimator of raw tables, with numbers, bins and categories."""

    name = "tabular"

    def model(self):
        import fastnn2

        model = fastnn2.TabularClassifier(
            n_estimators=2, hidden_size=5, n_bins=3, categorical_features=[0], max_iter=3, random_state=5, n_threads=1
        )
        return model.fit(*self.samples())

    def samples(self):
        rows = [["x", 1.0, 7.5], [None, 2.0, None], ["y", 5.0, 1.5], ["x", None, 3.0]] * 2
        return np.array(rows, dtype=object), np.array(["a", "b", "c", "a"] * 2)

    def use(self, model):
        X, _ = self.samples()
        model.predict(X)


def with_schema(members, schema):
    """Return members with another schema, and without the arrays that it does not use."""
    text = json.dumps(schema, separators=(",", ":")).encode()
    used = {name: content for name, content in members.items() if f'"{name}"'.encode() in text or "npy" not in name}
    return {**used, "schema.json": text}


def _json(info):
    return json.dumps(info, sort_keys=True, separators=(",", ":")).encode("ascii")


def _bomb(members, made={}):  # noqa: B006 - kept from one file to the next, as it takes a second
    if "bomb" not in made:
        made["bomb"] = mutations.bomb(dict(members))
    return made["bomb"]


FORMATS = {
    made.name: made
    for made in (Params(), Classifier(), Pipeline(), Table(), Tabular(), Checkpoint("fit"), Checkpoint("estimator"))
}


# One process


class Watch:
    """Sees what Python does while a file is loaded."""

    def __init__(self):
        self.path, self.seen = None, []
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if self.path is None or HARMLESS.fullmatch(event):
            return
        if event == "open":  # by path, and then by the descriptor that this gave
            path, mode, flags = arguments
            is_ours = isinstance(path, int) or str(path) == self.path
            if is_ours and mode in (None, "r", "rb") and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        # NumPy reads the header of an array as a Python literal, which is compiled and not run.
        if event != "compile" or arguments[1] != "<unknown>":
            self.seen.append(f"{event} {str(arguments)[:200]}")

    def watched(self, read, path):
        self.path, self.seen = str(path), []
        try:
            return read(path)
        finally:
            self.path = None


def status(name):
    """Return a line of this process's status in bytes."""
    for line in open("/proc/self/status"):  # noqa: SIM115
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def measured(call, limit=None):
    """Return what a call returns or raises, and by how many bytes the process grew at most; `limit` is in bytes."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)
    trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak is the size of now
    before = status("VmRSS")
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_AS, (status("VmSize") + limit, resource.RLIM_INFINITY))
    try:
        result = call()
    except Exception as error:
        result = error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return result, status("VmHWM") - before


def run_some(name, seed, first, count, folder):
    """Check some of the files; return how many of each kind were refused and loaded, and the failures."""
    made, watch = FORMATS[name], Watch()
    original = folder / "original"
    made.original(folder)
    data = original.read_bytes()
    measured(lambda: made.read(original))  # imports
    for codec in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        json.loads("{}".encode(codec))  # Python imports its own codecs for bytes that look like these
    good, growth = measured(lambda: made.read(original))
    assert made.rewritten(good) == data
    tally, failures = collections.Counter(), []
    path = folder / "mutated"
    for number in range(first, first + count):
        source = random.Random(f"{name} {seed} {number}")
        try:
            if source.random() < SHARE_OF_BYTES:
                way, is_signed, changed = "bytes", False, source.choice(mutations.BYTES)(source, data)
            else:
                way, changed = made.change(source, data)
                is_signed = way not in made.unsigned
            path.write_bytes(changed)
            with contextlib.redirect_stdout(io.StringIO()):
                outcome = check(made, watch, path, changed, data, growth, is_signed and way)
        except Exception:
            outcome = "failed: " + traceback.format_exc()
        tally[f"{way}: {outcome.split(':')[0]}"] += 1
        if outcome.startswith("failed"):
            failures.append(f"{name}, seed {seed}, file {number}, {way}: {outcome}")
    if sorted(entry.name for entry in folder.iterdir()) != ["mutated", "original"]:
        failures.append(f"{name}: a file was written: {list(folder.iterdir())}")
    return tally, failures


def check(made, watch, path, changed, data, growth, signed_way):
    """Load a file; return "refused", "loaded" or "failed", and why."""
    most = growth + MOST_MEMORY + 2 * len(changed)
    faulthandler.dump_traceback_later(6 * MOST_SECONDS, exit=True)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other versions of scikit-learn
        result, grown = measured(lambda: watch.watched(made.read, path), most + MOST_MEMORY)
    seconds = time.perf_counter() - start
    if watch.seen:
        return f"failed: it did more than read: {watch.seen}"
    if grown > most:
        return (
            f"failed: {grown / MEGABYTE:.0f} MB, {growth / MEGABYTE:.0f} for a good file, {len(changed)} bytes of file"
        )
    if seconds > MOST_SECONDS:
        return f"failed: {seconds:.1f} s"
    if isinstance(result, ValueError):
        return "refused" if repr(str(path)) in str(result) else f"failed: no name of the file: {result}"
    if isinstance(result, Exception):
        return f"failed: {''.join(traceback.format_exception(result))}"
    if not signed_way and changed != data:
        return "failed: a file with another digest was loaded"
    if signed_way in (False, "content") and made.rewritten(result) != changed:
        return "failed: the model is not what the file has"
    with contextlib.suppress(Exception), warnings.catch_warnings():  # a stranger's model may not work; it does no harm
        warnings.simplefilter("ignore")
        made.use(result)
    faulthandler.cancel_dump_traceback_later()
    return "loaded"


# All processes


def run(names, count, seed, report):
    """Check `count` files of each format in processes of their own; return the failures."""
    failures = []
    for name in names:
        tally, start = collections.Counter(), time.perf_counter()
        for first in range(0, count, FILES_PER_PROCESS):
            some = min(FILES_PER_PROCESS, count - first)
            with tempfile.TemporaryDirectory() as folder:
                command = [
                    sys.executable,
                    __file__,
                    "--worker",
                    name,
                    str(first),
                    str(some),
                    folder,
                    "--seed",
                    str(seed),
                ]
                environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
                done = subprocess.run(
                    command,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=60 + some * MOST_SECONDS,
                    check=False,
                )
            if done.returncode:
                failures.append(
                    f"{name}, files from {first}: the process ended with {done.returncode}: {done.stderr[-3000:]}"
                )
                continue
            found, failed = json.loads(done.stdout.splitlines()[-1])
            tally.update(found)
            failures += failed
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(tally.items()))
        report(f"{name}: {sum(tally.values())} files in {time.perf_counter() - start:.0f} s: {kinds}")
    if pathlib.Path(hostile_nodes.SENTINEL).exists():
        failures.append(f"code of a file ran: {hostile_nodes.SENTINEL}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="files of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="+", choices=sorted(FORMATS), default=list(FORMATS))
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, first, count, folder = options.worker
        print(json.dumps(run_some(name, options.seed, int(first), int(count), pathlib.Path(folder))))
        return
    failures = run(options.formats, options.count, options.seed, functools.partial(print, flush=True))
    for failure in failures[:20]:
        print(failure)
    sys.exit(f"{len(failures)} failures" if failures else 0)


if __name__ == "__main__":
    main()
