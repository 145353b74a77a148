"""The kernel store: whatever is wrong with a file or a folder, nothing crashes and no wrong kernel runs.

All of it in processes of their own, on copies of one warm store. `update` is the kernel that compiles fastest.
"""

import json
import os
import pathlib
import pkgutil
import re
import shutil
import subprocess
import sys
import time
import types

import llvmlite.binding as llvm
import pytest
from data import PATIENCE, STORE_KERNELS

import fastnn2
from fastnn2.codegen import store
from fastnn2.codegen.store_files import DAY, DamagedFileError

pytestmark = [
    pytest.mark.skipif(not store.HAS_ELF, reason="no store on this system"),
    pytest.mark.usefixtures("store_kernels"),
]

PACKAGE = pathlib.Path(fastnn2.__file__).parent

PREAMBLE = """
import hashlib, importlib.machinery, json, os, pathlib, sys, tempfile, warnings
import numpy as np

class Block:
    \"\"\"Refuses to import some packages; whether they are installed may still be asked.\"\"\"

    def __init__(self, *names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            spec.loader = self
        return spec

    def create_module(self, spec):
        raise ImportError(f"{spec.name} is blocked")

    def exec_module(self, module):
        pass

if os.environ.get("BLOCK"):
    sys.meta_path.insert(0, Block(*os.environ["BLOCK"].split()))

def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()

def report(**results):
    print(json.dumps({**results, "compiled": "numba" in sys.modules}))

def data(dtype="float64"):
    X = np.linspace(-1, 1, 1400, dtype=dtype).reshape(2, 700)
    return X, (np.sin(7 * X[0]) > X[1])[np.newaxis]

def update(dtype="float64"):
    import fastnn2
    params = {name: array.astype(dtype) for name, array in fastnn2.init_params(*data(), 30).items()}
    return digest(*fastnn2.update({"d" + name: array for name, array in params.items()}, params, 0.1).values())

def fit(dtype="float64"):
    import fastnn2
    params, costs = fastnn2.fit(*data(dtype), 0.5, 5, 50, n_threads=2)
    return digest(costs, *params.values())

def everything(dtype="float64"):
    \"\"\"Call every public function; return the digest of each result.\"\"\"
    import fastnn2
    X, Y = data(dtype)
    start = fastnn2.init_params(X, Y, 5)
    params, costs = fastnn2.fit(X, Y, 0.5, 5, 50, alpha=0.1, sample_weight=np.arange(1, 701), progress=False)
    y, cache = fastnn2.forward(X, params)
    gradients = fastnn2.backward(X, Y, params, cache)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "net")
        fastnn2.save(params, file)
        loaded, saved = fastnn2.load(file), file.read_bytes()
    blocks = [(X.T[:100], Y.T[:100]), (X.T[100:], Y.T[100:])]
    params_of_blocks, costs_of_blocks = fastnn2.fit_blocks(blocks, 0.5, 5, 5, memory_limit=1_000_000, progress=False)
    many = fastnn2.fit_many([X, X[:1]], Y, 0.5, [5, 9], 20, progress=False)
    return {
        "fit_many": digest(*(array for params, cost_ in many for array in (cost_, *params.values()))),
        "save": hashlib.sha256(saved).hexdigest(),
        "load": digest(*loaded.values()),
        "init_params": digest(*start.values()),
        "fit": digest(costs, *params.values()),
        "fit_blocks": digest(costs_of_blocks, *params_of_blocks.values()),
        "forward": digest(*cache.values()),
        "backward": digest(*gradients.values()),
        "update": digest(*fastnn2.update(gradients, params, 0.1).values()),
        "cost": fastnn2.cost(y, Y, params=params, alpha=0.1),
        "predict": digest(fastnn2.predict(X, params)),
        "predictor": digest(fastnn2.predictor(params, dtype)(X)),
        "sigmoid": digest(fastnn2.sigmoid(X)),
    }
"""
UPDATE = "report(result=update())"
FIT = "report(result=fit())"
EVERYTHING = "report(result=[everything('float64'), everything('float32')])"
NO_NUMBA = "numba"


