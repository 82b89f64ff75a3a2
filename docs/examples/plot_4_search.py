"""
Pipelines, and a grid over lambda1, lambda2 and eta
===================================================

Sharing helps the clean model and opens a way for the attacker. A grid search over the victim's
penalties and the attacker's step shows both at once.
"""

# %%
# The node is a column here, so that every tool of scikit-learn sees it. A ``ColumnTransformer``
# scales the others and leaves it alone.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl.datasets import load_flights
from skfedmtl.metrics import node_errors
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
# An int as ``random_state``: all fits attack the same four airlines. The range lets rows lie
# anywhere in the ball, and says that this is meant.

attacker = PoisoningAttacker(
    FMTLRegressor(node_column="node", tol=1e-3),
    attack="indirect",
    target_nodes=["AA", "DL", "UA", "US"],
    feature_range=(-np.inf, np.inf),
    max_iter=10,
    victim_tol=1e-3,
    random_state=0,
)


def attacked(attacker, X, y):
    """The attacker's own score: the mean error of its targets."""
    return attacker.score(X, y)


def clean(attacker, X, y):
    """The same error of the model that nobody poisoned."""
    errors = node_errors(y, attacker.clean_estimator_.predict(X), X["node"])
    return np.mean([errors[label] for label in attacker.target_nodes_])


grid = {
    "estimator__lambda1": [0.01, 0.1, 1.0],
    "estimator__lambda2": [0.01, 0.1, 1.0],
    "eta": [30.0, 300.0],
}
folds = list(NodeKFold(3).split(X, y, nodes=X["node"]))
scoring = {"attacked": attacked, "clean": clean}
search = GridSearchCV(attacker, grid, scoring=scoring, refit=False, cv=folds, n_jobs=2)
search.fit(X, y)

# %%
# The map
# -------
# Of the two step sizes the attacker takes the better one. A defender looks for a cell that is low
# in both maps.

table = search.cv_results_
shape = len(grid["estimator__lambda1"]), len(grid["estimator__lambda2"]), len(grid["eta"])
order = np.lexsort([np.asarray(table[f"param_{name}"], dtype=float) for name in reversed(grid)])
maps = {name: table[f"mean_test_{name}"][order].reshape(shape).max(axis=2) for name in scoring}
low, high = min(map(np.min, maps.values())), max(map(np.max, maps.values()))
fig, axes = plt.subplots(1, 2, figsize=(8.5, 4), layout="constrained", sharey=True)
for ax, name in zip(axes, ("clean", "attacked"), strict=True):
    image = ax.imshow(maps[name], cmap="cividis", vmin=low, vmax=high, origin="lower")
    for (row, column), value in np.ndenumerate(maps[name]):
        light = value < (low + high) / 2
        ax.text(column, row, f"{value:.1f}", ha="center", va="center", color="w" if light else "k")
    ax.set_xticks(np.arange(3), grid["estimator__lambda2"])
    ax.set_yticks(np.arange(3), grid["estimator__lambda1"])
    ax.set_xlabel("lambda2")
    ax.set_title(name)
axes[0].set_ylabel("lambda1")
fig.colorbar(image, ax=axes, label="RMSE of the four airlines [minutes]")
plt.show()

# %%
# Where the attack gains most:

gain = table["mean_test_attacked"] - table["mean_test_clean"]
for name in grid:
    print(name, float(table[f"param_{name}"][np.argmax(gain)]))
print(f"{gain.max():.1f} minutes more")

# %%
# The weakest penalties are best in both maps. The more the airlines share, the more an attack from
# outside costs.
