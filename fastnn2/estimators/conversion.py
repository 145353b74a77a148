"""A model of one class from a model of another: fastnn2's from scikit-learn's, and back."""

import copy
from typing import Any

from fastnn2.estimators.sklearn_hooks import TRANSIENT, OneHiddenLayer


def converted(model: Any, into: Any, expected: Any = None) -> Any:
    """Return a model of the class `into` with the parameters that it has, and a copy of what `model` has learned."""
    if expected is not None and not isinstance(model, expected):
        raise TypeError(f"from_sklearn takes a {expected.__name__} of scikit-learn and got {type(model).__name__}")
    parameters = model.get_params(deep=False)
    new = into(**{name: value for name, value in parameters.items() if name in into().get_params(deep=False)})
    if isinstance(new, OneHiddenLayer):
        new._check_one_hidden_layer()
    # Callbacks stay with their model, and so does what a fit that is under way holds.
    kept_apart = set(parameters) | {"_skl_callbacks", "_callback_fit_ctx", "_skl_callbacks_to_teardown", *TRANSIENT}
    if not isinstance(new, OneHiddenLayer):
        kept_apart.add("validation_loss_curve_")
    vars(new).update(copy.deepcopy({name: value for name, value in vars(model).items() if name not in kept_apart}))
    return new
