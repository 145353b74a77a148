"""Whether a model file can hold a model, found before the time for its training is spent."""

from typing import Any

from sklearn.pipeline import Pipeline

from fastnn2.files.saved import estimator_file
from fastnn2.tables.reading.table_error import TableError

SMALL = 1000  # inputs of a model that any file can hold


def check_can_be_saved(transformer: Any, network: Any, inputs: int) -> None:
    """Raise TableError if the columns and categories of a model are more than a file holds.

    Parameters
    ----------
    transformer : ColumnTransformer
        Fitted.
    network : MLPClassifier or MLPRegressor
        Not fitted: numbers need few places in a file.
    inputs : int
    """
    if inputs <= SMALL:
        return
    try:
        estimator_file.from_bytes(estimator_file.to_bytes(Pipeline([("columns", transformer), ("network", network)])))
    except ValueError as error:
        raise TableError(
            f"a model of {inputs:,} inputs with their names could not be saved: {error}; leave columns out (--drop), "
            "pass a smaller --max-categories, or do not keep the model (--out)"
        ) from error
