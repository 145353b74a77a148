"""The list of scikit-learn's private names is right and complete, and what differs in another version is reported."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest
import sklearn
import sklearn.neural_network as theirs
from data import PATIENCE

from fastnn2 import estimators
from fastnn2.estimators import hook_signatures, sklearn_hooks

LISTED = {re.split(r"[:.\[\]]", name.rstrip("]"))[-1] for name in hook_signatures.SIGNATURES}
SOURCES = [
    ast.parse(path.read_text(encoding="utf-8")) for path in pathlib.Path(estimators.__file__).parent.glob("*.py")
]


def test_the_list_is_right_for_the_version_that_is_tested():
    assert tuple(int(part) for part in sklearn.__version__.split(".")[:2]) == estimators.TESTED
    assert hook_signatures.missing_names() == []
    assert hook_signatures.changed_signatures() == []


def test_every_method_that_is_replaced_is_in_the_list():
    replaced = set()
    for ours, others in (
        (sklearn_hooks.OneHiddenLayer, (theirs.MLPClassifier, theirs.MLPRegressor)),
        (estimators.MLPClassifier, (theirs.MLPClassifier,)),
        (estimators.MLPRegressor, (theirs.MLPRegressor,)),
    ):
        replaced |= {
            name
            for name, value in vars(ours).items()
            if callable(value) and any(hasattr(each, name) for each in others)
        }
    # Constructors: test_mlp.py::test_parameters_are_scikit_learns_and_a_few_at_the_end.
    assert {"_fit", "_fit_stochastic", "score", "__getstate__"} <= replaced - {"__init__"} <= LISTED


def test_every_private_name_that_is_used_is_in_the_list():
    defined, called, imported = set(), set(), set()
    for node in (node for source in SOURCES for node in ast.walk(source)):
        if isinstance(node, ast.FunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr[0] == "_":
            called.add(node.func.attr)
        elif isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "sklearn":
            imported |= {alias.name for alias in node.names if "._" in f"{node.module}.{alias.name}"}
    python = {"__new__"}
    assert {"_unpack", "_init_callback_context"} <= called - defined - python <= LISTED
    assert {"_fit_context", "AdamOptimizer"} <= imported
    assert imported - {"LOSS_FUNCTIONS"} <= LISTED
    assert sum("LOSS_FUNCTIONS[" in name for name in hook_signatures.SIGNATURES) == 4


def test_what_keys_mean():
    assert hook_signatures.parameters_of(lambda a, b=1, *rest, c, d=2, **more: None) == "a b rest * c d more"
    for name in ("sklearn.nothing:x", "sklearn.base:nothing", "sklearn.neural_network._base:LOSS_FUNCTIONS[nothing]"):
        with pytest.raises((ImportError, AttributeError, KeyError)):
            hook_signatures.resolve(name)


OTHER_VERSION = """
import warnings, sklearn
from sklearn.neural_network import _base, _multilayer_perceptron, _stochastic_optimizers
from sklearn.utils import parallel
Base, Adam = _multilayer_perceptron.BaseMultilayerPerceptron, _stochastic_optimizers.AdamOptimizer
sklearn.__version__ = {version!r}
{change}
def told(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    return result, [str(warning.message) for warning in caught if "fastnn2" in str(warning.message)]
def load():
    from fastnn2 import MLPClassifier
    return MLPClassifier
try:
    found, at_import = told(load)
except ImportError as error:
    print("ImportError", error)
else:
    X, y = [[0.0], [1.0], [2.0]], [0, 1, 1]
    calls = {{
        "fit": found(3, solver="lbfgs", max_iter=3, n_threads=1).fit,
        "partial_fit": lambda X, y: found(3).partial_fit(X, y, classes=[0, 1]),
    }}
    print(at_import, *(told(lambda: calls[name](X, y))[1] for name in {calls}))
"""

RENAMED = """
def renamed(self, X, y, sample_weight, activations, deltas, coef_grads, intercept_grads, layer_units, *, history=None):
    return original(self, X, y, sample_weight, activations, deltas, coef_grads, intercept_grads, layer_units)
original, Base._fit_lbfgs = Base._fit_lbfgs, renamed
class Optimizer(Adam):
    def __init__(self, params, rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        super().__init__(params, rate, beta_1, beta_2, epsilon)
_stochastic_optimizers.AdamOptimizer = Optimizer
"""

WITHOUT_MOMENTS = """
def made(self, params, make=Adam.__init__):
    make(self, params)
    del self.ms
Adam.__init__ = made
"""

NEWER = r"fastnn2's MLPClassifier and MLPRegressor are tested with scikit-learn 1\.9 and found 9\.9\.0, "
REMEDY = r'; pip install "scikit-learn<1\.10", or install a newer fastnn2'
LACKS = rf"ImportError {NEWER}which no longer has "
MODULE = r"sklearn\.neural_network\._multilayer_perceptron\.BaseMultilayerPerceptron"
OPTIMIZERS = r"sklearn\.neural_network\._stochastic_optimizers"
WARNED = (
    rf"{NEWER}where functions that they replace or call have other parameters: {MODULE}\._fit_lbfgs\(self, X, y, "
    r"sample_weight, activations, deltas, coef_grads, intercept_grads, layer_units, \*, history\), expected \(self, X, "
    rf".*, layer_units\); {OPTIMIZERS}\.AdamOptimizer\(params, rate, beta_1, beta_2, epsilon\), expected \(params, "
    rf"learning_rate_init, beta_1, beta_2, epsilon\)\. A fit may fail, or differ from scikit-learn's{REMEDY}"
)

VERSIONS = {
    "tested": (sklearn.__version__, "", r"\[\] \[\] \[\]"),
    "newer": ("9.9.0", "", r"\[\] \[\] \[\]"),
    "newer, before its release": ("9.9.dev0", "", r"\[\] \[\] \[\]"),
    "newer, with other signatures": ("9.9.0", RENAMED, rf"\[\] \[(['\"]){WARNED}\1\] \[\]"),
    "older": (
        "1.8.1", "",
        r"ImportError fastnn2's MLPClassifier and MLPRegressor need scikit-learn 1\.9 or newer and found 1\.8\.1; "
        "pip install --upgrade scikit-learn",
    ),
    "without a method": ("9.9.0", "del Base._unpack", rf"{LACKS}{MODULE}\._unpack{REMEDY}"),
    "without a replaced method": (
        "9.9.0", "Base._fit_one = Base._fit; del Base._fit", rf"{LACKS}{MODULE}\._fit{REMEDY}",
    ),
    "without a function": (
        "9.9.0", "del parallel._get_threadpool_controller",
        rf"{LACKS}sklearn\.utils\.parallel\._get_threadpool_controller{REMEDY}",
    ),
    "without a loss": (
        "9.9.0", "del _base.LOSS_FUNCTIONS['poisson']",
        rf"{LACKS}sklearn\.neural_network\._base\.LOSS_FUNCTIONS\[poisson\]{REMEDY}",
    ),
    "without an attribute": (
        "9.9.0", WITHOUT_MOMENTS,
        rf"{LACKS}{OPTIMIZERS}\.AdamOptimizer\.ms{REMEDY}",
    ),
    "without a module": (
        "9.9.0", "import sys; sys.modules['sklearn.neural_network._stochastic_optimizers'] = None",
        rf"{LACKS}{OPTIMIZERS}\.AdamOptimizer, {OPTIMIZERS}\.AdamOptimizer\.trigger_stopping, .*SGDOptimizer.*{REMEDY}",
    ),
}  # fmt: skip


CASES = [(name, ("fit", "partial_fit")) for name in VERSIONS] + [
    ("newer, with other signatures", ("partial_fit", "fit"))
]


@pytest.mark.parametrize(("name", "calls"), CASES)
def test_other_versions_of_scikit_learn(name, calls):
    version, change, expected = VERSIONS[name]
    code = OTHER_VERSION.format(version=version, change=change, calls=calls)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(expected, done.stdout.strip().replace("\\'", "'")), done.stdout
