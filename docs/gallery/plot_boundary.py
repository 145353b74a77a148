"""Does the boundary make sense?
=============================

A network that classifies two features can be looked at: :func:`fastnn2.plot_decision` colors each point of the plane by
the probability that the network gives it, and draws a line where the two classes are equally probable.

Here are scikit-learn's moons, 500 points, and a network with five hidden units, trained for 5,000 iterations. Samples
are columns for :func:`fastnn2.fit`, so X is transposed.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons

import fastnn2

X, Y = make_moons(n_samples=500, noise=0.2, random_state=3)
params, cost_ = fastnn2.fit(X.T, Y, 0.3, 5, 5000)
wrong = (fastnn2.predict(X.T, params)[0] != Y).sum()

# sphinx_gallery_alt_1 = "Two moons of points that reach into each other, and the line at which both classes are "
# sphinx_gallery_alt_2 = "equally probable. The line follows the gap between the moons in the shape of an S, with a "
# sphinx_gallery_alt_3 = "narrow band of doubt along it, and runs on straight where there are no points."
fig, ax = plt.subplots()
fastnn2.plot_decision(params, X.T, Y, ax=ax)
ax.set_title(f"{wrong} of 500 points are on the wrong side")
ax.grid(False)

# %%
# The line makes sense where points are: it follows the gap between the moons, and it does not bend round single points,
# which would be over-fitting. It is straight where no points are. There the network is as sure of itself as elsewhere,
# without a reason: distrust its probabilities outside the data.
#
# If the line is too straight for your data, try more hidden units or iterations; if it has islands round single points,
# fewer units, or a penalty (``alpha``). :func:`fastnn2.plot_decision` takes scikit-learn's classifiers and regressors,
# too, Pipelines among them, as long as they have two features.
