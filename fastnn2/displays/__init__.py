"""Pictures of training runs and of what networks have learned, with matplotlib, as scikit-learn's display objects.

``costs`` has plot_cost, ``decisions`` plot_decision, ``axes`` what both need. Both return a display, whose attributes
hold all that was drawn. With ``ax=None`` they make a new figure with ``matplotlib.pyplot``; with ``ax`` they draw there
and import no pyplot, so that they change no global state. (scikit-learn's DecisionBoundaryDisplay always imports it.)
matplotlib is imported when something is drawn, and scikit-learn where an estimator is given.
May import functional, estimators and below.
"""

from fastnn2.displays.costs import CostDisplay, plot_cost
from fastnn2.displays.decisions import DecisionDisplay, plot_decision

__all__ = ["CostDisplay", "DecisionDisplay", "plot_cost", "plot_decision"]
