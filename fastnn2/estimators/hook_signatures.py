"""The private parts of scikit-learn that the estimators replace or use, and the check that they are as expected.

scikit-learn may change private names in any version. Importing this module raises ImportError where a version is too
old or a name is missing, before the other modules of this folder import those names. The first fit with a version newer
than `TESTED` warns if a signature has changed.
"""

import functools
import inspect
import pkgutil
import warnings
from typing import Any

import sklearn

TESTED = (1, 9)  # the version of scikit-learn that the tests run with

_CLASSES = "fastnn2's MLPClassifier and MLPRegressor"
_OLDER = f'pip install "scikit-learn<{TESTED[0]}.{TESTED[1] + 1}"'

_MLP = "sklearn.neural_network._multilayer_perceptron:"
_OPTIMIZERS = "sklearn.neural_network._stochastic_optimizers:"
_LOSSES = "sklearn.neural_network._base:LOSS_FUNCTIONS"
_CALLBACKS = "sklearn.callback:"

_BACKPROP = "X y sample_weight activations deltas coef_grads intercept_grads"

# Function or method -> the names of its parameters, in order; keyword-only ones follow "*".
SIGNATURES = {
    # Methods that fastnn2 replaces
    f"{_MLP}BaseMultilayerPerceptron.fit": "self X y sample_weight",
    f"{_MLP}BaseMultilayerPerceptron._fit": "self X y sample_weight incremental",
    f"{_MLP}BaseMultilayerPerceptron._fit_stochastic": f"self {_BACKPROP} layer_units incremental",
    f"{_MLP}BaseMultilayerPerceptron._fit_lbfgs": f"self {_BACKPROP} layer_units",
    f"{_MLP}BaseMultilayerPerceptron._loss_grad_lbfgs": f"self packed_coef_inter {_BACKPROP}",
    f"{_MLP}BaseMultilayerPerceptron._forward_pass_fast": "self X check_input",
    f"{_MLP}MLPClassifier._validate_input": "self X y incremental reset",
    f"{_MLP}MLPRegressor._validate_input": "self X y incremental reset",
    f"{_MLP}MLPClassifier.partial_fit": "self X y sample_weight classes",
    f"{_MLP}MLPClassifier.score": "self X y sample_weight",
    f"{_MLP}MLPRegressor.score": "self X y sample_weight",
    "sklearn.base:BaseEstimator.__getstate__": "self",
    # Methods and functions that fastnn2 calls
    f"{_MLP}BaseMultilayerPerceptron._check_solver": "self",
    "sklearn.base:BaseEstimator._validate_params": "self",
    "sklearn.utils:_safe_indexing": "X indices * axis",
    f"{_MLP}BaseMultilayerPerceptron._unpack": "self packed_parameters",
    f"{_MLP}BaseMultilayerPerceptron._update_no_improvement_count": "self early_stopping X y sample_weight",
    f"{_OPTIMIZERS}AdamOptimizer": "params learning_rate_init beta_1 beta_2 epsilon",
    f"{_OPTIMIZERS}AdamOptimizer.trigger_stopping": "self msg verbose",
    f"{_OPTIMIZERS}SGDOptimizer": "params learning_rate_init lr_schedule momentum nesterov power_t",
    f"{_OPTIMIZERS}SGDOptimizer.trigger_stopping": "self msg verbose",
    f"{_LOSSES}[binary_log_loss]": "y_true y_prob sample_weight",
    f"{_LOSSES}[log_loss]": "y_true y_prob sample_weight",
    f"{_LOSSES}[poisson]": "y_true y_pred sample_weight",
    f"{_LOSSES}[squared_error]": "y_true y_pred sample_weight",
    f"{_CALLBACKS}CallbackSupportMixin._init_callback_context":
        "self task_name task_id max_subtasks sequential_subtasks",
    f"{_CALLBACKS}CallbackContext.subcontext": "self task_name task_id max_subtasks sequential_subtasks",
    f"{_CALLBACKS}CallbackContext.call_on_fit_task_begin":
        "self * estimator X y metadata reconstruction_attributes",
    f"{_CALLBACKS}CallbackContext.call_on_fit_task_end":
        "self * estimator X y metadata reconstruction_attributes",
    # Hooks of callbacks that fastnn2 defines
    f"{_CALLBACKS}FitCallback.setup": "self estimator context",
    f"{_CALLBACKS}FitCallback.teardown": "self estimator context",
    f"{_CALLBACKS}FitCallback.on_fit_task_begin": "self estimator context * X y metadata fitted_estimator",
    f"{_CALLBACKS}FitCallback.on_fit_task_end": "self estimator context * X y metadata fitted_estimator",
    # Others
    "sklearn.base:_fit_context": "* prefer_skip_nested_validation",
    "sklearn.utils._param_validation:Interval": "type left right * closed",
    "sklearn.utils._param_validation:StrOptions": "options * deprecated",
    "sklearn.utils._param_validation:validate_parameter_constraints": "parameter_constraints params caller_name",
    "sklearn.utils.parallel:_get_threadpool_controller": "",
    "sklearn.utils.validation:_check_sample_weight":
        "sample_weight X * dtype force_float_dtype ensure_non_negative ensure_same_device copy allow_all_zero_weights",
    "sklearn.utils.validation:_check_feature_names_in": "estimator input_features * generate_names",
}  # fmt: skip

