"""Is it over-fitting?
===================

A network over-fits when it learns the noise of its training data: its loss on them goes on falling, and the loss on
data that it has not seen rises. With ``early_stopping=True``, :class:`fastnn2.MLPRegressor` and
:class:`fastnn2.MLPClassifier` hold out some rows, and keep the loss on these after each epoch in
``validation_loss_curve_``.

How diabetes goes on within a year can be told only roughly from ten measurements of 442 patients. So there is much
noise to learn. ``n_iter_no_change`` is so large here that the training does not stop.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

import fastnn2

X, y = load_diabetes(return_X_y=True)
X, y = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
options = {"learning_rate_init": 0.003, "early_stopping": True, "validation_fraction": 0.3, "random_state": 0}
with warnings.catch_warnings(action="ignore"):  # it is not to converge
    all_epochs = fastnn2.MLPRegressor(**options, max_iter=400, n_iter_no_change=400).fit(X, y)
best = int(np.argmin(all_epochs.validation_loss_curve_)) + 1

# %%
# The same model with the default patience of ten epochs has the same curves, and stops.

stopped = fastnn2.MLPRegressor(**options).fit(X, y)

# sphinx_gallery_alt_1 = "Two losses against the epoch. The one on training rows falls from 0.5 to 0.02. The one on "
# sphinx_gallery_alt_2 = "held-out rows falls to 0.25 in the first 21 epochs and then rises steadily to 0.4. A "
# sphinx_gallery_alt_3 = "vertical line marks where early stopping ends the training, eleven epochs after the lowest "
# sphinx_gallery_alt_4 = "point."
fig, ax = plt.subplots()
fastnn2.plot_cost(all_epochs, ax=ax)
ax.set_yscale("linear")
ax.plot(best, min(all_epochs.validation_loss_curve_), "o", color="#c2410c", markersize=8, label="lowest")
ax.axvline(stopped.n_iter_, color="#475569", linestyle=":", label="early stopping")
ax.set(title=f"From epoch {best} on, it learns noise", ylabel="loss (half the squared error)")
ax.legend()

# %%
# The gap between the two curves is no alarm in itself; the rise of the dashed one is. From there on each epoch makes
# the model worse for new data.
#
# Early stopping waits for ten epochs without an improvement, ends the training with the next one, and goes back to the
# parameters of the best epoch. That is the cheapest remedy. Fewer units, a larger ``alpha`` and more data are others.
# If the dashed curve still falls at the end, the training is too short: raise ``max_iter``.
