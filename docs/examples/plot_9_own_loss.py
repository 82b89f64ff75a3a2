"""
A loss of your own
==================

What does a forecast need that should be exceeded one time in ten?
"""

# %%
# The smoothed pinball loss: ``value``, two derivatives, and the conjugate, for the duality gap.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit, xlogy

from skfedmtl import FMTLRegressor
from skfedmtl.datasets import make_federated_regression
from skfedmtl.testing import check_loss


class Pinball:
    is_regression = True

    def __init__(self, quantile, width=0.1):
        self.quantile, self.width = quantile, width
        self.bounds, self.steepness = (quantile - 1.0, quantile), 0.25 / width

    def value(self, y, f):
        r = (y - f) / self.width
        return self.width * (self.quantile * r + np.logaddexp(0.0, -r))

    def derivative(self, y, f):
        return expit((f - y) / self.width) - self.quantile

    def curvature(self, y, f):
        p = expit((f - y) / self.width)
        return p * (1.0 - p) / self.width

    def conjugate(self, y, a):
        p = np.clip(self.quantile - a, 0.0, 1.0)
        return self.width * (xlogy(p, p) + xlogy(1.0 - p, 1.0 - p)) - a * y


check_loss(Pinball(0.9))

# %%
# Targets with skewed errors. Where they lie dense, at 0.1, the smoothed kink is felt.

X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
y = y + np.random.default_rng(0).exponential(size=len(y))
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for quantile in (0.1, 0.5, 0.75, 0.9):
    model = FMTLRegressor(loss=Pinball(quantile, 0.1), tol=1e-2, random_state=0)
    below = y <= model.fit(X, y, nodes=nodes).predict(X, nodes=nodes)
    shares = [below[nodes == node].mean() for node in model.nodes_]
    ax.plot(np.full(len(shares), quantile), shares, "o", alpha=0.5)
ax.plot([0, 1], [0, 1], "k:")
ax.set_xlabel("quantile asked for")
ax.set_ylabel("share of a node's rows below the forecast")
plt.show()
