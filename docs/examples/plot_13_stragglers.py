"""
Slow nodes, absent nodes
========================

What does it cost if some airlines compute little in a round, or do not answer at all?
"""

# %%
# ``local_epochs`` says how often a node goes through its rows in a round: a pair draws that anew
# for every node and round, a dict gives it by label. ``participation`` is the share of nodes that
# are asked.

import matplotlib.pyplot as plt
import numpy as np

from skfedmtl import FMTLClassifier
from skfedmtl.datasets import load_flights
from skfedmtl.inspection import ConvergenceDisplay

X, y, nodes = load_flights("late", return_X_y_nodes=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
one_slow = {label: 0.1 if label == "HA" else 2.0 for label in np.unique(nodes)}
federations = {
    "everybody": {"local_epochs": 2.0},
    "slow nodes": {"local_epochs": (0.1, 2.0)},
    "half are away": {"local_epochs": 2.0, "participation": 0.5},
    "a slow airline": {"local_epochs": one_slow},
}

# %%
# Every fit goes on until the gap is met. The gap is a certificate that asks nothing of the way
# there: all of them end at the same model, up to the gap that was asked for (dotted).

models = {}
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, options in federations.items():
    model = FMTLClassifier(
        loss="logistic", lambda1=0.1, lambda2=0.1, tol=1e-5, max_iter=500, random_state=0, **options
    )
    models[name] = model.fit(X, y, nodes=nodes)
    apart = np.abs(model.coef_ - models["everybody"].coef_).max()
    print(
        f"{name}: {model.n_iter_} rounds, relative gap {model.dual_gap_ / model.objective_:.0e}, "
        f"weights at most {apart:.0e} from those of everybody"
    )
    ConvergenceDisplay.from_estimator(model, name=name, ax=ax)
ax.axhline(1e-5, color="k", ls=":", lw=0.8)
plt.show()
