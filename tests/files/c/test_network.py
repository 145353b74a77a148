"""Networks as C: the bits of 100,000 predictions by each compiler, for every target type, activation and dtype."""

import shutil
import subprocess

import numpy as np
import pytest
from c_programs import C_TYPES, IN_SOFTWARE, Collection, compile_c, compiler, same, zig
from data import DTYPES, PATIENCE

import fastnn2
from fastnn2.estimators import networks
from fastnn2.files.c import network

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_ROWS = 100_000
EMULATED_ROWS = 4_000
D, H = 8, 4
SAMPLES = np.random.default_rng(0).standard_normal((200, D))
TARGETS = {
    "two_classes": SAMPLES[:, 0] > 0,
    "four_classes": np.arange(200) % 4,
    "labels": SAMPLES[:, :3] > 0,
    "a_number": SAMPLES[:, 0],
    "numbers": SAMPLES[:, :2],
    "counts": np.floor(np.abs(SAMPLES[:, 0] * 3)),
}
RESULTS = {"two_classes": 2, "four_classes": 4, "labels": 3, "a_number": 1, "numbers": 2, "counts": 1}
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
CASES = [(kind, activation, dtype) for kind in TARGETS for activation in ACTIVATIONS for dtype in DTYPES]


def fitted(kind, activation, dtype, h=H, samples=SAMPLES, targets=None):
    targets = TARGETS[kind] if targets is None else targets
    options = {"hidden_layer_sizes": h, "activation": activation, "max_iter": 2, "random_state": 0, "n_threads": 1}
    if kind in ("two_classes", "four_classes", "labels"):
        model = fastnn2.MLPClassifier(**options).fit(samples.astype(dtype), targets)
    else:
        loss = "poisson" if kind == "counts" else "squared_error"
        model = fastnn2.MLPRegressor(loss=loss, **options).fit(samples.astype(dtype), targets.astype(dtype))
    # Numbers of all sizes, and zeros of both signs, which are biases of units without inputs.
    source = np.random.default_rng(1)
    for array in model.coefs_ + model.intercepts_:
        array *= source.choice([0.5, 1.0, 4.0], size=array.shape).astype(dtype)
        array[source.random(array.shape) < 0.1] = -0.0
    return model


