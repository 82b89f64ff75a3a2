"""
An attack of your own
=====================

How much does an attacker gain who cannot take gradients, only try?
"""

# %%
# A poisoner needs one method. ``craft`` is handed the setting: where rows are to go, rows to begin
# with, their limits, and the damage of any rows, for which the victim is fitted again. This one
# moves its rows at random and keeps what did more.

import matplotlib.pyplot as plt

from skfedmtl import FMTLRegressor, PoisoningAttacker, RandomPoisoner
from skfedmtl.attack import BasePoisoner, DamageBound
from skfedmtl.datasets import make_federated_regression
from skfedmtl.testing import check_poisoner


class Tries(BasePoisoner):
    def craft(self, setting):
        X, y = setting.X_start, setting.y_start
        self.damage_ = [setting.damage(X, y)]
        while len(self.damage_) <= 100:
            moved = setting.project(X + setting.rng.normal(size=X.shape))
            found = setting.damage(moved, y)
            X = moved if found > self.damage_[-1] else X
            self.damage_.append(max(found, self.damage_[-1]))
        return X, y


# %%
# Does it keep to the threat model? The check says nothing if so, else which promise is broken.

check_poisoner(Tries(FMTLRegressor()))

# %%
# Beside the tries: the package's own poisoners, and the certified maximum.

X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
threat = {"attack": "indirect", "target_nodes": [0, 1], "random_state": 0}
victim = FMTLRegressor(lambda1=0.1, lambda2=0.1)
own, drawn, optimised, bound = (
    make(victim, **threat).fit(X, y, nodes=nodes)
    for make in (Tries, RandomPoisoner, PoisoningAttacker, DamageBound)
)

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
ax.plot(own.damage_, label="own: random moves that did more")
ax.axhline(optimised.objective_, color="C1", ls="--", label="optimised with gradients")
ax.axhline(bound.upper_bound_, color="k", ls=":", label="certified: no attack does more")
ax.axhline(drawn.objective_, color="0.6", label="drawn at random, not moved")
ax.set_xlabel("tries, a fit of the victim each")
ax.set_ylabel("loss of the targets H")
ax.legend()
plt.show()
