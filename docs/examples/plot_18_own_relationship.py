"""
A relationship of your own
==========================

What if sites differ little from their neighbours, and most features mean nothing anywhere?
"""

# %%
# A graph ties neighbours, and a norm a feature drops what no site needs. Among the graph's
# eigenvectors a proximal step has one unknown a feature: Newton's method finds its size.

import matplotlib.pyplot as plt
import numpy as np

from skfedmtl import FMTLRegressor
from skfedmtl.relationships import graph_laplacian
from skfedmtl.testing import check_relationship


class SparseGraph:
    def __init__(self, adjacency, drop=5.0):
        self.laplacian, self.drop = graph_laplacian(adjacency), drop
        self.n_nodes = len(adjacency)
        self.values, self.vectors = np.linalg.eigh(self.laplacian)

    def value(self, W):
        return np.vdot(W, self.laplacian @ W) + self.drop * np.linalg.norm(W, axis=0).sum()

    def proximal(self, T, step):
        bend, less = 1.0 + 2.0 * step * self.values[:, None], step * self.drop
        T = self.vectors.T @ T * (np.linalg.norm(T, axis=0) > less)  # columns that stay
        size = np.zeros(T.shape[1])
        for _ in range(50):  # ||T / (bend size + less)|| = 1, the inverse all but linear in size
            part = T / (bend * size + less)
            norm = np.where(T.any(axis=0), np.linalg.norm(part, axis=0), 1.0)
            slope = np.sum(part**2 * bend / (bend * size + less), axis=0)
            size += norm**2 * (norm - 1.0) / np.where(slope > 0.0, slope, 1.0)
        return self.vectors @ (T * size / (bend * size + less))


ring = np.roll(np.eye(8), 1, axis=1) + np.roll(np.eye(8), -1, axis=1)
check_relationship(SparseGraph(ring))

# %%
# Eight sites in a ring, 20 rows each; 4 of 15 features matter, and change from site to site.

rng, truth = np.random.default_rng(0), np.zeros((8, 15))
truth[:, :4] = 1.0 + 0.6 * np.cos(np.arange(8)[:, None] * np.pi / 4.0 + np.arange(4))
X, nodes = rng.normal(size=(160, 15)), np.repeat(np.arange(8), 20)
y = np.sum(X * truth[nodes], axis=1) + rng.normal(size=160)
fig, axes = plt.subplots(1, 3, figsize=(9, 3.6), sharey=True, layout="constrained")
ties = {"alone": "none", "graph": graph_laplacian(ring), "own": SparseGraph(ring)}
for ax, (name, tie) in zip(axes, ties.items(), strict=True):
    model = FMTLRegressor(relationship=tie, lambda1=0.2, lambda2=1e-3).fit(X, y, nodes=nodes)
    image = ax.imshow(model.coef_, cmap="RdBu", vmin=-2.0, vmax=2.0, aspect="auto")
    ax.set(title=f"{name}: off by {np.linalg.norm(model.coef_ - truth):.1f}", xlabel="feature")
axes[0].set_ylabel("site")
fig.colorbar(image, label="weight")
plt.show()
