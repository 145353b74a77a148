"""How much does the seed matter?
==============================

``random_state`` chooses the initial weights and the order of the samples. Two seeds give two models, and one of them
has fewer errors. Is it the better one, or the luckier one? Train forty seeds, and compare their spread with what
happens when the rows of the test are others.

:func:`fastnn2.fit_estimators` fits all of them in one call, each with the bits of its own ``fit``.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastnn2

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=0.3, random_state=0)
options = {"learning_rate_init": 0.01, "max_iter": 300}
models = fastnn2.fit_estimators(
    [fastnn2.MLPClassifier(**options, random_state=seed) for seed in range(40)], X_train, y_train
)
probabilities = np.array([model.predict_proba(X_test) for model in models])
by_seed = 100 * (probabilities.argmax(axis=2) != y_test).mean(axis=1)

# %%
# Lists of X and y have an entry for each network. Here each has a split of its own, and all have the same seed.

splits = [train_test_split(X / 16, y, test_size=0.3, random_state=split) for split in range(40)]
models = fastnn2.fit_estimators(
    [fastnn2.MLPClassifier(**options, random_state=0) for _ in splits],
    [X_train for X_train, _, _, _ in splits],
    [y_train for _, _, y_train, _ in splits],
)
by_split = [100 * (1 - model.score(split[1], split[3])) for model, split in zip(models, splits, strict=True)]

# %%
# And the mean of the probabilities of four seeds each, on the first split: ten models of four networks.

means = probabilities.reshape(10, 4, *probabilities.shape[1:]).mean(axis=1)
of_four = 100 * (means.argmax(axis=2) != y_test).mean(axis=1)
rows = {"another seed": by_seed, "another split": by_split, "mean of four seeds": of_four}

# sphinx_gallery_alt_1 = "Percent of errors of each model, in three rows of dots, with their medians. Forty seeds lie "
# sphinx_gallery_alt_2 = "between 1.7 and 3.2 with a median of 2.2. Forty splits lie between 1.3 and 5.2 with a median "
# sphinx_gallery_alt_3 = "of 2.6. Ten means of four seeds lie between 1.9 and 2.2 with a median of 2.0."
fig, ax = plt.subplots()
jitter = np.random.default_rng(0).uniform(-0.15, 0.15, 40)
for place, errors in enumerate(rows.values()):
    ax.plot(errors, place + jitter[: len(errors)], "o", alpha=0.6, markeredgewidth=0)
    ax.plot(2 * [np.median(errors)], [place - 0.3, place + 0.3], color="#1e293b")
ax.set_yticks(range(3), rows)
ax.set(xlabel="errors on the test (%); a line is the median", ylim=(2.5, -0.5))
ratio = np.std(by_split) / np.std(by_seed)
ax.set_title(f"Splits are spread {ratio:.1f} times as widely as seeds")

# %%
# A difference between two models that is smaller than the spread of a row means nothing. So do not choose the best of
# many seeds: its luck on this test does not last. Say the mean and the spread of several seeds and splits instead.
#
# To gain from many seeds, average them. :class:`fastnn2.TabularClassifier` and :class:`fastnn2.TabularRegressor` do
# that by themselves, with four.
