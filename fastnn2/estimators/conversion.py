"""Conversion between fastnn2's models and scikit-learn's."""

import copy
from typing import Any

from fastnn2.estimators.sklearn_hooks import TRANSIENT, OneHiddenLayer


def converted(model: Any, target: Any, source: Any = None) -> Any:
    """Return a model of class `target` with the parameters and a copy of the fitted attributes of `model`.

    Parameters that `target` does not have are left out. A `model` that is no `source` raises TypeError.
    """
    if source is not None and not isinstance(model, source):
        raise TypeError(f"from_sklearn takes a {source.__name__} of scikit-learn and got {type(model).__name__}")
    parameters = model.get_params(deep=False)
    new = target(**{name: value for name, value in parameters.items() if name in target().get_params(deep=False)})
    if isinstance(new, OneHiddenLayer):
        new._check_one_hidden_layer()
    # Callbacks and the state of a fit that is running stay with their model.
    left_out = set(parameters) | {
        "_skl_callbacks",
        "_callback_fit_ctx",
        "_skl_callbacks_to_teardown",
        "_resumes_from",
        *TRANSIENT,
    }
    if not isinstance(new, OneHiddenLayer):
        left_out.add("validation_loss_curve_")
    vars(new).update(copy.deepcopy({name: value for name, value in vars(model).items() if name not in left_out}))
    return new
