"""One network for each group?
===========================

A chain has many shops, and each has customers of its own. Is one network for all shops better, or one for each?
:func:`fastnn2.fit_many` trains one for each in a single call, which makes it cheap to ask.

The data are made up, so that the truth is known: does a shop sell out, given the price and the weather? The 80 shops
react to the weather in ways of their own, and have between 15 and 3,000 days of records.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import fastnn2

random = np.random.default_rng(0)
days = np.geomspace(15, 3000, 80).astype(int)
slopes = random.normal(1.0, 1.5, 80)  # of the weather, in each shop


def records(n, slope):
    """Return price and temperature (2, n), and whether the shop sold out."""
    X = random.standard_normal((2, n))
    chance = 1 / (1 + np.exp(1.5 * X[0] - slope * X[1]))
    return X, (random.random(n) < chance).astype(float)


train = [records(n, slope) for n, slope in zip(days, slopes, strict=True)]
test = [records(2000, slope) for slope in slopes]

# %%
# X and Y are lists with an entry for each shop. All else is one value for all of them; the penalty ``alpha`` keeps the
# networks of small shops from learning their few days by heart.

started = time.perf_counter()
own = fastnn2.fit_many([X for X, Y in train], [Y for X, Y in train], 0.5, 5, 1000, alpha=1.0)
print(f"{len(own)} networks in {time.perf_counter() - started:.2f} s")
X, Y = np.hstack([X for X, Y in train]), np.hstack([Y for X, Y in train])
for_all, cost_ = fastnn2.fit(X, Y, 0.5, 5, 1000)


def cost_of(params, X, Y):
    """Return the mean cross-entropy."""
    return fastnn2.cost(fastnn2.forward(X, params)[0], Y[np.newaxis])


own_costs = np.array([cost_of(params, *rows) for (params, _), rows in zip(own, test, strict=True)])
costs_for_all = np.array([cost_of(for_all, *rows) for rows in test])

# %%
# Each shop is judged on 2,000 days that no network has seen.

# sphinx_gallery_alt_1 = "A dot for each shop: the cost of its own network divided by that of the network for all, "
# sphinx_gallery_alt_2 = "against its days of records on a logarithmic axis. With few days some dots are above 1, "
# sphinx_gallery_alt_3 = "where the network for all is better. With hundreds of days nearly all are below 1, "
# sphinx_gallery_alt_4 = "most of them between 0.6 and 1, and the lowest at 0.4."
ratio = own_costs / costs_for_all
better = ratio < 1
fig, ax = plt.subplots()
ax.axhline(1, color="#475569", linewidth=1.5)
ax.plot(days[better], ratio[better], "o", label="its own network is better")
ax.plot(days[~better], ratio[~better], "s", color="C1", label="the network for all is better")
ax.set(xscale="log", xlabel="days of records of the shop", ylabel="cost of its own / cost for all")
small = days < 50
ax.set_title(f"Own networks win in {100 * better[~small].mean():.0f} % of shops with 50 days and more")
ax.legend()
print(f"with fewer than 50 days, own networks win in {100 * better[small].mean():.0f} %")

# %%
# What to take from it:
#
# - Groups with enough rows of their own are better off with their own network; how many rows are enough depends on how
#   different the groups are. Ask as here, on rows that are held out.
# - Small groups can share: train them together, with the group as a column (one-hot, or as a category of
#   :class:`fastnn2.TabularClassifier`).
# - For regression, more than two classes or early stopping, :func:`fastnn2.fit_estimators` takes lists in the same way.
#
# :doc:`/guide/many-networks` has an example that keeps the models in a dict by the name of the group.