def start(code, folder, *, warnings="error", environment=()):
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("FASTNN2_")},
        "FASTNN2_CACHE_DIR": str(folder),
        "PYTHONPATH": str(PACKAGE.parent),
        **STORE_KERNELS,
        **dict(environment),
    }
    # -P: the current folder does not come before PYTHONPATH.
    command = [sys.executable, "-P", "-W", warnings, "-c", PREAMBLE + code]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    try:
        out, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return types.SimpleNamespace(**json.loads(out.splitlines()[-1]))


def run(code, folder, **options):
    """Run a script with a store in `folder`; return what it reported."""
    return finish(start(code, folder, **options))


def run_without_numba(code, folder, **options):
    return run(code, folder, environment={"BLOCK": NO_NUMBA}, **options)


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A folder with every kernel, from the session's store as far as it has them, and the results of all functions."""
    folder = tmp_path_factory.mktemp("warm") / "store"
    folder.mkdir(mode=0o700)
    # Its kernels alone: other tests leave Numba's there, or half files where a process is killed.
    for path in store.folder().glob("*.kernel"):
        shutil.copy2(path, folder)
    run(EVERYTHING, folder)
    return folder


@pytest.fixture(scope="module")
def right(warm):
    """The results with every kernel in good order."""
    code = "report(update=update(), fit=fit(), everything=[everything('float64'), everything('float32')])"
    return run_without_numba(code, warm)


@pytest.fixture
def folder(warm, tmp_path):
    """A copy of the warm store, to damage."""
    return pathlib.Path(shutil.copytree(warm, tmp_path / "store"))


def files_of(folder, name="update", dtype="float64"):
    return list(folder.glob(f"{name}-{dtype}-*.kernel"))


def file_in_use(folder, name="update", dtype="float64"):
    """Return the file that this process's package reads for this processor."""
    code = f"""
from fastnn2.codegen import store
from fastnn2.codegen.processor import Processor
report(path=str(store.path_of({name!r}, {dtype!r}, Processor.here())))
"""
    path = pathlib.Path(run(code, folder).path)
    assert path in files_of(folder, name, dtype)
    return path


def no_half_files(folder):
    return not [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".kernel"]


# A warm store
def test_every_public_function_without_numba(warm, right):
    blocked = "numba sklearn scipy matplotlib pandas tqdm platformdirs"
    result = run(EVERYTHING, warm, environment={"BLOCK": blocked})
    assert result.result == right.everything
    assert not result.compiled
    functions = {name for name in fastnn2.__all__ if isinstance(getattr(fastnn2, name), types.FunctionType)}
    use_libraries = {"fit_estimators", "partial_fit_blocks", "plot_cost", "plot_decision", "to_c", "to_onnx"}
    assert set(result.result[0]) == functions - use_libraries


def test_the_block_blocks(tmp_path):
    # Else the test above would prove nothing.
    process = start(UPDATE, tmp_path, environment={"BLOCK": NO_NUMBA})
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "numba is blocked" in errors


@pytest.mark.parametrize("code", ["import fastnn2", FIT], ids=["import", "fit"])
def test_what_is_imported(warm, code):
    code += """
heavy = ["numba", "sklearn", "scipy", "scipy.linalg", "matplotlib", "pandas"]
assert "fastnn2" in sys.modules
report(found=[name for name in heavy if name in sys.modules])
"""
    assert run(code, warm).found == []


def test_fit_is_a_function_and_no_module():
    from fastnn2 import fit

    assert isinstance(fit, types.FunctionType)
    modules = {module.name for module in pkgutil.iter_modules(fastnn2.__path__)}
    assert "functional" in modules
    assert not modules & set(fastnn2.__all__)


def test_the_store_switched_off(right, tmp_path):
    code = "report(result=everything('float64'))"
    result = run(code, tmp_path, environment={"FASTNN2_STORE": "off"})
    assert result.compiled
    assert result.result == right.everything[0]
    assert list(tmp_path.iterdir()) == []


