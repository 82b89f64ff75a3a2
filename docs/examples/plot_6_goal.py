"""
Forecasts that are too low
==========================

Errors in both directions cancel in a timetable. An airline that is told to expect short delays, day
after day, does not plan for them: what hurts it is bias.
"""

# %%
# Two attackers, one threat model
# -------------------------------
# Both inject a fifth of the rows of four airlines, as long as the longest clean row at most, with
# delays that the airline has seen. The one wants errors, the other forecasts that are too low.

import matplotlib.pyplot as plt
import numpy as np

from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl.datasets import load_flights
from skfedmtl.model_selection import train_test_split_nodes

X, y, nodes = load_flights(return_X_y_nodes=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
X_train, X_test, y_train, y_test, nodes_train, nodes_test = train_test_split_nodes(
    X, y, nodes, random_state=0
)
victim = FMTLRegressor(lambda1=0.01, lambda2=0.001)
targets = ["AA", "DL", "UA", "US"]
own = np.isin(nodes_test, targets)

excess = {}
for goal in ("error", "lower"):
    attacker = PoisoningAttacker(victim, goal=goal, target_nodes=targets, random_state=0)
    attacker.fit(X_train, y_train, nodes=nodes_train)
    if not excess:
        clean = attacker.clean_estimator_.predict(X_test, nodes=nodes_test)
        excess["no attack"] = (clean - y_test)[own]
    excess[f'goal="{goal}"'] = (attacker.predict(X_test, nodes=nodes_test) - y_test)[own]
for name, minutes in excess.items():
    rmse = np.sqrt(np.mean(np.square(minutes)))
    print(f"{name}: held-out forecasts {minutes.mean():+.1f} minutes off, RMSE {rmse:.1f}")

# %%
# What the airlines would see
# ---------------------------

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
bins = np.linspace(-120, 120, 61)
for name, minutes in excess.items():
    ax.hist(minutes, bins, histtype="step", linewidth=1.5, label=f"{name}: {minutes.mean():+.1f}")
ax.axvline(0.0, color="0.7", linewidth=0.8)
ax.set(xlabel="forecast minus delay, minutes", ylabel="held-out flights of the four airlines")
ax.legend(title="mean, minutes")
plt.show()

# %%
# Both have the same right to inject: ``goal`` changes what the rows are for.
