"""The same bits on every processor.

Kernels for other processors are compiled in subprocesses, as Numba reads NUMBA_CPU_NAME and NUMBA_CPU_FEATURES once.
(With the name alone, Numba keeps the features of this processor.) The subprocesses run this file as a script.
"""

import os
import pathlib
import platform
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import tabular_data
from assembly import assert_mode_is_set_outside, functions_of, inner_loops
from data import DTYPES, PATIENCE, RATE, STORE_KERNELS, assert_same_bits, problem, published_data
from sklearn.exceptions import ConvergenceWarning

import fastnn2
from fastnn2.codegen import store
from fastnn2.codegen.processor import LEVELS, Processor

IS_X86 = platform.machine().lower() in ("x86_64", "amd64")
TESTS = pathlib.Path(__file__).parents[1]  # the script imports data.py from there
pytestmark = pytest.mark.skipif(not IS_X86, reason="needs an x86-64 processor")

# LLVM's name -> features, a pattern that must not be in the assembly, and patterns that must be, as otherwise the text
# may not be that of the kernels. zmm are registers of AVX-512, ymm of AVX; vfmadd is the fused instruction, fma the C
# library's function. In LLVM's lists, 64bit is a feature, and x87, which all processors have, is not.
V1, V3 = (frozenset(LEVELS[level].split()) - {"x87"} | {"64bit"} for level in ("x86-64", "x86-64-v3"))
TARGETS = {
    "haswell": (V3, "zmm", ("ymm", "vfmadd")),
    "znver3": (V3 | {"adx", "aes", "pclmul", "sha"}, "zmm", ("ymm", "vfmadd")),
    "x86-64": (V1, "vfmadd|[yz]mm", ("xmm", r"\bfma\b", r"\bfmaf\b")),
}


def jobs():
    """Return name -> X, Y, initial parameters, weights (or None), alpha, iterations; in float64."""
    X, Y, init = published_data()
    result = {"published": (X, Y, init, None, 0.0, 1000)}
    X, Y, init, weights = problem(9, 7, 3, 700)
    result["outputs"] = (X, Y, init, weights, 0.5, 40)
    X, Y, init, _ = problem(100, 50, 2, 600)
    result["shared"] = (X, Y, init, None, 0.1, 5)
    X, Y, init, _ = problem(200, 20, 2, 600)
    result["pieces"] = (X, Y, init, None, 0.0, 3)
    X, Y, init, weights = problem(220, 600, 2, 700)
    result["wide"] = (X, Y, init, weights, 0.1, 3)
    X, Y, init, weights = problem(3, 4, 1, 300)
    init["W2"] *= 200  # Z2 covers the whole range of exp, denormal results included
    result["saturated"] = (20 * X, Y, init, weights, 0.0, 40)
    for d in (1, 2):
        X, Y, init, weights = problem(d, 7, 1, 700)  # a block of units and two single ones
        init["W2"] *= 200
        result[f"narrow-{d}"] = (20 * X, Y, init, weights, 0.25, 40)
    return result


def run(job, dtype):
    """Return parameters and costs of a job, by name."""
    X, Y, init, weights, alpha, iterations = job
    h = len(init["W1"])
    params, cost_ = fastnn2.fit(
        X, Y, RATE, h, iterations, init=init, sample_weight=weights, alpha=alpha, dtype=dtype, n_threads=2
    )
    return params | {"cost_": cost_}


def run_estimators(dtype):
    """Return the results of two models, by name: threads share the hidden units of one, the samples of the other."""
    from fastnn2 import MLPRegressor

    random = np.random.RandomState(5)
    X = random.standard_normal((700, 30)).astype(dtype)
    y = (X[:, :2] * X[:, 2:4]).astype(dtype)
    models = {
        "units": MLPRegressor(hidden_layer_sizes=40, max_iter=5, n_threads=2, random_state=0, tol=0),
        "samples": MLPRegressor(
            hidden_layer_sizes=20,
            activation="tanh",
            batch_size=300,
            solver="sgd",
            max_iter=5,
            n_threads=2,
            random_state=0,
            tol=0,
        ),
    }
    result = {}
    for name, model in models.items():
        with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):
            model.fit(X, y)
        arrays = {"loss": np.array(model.loss_curve_), "prediction": model.predict(X), "W1": model.coefs_[0]}
        result |= {f"{name} {key}": array for key, array in arrays.items()}
    return result


def run_many(dtype):
    """Return the results of networks in one call, by name; some have their samples laid out by the kernel."""
    X, Y, _, weights = problem(9, 7, 3, 300, dtype)
    inputs = [X, X, X[:2], X[:1, ::-1], np.asfortranarray(X)]
    results = fastnn2.fit_many(
        inputs, [Y, Y, Y[0], Y[:1], Y[:, :]], RATE, [7, 5, 4, 9, 60], 9, alpha=0.5,
        sample_weight=[weights, None, weights, weights[:], weights[:]], n_threads=2)  # fmt: skip
    named = [params | {"cost_": cost_} for params, cost_ in results]
    return {f"{i} {key}": array for i, arrays in enumerate(named) for key, array in arrays.items()}


