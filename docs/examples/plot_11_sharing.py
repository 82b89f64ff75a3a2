"""
Sharing wins
============

How many flights must an airline have before it does better alone?
"""

# %%
# Three ways to learn from the same flights: a model an airline, one model of all, and models that
# are tied, with a part that all have in common. Each chooses its penalties by cross-validation.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeCV

from skfedmtl import FMTLRegressorCV
from skfedmtl.datasets import load_flights
from skfedmtl.metrics import node_errors
from skfedmtl.model_selection import train_test_split_nodes

X, y, nodes = load_flights(return_X_y_nodes=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
airlines = np.unique(nodes)
ridge = RidgeCV(np.logspace(-2, 4, 13))
tied = FMTLRegressorCV(
    lambda0s=[0.1],
    lambda1s=[0.01, 0.1, 1.0],
    lambda2s=[1e-3, 0.1],
    cv=3,
    scoring="neg_root_mean_squared_error",
)


def forecasts(X, y, nodes, X_test, nodes_test):
    """Of the three models, by name."""
    alone = np.empty(len(X_test))
    for label in airlines:
        own, there = nodes == label, nodes_test == label
        alone[there] = ridge.fit(X[own], y[own]).predict(X_test[there])
    pooled = ridge.fit(X, y).predict(X_test)
    together = tied.fit(X, y, nodes=nodes).predict(X_test, nodes=nodes_test)
    return {"each alone": alone, "one model of all": pooled, "together": together}


# %%
# Six splits, and of the flights to learn from the first so many that were drawn for an airline.

sizes = [10, 20, 40, 80, 160, 300]
errors = {}
for seed in range(6):
    X_train, X_test, y_train, y_test, nodes_train, nodes_test = train_test_split_nodes(
        X, y, nodes, random_state=seed
    )
    order = np.random.default_rng(seed).permutation(len(X_train))
    for size in sizes:
        few = np.concatenate([order[nodes_train[order] == label][:size] for label in airlines])
        found = forecasts(X_train[few], y_train[few], nodes_train[few], X_test, nodes_test)
        for name, values in found.items():
            mean = np.mean(list(node_errors(y_test, values, nodes_test).values()))
            errors.setdefault(name, []).append(mean)

# %%
# Means over splits, with one standard error.

looks = {"each alone": ("s", "#767676"), "one model of all": ("^", "#009e73")}
looks["together"] = ("o", "#0072b2")
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, (marker, color) in looks.items():
    found = np.reshape(errors[name], (-1, len(sizes)))
    spread = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    ax.errorbar(sizes, found.mean(axis=0), spread, marker=marker, color=color, label=name)
    print(name, found.mean(axis=0).round(1))
ax.set_xscale("log")
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.set_xlabel("flights an airline has to learn from")
ax.set_ylabel("mean test RMSE of the airlines [minutes]")
ax.legend()
plt.show()