# Class -> attributes of its objects.
ATTRIBUTES = {
    f"{_OPTIMIZERS}AdamOptimizer": "learning_rate learning_rate_init beta_1 beta_2 epsilon t ms vs",
    f"{_OPTIMIZERS}SGDOptimizer": "learning_rate learning_rate_init lr_schedule momentum nesterov power_t velocities",
}


def resolve(name: str) -> Any:
    """Return what a key of `SIGNATURES` names; raise ImportError, AttributeError or KeyError if it is missing."""
    path, _, key = name.partition("[")
    found = pkgutil.resolve_name(path)
    return found[key.removesuffix("]")] if key else found


def missing_names() -> list[str]:
    """Return the names that scikit-learn no longer has."""
    missing = []
    for name in SIGNATURES:
        try:
            resolve(name)
        except (ImportError, AttributeError, KeyError):
            missing.append(name)
    for name, attributes in ATTRIBUTES.items():
        try:
            made = resolve(name)([])
        except Exception:  # a missing class is in the list; of a changed constructor the first fit warns
            continue
        missing += [f"{name}.{attribute}" for attribute in attributes.split() if not hasattr(made, attribute)]
    return [name.replace(":", ".") for name in missing]


def parameters_of(function: Any) -> str:
    """Return the names of a function's parameters as `SIGNATURES` has them."""
    names: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in names:
            names.append("*")
        names.append(parameter.name)
    return " ".join(names)


def changed_signatures() -> list[str]:
    """Return a line for each signature that is not as in `SIGNATURES`."""
    lines = []
    for name, expected in SIGNATURES.items():
        found = parameters_of(resolve(name))
        if found != expected:
            expected_list, found_list = (", ".join(names.split()) for names in (expected, found))
            lines.append(f"{name.replace(':', '.')}({found_list}), expected ({expected_list})")
    return lines


def _found_version() -> tuple[int, ...]:
    return tuple(int(part) for part in sklearn.__version__.split(".")[:2])


def check_names() -> None:
    """Raise ImportError where scikit-learn is too old, or has no longer what fastnn2 needs."""
    if _found_version() < TESTED:
        raise ImportError(
            f"{_CLASSES} need scikit-learn {TESTED[0]}.{TESTED[1]} or newer and found {sklearn.__version__}; "
            "pip install --upgrade scikit-learn"
        )
    missing = missing_names()
    if missing:
        raise ImportError(
            f"{_CLASSES} are tested with scikit-learn {TESTED[0]}.{TESTED[1]} and found {sklearn.__version__}, which "
            f"no longer has {', '.join(missing)}; {_OLDER}, or install a newer fastnn2"
        )


@functools.cache
def warn_of_changed_signatures() -> None:
    """Warn, once in a process, where a newer scikit-learn has changed a signature in `SIGNATURES`."""
    changed = changed_signatures() if _found_version() > TESTED else []
    if changed:
        warnings.warn(
            f"{_CLASSES} are tested with scikit-learn {TESTED[0]}.{TESTED[1]} and found {sklearn.__version__}, where "
            f"functions that they replace or call have other parameters: {'; '.join(changed)}. A fit may fail, or "
            f"differ from scikit-learn's; {_OLDER}, or install a newer fastnn2",
            stacklevel=3,
        )


check_names()