def run_tabular(dtype):
    """Return what the kernels of the tabular networks write, by name."""
    result = {}
    for loss, o in (("log_loss", 1), ("cross_entropy", 3), ("poisson", 1), ("squared_error", 2)):
        one = tabular_data.problem(
            tabular_data.shape_of(3, 4, 2, bins=5, h=40, o=o, dtype=dtype), 90, loss, weighted=o > 1
        )
        fields = tabular_data.train(one, batch=33, epochs=4, held=range(5, 25), drop=38, epsilon=1e-8, rates=0.01)
        names = ("params", "best", "losses", "held_losses", "order", "E")
        result |= {f"{loss} {name}": fields[name] for name in names}
        result[f"{loss} out"] = tabular_data.outputs([one, one], 50)
    return result


def as_arrays(job):
    X, Y, init, weights, alpha, iterations = job
    arrays = {"X": X, "Y": Y, "numbers": np.array([alpha, iterations])} | init
    return arrays if weights is None else arrays | {"weights": weights}


def as_job(arrays):
    alpha, iterations = arrays["numbers"]
    init = {name: arrays[name] for name in ("W1", "b1", "W2", "b2")}
    return arrays["X"], arrays["Y"], init, arrays.get("weights"), float(alpha), int(iterations)


def in_subprocess(folder):
    """Run the jobs whose arrays are in `folder`; write their results and the assembly of kernels to it."""
    from fastnn2.codegen.compile import compile_assembly

    here = Processor.here()
    for dtype in DTYPES:
        for path in sorted(folder.glob("*.job.npz")):
            with np.load(path) as arrays:
                result = run(as_job(dict(arrays)), dtype)
            np.savez(folder / f"{path.name.removesuffix('.job.npz')}-{dtype}.result.npz", **result)
        np.savez(folder / f"estimators-{dtype}.result.npz", **run_estimators(dtype))
        np.savez(folder / f"many-{dtype}.result.npz", **run_many(dtype))
        np.savez(folder / f"tabular-{dtype}.result.npz", **run_tabular(dtype))
        for name in ("train", "train_narrow", "train_wide"):
            assembly = compile_assembly(name, dtype, here.cpu, here.feature_string())
            (folder / f"{name}-{dtype}.s").write_text(assembly)


def assemblies(folder, dtype):
    """Return the assembly of each kernel that was compiled to be looked at."""
    return [path.read_text() for path in sorted(folder.glob(f"*-{dtype}.s"))]


