"""One problem in the form the stationarity equations use: features, shares, maps and slopes."""

from dataclasses import dataclass

import numpy as np

from oracles.losses import RECORD_OF
from oracles.objective import number_of_nodes, row_weights
from oracles.regularisers import conjugate_of


def slopes(loss, y, f):
    """L'_f and L''_ff of the smooth losses; of the hinge, off its kink."""
    return RECORD_OF[loss].slopes(y, f)


@dataclass(frozen=True, eq=False)
class System:
    """The rows in the form the equations use; rows without weight stay, with p_i = 0."""

    X: np.ndarray  # (n, d') features, kappa appended for a classifier's intercept
    y: np.ndarray
    codes: np.ndarray
    p: np.ndarray
    m: int
    conjugate: object
    loss: str
    free_nodes: np.ndarray  # nodes with a free intercept

    @property
    def E(self):
        """(n, m d') matrix of W -> f without free intercepts."""
        n, d = self.X.shape
        E = np.zeros((n, self.m, d))
        E[np.arange(n), self.codes] = self.X
        return E.reshape(n, -1)

    @property
    def F(self):
        """(n, number of free intercepts) indicator of each row's intercept."""
        return (self.codes[:, None] == self.free_nodes).astype(float)

    def V(self, a):
        """Sum of p_i a_i x'_i per node."""
        V = np.zeros((self.m, self.X.shape[1]))
        np.add.at(V, self.codes, (self.p * a)[:, None] * self.X)
        return V


def build_system(
    X, y, codes, weight, lambda1, lambda2, loss, relationship, m, fit_intercept, kappa
):
    """The `System` of one problem."""
    X, y, codes = np.asarray(X, dtype=float), np.asarray(y, dtype=float), np.asarray(codes)
    m = number_of_nodes(codes, relationship, m)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    free = fit_intercept and RECORD_OF[loss].has_free_intercept
    if fit_intercept and not free:
        X = np.column_stack([X, np.full(len(y), kappa)])
    return System(
        X=X,
        y=y,
        codes=codes,
        p=row_weights(codes, weight, m),
        m=m,
        conjugate=conjugate_of(relationship, lambda1, lambda2, m),
        loss=loss,
        free_nodes=np.unique(codes[weight > 0]) if free else np.zeros(0, dtype=int),
    )
