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
_FEW = 100  #: the largest m d for which that is the fastest way to a rough solution

_NOISE = 1e-26  #: share of an energy that rounding may leave

Product = Callable[[Array], Array]

# a small system is solved in less time than `linalg.lu_factor` takes to look at its arguments,
# and so is each node's part
_getrf, _getrs = linalg.lapack.dgetrf, linalg.lapack.dgetrs
_potrf, _potrs = linalg.lapack.dpotrf, linalg.lapack.dpotrs


def slices(lengths: list[int]) -> list[slice]:
    """Where parts of these lengths lie, one after another."""
    ends = np.cumsum(lengths).tolist()
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


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
        self._parts = slices([len(part) for part in rows])
        self.shape = (len(rows), rows[0].shape[1])
        self.n_numbers = 0  #: what every node has exchanged with the server

    def split(self, t: Array) -> list[Array]:
        """One stacked vector, cut into the nodes' own parts."""
        return [t[part] for part in self._parts]

    def pull(self, t: Array) -> Array:
        """E' t, one row a node."""
        return np.array([part @ E for part, E in zip(self.split(t), self.rows, strict=True)])

    def push(self, W: Array) -> Array:
        """E applied to one row a node, stacked."""
        return np.concatenate([E @ w for E, w in zip(self.rows, W, strict=True)])

    def product(self, dV: Array) -> Array:
        """J[dV]."""
        self.n_numbers += 2 * self.shape[1] + 2
        return self._product(dV)

    def diagonal(self) -> Array:
        """Diagonal of E J E', the relationship frozen."""
        squares = [
            c * np.einsum("ij,ij->i", E, E) for c, E in zip(self._curvature, self.rows, strict=True)
        ]
        return np.concatenate(squares)

    def solve(
        self,
        theta: Array,
        rhs: Array,
        *,
        tol: float,
        max_iter: int,
        energy: float | None = None,
    ) -> Array:
        """Solve the system; `tol` and `max_iter` are those of conjugate gradients.

        With `energy`, that of what ``E`` was applied to for `rhs`, a rough solution ``t`` is
        enough: one with an error of `tol`, squared, of the energy that ``E' t`` leaves.
        """
        few = MAX_DIRECT if energy is None else _FEW
        if self.shape[0] * self.shape[1] <= few and theta.min(initial=np.inf) > 0.0:
            return self.factor(theta)(rhs)

        def product(t: Array) -> Array:
            return theta * t + self.push(self.product(self.pull(t)))

        precondition = self._block_solver(theta)
        return conjugate_gradient(
            product, rhs, precondition, tol=tol, max_iter=max_iter, energy=energy
        )

    def _block_solver(self, theta: Array) -> Product:
        """Each node's own part of the system, solved at home: the preconditioner."""
        parts = [
            _local_solver(E, share, c)
            for E, share, c in zip(self.rows, self.split(theta), self._curvature, strict=True)
        ]

        def solve(t: Array) -> Array:
            return np.concatenate(
                [part(piece) for part, piece in zip(parts, self.split(t), strict=True)]
            )

        return solve

    def factor(self, theta: Array) -> Callable[[Array], Array]:
        """Direct solver for positive ``theta``, by the factors of ``I + J E' diag(1/theta) E``."""
        m, d = self.shape
        units = np.eye(m * d).reshape(m * d, m, d)
        J = self._product(units).reshape(m * d, m * d)  # symmetric
        system = np.eye(m * d)
        for node, (E, scale) in enumerate(zip(self.rows, self.split(1.0 / theta), strict=True)):
            part = slice(node * d, (node + 1) * d)
            system[:, part] += J[:, part] @ (E.T @ (scale[:, None] * E))
        factors, pivots, _ = _getrf(system)
        self.n_numbers += d * (d + 1) // 2

        def solve(rhs: Array) -> Array:
            self.n_numbers += 2 * d
            right = J @ self.pull(rhs / theta).ravel()
            u = _getrs(factors, pivots, right)[0].reshape(m, d)
            return (rhs - self.push(u)) / theta

        return solve


def _local_solver(E: Array, theta: Array, curvature: float) -> Product:
    """Solver of ``diag(theta) + curvature E E'``, through the smaller of its two sides."""
    n, d = E.shape
    if n == 0:  # older LAPACK wrappers refuse empty systems
        return lambda t: t
    theta = np.maximum(theta, 1e-10 * curvature * float(np.vdot(E, E)) / n)
    theta = np.where(theta > 0.0, theta, 1.0)
    if n <= d:
        factors, _ = _potrf(np.diag(theta) + curvature * (E @ E.T))
        return lambda t: _potrs(factors, t)[0]
    factors, _ = _potrf(np.eye(d) + curvature * (E.T @ (E / theta[:, None])))

    def solve(t: Array) -> Array:
        scaled = t / theta
        return scaled - curvature * (E @ _potrs(factors, scaled @ E)[0]) / theta

    return solve


def shorten(E: Array) -> Array:
    """No more rows than columns, with the same E' E."""
    if len(E) <= E.shape[1]:
        return E
    R: Array = np.linalg.qr(E, mode="r")  # type: ignore[assignment]
    return R


def conjugate_gradient(
    product: Product,
    rhs: Array,
    precondition: Product,
    *,
    tol: float,
    max_iter: int,
    energy: float | None = None,
) -> Array:
    """Solve a positive semidefinite system to ``||residual|| <= tol ||rhs||``.

    With `energy`, until the preconditioned residual is `tol`, squared, of what the solution
    leaves of it. On a singular, consistent system it finds one solution.
    """
    x = np.zeros_like(rhs)
    residual = rhs.copy()
    target = tol * float(np.linalg.norm(rhs))
    direction = precondition(residual)
    rho = float(residual @ direction)
    for _ in range(max_iter):
        if energy is None:
            if float(np.linalg.norm(residual)) <= target:
                break
        elif rho <= tol**2 * max(energy - float(x @ rhs), _NOISE * energy):
            break
        image = product(direction)
        bend = float(direction @ image)
        if bend <= 0.0:
            break
        step = rho / bend
        x += step * direction
        residual -= step * image
        z = precondition(residual)
        rho, previous = float(residual @ z), rho
        direction = z + (rho / previous) * direction
    return x
