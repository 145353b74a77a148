"""Kernels compute in the default floating-point mode, whatever the mode of the calling thread."""

import ast
import contextlib
import inspect
import platform
import subprocess
import sys

import numpy as np
import pytest
import tabular_data
from assembly import assert_mode_is_set_outside
from data import DTYPES, PATIENCE, RATE, assert_same_bits, problem
from numba import njit

import fastnn2
from fastnn2.codegen.compile import compile_assembly, find_entry
from fastnn2.codegen.processor import Processor
from fastnn2.kernels.loops.float_mode import enter_default_mode, set_float_mode
from fastnn2.kernels.shared import tuning
from fastnn2.kernels.shared.records import RECORDS
from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining
from fastnn2.threads.team import Team

needs_x86 = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="needs an x86-64 processor"
)

# Bits of MXCSR: denormal results become zero (flush to zero), denormal arguments count as zero (denormals are zero),
# rounding towards zero. A library built with -ffast-math sets the first two as it is loaded.
DEFAULT, FLUSH, DENORMALS_ARE_ZERO, TOWARDS_ZERO = 0x1F80, 0x8000, 0x0040, 0x6000
MODES = {
    "flush to zero": DEFAULT | FLUSH,
    "denormals are zero": DEFAULT | DENORMALS_ARE_ZERO,
    "both": DEFAULT | FLUSH | DENORMALS_ARE_ZERO,
    "towards zero": DEFAULT | TOWARDS_ZERO,
}
CONTROL = 0xFFC0  # the bits that are settings; those below say what has happened


@njit
def current_mode():
    mode = enter_default_mode()
    set_float_mode(mode)
    return mode


@njit
def set_mode(mode):
    set_float_mode(mode)


@njit
def multiply(a, b):
    return a * b


@contextlib.contextmanager
def mode_of_thread(mode):
    """Set the mode of this thread; check on leaving that nobody has changed it; put back the one before."""
    before = current_mode()
    set_mode(mode)
    try:
        yield
        after = current_mode()
    finally:
        set_mode(before)
    assert after & CONTROL == mode & CONTROL


class InThisThread(Team):
    """A team of the calling thread alone, in long jobs too."""

    def __init__(self, kernel, job, control, size):
        super().__init__(kernel, job, control, 1)

    def run_beside(self):
        self.run()
        self.is_done = True


def with_denormals(d, h, o, n, dtype):
    """Return a problem in which denormal numbers count: a change of the mode changes its parameters.

    The first input is 0, so that its weights, which are denormal, stay as they are; the second is so small that its
    gradient is denormal, and its weights are too. Weights of samples are integers: NumPy adds them up outside of the
    kernel, and their sum is exact in any mode.
    """
    X, Y, init, weights = problem(d, h, o, n, dtype)
    info = np.finfo(dtype)
    X[0] = 0.0
    X[1] *= 4 * info.tiny
    init["W1"][:, :2] *= info.tiny / 16
    return X, Y, init, np.round(weights)


@needs_x86
def test_modes_have_an_effect():
    tiny = float(np.finfo(float).tiny)
    three, tenth = 3.0, 0.1
    assert multiply(tiny, 0.5) == tiny / 2
    rounded = multiply(three, tenth)
    with mode_of_thread(MODES["flush to zero"]):
        flushed = multiply(tiny, 0.5)
    with mode_of_thread(MODES["denormals are zero"]):
        not_seen = multiply(tiny / 2, 4.0)
    with mode_of_thread(MODES["towards zero"]):
        cut = multiply(three, tenth)
    assert flushed == 0
    assert not_seen == 0
    assert cut == np.nextafter(rounded, 0)


@needs_x86
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(2, 5, 1, 500), (9, 7, 3, 300), (100, 50, 2, 600), (220, 600, 1, 100)], ids=str)
def test_mode_of_the_calling_thread_does_not_change_a_bit(shape, mode, dtype, monkeypatch):
    X, Y, init, weights = with_denormals(*shape, dtype)
    h = shape[1]

    def fit():
        plain = fastnn2.fit(X, Y, RATE, h, 20, init=init)
        return (*plain, *fastnn2.fit(X, Y, RATE, h, 20, init=init, alpha=0.5, sample_weight=weights))

    expected = fit()
    changed = expected[0]["W1"][:, 1]
    tiny = np.finfo(dtype).tiny
    assert ((changed != 0) & (abs(changed) < tiny)).any(), "denormal numbers should have been among the results"
    assert_same_bits(expected[0]["W1"][:, 0], init["W1"][:, 0])
    with mode_of_thread(MODES[mode]):
        threads = fit()  # new threads start in the mode of the one that starts them
    assert_same_bits(threads, expected)
    monkeypatch.setattr("fastnn2.engine.full_batch.Team", InThisThread)
    with mode_of_thread(MODES[mode]):
        here = fit()
    assert_same_bits(here, expected)


