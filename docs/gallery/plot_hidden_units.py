"""How many hidden units?
======================

Too few units cannot follow the data; more than enough cost time and, at worst, learn the noise. Train some of each size
with several seeds, and look at data that they have not seen: the smallest size that is as good as any is the answer.

Here a network tells whether a handwritten digit is odd or even. :func:`fastnn2.fit_many` trains nine sizes with ten
seeds each, 90 networks, in one call.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastnn2

X, digits = load_digits(return_X_y=True)
X_train, X_test, Y_train, Y_test = train_test_split(X / 16, digits % 2, test_size=0.5, random_state=0)
sizes, seeds = [1, 2, 3, 5, 8, 12, 20, 32, 50], range(10)
results = fastnn2.fit_many(
    X_train.T, Y_train, 1.0, [size for size in sizes for _ in seeds], 300,
    random_state=[seed for _ in sizes for seed in seeds], costs="last",
)  # fmt: skip
networks = [params for params, _ in results]

# %%
# Errors have a row for each size and a column for each seed.

train = np.array([100 * (fastnn2.predict(X_train.T, params)[0] != Y_train).mean() for params in networks])
test = np.array([100 * (fastnn2.predict(X_test.T, params)[0] != Y_test).mean() for params in networks])
train, test = train.reshape(9, 10), test.reshape(9, 10)
mean, deviation = test.mean(axis=1), test.std(axis=1)
best = mean.argmin()
enough = sizes[(mean <= mean[best] + deviation[best]).argmax()]  # the first that is as good, give or take a seed

# sphinx_gallery_alt_1 = "Percent of errors against the number of hidden units. On test data, the mean of ten seeds "
# sphinx_gallery_alt_2 = "falls steeply from 9 percent with one unit to about 4 with three, is lowest with eight, and "
# sphinx_gallery_alt_3 = "is flat from there to 50 units, in a band that is a half to two percent wide. On training "
# sphinx_gallery_alt_4 = "data it falls from 6 percent to 1 with eight units, and is flat, too."
fig, ax = plt.subplots()
ax.fill_between(sizes, test.min(axis=1), test.max(axis=1), color="C0", alpha=0.2, label="test, all ten seeds")
ax.plot(sizes, mean, "o-", label="test, mean")
ax.plot(sizes, train.mean(axis=1), "s--", label="training, mean")
ax.axvline(enough, color="#475569", linewidth=1)
ax.set(xscale="log", ylim=(0, None), xlabel="hidden units", ylabel="errors (%)", title=f"{enough} units are enough")
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.legend()

# %%
# A single seed would mislead: the best network of one size is better than the worst of any other from five units on. So
# compare means, and call sizes equal that differ by less than the seeds do.
#
# Take the smallest size at which the curve of the test is flat. If it is not flat at the right end, go on to larger
# ones. If it rises there while that of training falls, the network :doc:`learns noise <plot_overfitting>`.
