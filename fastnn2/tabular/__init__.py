"""Raw tables as the numbers, bins and categories that networks for tables see.

``encoder`` learns how the columns of a table are encoded, and encodes. ``table_columns`` reads columns
of pandas, polars and NumPy, ``categorical_features`` says which of them are categories. ``scaling`` has the numbers
beside the bins, ``bins`` the edges of bins and the look-up of values, ``categories`` the rows of categories.
``classifier`` and ``regressor`` have the estimators, ``base`` what they share, ``members`` what each network begins
with.
May import estimators, engine and below.
"""

from fastnn2.tabular.classifier import TabularClassifier
from fastnn2.tabular.regressor import TabularRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]
