"""The models of :mod:`bench.tabular`: the recipe, its peers, and the recipe with one ingredient off.

Every model is an estimator that fits the raw frame of a split, so a time of a fit has all that it does with columns.
"""

import itertools
from typing import NamedTuple

from bench.peers import Unavailable

RECIPE, MLP, BOOSTING, TUNED = "recipe", "mlp", "boosting", "boosting tuned"
ALL_CORES = 2
# Keywords of the estimator's constructor that switch one ingredient off; eight networks in place of four come last.
INGREDIENTS = {
    "no bins": {"n_bins": 0},
    "no dropout": {"dropout": 0.0},
    "one network": {"n_estimators": 1},
    "last epoch": {"keep_best": False},
    "beta_2 0.999": {"beta_2": 0.999},
    "batches of 200": {"batch_size": 200},
    "float64": {"dtype": "float64"},
    "eight networks": {"n_estimators": 8},
}
# What the tuned boosting chooses from: eight settings.
GRID = {"learning_rate": (0.1, 0.04), "max_leaf_nodes": (10, 31), "min_samples_leaf": (20, 5)}
MOST_TREES, VALIDATION, PATIENCE = 600, 0.15, 20


class Model(NamedTuple):
    """A name in tables, a function from a split to an unfitted estimator, and the threads to measure with."""

    title: str
    make: object
    threads: tuple[int, ...] = (ALL_CORES,)


def recipe(cut, **changes):
    try:
        from fastnn2 import TabularClassifier, TabularRegressor
    except ImportError as error:
        raise Unavailable(str(error)) from None
    kind = TabularClassifier if cut.is_classification else TabularRegressor
    if unknown := sorted(set(changes) - set(kind().get_params())):
        raise Unavailable(f"{kind.__name__} has no argument {', '.join(unknown)}")
    return kind(random_state=cut.seed, **changes)


