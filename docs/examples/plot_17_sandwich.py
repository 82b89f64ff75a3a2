"""
Between an attack and a bound
=============================

The worst attack of a budget does at least what one was found to do, and at most what is certified.
How far apart are the two?
"""

# %%
# With ``bound=True`` a security curve certifies every attack on its way: the same targets, sources
# and rows, and any rows that may be injected.

import matplotlib.pyplot as plt
import numpy as np

from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl.datasets import load_flights
from skfedmtl.model_selection import security_curve

X, y, nodes = load_flights(return_X_y_nodes=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
victim = FMTLRegressor(lambda1=0.01, lambda2=0.01, tol=1e-5)
budgets = [0.0, 0.1, 0.2, 0.3, 0.4]
curves = {}
for attack in ("direct", "indirect"):
    attacker = PoisoningAttacker(
        victim,
        attack=attack,
        target_nodes=["AA", "DL", "UA", "US"],
        max_iter=20,
        victim_tol=1e-5,
        random_state=0,
    )
    curves[attack] = security_curve(
        attacker,
        *(X, y),
        nodes=nodes,
        param_name="budget",
        param_range=budgets,
        n_repeats=1,
        bound=True,
    )

# %%
# Mean squared errors of the targets' training flights, as their roots. What the worst attack does
# lies in the band.

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for (attack, curve), color in zip(curves.items(), ("#d55e00", "#0072b2"), strict=True):
    found, certified = np.sqrt(curve.objectives[:, 0]), np.sqrt(curve.upper_bounds[:, 0])
    print(attack, "found", found.round(1), "certified", certified.round(1))
    ax.plot(budgets, certified, ":", color=color, label=f"{attack}, certified")
    ax.plot(budgets, found, "o-", color=color, label=f"{attack}, found")
    ax.fill_between(budgets, found, certified, color=color, alpha=0.12, lw=0)
ax.set_ylim(bottom=0.0)
ax.set_xlabel("budget: injected rows as a share of a source's clean rows")
ax.set_ylabel("root mean squared error\nof the targets' training flights [minutes]")
ax.legend()
plt.show()
