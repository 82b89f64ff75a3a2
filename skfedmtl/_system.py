"""The linear system behind every second-order step: ``(diag(theta) + E J E') t = rhs``.

``E`` holds rows of all nodes, each in the block of its node, and ``J`` is the derivative
of ``W`` with respect to ``V``. A small problem is solved directly through the m d entries
of ``V`` (Woodbury's identity); a large one by preconditioned conjugate gradients, whose
every product is one exchange of d numbers with each node.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import linalg

from skfedmtl._losses import Array
from skfedmtl.relationships import Response

MAX_DIRECT = 800  #: the largest m d that is solved directly

Product = Callable[[Array], Array]


class DualSystem:
    """Rows ``E`` of every node, and products with ``E``, its transpose and ``E J E'``.

    Parameters
    ----------
    rows : list of m ndarrays of shape (n_l, d)
        The rows of each node, already scaled.
    response : Response
        Gives the products with J.
    product : callable or None
        Another derivative in the place of J; it takes and returns stacks of (m, d).
    """

    def __init__(
        self, rows: list[Array], response: Response, product: Product | None = None
    ) -> None:
        self.rows = rows
        self._curvature = response.curvature()
        self._product = response.product if product is None else product
        self._cuts = np.cumsum([len(part) for part in rows])[:-1]
        self.shape = (len(rows), rows[0].shape[1])
        self.n_products = 0

    def split(self, t: Array) -> list[Array]:
        """One stacked vector, cut into the nodes' own parts."""
        return np.split(t, self._cuts)

    def pull(self, t: Array) -> Array:
        """E' t, one row a node."""
        return np.stack([part @ E for part, E in zip(self.split(t), self.rows, strict=True)])

    def push(self, W: Array) -> Array:
        """E applied to one row a node, stacked."""
        return np.concatenate([E @ w for E, w in zip(self.rows, W, strict=True)])

    def product(self, dV: Array) -> Array:
        """J[dV]."""
        self.n_products += 1
        return self._product(dV)

    def diagonal(self) -> Array:
        """Diagonal of E J E', the relationship frozen: the preconditioner."""
        squares = [
            c * np.einsum("ij,ij->i", E, E) for c, E in zip(self._curvature, self.rows, strict=True)
        ]
        return np.concatenate(squares)

    def solve(self, theta: Array, rhs: Array, *, tol: float, max_iter: int) -> Array:
        """Solve the system; `tol` and `max_iter` are those of conjugate gradients."""
        if self.shape[0] * self.shape[1] <= MAX_DIRECT and theta.min(initial=np.inf) > 0.0:
            return self.factor(theta)(rhs)

        def product(t: Array) -> Array:
            return theta * t + self.push(self.product(self.pull(t)))

        return conjugate_gradient(product, rhs, theta + self.diagonal(), tol=tol, max_iter=max_iter)

    def factor(self, theta: Array) -> Callable[[Array], Array]:
        """Direct solver for positive ``theta``, by the factors of ``I + J E' diag(1/theta) E``."""
        m, d = self.shape
        units = np.eye(m * d).reshape(m * d, m, d)
        J = self._product(units).reshape(m * d, m * d)  # symmetric
        system = np.eye(m * d)
        for node, (E, scale) in enumerate(zip(self.rows, self.split(1.0 / theta), strict=True)):
            part = slice(node * d, (node + 1) * d)
            system[:, part] += J[:, part] @ (E.T @ (scale[:, None] * E))
        factors = linalg.lu_factor(system, check_finite=False)

        def solve(rhs: Array) -> Array:
            right = J @ self.pull(rhs / theta).ravel()
            u = linalg.lu_solve(factors, right, check_finite=False).reshape(m, d)
            return (rhs - self.push(u)) / theta

        return solve


def conjugate_gradient(
    product: Callable[[Array], Array],
    rhs: Array,
    diagonal: Array,
    *,
    tol: float,
    max_iter: int,
) -> Array:
    """Solve a positive semidefinite system to ``||residual|| <= tol ||rhs||``.

    Preconditioned by ``diagonal``. On a singular, consistent system it finds one solution.
    """
    scale = np.divide(1.0, diagonal, out=np.ones_like(diagonal), where=diagonal > 0)
    x = np.zeros_like(rhs)
    residual = rhs.copy()
    target = tol * float(np.linalg.norm(rhs))
    direction = scale * residual
    rho = float(residual @ direction)
    for _ in range(max_iter):
        if float(np.linalg.norm(residual)) <= target:
            break
        image = product(direction)
        bend = float(direction @ image)
        if bend <= 0.0:
            break
        step = rho / bend
        x += step * direction
        residual -= step * image
        z = scale * residual
        rho, previous = float(residual @ z), rho
        direction = z + (rho / previous) * direction
    return x
