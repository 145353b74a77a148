"""Why did the fit diverge?
========================

A cost that grows without end becomes infinite, and :func:`fastnn2.fit` raises :class:`fastnn2.TrainingDiverged`. The
usual reason is a learning rate that is too large for the penalty. Features that are not scaled do something else: the
cost stands still, and no error is raised. A picture of the costs tells the two apart, and the error keeps the costs for
it.

Breast cancer has features that are never above 1, and others of up to 4,254. Here they are taken as they are, and
standardized; and each with good settings, and with a learning rate that is too large for its penalty.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

import fastnn2

X, Y = load_breast_cancer(return_X_y=True)
data = {"features as they are": X, "features standardized": StandardScaler().fit_transform(X)}
settings = {"rate 0.3, no penalty": (0.3, 0.0), "rate 1.5, alpha=1000": (1.5, 1000.0)}

costs, messages = {}, []
for scale, features in data.items():
    for name, (rate, alpha) in settings.items():
        try:
            costs[scale, name] = fastnn2.fit(features.T, Y, rate, 8, 1000, alpha=alpha)[1]
        except fastnn2.TrainingDiverged as error:
            costs[scale, name] = error.cost_  # the finite ones
            messages.append(str(error))
print(messages[0])

# %%
# The axis ends at 10,000; the costs of the runs that diverge go on to the largest number there is.

# sphinx_gallery_alt_1 = "Costs against the iteration, with features as they are on the left, standardized on the "
# sphinx_gallery_alt_2 = "right. With the penalty, the cost shoots up in both within the first iterations. Without it, "
# sphinx_gallery_alt_3 = "the cost stays at 0.66 on the left, and falls to 0.02 on the right."
fig, axes = plt.subplots(1, 2, sharey=True)
for ax, scale in zip(axes, data, strict=True):
    for name, style in zip(settings, ("-", "--"), strict=True):
        ax.plot(range(1, len(costs[scale, name]) + 1), costs[scale, name].clip(max=1e6), style, label=name)
    ax.set(xscale="log", yscale="log", ylim=(1e-3, 1e4), xlabel="iteration", title=scale)
axes[0].set_ylabel("cost")
axes[0].legend(loc="lower left", fontsize=10)

# %%
# **The penalty diverges on both sides**, at the same pace, so the scale of the data is not the reason. Each iteration
# multiplies the weights by 1 - rate · alpha / n, with n = 569 samples: here by -1.6. They grow where rate · alpha / n
# is above 2. Keep it well below 1: a smaller rate, or a smaller ``alpha``.
#
# **The scale of the data shows on the left** in the other run. It does not diverge, which is worse, as no error says
# so. Features of some thousands drive each tanh to -1 or 1, where its slope is 0, and the network learns nothing but
# how frequent the classes are: a cost of 0.66. The same call falls to 0.02 on the standardized features.
#
# So: if a fit raises the error, compute rate · alpha / n; if its cost stands still, standardize.
# ``error.params`` has the last parameters that were finite, to look at; start anew rather than from them.
