"""
Rows that could exist
=====================

How much damage is left to an attacker whose rows must look like flights?
"""

# %%
# The table says by itself what its columns allow. The victim scales them, so that the attacker
# moves rows in the table's own units.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfedmtl import FMTLRegressor, PoisoningAttacker, RandomPoisoner
from skfedmtl.attack import infer_constraints
from skfedmtl.datasets import load_flights
from skfedmtl.metrics import node_errors
from skfedmtl.model_selection import train_test_split_nodes

flights = load_flights(as_frame=True)
columns = infer_constraints(flights.data, flights.nodes)
print("whole numbers:", *columns["integer_features"])
print("a single 1 among:", *columns["one_hot_groups"][0])

# %%
# Four limits, each within the one before: anywhere in the ball; no number that no airline has had;
# none that this airline has not had; and besides whole numbers and a single airport.

limits = {
    "the ball alone": {"feature_range": (-np.inf, np.inf)},
    "ranges of all airlines": {"feature_range": "clean-all"},
    "ranges of the airline": {"feature_range": "clean"},
    "... and whole numbers,\na single airport": columns,
}
victim = make_pipeline(StandardScaler(), FMTLRegressor(lambda1=0.1, lambda2=0.01))
targets = ["AA", "DL", "UA", "US"]
shown = ["month", "origin_EWR", "origin_JFK", "origin_LGA", "dep_delay"]
errors = {"no attack": [], "drawn at random": [], "optimised": []}
for seed in range(3):
    X, X_test, y, y_test, nodes, nodes_test = train_test_split_nodes(
        flights.data, flights.target, flights.nodes, random_state=seed
    )
    common = {"target_nodes": targets, "random_state": seed}
    for name, limit in limits.items():
        random = RandomPoisoner(victim, **common, **limit).fit(X, y, nodes=nodes)
        attacker = PoisoningAttacker(victim, max_iter=20, **common, **limit)
        attacker.fit(X, y, nodes=nodes)
        clean = attacker.clean_estimator_.predict(X_test, nodes=nodes_test)
        clean = node_errors(y_test, clean, nodes_test)
        errors["no attack"].append(np.mean([clean[label] for label in targets]))
        errors["drawn at random"].append(random.score(X_test, y_test, nodes=nodes_test))
        errors["optimised"].append(attacker.score(X_test, y_test, nodes=nodes_test))
        if seed == 0:
            print(name, attacker.poison_X_[shown].head(2).round(1).to_string(index=False), sep="\n")

# %%
# What the limits take off
# ------------------------
# Means over three splits with one standard error.

looks = {"no attack": ("s", "#767676"), "drawn at random": ("^", "#009e73")}
looks["optimised"] = ("o", "#d55e00")
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for name, (marker, color) in looks.items():
    found = np.reshape(errors[name], (3, len(limits)))
    spread = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    style = {"fmt": marker, "color": color, "label": name}
    ax.errorbar(found.mean(axis=0), np.arange(len(limits)), xerr=spread, **style)
ax.set_yticks(range(len(limits)), limits)
ax.invert_yaxis()
ax.set_xlim(left=0.0)
ax.set_xlabel("test RMSE of the four airlines [minutes]")
ax.set_ylabel("where injected rows may lie")
fig.legend(loc="outside upper center", ncols=3, frameon=False)
plt.show()

# %%
# Rows that could exist do most of what rows anywhere do.
