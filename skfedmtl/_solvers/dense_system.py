"""Newton systems in all m d weights at once, whatever the units of the features.

Scaled to a unit diagonal, a positive definite matrix is factored by Cholesky's method as if the
features had never had units [1]_.

References
----------
.. [1] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, 2002,
   section 10.1.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from skfedmtl._protocol import NodeTable
from skfedmtl._typing import Array

MAX_WEIGHTS = 800  #: m d, of one dense system

_RIDGES = (1e-15, 1e-13, 1e-11, 1e-9, 1e-6)  #: of a system of unit diagonal, until it factors
_TINY = float(np.finfo(float).tiny)


class DenseSystem:
    """``hessian + blockdiag(X_l' diag(bend) X_l)``, factored.

    Parameters
    ----------
    nodes : NodeTable
    hessian : ndarray of shape (m d, m d)
        Of the regulariser; it is overwritten.
    bend : ndarray of shape (n,)
        Curvatures of all rows, their weights included.
    """

    def __init__(self, nodes: NodeTable, hessian: Array, bend: Array) -> None:
        d = nodes.X.shape[1]
        for l, own in enumerate(nodes.hessians(bend)):
            block = slice(l * d, (l + 1) * d)
            hessian[block, block] += own
        self._shape = len(nodes), d
        self.diagonal: Array = np.maximum(np.diag(hessian), _TINY).reshape(self._shape)
        self._scale = 1.0 / np.sqrt(self.diagonal.ravel())
        hessian *= self._scale[:, None]
        hessian *= self._scale
        self._factors = _factored(hessian)

    @property
    def is_sound(self) -> bool:
        """Whether there are factors."""
        return self._factors is not None

    def solve(self, rhs: Array) -> Array:
        """Of shape (m, d); NaN without factors."""
        if self._factors is None:
            return np.full(self._shape, np.nan)
        scaled = self._scale * rhs.ravel()
        solution: Array = self._scale * linalg.cho_solve(self._factors, scaled, check_finite=False)
        return solution.reshape(self._shape)


def _factored(H: Array) -> tuple[Array, bool] | None:
    """Cholesky factors of a matrix of unit diagonal, which rounding may have left indefinite."""
    if not np.isfinite(H).all():
        return None
    for ridge in _RIDGES:
        H[np.diag_indices_from(H)] = 1.0 + ridge
        try:
            factors: tuple[Array, bool] = linalg.cho_factor(H, check_finite=False)
        except linalg.LinAlgError:
            continue
        return factors
    return None
