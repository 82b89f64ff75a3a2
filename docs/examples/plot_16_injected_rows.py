"""
Injected rows, looked at
========================

Would anybody see them? And does a detector?
"""

# %%
# A direct attack on four airlines, whose rows keep to the ranges of the clean ones.

import matplotlib.pyplot as plt
import numpy as np

from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl.datasets import load_flights
from skfedmtl.defense import PoisonDetector
from skfedmtl.inspection import PoisonedRowsDisplay

X, y, nodes = load_flights(return_X_y_nodes=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
victim = FMTLRegressor(lambda1=0.1, lambda2=0.1)
attacker = PoisoningAttacker(
    victim, target_nodes=["AA", "DL", "UA", "US"], feature_range="clean", random_state=0
)
attacker.fit(X, y, nodes=nodes)
poisoned = attacker.poison(X, y, nodes=nodes)
different = np.unique(attacker.poison_X_.round(1), axis=0)
print(f"{len(different)} different rows among {len(attacker.poison_X_)} that are injected")

# %%
# Rows and scores
# ---------------
# Left, the plane in which the clean rows vary most. Right, where the injected rows stand among all
# rows of their airline, sorted by a detector; what lies in the grey is called an outlier if as many
# rows are taken as were injected.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
PoisonedRowsDisplay.from_attacker(attacker, X, y, nodes=nodes, ax=axes[0])
share = np.mean(poisoned.is_poison[np.isin(poisoned.nodes, attacker.source_nodes_)])
axes[1].axvspan(1.0 - share, 1.0, color="0.9")
row_scores = ["loss", "pull", "isolation"]
for place, row_score in enumerate(row_scores):
    detector = PoisonDetector(victim, row_score=row_score, score_nodes=False, random_state=0)
    detector.fit(poisoned.X, poisoned.y, nodes=poisoned.nodes)
    ranks = -detector.negative_outlier_factor_[poisoned.is_poison]
    axes[1].plot(ranks, np.full(len(ranks), place), "X", color="#d55e00", mec="white", ms=9)
axes[1].set_yticks(range(len(row_scores)), row_scores)
axes[1].set(xlim=(0.0, 1.02), ylim=(-0.5, 2.5), ylabel="row_score of the detector")
axes[1].set_xlabel("rank among the rows of the airline (1: looks worst)")
plt.show()
