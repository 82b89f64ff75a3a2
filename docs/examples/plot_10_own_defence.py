"""
A defence of your own
=====================

Does it help to trust no row that fits badly? It sounds right, and does harm here.
"""

# %%
# A defence derives from the estimator that it defends. This one fits twice: rows that the first
# fit misses by far weigh less in the second.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.utils.estimator_checks import check_estimator

from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl.datasets import make_federated_regression
from skfedmtl.inspection import SecurityCurveDisplay
from skfedmtl.testing import check_poisoner


class Reweighted(FMTLRegressor):
    limit = 0.5  # in units of y; if it went by the rows of all nodes, it would tie them

    def fit(self, X, y, *, sample_weight=None, nodes=None):
        super().fit(X, y, sample_weight=sample_weight, nodes=nodes)
        sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        miss = np.abs(np.asarray(y, dtype=float).ravel() - self.predict(X, nodes=nodes))
        weight = np.minimum(1.0, self.limit / np.maximum(miss, self.limit)) ** 2
        if sample_weight is not None:
            weight = weight * sample_weight
        return super().fit(X, y, sample_weight=weight, nodes=nodes)


# %%
# It is an estimator like any other, and attacks on it keep to their threat model. The check fits
# some thirty attacks: a light one, without a search among weights and with two steps, will do.

check_estimator(Reweighted(), on_skip=None, on_fail="raise")
check_poisoner(PoisoningAttacker(Reweighted(), init="clean", criterion="loss", max_iter=2))

# %%
# The attacker follows the plain fit, has the defence's own fit judge what it finds, and does more:
# clean rows lose weight as well.

X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, victim in {"plain": FMTLRegressor, "reweighted": Reweighted}.items():
    SecurityCurveDisplay.from_estimator(
        PoisoningAttacker(victim(lambda2=0.01), max_iter=20, target_nodes=[0, 1], random_state=0),
        *(X, y),
        nodes=nodes,
        param_name="budget",
        param_range=[0.0, 0.2, 0.4],
        n_repeats=2,
        name=name,
        ax=ax,
    )
plt.show()