def rows(count, d, dtype):
    """Return rows of common numbers, and some with large, tiny, denormal and zero ones, infinity and NaN."""
    source = np.random.default_rng([count, d])
    X = source.standard_normal((count, d)).astype(dtype)
    info = np.finfo(dtype)
    sizes = source.integers(info.minexp - info.nmant, info.maxexp, (count // 4, d))
    with np.errstate(over="ignore", under="ignore"):
        X[: count // 4] = np.ldexp(X[: count // 4], sizes.astype(np.int32))
    moderate = slice(count // 4, count // 2)
    X[moderate] *= np.exp2(source.integers(-8, 9, (count // 2 - count // 4, d))).astype(dtype)
    special = [0.0, -0.0, 1.0, -1.0, info.max, info.min, info.tiny, info.smallest_subnormal, np.inf, -np.inf, np.nan]
    places = source.random((count // 20, d)) < 0.3
    chosen = source.choice(np.array(special, dtype=dtype), places.shape)
    X[-(count // 20) :] = np.where(places, chosen, X[-(count // 20) :])
    return X


def name_of(case):
    return "_".join(case)


@pytest.fixture(scope="module")
def models():
    return {case: fitted(*case) for case in CASES}


@pytest.fixture(scope="module")
def expected(models):
    """The rows, and what the model makes of them; predictors do not refuse NaN and infinity."""
    by_dtype = {dtype: rows(N_ROWS, D, dtype) for dtype in DTYPES}
    return by_dtype, {case: model.predictor()(by_dtype[case[2]]) for case, model in models.items()}


@pytest.fixture(scope="module")
def collection(models, tmp_path_factory):
    result = Collection(tmp_path_factory.mktemp("networks"))
    for case, model in models.items():
        result.add(name_of(case), model, D, RESULTS[case[0]], case[2])
    return result


def test_the_expected_results_are_those_of_models(models, expected):
    by_dtype, results = expected
    for case, model in models.items():
        X = by_dtype[case[2]]
        finite = np.isfinite(X).all(axis=1)
        predict = model.predict_proba if hasattr(model, "predict_proba") else model.predict
        same(results[case][finite].reshape(finite.sum(), -1), predict(X[finite]))
    assert 0.5 < np.mean([np.isfinite(result).mean() for result in results.values()]) < 1


@pytest.mark.parametrize("flags", ["-O0", "-O3", "-O3 -march=native"])
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_results_are_those_of_fastnn2(name, flags, collection, expected):
    call = collection.load(compiler(name), *flags.split())
    by_dtype, results = expected
    for case in CASES:
        same(call(name_of(case), by_dtype[case[2]]), results[case])


def test_every_activation_is_known():
    assert set(ACTIVATIONS) == set(network.ACTIVATIONS) == set(networks.ACTIVATIONS)
    assert {*network.OUTPUTS, "softmax"} == set(networks.LOSSES)


SHAPES = [(1, 1, 2), (2, 5, 2), (7, 3, 3), (8, 2, 3), (9, 64, 40), (3, 65, 33), (120, 130, 64), (1, 300, 2)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes(dtype, tmp_path):
    """Layers in blocks and not; units and sums of outputs some at a time."""
    collection, models = Collection(tmp_path), {}
    for d, h, o in SHAPES:
        samples = np.random.default_rng(d).standard_normal((200, d))
        name = f"net_{d}_{h}_{o}"
        kind = "two_classes" if o == 2 else "four_classes"
        models[name] = fitted(kind, "tanh", dtype, h, samples, np.arange(200) % o)
        collection.add(name, models[name], d, o, dtype)
    call = collection.load(compiler("gcc"), "-O2")
    for name, model in models.items():
        X = rows(400, model.n_features_in_, dtype)
        same(call(name, X), model.predictor()(X))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("o", [1, 3])
def test_params_of_fit(o, dtype, tmp_path):
    X, Y = SAMPLES[:, :3].T.astype(dtype), (SAMPLES[:, :o].T > 0).astype(dtype)
    params, _ = fastnn2.fit(X, Y, 0.5, 10, 50, n_threads=1)
    assert params["W1"].dtype == dtype
    collection = Collection(tmp_path)
    collection.add("net", params, 3, o, dtype)
    call = collection.load(compiler("gcc"), "-O2")
    X = rows(2000, 3, dtype)
    same(call("net", X), fastnn2.predictor(params)(np.ascontiguousarray(X.T)).T)
    finite = X[np.isfinite(X).all(axis=1)]
    same(call("net", finite), fastnn2.forward(finite.T, params)[0].T)


def test_it_is_cplusplus_too(collection, tmp_path):
    compile_c(compiler("g++"), collection.write("all.cpp"), tmp_path / "all.o", "-O1", "-c", standard="c++17")


def test_no_library_is_needed(collection, tmp_path):
    """Neither that of mathematics nor another; compilers may ask for some functions of memory by themselves."""
    if not shutil.which("nm"):
        pytest.skip("needs nm, which is not installed")
    for flags in (["-O2"], ["-O2", *IN_SOFTWARE], ["-O2", "-march=native"]):
        target = compile_c(compiler("gcc"), collection.write(), tmp_path / "all.o", *flags, "-c", "-ffreestanding")
        listed = subprocess.run(["nm", "-u", str(target)], capture_output=True, text=True, check=True, timeout=PATIENCE)
        assert set(listed.stdout.split()) - {"U"} <= {"memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_"}


# A program for Linux on AArch64 without a C library, which Zig would take a minute to make: by calls of the system it
# reads the number of a case and rows from standard input, and writes results to standard output.
SYSTEM_CALLS = """
static long system_call(long number, long a, const void *b, long c)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register const void *x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

static int all(long number, long file, char *bytes, long count)
{
    while (count > 0) {
        const long done = system_call(number, file, bytes, count);
        if (done <= 0)
            return 0;
        bytes += done;
        count -= done;
    }
    return 1;
}
"""
MAIN = """
void _start(void);
void _start(void)
{
    long number;
    if (all(63, 0, (char *)&number, sizeof number))
        switch (number) {
CASES        }
    system_call(93, 0, &number, 0);
}
"""


def program(cases):
    text = SYSTEM_CALLS
    for case in cases:
        name, element = name_of(case), C_TYPES[case[2]]
        text += (
            f"static void run_{name}(void)\n{{\n    {element} x[{D}], y[{RESULTS[case[0]]}];\n"
            f"    while (all(63, 0, (char *)x, sizeof x)) {{\n        {name}(x, y);\n"
            "        all(64, 1, (char *)y, sizeof y);\n    }\n}\n"
        )
    choices = [f"        case {i}: run_{name_of(case)}(); break;\n" for i, case in enumerate(cases)]
    return text + MAIN.replace("CASES", "".join(choices))


@pytest.mark.parametrize("system", ["AArch64", "AArch64 in software"])
def test_aarch64(system, collection, expected):
    """The same bits on another processor, whose compiler uses fused multiply-add at once."""
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if not emulator:
        pytest.skip("needs qemu-aarch64, which is not installed")
    if shutil.which("aarch64-linux-gnu-gcc"):
        command = ["aarch64-linux-gnu-gcc"]
    else:
        command = zig("-target", "aarch64-freestanding-none")
    source = collection.folder / "rows.c"
    source.write_text(collection.source + program(CASES), encoding="ascii")
    flags = IN_SOFTWARE if "software" in system else []
    target = compile_c(command, source, collection.folder / "rows", "-O2", "-static", "-nostdlib", *flags)
    by_dtype, results = expected
    chosen = slice(None, None, N_ROWS // EMULATED_ROWS)
    for i, case in enumerate(CASES):
        rows_and_case = np.int64(i).tobytes() + by_dtype[case[2]][chosen].tobytes()
        done = subprocess.run(
            [emulator, str(target)], input=rows_and_case, capture_output=True, check=True, timeout=PATIENCE
        )
        found = np.frombuffer(done.stdout, dtype=case[2]).reshape(EMULATED_ROWS, -1)
        same(found, results[case][chosen])
