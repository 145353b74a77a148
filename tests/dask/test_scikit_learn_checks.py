"""scikit-learn's own checks of estimators, on dask arrays of their samples; by name, also those that do not apply."""

import logging

import numpy as np
import pandas as pd
import pytest
from data import extra
from sklearn.utils.estimator_checks import estimator_checks_generator

distributed = extra("distributed", "dask")
extra("dask.dataframe", "dask")
import dask.array  # noqa: E402
import dask.dataframe  # noqa: E402

from fastnn2.dask import DaskMLPClassifier, DaskMLPRegressor  # noqa: E402

# Why a check does not apply; the others shall pass.
SPARSE = "the adapter below has no dask array for it; a collection of sparse partitions is refused in other words"
NOT_APPLICABLE = {
    "check_array_api_input": "skipped by scikit-learn where SCIPY_ARRAY_API is not set",
    "check_classifiers_multilabel_output_format_decision_function": "there is no decision_function, as in the local "
    "class",
    "check_complex_data": "refused by its dtype, in other words",
    "check_dtype_object": "features of dtype object are refused: a number must be one on all workers",
    "check_estimator_sparse_array": SPARSE,
    "check_estimator_sparse_matrix": SPARSE,
    "check_estimator_sparse_tag": SPARSE,
    "check_estimators_empty_data_messages": "refused in other words",
    "check_estimators_nan_inf": "refused with partition and row, in other words: nan, not NaN",
}
BOTH = [
    "check_all_zero_sample_weights_error",
    "check_dict_unchanged",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_dont_overwrite_parameters",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_estimators_partial_fit_n_features",
    "check_estimators_pickle",
    "check_estimators_unfitted",
    "check_f_contiguous_array_estimator",
    "check_fit1d",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_get_params_invariance",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_mixin_order",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_no_attributes_set_in_init",
    "check_non_transformer_estimators_n_iter",
    "check_parameters_default_constructible",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_requires_y_none",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weights_list",
    "check_sample_weights_not_an_array",
    "check_sample_weights_not_overwritten",
    "check_sample_weights_pandas_series",
    "check_sample_weights_shape",
    "check_set_params",
    "check_supervised_y_2d",
    "check_supervised_y_no_nan",
    "check_valid_tag_types",
]
OF_CLASSIFIERS = [
    "check_class_weight_classifiers",
    "check_classifier_data_not_an_array",
    "check_classifier_multioutput",
    "check_classifiers_classes",
    "check_classifiers_multilabel_output_format_predict",
    "check_classifiers_multilabel_output_format_predict_proba",
    "check_classifiers_multilabel_representation_invariance",
    "check_classifiers_one_label",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_regression_target",
    "check_classifiers_train",
    "check_decision_proba_consistency",
]
OF_REGRESSORS = [
    "check_regressor_data_not_an_array",
    "check_regressor_multioutput",
    "check_regressors_int",
    "check_regressors_no_decision_function",
    "check_regressors_train",
]


def lazily(value):
    """Return a dask collection of two partitions; None, and what has no rows, as they are."""
    if value is None:
        return None
    if isinstance(value, pd.DataFrame | pd.Series):
        return dask.dataframe.from_pandas(value, npartitions=2)
    array = np.asarray(value)
    if array.ndim == 0:
        return value
    first = len(array) // 2
    chunks = ((first, len(array) - first), *((size,) for size in array.shape[1:]))
    return dask.array.from_array(array, chunks=chunks)


def at_once(value):
    return value.compute() if hasattr(value, "compute") else value


class OnCollections:
    """The adapter: samples become collections, and predictions arrays."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(lazily(X), lazily(y), lazily(sample_weight))

    def predict(self, X):
        return at_once(super().predict(lazily(X)))

    def score(self, X, y, sample_weight=None):
        return super().score(lazily(X), lazily(y), lazily(sample_weight))


class Classifier(OnCollections, DaskMLPClassifier):
    def predict_proba(self, X):
        return at_once(super().predict_proba(lazily(X)))

    def predict_log_proba(self, X):
        return at_once(super().predict_log_proba(lazily(X)))


class Regressor(OnCollections, DaskMLPRegressor):
    pass


def checks_of(estimator):
    """Return name -> checks of that name."""
    found = {}
    for _, check in estimator_checks_generator(estimator(hidden_layer_sizes=10, max_iter=20)):
        found.setdefault(getattr(check, "func", check).__name__, []).append(check)
    return found


@pytest.fixture(scope="module")
def threads():
    """A cluster in threads of this process, which answers sooner than processes."""
    with (
        distributed.LocalCluster(
            processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        client.as_current(),
    ):
        yield client


@pytest.mark.parametrize(("estimator", "names"), [(Classifier, OF_CLASSIFIERS), (Regressor, OF_REGRESSORS)])
def test_the_lists_have_all_checks(estimator, names):
    """A new check of scikit-learn gets a place in one of them."""
    applicable = set(checks_of(estimator)) - set(NOT_APPLICABLE)
    assert applicable == {*BOTH, *names}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("estimator", "name"),
    [(Classifier, name) for name in sorted(BOTH + OF_CLASSIFIERS)]
    + [(Regressor, name) for name in sorted(BOTH + OF_REGRESSORS)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_check(threads, estimator, name):
    for check in checks_of(estimator)[name]:
        check(estimator(hidden_layer_sizes=10, max_iter=20))
