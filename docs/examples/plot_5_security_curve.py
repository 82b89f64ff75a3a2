"""
A security curve
================

How does the damage grow with what the attacker may inject?
"""

# %%
# ``security_curve`` repeats a whole attack for every value of a parameter, here the budget:
# injected rows per clean row of a source. All values share the targets, sources and splits of a
# repetition, and the errors are those of held-out rows.

import matplotlib.pyplot as plt

from skfedmtl import FMTLRegressor, PoisoningAttacker, RandomPoisoner
from skfedmtl.datasets import load_flights
from skfedmtl.inspection import SecurityCurveDisplay

X, y, nodes = load_flights(return_X_y_nodes=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
victim = FMTLRegressor(lambda1=0.1, lambda2=0.1, tol=1e-3)
common = {"target_nodes": 4 / 16, "random_state": 0}
attacks = {
    "direct": PoisoningAttacker(victim, max_iter=20, victim_tol=1e-3, **common),
    "indirect": PoisoningAttacker(
        victim, attack="indirect", max_iter=20, victim_tol=1e-3, **common
    ),
    "random, direct": RandomPoisoner(victim, **common),
}

# %%
# Bands are one standard error over three repetitions; the dashed line is the error without an
# attack.

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, attacker in attacks.items():
    SecurityCurveDisplay.from_estimator(
        attacker,
        X,
        y,
        nodes=nodes,
        param_name="budget",
        param_range=[0.0, 0.05, 0.1, 0.2, 0.4],
        n_repeats=3,
        name=name,
        ax=ax,
    )
plt.show()