# Damaged files
def flip(at):
    def damage(content):
        changed = bytearray(content)
        changed[at(content)] ^= 1
        return bytes(changed)

    return damage


def with_header(change):
    def damage(content):
        line, _, body = content.partition(b"\n")
        return json.dumps(change(json.loads(line))).encode() + b"\n" + body

    return damage


def body_at(content):
    return content.index(b"\n") + 1


DAMAGES = {
    "emptied": lambda content: b"",
    "a byte of the body": flip(lambda content: (body_at(content) + len(content)) // 2),
    "the last byte": flip(lambda content: -1),
    "the magic number": flip(body_at),
    "cut off by a byte": lambda content: content[:-1],
    "cut off in the body": lambda content: content[: (body_at(content) + len(content)) // 2],
    "cut off after the header": lambda content: content[: body_at(content)],
    "cut off in the header": lambda content: content[: body_at(content) // 2],
    "longer": lambda content: content + b"\0",
    "without header": lambda content: content[body_at(content) :],
    "zeros": lambda content: bytes(len(content)),
    "text": lambda content: b"not a kernel\n" * 100,
    "a byte of the header": flip(lambda content: content.index(b"features") + 20),
    "a list for a header": with_header(lambda header: [1, 2]),
    "a number for a header": with_header(lambda header: 3),
    "a header too deep": lambda content: b"[" * 100_000 + b"\n" + content,
    "no hash": with_header(lambda header: {key: value for key, value in header.items() if key != "sha256"}),
    "another entry": with_header(lambda header: {**header, "entry": "cost-float64"}),
    "no entry": with_header(lambda header: {key: value for key, value in header.items() if key != "entry"}),
    "no word on whether it stays": with_header(lambda header: {k: v for k, v in header.items() if k != "keep"}),
    "features of the wrong kind": with_header(lambda header: {**header, "features": [[1]]}),
    "length of the wrong kind": with_header(lambda header: {**header, "length": str(header["length"])}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_are_refused(folder, damage, monkeypatch):
    monkeypatch.setenv("FASTNN2_CACHE_DIR", str(folder))
    path = store.path_of("update", "float64", store.Processor.here())
    store.read(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedFileError, match=r"kernel|damaged"):
        store.read(path)


ENDS = ["emptied", "a byte of the body", "cut off in the body", "a byte of the header"]


@pytest.mark.parametrize("damage", ENDS)
def test_damaged_files_are_made_again(folder, right, damage):
    path = file_in_use(folder)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    result = run(UPDATE, folder)
    assert result.compiled
    assert result.result == right.update
    assert run_without_numba(UPDATE, folder).result == right.update
    assert no_half_files(folder)


def test_a_damaged_training_loop(folder, right):
    path = file_in_use(folder, "train_narrow")
    path.write_bytes(DAMAGES["cut off in the body"](path.read_bytes()))
    result = run(FIT, folder)
    assert result.compiled
    assert result.result == right.fit


def test_a_folder_in_place_of_a_file(folder, right):
    path = file_in_use(folder)
    path.unlink()
    path.mkdir()
    assert run(UPDATE, folder, warnings="ignore").result == right.update


# Files of others
WRITE = """
import dataclasses
from fastnn2.codegen import store
from fastnn2.codegen.processor import Processor
here = Processor.here()
"""
# Machine code that ends the process when it is loaded under the name of a kernel and called.
FOREIGN = """
import llvmlite.binding as llvm
llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
source = 'declare void @abort()\\n define i32 @entry() {\\n call void @abort()\\n ret i32 0\\n}'
machine = llvm.Target.from_default_triple().create_target_machine(reloc="pic")
aborting = machine.emit_object(llvm.parse_assembly(source))
"""


@pytest.mark.parametrize(
    "content", ["aborting", "b'no object at all'", "b''", "aborting[:100]", "aborting[:-200]"], ids=str
)
def test_what_is_no_kernel_is_not_run(folder, right, content):
    """A file whose header and hash are right, and whose content is not."""
    code = WRITE + FOREIGN + f"store.write('update', 'float64', here, {content})\nreport()"
    path = file_in_use(folder)
    run(code, folder)
    written = path.read_bytes()
    result = run(UPDATE, folder)
    assert result.compiled
    assert result.result == right.update
    assert path.read_bytes() != written


def test_an_object_with_unknown_symbols_is_not_kept(tmp_path):
    code = (
        WRITE
        + FOREIGN
        + """
from fastnn2.codegen import compile as compiler
compiler.compile_object = lambda *arguments: aborting
try:
    update()
except UserWarning as warning:
    report(warning=str(warning))
"""
    )
    assert re.search("fast compile does not work .*calls .*abort", run(code, tmp_path).warning)
    assert list(tmp_path.glob("*.kernel")) == []


def other_processor(change):
    return WRITE + FOREIGN + f"other = dataclasses.replace(here, {change})\n"


ABSENT = "next(name for name, present in llvm.get_host_cpu_features().items() if not present)"


@pytest.mark.parametrize(
    "change",
    [f"features=here.features | {{{ABSENT}}}", "triple='riscv64-unknown-linux-gnu'"],
    ids=["feature", "triple"],
)
def test_another_processor(tmp_path, right, change):
    """Machine code that this processor cannot run is left alone."""
    code = other_processor(change) + "store.write('update', 'float64', other, aborting)\nreport()"
    run(code, tmp_path)
    (foreign,) = files_of(tmp_path)
    result = run(UPDATE, tmp_path)
    assert result.compiled
    assert result.result == right.update
    assert len(files_of(tmp_path)) == 2
    assert foreign.exists()


def test_a_file_under_the_name_of_another_processor(folder, right):
    """The header counts, not the name: a copy under this processor's name does not make code that it can run."""
    path = file_in_use(folder)
    code = other_processor(f"features=here.features | {{{ABSENT}}}")
    code += "store.write('update', 'float64', other, aborting)\n"
    code += "os.replace(store.path_of('update', 'float64', other), store.path_of('update', 'float64', here))\nreport()"
    run(code, folder)
    result = run(UPDATE, folder)
    assert result.compiled
    assert result.result == right.update
    assert path.exists()


@pytest.mark.parametrize("name", ["x86-64-v2", "x86-64-v3"])
def test_code_for_a_lesser_processor(tmp_path, right, name):
    """It is found, no compiler is needed, and the bits are the same."""
    features = dict(llvm.get_host_cpu_features())
    if not features.get({"x86-64-v2": "sse4.2", "x86-64-v3": "avx2"}[name]):
        pytest.skip(f"this processor is less than {name}")
    code = f"""
from fastnn2.codegen import store
from fastnn2.codegen.processor import Processor
for entry in {["update", "train_narrow"] if name == "x86-64-v3" else ["update"]}:
    store.compile_and_keep(entry, "float64", Processor.level({name!r}))
report()
"""
    run(code, tmp_path)
    assert len(files_of(tmp_path)) == 1
    assert run_without_numba(UPDATE, tmp_path).result == right.update
    if name == "x86-64-v3":
        assert run_without_numba(FIT, tmp_path).result == right.fit


def test_code_for_exactly_this_processor_comes_first(folder, right):
    # Were the lesser one taken, the missing symbol would be refused and a compiler asked for.
    code = other_processor("features=here.features - {min(here.features)}")
    run(code + "store.write('update', 'float64', other, aborting)\nreport()", folder)
    assert run_without_numba(UPDATE, folder).result == right.update


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user(folder, right):
    path = file_in_use(folder)
    os.chown(path, 12345, -1)
    result = run(UPDATE, folder)
    assert result.compiled
    assert result.result == right.update
    assert path.stat().st_uid == 0  # the new file takes its place


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs files of root")
def test_a_file_of_root_is_trusted_by_all(folder, right):
    code = "os.geteuid = lambda: 12345\n" + UPDATE
    assert run_without_numba(code, folder).result == right.update


# Folders
def test_eight_processes_on_an_empty_store(tmp_path, right):
    folder = tmp_path / "not" / "there" / "yet"
    processes = [start(UPDATE, folder) for _ in range(8)]
    assert [finish(process).result for process in processes] == [right.update] * 8
    assert len(files_of(folder)) == 1
    assert no_half_files(folder)
    assert run_without_numba(UPDATE, folder).result == right.update


WITH_WARNINGS = """
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = update()
    import fastnn2
    fastnn2.cost(*2 * [np.full((1, 3), 0.5)])  # another kernel
    update("float32")
report(result=result, warnings=[[type(w.message).__name__, str(w.message)] for w in caught])
"""


def assert_one_warning(result, folder):
    ((kind, message),) = result.warnings
    assert kind in ("UserWarning", "RuntimeWarning")
    assert "fastnn2 cannot keep its compiled kernels" in message
    assert str(folder) in message
    assert "FASTNN2_CACHE_DIR" in message


def test_a_folder_that_cannot_be_made(tmp_path, right):
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "store"
    result = run(WITH_WARNINGS, folder)
    assert result.result == right.update
    assert_one_warning(result, folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(tmp_path, right):
    folder = tmp_path / "store"
    folder.mkdir(mode=0o500)
    result = run(WITH_WARNINGS, folder)
    assert result.result == right.update
    assert_one_warning(result, folder)
    assert list(folder.iterdir()) == []


def test_a_full_disk(tmp_path, right):
    pytest.importorskip("resource")
    code = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
    result = run(code + WITH_WARNINGS, tmp_path, environment={"PYTHONDONTWRITEBYTECODE": "1"})
    assert result.result == right.update
    assert_one_warning(result, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("filled", [True, False])
def test_a_folder_that_others_may_write_to(folder, right, filled):
    """Nothing is read from there and nothing is written; one warning has the command that mends it."""
    if not filled:
        for path in folder.iterdir():
            path.unlink()
    folder.chmod(0o777)
    before = {path: path.stat() for path in folder.iterdir()}
    result = run(WITH_WARNINGS, folder)
    assert result.compiled
    assert result.result == right.update
    ((kind, message),) = result.warnings
    assert kind == "UserWarning"
    assert message == (
        f"fastnn2 neither reads nor keeps compiled kernels in {folder} (others may write to it: its mode is 0777), so "
        f"every process compiles them again; to mend it: chmod go-w {folder}"
    )
    assert {path: path.stat() for path in folder.iterdir()} == before
    folder.chmod(0o755)
    result = run(WITH_WARNINGS, folder)
    assert (result.compiled, result.warnings) == (not filled, [])


def test_entries_of_earlier_versions_go(folder, right):
    """With the write of a new one, where nobody used them for long. Those in use stay, however old they are."""
    path, used = file_in_use(folder), file_in_use(folder, "train_narrow")
    key = path.name.split("-")[2]
    earlier = [folder / path.name.replace(key, 16 * digit) for digit in "ab"]
    for file in earlier:
        shutil.copy(path, file)
    path.unlink()
    for file, days in zip([*earlier, used], (89, 91, 200), strict=True):
        then = time.time() - days * DAY
        os.utime(file, (then, then))
    assert run_without_numba(FIT, folder).result == right.fit
    assert time.time() - used.stat().st_mtime < DAY
    assert run(UPDATE, folder).compiled
    assert [file.exists() for file in (*earlier, used, path)] == [True, False, True, True]


def test_half_a_file_of_a_process_that_was_killed(folder, right):
    path = file_in_use(folder)
    half = path.with_name(path.stem + "abc.tmp")
    path.rename(half)
    half.write_bytes(half.read_bytes()[:1000])
    result = run(UPDATE, folder)
    assert result.compiled
    assert result.result == right.update


# Sources and versions
def test_changed_kernel_source(folder, tmp_path, right):
    copy = shutil.copytree(PACKAGE, tmp_path / "copy" / "fastnn2", ignore=shutil.ignore_patterns("__pycache__"))
    source = copy / "kernels" / "simd" / "elementary.py"
    text = source.read_text()
    assert text.count("LN2_HIGH, LN2_LOW = 0.6931471803691238,") == 1
    source.write_text(text.replace("LN2_HIGH, LN2_LOW = 0.6931471803691238,", "LN2_HIGH, LN2_LOW = 0.6931472,"))
    changed = run(FIT, folder, environment={"PYTHONPATH": str(copy.parent)})
    assert changed.compiled
    assert changed.result != right.fit
    again = run(FIT, folder, environment={"PYTHONPATH": str(copy.parent), "BLOCK": NO_NUMBA})
    assert again.result == changed.result
    assert run_without_numba(FIT, folder).result == right.fit


NUMBA = """
import importlib.util, types
find_spec = importlib.util.find_spec
other = types.SimpleNamespace(submodule_search_locations=[{folder!r}])
importlib.util.find_spec = lambda name, *arguments: other if name == "numba" else find_spec(name, *arguments)
"""


@pytest.mark.parametrize("package", ["fastnn2", "llvmlite", "numba"])
def test_changed_versions(folder, tmp_path, right, package):
    before, environment, code = len(files_of(folder)), {}, UPDATE
    if package == "fastnn2":
        copy = shutil.copytree(PACKAGE, tmp_path / "copy" / "fastnn2", ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "_version.py").write_text('__version__ = "99.0"\n')
        environment = {"PYTHONPATH": str(copy.parent)}
    elif package == "llvmlite":
        code = "import llvmlite\nllvmlite.__version__ = '99.0.0'\n" + UPDATE
    else:
        (tmp_path / "_version.py").write_text('version = "99.0"\n')
        code = NUMBA.format(folder=str(tmp_path)) + UPDATE
    result = run(code, folder, environment=environment)
    assert result.compiled
    assert result.result == right.update
    assert len(files_of(folder)) == before + 1


# A user's own Numba code
USER = """
from numba import njit
import fastnn2
from fastnn2.engine import layout
from fastnn2.kernels.shared import choices, tuning
from fastnn2.kernels.nn.layers import hidden_layer

def hidden(X, params):
    @njit
    def mine(flat, d, h, groups, X, A1):
        hidden_layer(flat, 0, d, h, groups, lanes, choices.TANH, X, 0, A1, 0, True)

    lanes = tuning.group_size(X.dtype)
    (h, d), n = params["W1"].shape, X.shape[1]
    X_groups, _ = layout.to_groups(X, X.dtype)
    A1_groups = layout.aligned_zeros(X_groups.size // d * h, X.dtype)
    flat = np.concatenate([params[name].ravel() for name in ("W1", "b1", "W2", "b2")])
    mine(flat, d, h, tuning.count_groups(n, X.dtype), X_groups, A1_groups)
    A1 = np.empty((h, n))
    layout.from_groups(A1_groups, h, A1)
    return A1

X, Y = data()
params = fastnn2.init_params(X, Y, 5)
"""


def test_kernels_in_numba_code_of_a_user(tmp_path):
    code = (
        USER
        + """
before = hidden(X, params)
update()  # compiled in between, for the store
A1 = fastnn2.forward(X, params)[1]["A1"]
after = hidden(X, params)
report(equal=[bool((result == A1).all()) for result in (before, after)], close=bool(
    np.allclose(A1, np.tanh(params["W1"] @ X + params["b1"]), rtol=1e-14)))
"""
    )
    result = run(code, tmp_path)
    assert result.equal == [True, True]
    assert result.close


def test_numba_code_of_a_user_after_the_store(tmp_path):
    code = USER + "A1 = fastnn2.forward(X, params)[1]['A1']\nreport(equal=bool((hidden(X, params) == A1).all()))"
    assert run(code, tmp_path).equal


def test_a_fit_after_numba_code_of_a_user_with_the_same_functions(tmp_path, right):
    """Numba has them for these types already, each in a library of its own."""
    code = """
from numba import njit
from fastnn2.kernels.simd.elementary import log1p
from fastnn2.kernels.simd.vector import load, store

@njit
def log1p_of(x, out):
    store(out, 0, log1p(load(x, 0)))

log1p_of(np.ones(64), np.zeros(64))
report(fit=fit())
"""
    assert run(code, tmp_path).fit == right.fit


@pytest.mark.parametrize("store", ["", "off"])
def test_bounds_checks_of_the_environment_change_nothing(store, tmp_path, right):
    """They would refuse every place in the kernels' arrays, whose length is not known, and spoil the store."""
    environment = {"NUMBA_BOUNDSCHECK": "1", "FASTNN2_STORE": store}
    result = run("report(update=update(), fit=fit())", tmp_path, environment=environment)
    assert (result.update, result.fit) == (right.update, right.fit)
    if not store:
        assert run("report(fit=fit())", tmp_path).fit == right.fit


def test_a_compiler_that_numba_is_told_not_to_use(tmp_path):
    code = """
try:
    fit()
except ValueError as error:
    report(message=str(error))
"""
    for setting in ("", "off"):
        result = run(code, tmp_path, environment={"NUMBA_DISABLE_JIT": "1", "FASTNN2_STORE": setting})
        assert "NUMBA_DISABLE_JIT is set" in result.message


def test_a_fit_while_numba_compiles(tmp_path, right):
    """A thread of its own could not compile the kernel: it would wait for the lock that the main thread has."""
    code = """
from numba import njit
from numba.extending import overload

def answer(a):
    pass

@overload(answer)
def overload_answer(a):
    results.append(fit())
    return lambda a: a + 41

results = []
report(value=njit(lambda: answer(1))(), fit=results[0])
"""
    result = run(code, tmp_path)
    assert (result.value, result.fit) == (42, right.fit)


def test_a_kernel_called_from_python_after_the_store_compiled_it(tmp_path):
    """Numba keeps what it compiled by types; what was made for the store has no code that Python could jump to."""
    code = """
from fastnn2.codegen.compile import compile_object  # the store's way, whatever is in it
from fastnn2.codegen.processor import Processor
from fastnn2.kernels.nn.update import sum_l2_squares
from numba import njit

here = Processor.here()
compile_object("train", "float64", here.cpu, here.feature_string())
p = np.arange(16.0)
report(value=njit(lambda p: sum_l2_squares(p, 0, p, 0, 16))(p), direct=sum_l2_squares.py_func is not None)
"""
    result = run(code, tmp_path)
    assert result.value == pytest.approx(sum(i**3 for i in range(16)))


def test_every_function_is_compiled_once_for_its_types_and_numba_left_as_it_was(tmp_path):
    """A constant where elsewhere a number stands would make Numba compile what is called twice."""
    code = """
from numba.core import base
from numba.core.event import install_recorder
from numba.core.registry import cpu_target
from fastnn2.codegen.compile import compile_object
from fastnn2.codegen.processor import Processor

here, functions, modules = Processor.here(), [], set()
contexts = cpu_target.typing_context, cpu_target.target_context
cpu_target.target_context.codegen()  # made when first asked for
before = [set(vars(owner)) for owner in contexts], cpu_target.target_context._internal_codegen, base._has_loc
for name in ("train_narrow", "train", "unit_epochs", "infer"):
    with install_recorder("numba:compile") as recorder:
        compile_object(name, "float64", here.cpu, here.feature_string())
    calls = [event.data for _, event in recorder.buffer if event.is_start]
    functions += [f"{name}: {call['dispatcher'].py_func.__qualname__} {call['args']}" for call in calls]
    modules |= {call["dispatcher"].py_func.__module__ for call in calls}
left = [name for owner, names in zip(contexts, before[0]) for name in set(vars(owner)) - names]
left += ["replaced"] * (before[1:] != (cpu_target.target_context._internal_codegen, base._has_loc))
left += list(cpu_target.target_context.cached_internal_func)  # what is compiled for Numba's own use
report(functions=functions, modules=list(modules), left=left)
"""
    result = run(code, tmp_path)
    assert len(result.functions) > 40
    assert all(module.startswith("fastnn2.kernels.") for module in result.modules)  # what else would stay with Numba
    assert len(set(result.functions)) == len(result.functions)
    assert not [call for call in result.functions if "Literal" in call]
    assert result.left == []


def test_one_process_compiles_for_one_kind_of_registers(tmp_path):
    code = """
from fastnn2.kernels.simd import target
target.choose(frozenset({"avx512f"}))
target.choose(frozenset({"avx512f", "avx2"}))
try:
    target.choose(frozenset({"avx2"}))
except RuntimeError as error:
    report(message=str(error))
"""
    assert "in a process of its own" in run(code, tmp_path).message


def test_sources_that_changed_since_the_import(tmp_path):
    """What is compiled then is not what the key says: it is refused, and not kept."""
    package = shutil.copytree(
        pathlib.Path(fastnn2.__file__).parent,
        tmp_path / "copy" / "fastnn2",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    code = f"""
import pathlib, sys
sys.path.insert(0, {str(package.parent)!r})
import fastnn2
assert pathlib.Path(fastnn2.__file__).parent == pathlib.Path({str(package)!r})
import fastnn2.codegen.store
with open({str(package / "kernels" / "nn" / "update.py")!r}, "a") as file:
    file.write("# changed\\\\n")
try:
    fastnn2.fit([[0.0, 1.0]], [0, 1], 0.5, 2, 2)
except RuntimeError as error:
    print(error)
"""
    environment = {**os.environ, "FASTNN2_CACHE_DIR": str(tmp_path / "store"), "FASTNN2_STORE": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "changed since it was imported" in done.stdout
    assert not list(tmp_path.glob("store/*"))


def test_fork_while_a_kernel_is_compiled(tmp_path):
    """The fork waits; a child with Numba's lock held by a thread that it does not have would hang."""
    code = """
import signal, threading, time
X, Y = data()
fastnn2.fit  # imported before the thread begins
thread = threading.Thread(target=lambda: fastnn2.fit(X, Y, 0.5, 5, 3))
thread.start()
while "fastnn2.codegen.compile" not in sys.modules and thread.is_alive():
    time.sleep(0.01)
child = os.fork()
if child == 0:
    signal.alarm(300)
    fastnn2.fit(X, Y, 0.5, 5, 3)
    os._exit(0)
status = os.waitpid(child, 0)[1]
thread.join()
report(status=status)
"""
    assert run("import fastnn2\n" + code, tmp_path, environment={"FASTNN2_STORE": ""}).status == 0


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="file modes are of POSIX")
def test_a_file_that_others_may_write_is_not_trusted(folder, right):
    for path in folder.glob("update-*.kernel"):
        path.chmod(0o666)
    result = run(UPDATE, folder)
    assert result.compiled
    assert result.result == right.update


@pytest.mark.parametrize("stream", ["io.StringIO()", "closed()", "object()"])
def test_any_standard_error_will_do(stream, tmp_path):
    code = f"""
import io, sys
def closed():
    file = io.StringIO()
    file.close()
    return file
sys.stderr = {stream}
value = update()
sys.stderr = sys.__stderr__
report(done=True)
"""
    assert run(code, tmp_path).done


def test_the_key_covers_kernels_and_codegen(tmp_path):
    """A change in either, at any depth, is another key: or a stale kernel would run after an upgrade."""
    package = shutil.copytree(PACKAGE, tmp_path / "fastnn2", ignore=shutil.ignore_patterns("__pycache__"))
    code = "from fastnn2.codegen.store import source_key\nreport(key=source_key())"
    environment = {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}

    def key():
        return run(code, tmp_path / "store", environment=environment).key

    keys = [key()]
    for file in ("kernels/shared/tuning.py", "kernels/nn/layers.py", "codegen/compile.py", "codegen/__init__.py"):
        with open(package / file, "a") as source:
            source.write("# changed\n")
        keys.append(key())
    (package / "kernels/nn/update.py").rename(package / "kernels/nn/other.py")  # the same text under another name
    keys.append(key())
    assert len(set(keys)) == len(keys)
    with open(package / "functional/checks.py", "a") as source:
        source.write("# changed\n")
    assert key() == keys[-1]
