"""A direct solver for many nodes of few features, linear in the number of nodes.

With no more features than nodes and ``V = U diag(nu) Z'`` the derivative of ``W`` with
respect to ``V`` acts alike on every row, but for a part in the span of ``U``::

    J[dV] = dV P + U D[U' dV Z] Z',        P = Z diag(rho) Z'

(`Spectral`). So ``I + J G``, where ``G`` is block diagonal with one d-by-d block a node, is
block diagonal but for a matrix of rank d^2, and Woodbury's identity solves it by one system
of that size, for which O(m d^4) operations add up the nodes' parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import linalg

from skfedmtl._model import Spectral
from skfedmtl._typing import Array

MAX_FEATURES = 32  #: more features make iterations cheaper than the system of size d^2

_getrf, _getrs = linalg.lapack.dgetrf, linalg.lapack.dgetrs


def make_solver(form: Spectral, G: Array) -> Callable[[Array], Array]:
    """Solver of ``(I + J G) u = b`` for blocks `G` of shape (m, d, d) and `b` in J's range."""
    U, Zt, rho, inside = form
    d = len(rho)
    # in the basis Z, where P is diagonal
    G = Zt @ G @ Zt.T
    # A = I + diag(rho) G, and G A^-1
    A = rho[:, None] * G
    A[:, np.arange(d), np.arange(d)] += 1.0
    try:
        inverse = np.linalg.inv(A)
    except np.linalg.LinAlgError:  # whoever asks looks at what the solution leaves
        return lambda b: np.full_like(b, np.nan)
    answer = G @ inverse
    pairs = (U[:, :, None] * U[:, None, :]).reshape(len(U), d * d)
    S: Any = (pairs.T @ answer.reshape(len(U), d * d)).reshape(d, d, d, d)
    S = S.transpose(0, 2, 1, 3).reshape(d * d, d, d)
    system = (inside(S) - S * rho).reshape(d * d, d * d)
    system[np.arange(d * d), np.arange(d * d)] += 1.0
    factors, pivots, _ = _getrf(system)

    def solve(b: Array) -> Array:
        turned = b @ Zt.T
        right = U.T @ np.einsum("lij,lj->li", answer, turned)
        q = _getrs(factors, pivots, right.ravel())[0].reshape(d, d)
        turned = turned - U @ (inside(q) - q * rho)
        return np.einsum("lij,lj->li", inverse, turned) @ Zt

    return solve