def missing_for(name):
    """Return the features that kernels for a processor need and this processor lacks."""
    features, _, _ = TARGETS[name]
    return sorted(features - Processor.here().features)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Start the subprocesses of all processors at once; yield name -> process and its folder."""
    processes = {}
    for name, (features, _, _) in TARGETS.items():
        if missing_for(name):
            continue
        folder = tmp_path_factory.mktemp(name)
        for job, arguments in jobs().items():
            np.savez(folder / f"{job}.job.npz", **as_arrays(arguments))
        environment = os.environ | {
            "NUMBA_CPU_NAME": name,
            "NUMBA_CPU_FEATURES": ",".join(f"+{feature}" for feature in sorted(features)),
            # A store of its own: from a common one it would take kernels for a processor with fewer features.
            "FASTNN2_CACHE_DIR": str(folder),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")])),
            "PYTHONWARNINGS": "error",
            **STORE_KERNELS,
        }
        command = [sys.executable, __file__, str(folder)]
        with open(folder / "errors", "w") as errors:
            processes[name] = subprocess.Popen(command, env=environment, stderr=errors), folder
    yield processes
    for process, _ in processes.values():
        process.kill()
        process.wait()


@pytest.fixture(scope="module", params=TARGETS)
def target(request, started):
    """Return the name of a processor and the folder with its results and assembly."""
    name = request.param
    if name not in started:
        pytest.skip(f"this processor lacks {', '.join(missing_for(name))} and cannot run kernels for {name}")
    process, folder = started[name]
    assert process.wait(timeout=PATIENCE) == 0, (folder / "errors").read_text()
    return name, folder


@pytest.mark.parametrize("dtype", DTYPES)
def test_subprocess_ran_kernels_for_the_other_processor(target, dtype):
    name, folder = target
    if os.environ.get("FASTNN2_STORE", "").lower() == "off":
        pytest.skip("there is no store to look into")
    made = [store.read(path).processor for path in folder.glob(f"train-{dtype}-*.kernel")]
    assert [(processor.cpu, processor.features) for processor in made] == [(name, TARGETS[name][0])]


@pytest.mark.parametrize("dtype", DTYPES)
def test_assembly_has_no_wider_vectors_and_no_fma_where_there_is_none(target, dtype):
    name, folder = target
    _, forbidden, expected = TARGETS[name]
    assembly = "".join(assemblies(folder, dtype))
    assert not re.search(forbidden, assembly)
    if name == "x86-64":
        expected = expected[:1] + expected[1 + DTYPES.index(dtype) :][:1]
    for pattern in expected:
        assert re.search(pattern, assembly), pattern


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_that_keep_vectors_on_their_stack_align_it(target, dtype):
    _, folder = target
    functions = "".join(assemblies(folder, dtype)).split("@function\n")[1:]
    with_vector = r"\(%rsp\), %[xyz]mm|%[xyz]mm\d+, \d+\(%rsp\)"
    spilling = [function for function in functions if re.search(with_vector, function)]
    assert spilling
    assert all(re.search(r"andq\s+\$-64, %rsp", function) for function in spilling)


@pytest.mark.parametrize("dtype", DTYPES)
def test_loops_of_products_keep_their_sums_in_registers(target, dtype):
    # Such a loop only loads, broadcasts and multiplies; with more accumulators than registers it would use the stack.
    name, folder = target
    if name == "x86-64":
        pytest.skip("each fma is a call")
    functions = functions_of((folder / f"train-{dtype}.s").read_text()).values()
    loops = [loop for function in functions for loop in inner_loops(function)]
    sums = [[line for line in loop if re.match(r"\tv(?:fmadd|(?!mova|movu|broadcast))", line)] for loop in loops]
    products = [
        loop
        for loop, arithmetic in zip(loops, sums, strict=True)
        if len(arithmetic) >= 8 and all(line.startswith("\tvfmadd") for line in arithmetic)
    ]
    # Blocks of two sizes: of the hidden layer, of sums over lanes; and that of sums in lanes.
    assert sum(sum("vfmadd" in line for line in loop) % 12 == 0 for loop in products) >= 3
    assert not any("(%rsp" in line and "mm" in line for loop in products for line in loop)


@pytest.mark.parametrize("dtype", DTYPES)
def test_training_loops_run_in_the_default_mode(target, dtype):
    _, folder = target
    kernels = assemblies(folder, dtype)
    assert len(kernels) == 3
    for assembly in kernels:
        assert_mode_is_set_outside(assembly)


def test_assembly_for_avx512_has_its_registers():
    # Shows that the tests above would find such registers. Any processor can compile for AVX-512, but not this process:
    # one process compiles for one kind of vector registers.
    features = V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
    processor = Processor(Processor.here().triple, "skylake-avx512", features)
    code = (
        "import sys\n"
        "from fastnn2.codegen.compile import compile_assembly\n"
        "sys.stdout.write(compile_assembly('cost', 'float64', sys.argv[1], sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, processor.cpu, processor.feature_string()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "zmm" in done.stdout


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "job", ["published", "outputs", "shared", "pieces", "wide", "saturated", "narrow-1", "narrow-2"]
)
def test_other_processors_give_the_same_bits(target, job, dtype):
    _, folder = target
    with np.load(folder / f"{job}-{dtype}.result.npz") as arrays:
        assert_same_bits(dict(arrays), run(jobs()[job], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_other_processors_give_estimators_the_same_bits(target, dtype):
    _, folder = target
    with np.load(folder / f"estimators-{dtype}.result.npz") as arrays:
        assert_same_bits(dict(arrays), run_estimators(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_other_processors_give_networks_in_one_call_the_same_bits(target, dtype):
    _, folder = target
    with np.load(folder / f"many-{dtype}.result.npz") as arrays:
        assert_same_bits(dict(arrays), run_many(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_other_processors_give_tabular_networks_the_same_bits(target, dtype):
    _, folder = target
    with np.load(folder / f"tabular-{dtype}.result.npz") as arrays:
        assert_same_bits(dict(arrays), run_tabular(dtype))


@pytest.mark.parametrize("name", LEVELS)
def test_levels_are_of_64_bits_and_run_here_where_their_features_are(name):
    level = Processor.level(name)
    # LLVM ends the process if this feature is switched off.
    assert "-64bit" not in level.feature_string().split(",")
    if Processor.here().features >= V3 and name != "x86-64-v4":
        assert Processor.here().runs(level)


def test_features_that_a_user_names_need_not_have_64bit():
    named = Processor(Processor.here().triple, "x86-64", frozenset({"sse", "sse2"}))
    words = named.feature_string().split(",")
    assert "-64bit" not in words
    assert {"+sse", "+sse2", "-avx", "-fma"} <= set(words)


if __name__ == "__main__":
    in_subprocess(pathlib.Path(sys.argv[1]))
