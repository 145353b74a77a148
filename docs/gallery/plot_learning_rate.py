"""Which learning rate?
====================

A rate that is too small learns nothing in the time it has, and one that is too large overshoots. Between them there is
a wide range of rates that do equally well. :func:`fastnn2.fit_many` finds it in one call: 30 rates from 0.001 to 1,000,
each with five seeds, are 150 networks.

The data are scikit-learn's breast cancer, standardized: 569 tumors, benign or malignant, with 30 measurements.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

import fastnn2

X, Y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
rates, seeds, iterations = np.geomspace(0.001, 1000, 30), range(5), 500
pairs = [(rate, seed) for rate in rates for seed in seeds]
with warnings.catch_warnings(action="ignore"):  # the warning lists the networks that diverged
    results = fastnn2.fit_many(
        X.T, Y, [rate for rate, _ in pairs], 8, iterations, alpha=3.0,
        random_state=[seed for _, seed in pairs], on_divergence="keep",
    )  # fmt: skip

# %%
# A network that diverges has the costs of the iterations before, which are fewer than 500. So its last cost says
# nothing, and it is a cross at the upper edge. So is a network whose cost is above 1,000.

last = np.array([cost_[-1] for _, cost_ in results]).reshape(30, 5)
lost = np.array([len(cost_) < iterations or cost_[-1] > 1000 for _, cost_ in results]).reshape(30, 5)
last[lost] = np.nan
mean = last.mean(axis=1)  # NaN where a network is lost
good = rates[mean < 1.2 * np.nanmin(mean)]

# sphinx_gallery_alt_1 = "The last cost of each network against its learning rate, both logarithmic. The cost falls "
# sphinx_gallery_alt_2 = "slowly from 0.5 at 0.001 to a flat floor of 0.1 between 0.3 and 3. From 10 on it rises "
# sphinx_gallery_alt_3 = "steeply, costs of one rate lie far apart, and from 240 on nearly all networks are crosses at "
# sphinx_gallery_alt_4 = "the upper edge."
fig, ax = plt.subplots()
ax.axvspan(good[0], good[-1], color="C2", alpha=0.15, label="within 20 % of the best")
ax.plot(rates, mean, label="mean of five seeds")
ax.plot(rates.repeat(5), last.ravel(), ".", color="#475569", label="one network")
ax.plot(rates.repeat(5)[lost.ravel()], np.full(lost.sum(), 1e3), "x", color="C1", clip_on=False, label="lost")
ax.set(
    xscale="log", yscale="log", ylim=(0.03, 1e3), xlabel="learning rate", ylabel=f"cost after {iterations} iterations"
)
ax.set_title(f"Rates from {good[0]:.1g} to {good[-1]:.1g} do equally well")
ax.legend(loc="upper left")

# %%
# Take a rate from the middle of the range, not from its right end: there the next seed, or the next data, may be beyond
# the cliff. Beyond it every number may be finite, and the cost still a thousand times too high: *not diverged* does not
# mean *trained*, so look at the last cost.
#
# More iterations move the left end of the range to smaller rates. The right end stays where it is, as it depends on the
# data and on their scale. :doc:`Why a fit diverges <plot_diverged>` is the next page.
