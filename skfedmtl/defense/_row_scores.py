"""How much every row stands out, and its rank among those that it can be held against."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.ensemble import IsolationForest

from skfedmtl._typing import Array


class Table(NamedTuple):
    """Rows of n_nodes nodes in an order that depends on nothing but what they hold."""

    X: Array  #: (n, d)
    y: NDArray[Any]  #: (n,) numbers or classes
    codes: NDArray[np.int64]  #: (n,) positions of the nodes
    n_nodes: int
    order: NDArray[np.intp]  #: (n,) where these rows are among those of the caller

    @classmethod
    def sorted(cls, X: Array, y: NDArray[Any], codes: NDArray[np.int64], n_nodes: int) -> Table:
        """Fits and forests draw rows by their places: equal ones for any order of the caller's."""
        order = np.lexsort((*X.T[::-1], np.unique(y, return_inverse=True)[1], codes))
        return cls(X[order], y[order], codes[order], n_nodes, order)

    def as_given(self, values: Array) -> Array:
        """One value a row, in the caller's order."""
        back = np.empty_like(values)
        back[self.order] = values
        return back

    def members(self) -> list[NDArray[np.intp]]:
        """The rows of every node."""
        return [np.flatnonzero(self.codes == code) for code in range(self.n_nodes)]


def losses(model: Any, table: Table) -> Array:
    """Loss of every row under a fitted model, over all classes."""
    decisions = model._decision(table.X, table.codes).reshape(len(table.y), -1).T
    loss = model._make_loss()
    signed = [part._solver_targets(table.y) for part in model._parts()]
    each = [loss.value(y, f) for y, f in zip(signed, decisions, strict=True)]
    return np.asarray(np.sum(each, axis=0))


def pulls(model: Any, table: Table) -> Array:
    """How hard every row pulls at the weights of its node, those of all classes together."""
    force = np.linalg.norm(model.dual_coef_.reshape(len(table.y), -1), axis=1)
    squares = np.empty(len(table.y))
    for rows in table.members():
        own = table.X[rows]
        if len(rows):
            squares[rows] = np.square(own - own.mean(axis=0)).sum(axis=1)
    return np.asarray(force * np.sqrt(1.0 + squares))


def isolations(table: Table, classes: NDArray[Any] | None, seed: int, n_jobs: Any) -> Array:
    """How soon random cuts set every row with its target apart from the others of all nodes.

    Rows that are equal are one to the forest, or attacks that repeat a row would look like many.
    """
    targets = table.y[:, None]
    if classes is not None:
        known = classes[1:] if len(classes) == 2 else classes
        targets = (targets == known).astype(float)
    both = np.column_stack([table.X, targets])
    distinct = np.unique(both, axis=0)
    if len(distinct) < 2:  # nothing to be apart from
        return np.zeros(len(both))
    forest = IsolationForest(max_samples=1.0, random_state=seed, n_jobs=n_jobs).fit(distinct)
    return -np.asarray(forest.score_samples(both))


def ranks(values: Array, table: Table, *, by_class: bool) -> Array:
    """Ranks as shares of the rows of a node, and a class in it: 1/(2n) to 1 - 1/(2n)."""
    shares = np.empty(len(values))
    classes = np.unique(table.y, return_inverse=True)[1] if by_class else np.zeros(len(values))
    for rows in table.members():
        for label in np.unique(classes[rows]):
            stratum = rows[classes[rows] == label]
            shares[stratum] = (rankdata(values[stratum]) - 0.5) / len(stratum)
    return shares