@needs_x86
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["flush to zero", "denormals are zero", "both"])
def test_mode_of_the_calling_thread_does_not_change_a_bit_of_the_steps(mode, dtype):
    # Gradients are divided by n and rounded outside of the kernel, so here none of them is denormal.
    X, Y, params, _ = problem(5, 6, 2, 3 * tuning.group_size(dtype) + 5, dtype)
    info = np.finfo(dtype)
    X[0] *= info.tiny / 4
    params["W1"][0] = [1.0, 0.0, 0.0, 0.0, 0.0]  # the first unit's Z1 and A1 are the first input
    params["b1"][0] = 0.0
    params["W1"][1:, 0] *= info.tiny / 16
    params["W2"][0] = 0.25
    params["b2"][0] = np.log(info.tiny) - 1  # the first output is denormal
    params["b2"][1] = info.tiny / 4
    forward = fastnn2.forward(X, params)
    for numbers in (forward[0][0], forward[1]["A1"][0]):
        assert ((numbers != 0) & (abs(numbers) < info.tiny)).any()
    gradients = {"d" + name: np.zeros_like(value) for name, value in params.items()}
    y = np.where(Y < 0.5, info.tiny / 8, 1).astype(dtype)  # certain but for a denormal number

    def steps():
        # The cost of a denormal number that should have been 1/2.
        return fastnn2.forward(X, params), np.float64(fastnn2.cost(y, Y)), fastnn2.update(gradients, params, RATE)

    expected = steps()
    with mode_of_thread(MODES[mode]):
        found = steps()
    assert_same_bits(found, expected)


@needs_x86
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
def test_mode_of_the_calling_thread_does_not_change_a_bit_of_tabular_networks(mode, dtype):
    one = tabular_data.problem(tabular_data.shape_of(2, 2, 1, h=40, o=3, dtype=dtype), 90, "cross_entropy")
    tiny = np.finfo(dtype).tiny
    one.samples.numbers[:, 0] = 0.0  # so that its weights, which are denormal, stay as they are
    one.samples.numbers[:, 1] *= tiny / 16  # so small that its gradient is denormal
    one.params["W"][:2] *= tiny / 16

    def run(mode):
        # NumPy rounds to float32 in the mode of the thread, so all is prepared before.
        training = tabular_data.training_fields(one, batch=32, epochs=3, held=range(10), drop=38)
        outputs = tabular_data.outputs_fields([one], 32)
        with mode_of_thread(mode):
            tabular_data.run_training(one, training)
            tabular_data.run_outputs(one, outputs)
        names = ("params", "first_moments", "losses", "held_losses")
        return {name: training[name] for name in names} | {"out": outputs["out"]}

    expected = run(DEFAULT)
    for name, row in (("params", 0), ("params", 1), ("first_moments", 1)):
        numbers = one.shape.views(expected[name])["W1"][row]
        assert ((numbers != 0) & (abs(numbers) < tiny)).any(), "denormal numbers should have been among the results"
    assert_same_bits(run(MODES[mode]), expected)


@njit(**NOT_INLINED)
def product(a, b, out):
    """Write ``a * b`` to ``out[0]``, as a kernel computes."""
    forbid_inlining()
    out[0] = a * b


@njit
def entry(a, b, out):
    """Run :func:`product` as the entries run their kernels."""
    mode = enter_default_mode()
    product(a, b, out)
    set_float_mode(mode)


@needs_x86
def test_no_arithmetic_moves_into_another_mode():
    # LLVM takes the two products for the same: inlined, one is computed for both, in one of the two modes.
    @njit
    def before_and_inside(a, b, out):
        flushed = a * b
        entry(a, b, out)
        return flushed

    @njit
    def inside_and_after(a, b, out):
        entry(a, b, out)
        return a * b

    tiny, inside = float(np.finfo(float).tiny), np.empty(2)
    with mode_of_thread(MODES["flush to zero"]):
        outside = [before_and_inside(tiny, 0.5, inside[:1]), inside_and_after(tiny, 0.5, inside[1:])]
    assert outside == [0, 0]
    assert (inside == tiny / 2).all()


@pytest.mark.parametrize("name", RECORDS)
def test_an_entry_runs_one_function_in_the_default_mode_and_neither_is_inlined(name):
    entry = find_entry(name)
    (definition,) = ast.parse(inspect.getsource(entry)).body
    _, *statements = map(ast.unparse, definition.body)
    assert statements[0] == "mode = enter_default_mode()"  # which forbids that the entry is inlined
    assert statements[2:] == ["set_float_mode(mode)"]
    module, _, function = statements[1].removesuffix("(job)").rpartition(".")
    compute = getattr(entry.__globals__[module], function) if module else entry.__globals__[function]
    assert "forbid_inlining" in inspect.getclosurevars(compute.py_func).globals


@needs_x86
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["update", "cost", "forward"])  # are compiled in a moment
def test_mode_is_set_outside_of_the_function_that_computes(name, dtype):
    here = Processor.here()
    assert_mode_is_set_outside(compile_assembly(name, dtype, here.cpu, here.feature_string()))


FOR_AARCH64 = """
import sys
import llvmlite.binding as llvm
from fastnn2.codegen.compile import compile_assembly

triple = "aarch64-unknown-linux-gnu"
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
try:
    llvm.Target.from_triple(triple)
except RuntimeError:
    sys.exit()  # this LLVM has no such target
for name, dtype in ("update", "float64"), ("cost", "float64"), ("update", "float32"):
    print(compile_assembly(name, dtype, "generic", "+neon", triple), end="NEXT")
"""


def test_mode_is_set_on_aarch64():
    done = subprocess.run([sys.executable, "-c", FOR_AARCH64], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    if not done.stdout:
        pytest.skip("this LLVM does not compile for AArch64")
    kernels = done.stdout.split("NEXT")[:-1]
    assert len(kernels) == 3
    for assembly in kernels:
        assert "FPCR" in assembly
        assert_mode_is_set_outside(assembly)