def mlp(cut):
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(numbers_without_missing(), StandardScaler())
    columns = prepared(numbers, OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    if cut.is_classification:
        return make_pipeline(columns, MLPClassifier(random_state=cut.seed))
    network = make_pipeline(columns, MLPRegressor(random_state=cut.seed))
    return TransformedTargetRegressor(network, transformer=StandardScaler())


def numbers_without_missing():
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median", add_indicator=True)


def prepared(numbers, categories):
    """Return a ColumnTransformer with one step for columns of numbers and one for categories."""
    from sklearn.compose import make_column_selector, make_column_transformer

    return make_column_transformer(
        (numbers, make_column_selector(dtype_exclude="category")),
        (categories, make_column_selector(dtype_include="category")),
        verbose_feature_names_out=False,
    )


def boosting(cut, **settings):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if cut.is_classification else HistGradientBoostingRegressor
    return kind(categorical_features="from_dtype", random_state=cut.seed, **settings)


class TunedBoosting:
    """HistGradientBoosting with the best of eight settings.

    Each is fitted to 85 % of the training rows, with as many trees as the loss on the others asks for. The setting with
    the lowest error on these, or the lowest loss where errors are equal, is fitted once more, to all training rows.
    """

    def __init__(self, cut):
        self.cut = cut

    def fit(self, X, y):
        """Choose and fit; return self."""
        from sklearn.model_selection import train_test_split

        parts = train_test_split(
            X, y, test_size=VALIDATION, random_state=self.cut.seed, stratify=y if self.cut.is_classification else None
        )
        settings = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
        _, trees, best = min((self.tried(*parts, chosen) for chosen in settings), key=lambda tried: tried[0])
        self.model_ = boosting(self.cut, early_stopping=False, max_iter=trees, **best).fit(X, y)
        return self

    def tried(self, X, held_X, y, held_y, settings):
        """Return (error, loss) on the rows held out, the number of trees with the lowest loss, and the settings."""
        model = boosting(self.cut, early_stopping=True, n_iter_no_change=PATIENCE, max_iter=MOST_TREES, **settings).fit(
            X, y, X_val=held_X, y_val=held_y
        )
        losses = -model.validation_score_  # the first one is that without trees
        return (-model.score(held_X, held_y), losses.min()), max(1, int(losses.argmin())), settings

    def predict(self, X):
        """Return the numbers that the chosen model predicts."""
        return self.model_.predict(X)

    def predict_proba(self, X):
        """Return the probabilities that the chosen model predicts."""
        return self.model_.predict_proba(X)


def lightgbm(cut):
    try:
        from lightgbm import LGBMClassifier, LGBMRegressor
    except ImportError as error:
        raise Unavailable(f"{error.name} is not installed") from None
    kind = LGBMClassifier if cut.is_classification else LGBMRegressor
    return kind(random_state=cut.seed, n_jobs=ALL_CORES, verbose=-1)


def catboost(cut):
    try:
        from catboost import CatBoostClassifier, CatBoostRegressor
    except ImportError as error:
        raise Unavailable(f"{error.name} is not installed") from None
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    kind = CatBoostClassifier if cut.is_classification else CatBoostRegressor
    model = kind(
        random_seed=cut.seed, thread_count=ALL_CORES, verbose=0, allow_writing_files=False,
        cat_features=category_names(cut.X),
    )  # fmt: skip
    return make_pipeline(FunctionTransformer(with_missing_as_text), model)


def realmlp(cut):
    try:
        from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor
    except ImportError as error:
        raise Unavailable(f"{error.name} is not installed") from None
    from sklearn.pipeline import make_pipeline

    kind = RealMLP_TD_Classifier if cut.is_classification else RealMLP_TD_Regressor
    model = kind(device="cpu", n_threads=ALL_CORES, random_state=cut.seed)
    return make_pipeline(with_categories_only_missing(), model)


def with_categories_only_missing():
    """Return what RealMLP needs: a frame in which no number is missing, with its categories as they are."""
    return prepared(numbers_without_missing(), "passthrough").set_output(transform="pandas")


def category_names(frame):
    return list(frame.select_dtypes("category"))


def with_missing_as_text(frame):
    """Return a frame whose categories are texts, "missing" among them: CatBoost takes no missing category."""
    return frame.assign(
        **{name: frame[name].astype(object).where(frame[name].notna(), "missing") for name in category_names(frame)}
    )


class ConstantRate:
    """The recipe with the same learning rate in all steps after the warm-up, for which it has no argument."""

    def __init__(self, cut):
        self.model = recipe(cut)

    def fit(self, X, y):
        """Fit the recipe without the fall of its cosine; return self."""
        from unittest.mock import patch

        import numpy as np

        with patch("fastnn2.engine.schedule.cosine", np.ones_like):
            self.model.fit(X, y)
        return self

    def predict(self, X):
        """Return the numbers that the recipe predicts."""
        return self.model.predict(X)

    def predict_proba(self, X):
        """Return the probabilities that the recipe predicts."""
        return self.model.predict_proba(X)


def variant(changes):
    return lambda cut: recipe(cut, **changes)


PEERS = {
    RECIPE: Model("recipe", recipe),
    # scikit-learn's models may be slower on two threads than on one: the faster choice counts.
    MLP: Model("MLP", mlp, (1, ALL_CORES)),
    BOOSTING: Model("HistGB", boosting, (1, ALL_CORES)),
    TUNED: Model("tuned", TunedBoosting, (1, ALL_CORES)),
    "lightgbm": Model("LightGBM", lightgbm),
    "catboost": Model("CatBoost", catboost),
    "realmlp": Model("RealMLP", realmlp),
}
VARIANTS = {name: Model(name, variant(changes)) for name, changes in INGREDIENTS.items()}
VARIANTS["constant rate"] = Model("constant rate", ConstantRate)
MODELS = PEERS | VARIANTS
