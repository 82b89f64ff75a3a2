"""
Penalties by the worst case
===========================

An attack that failed proves nothing: the next one may be better. ``DamageBound`` says what no
attack exceeds, and a search can choose the penalties by it.
"""

# %%
# The node is a column, as in :doc:`plot_4_search`, and the other columns are scaled beforehand.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skfedmtl import FMTLRegressor
from skfedmtl.attack import DamageBound
from skfedmtl.datasets import load_flights
from skfedmtl.metrics import certified_scorer, node_errors
from skfedmtl.model_selection import NodeKFold

flights = load_flights(as_frame=True)
X, y = flights.frame.drop(columns=flights.target.name), flights.target
scale = make_column_transformer(
    (StandardScaler(), make_column_selector(dtype_include="number")),
    remainder="passthrough",
    verbose_feature_names_out=False,
).set_output(transform="pandas")
X = scale.fit_transform(X)

# %%
# The search
# ----------
# Four airlines are attacked through four others, which get a fifth more rows. Beside the certified
# damage the search records the error of the model that nobody poisoned, on held-out flights. Of
# the penalties that cost less than a fifth of a minute there it takes the safest.

bound = DamageBound(
    FMTLRegressor(node_column="node", lambda2=1e-3),
    attack="indirect",
    target_nodes=["AA", "DL", "UA", "US"],
    max_iter=60,
    random_state=0,
)


def clean(bound, X, y):
    """Minus the mean error of the targets without an attack."""
    errors = node_errors(y, bound.clean_estimator_.predict(X), X["node"])
    return -np.mean([errors[label] for label in bound.target_nodes_])


def safest(results):
    """The least certified damage of those that are about as good without an attack."""
    error, damage = -results["mean_test_clean"], -results["mean_test_certified"]
    return int(np.argmin(np.where(error < error.min() + 0.2, damage, np.inf)))


lambda1 = np.logspace(-4, 0, 7)
search = GridSearchCV(
    bound,
    {"estimator__lambda1": lambda1},
    scoring={"clean": clean, "certified": certified_scorer},
    refit=safest,
    cv=list(NodeKFold(5).split(X, y, nodes=X["node"]))[:2],
)
search.fit(X, y)
results = search.cv_results_

# %%
# The worst case
# --------------
# The bound is on the mean squared error of the targets' training flights; its root is in minutes.
# Without an attack a strong tie to the others gains next to nothing here, but it lets an attacker
# in.

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
damage = np.sqrt(-results["mean_test_certified"])
clean_error = -results["mean_test_clean"]
ax.plot(lambda1, damage, "o-", color="#d55e00", label="certified: no attack does more")
ax.plot(lambda1, clean_error, "s-", color="#0072b2", label="no attack, held-out flights")
ax.axvline(search.best_params_["estimator__lambda1"], color="k", ls=":", label="chosen")
ax.set_xscale("log")
ax.set_xlabel("lambda1")
ax.set_ylabel("error of the four airlines [minutes]")
ax.set_ylim(bottom=0.0)
ax.legend()
plt.show()

# %%
# The chosen model, fitted to all flights:

best = search.best_estimator_
n_targets = len(best.target_nodes_)
print(f"lambda1 = {search.best_params_['estimator__lambda1']:.1g}, by theorem {best.theorem_}")
print(f"training error {np.sqrt(best.clean_objective_ / n_targets):.1f} minutes,")
print(f"under any attack at most {np.sqrt(best.per_target_):.1f}")
