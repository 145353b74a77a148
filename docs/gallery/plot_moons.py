"""Does the boundary make sense?
=============================

A network of five units on scikit-learn's moons.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons

import fastnn2

X, Y = make_moons(n_samples=500, noise=0.2, random_state=3)
params, costs = fastnn2.fit(X.T, Y, 0.3, 5, 5000)
fig, ax = plt.subplots()
fastnn2.plot_decision(params, X.T, Y, ax=ax)
