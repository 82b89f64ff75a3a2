"""A small federation, to try things on."""

from typing import NamedTuple

import numpy as np

__all__ = ["Federation", "make_federation"]


class Federation(NamedTuple):
    """Rows of five nodes: two features, a whole number, and a pair of which one is 1."""

    X: np.ndarray  #: (n, 5)
    y: np.ndarray  #: (n,) numbers, or "no" and "yes"
    nodes: np.ndarray  #: (n,) "a" to "e"
    codes: np.ndarray  #: (n,) 0 to 4
    weight: np.ndarray  #: (n,)
    classify: bool

    def arguments(self):
        """Of a fit, by name."""
        return {"X": self.X, "y": self.y, "nodes": self.nodes, "sample_weight": self.weight}

    def norms(self):
        """The largest norm of the rows of every node."""
        return {
            node: max(np.linalg.norm(row) for row in self.X[self.nodes == node])
            for node in np.unique(self.nodes).tolist()
        }


def make_federation(classify):
    """Related nodes of 8 to 12 rows."""
    rng = np.random.default_rng(20)
    codes = rng.permutation(np.repeat(np.arange(5), [12, 10, 8, 11, 9]))
    n = len(codes)
    pair = np.eye(2)[rng.integers(2, size=n)]
    X = np.column_stack([rng.normal(size=(n, 2)), rng.integers(-1, 2, size=n), pair])
    truth = np.array([1.0, -1.0, 0.5, 0.4, -0.4]) + 0.2 * rng.normal(size=(5, 5))
    y = np.sum(X * truth[codes], axis=1) + 0.3 * rng.normal(size=n)
    if classify:
        y = np.where(y > 0.0, "yes", "no")
    return Federation(
        X, y, np.array(list("abcde"))[codes], codes, rng.uniform(0.5, 2.0, n), classify
    )
