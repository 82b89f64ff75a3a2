"""The linear system behind every second-order step: ``(diag(theta) + E J E') t = rhs``.

``E`` holds rows of all nodes, each in the block of its node, and ``J`` is the derivative
of ``W`` with respect to ``V``. It is solved directly through the m d entries of ``V`` (Woodbury's
identity), or, where of many nodes rounding leaves nothing exact of that, by preconditioned
conjugate gradients, whose every product is one exchange of d numbers with each node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import linalg

from skfedmtl._losses import Array
from skfedmtl._regulariser import Response
from skfedmtl._rows import cross, fills, outer, slices, squared_norms
from skfedmtl._woodbury import MAX_FEATURES, Spectral, make_solver

MAX_DIRECT = 800  #: the largest m d that is solved directly if the features are many
_FEW = 100  #: the largest m d for which that is the fastest way if they are few

_EXACT = 1e-8  #: relative residual that a direct solution may leave
_MANY = 1000  #: iterations, where nothing else is exact

Product = Callable[[Array], Array]

# a small system is solved in less time than `linalg.lu_factor` takes to look at its arguments,
# and so is each node's part
_getrf, _getrs = linalg.lapack.dgetrf, linalg.lapack.dgetrs
_potrf, _potrs = linalg.lapack.dpotrf, linalg.lapack.dpotrs


def is_small(response: Response) -> bool:
    """Whether `DualSystem.factor` is the fastest way to solve a system with J."""
    return _few_features(response.spectral()) or response.W.size <= MAX_DIRECT


def _few_features(form: Spectral | None) -> bool:
    return form is not None and len(form.rho) <= MAX_FEATURES


class DualSystem:
    """Rows ``E`` of every node, and products with ``E``, its transpose and ``E J E'``.

    Parameters
    ----------
    rows : list of m ndarrays of shape (n_l, d), or of `SparseRows`
        The rows of each node, already scaled.
    response : Response
        Gives the products with J.
    """

    def __init__(self, rows: list[Any], response: Response) -> None:
        self.rows = rows
        self._curvature = response.curvature()
        self._product = response.product
        self._spectral = response.spectral()
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
        squares = [c * squared_norms(E) for c, E in zip(self._curvature, self.rows, strict=True)]
        return np.concatenate(squares)

    def _iterate(self, theta: Array, rhs: Array) -> Array:
        """Conjugate gradients, each node's own part solved at home."""
        return conjugate_gradient(
            lambda t: self._image(theta, t),
            rhs,
            self._block_solver(theta),
            tol=_EXACT,
            max_iter=_MANY,
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

    def factor(self, theta: Array) -> Product:
        """Direct solver for positive ``theta``, by the factors of ``I + J E' diag(1/theta) E``."""
        parts = zip(self.rows, self.split(1.0 / theta), strict=True)
        G = np.array([cross(E, scale[:, None] * E) for E, scale in parts])
        self.n_numbers += self.shape[1] * (self.shape[1] + 1) // 2
        if self._spectral is None or self.shape[0] * self.shape[1] <= _FEW:
            return self._back(theta, _dense_solver(self._product, G))
        quick = self._back(theta, make_solver(self._spectral, G))
        return lambda rhs: self._refined(theta, G, quick, rhs)

    def _back(self, theta: Array, through: Product) -> Product:
        """The solver that one of ``I + J E' diag(1/theta) E`` leads to."""

        def solve(rhs: Array) -> Array:
            self.n_numbers += 2 * self.shape[1]
            return (rhs - self.push(through(self._product(self.pull(rhs / theta))))) / theta

        return solve

    def _refined(self, theta: Array, G: Array, quick: Product, rhs: Array) -> Array:
        """The quick solution; where that is not exact, another way."""
        t = _corrected(quick, lambda t: self._image(theta, t), rhs)
        if t is not None:
            return t
        if self.shape[0] * self.shape[1] <= MAX_DIRECT:
            return self._back(theta, _dense_solver(self._product, G))(rhs)
        return self._iterate(theta, rhs)

    def _image(self, theta: Array, t: Array) -> Array:
        """The system applied to `t`."""
        return theta * t + self.push(self.product(self.pull(t)))


def _dense_solver(product: Product, G: Array) -> Product:
    """Solver of ``(I + J G) u = b`` by all m d unknowns at once."""
    m, d = G.shape[:2]
    units = np.eye(m * d).reshape(m * d, m, d)
    J = product(units)  # symmetric
    system = np.matmul(J.transpose(1, 0, 2), G).transpose(1, 0, 2).reshape(m * d, m * d)
    system[np.arange(m * d), np.arange(m * d)] += 1.0
    factors, pivots, _ = _getrf(system)
    return lambda b: _getrs(factors, pivots, b.ravel())[0].reshape(m, d)


def solve_through_weights(response: Response, G: Array, b: Array) -> Array | None:
    """``u`` of ``(I + J G) u = b`` for a small problem; None where rounding leaves nothing exact.

    `G` holds one d-by-d block a node.
    """
    form = response.spectral()
    ways = [lambda: _dense_solver(response.product, G)] if b.size <= MAX_DIRECT else []
    if form is not None:
        ways.insert(0, lambda: make_solver(form, G))

    def image(u: Array) -> Array:
        return u + response.product(np.matmul(G, u[:, :, None])[:, :, 0])

    solutions = (_corrected(way(), image, b) for way in ways)
    return next((u for u in solutions if u is not None), None)


def _corrected(solve: Product, image: Product, rhs: Array) -> Array | None:
    """A direct solution, once corrected if need be; None where it leaves more than rounding."""
    t, size = solve(rhs), float(np.linalg.norm(rhs))
    for correct in (True, False):
        if not np.isfinite(t).all():  # a factor that rounding has spoiled
            return None
        left = rhs - image(t)
        if float(np.linalg.norm(left)) <= _EXACT * size:
            return t
        if correct:
            t = t + solve(left)
    return None


def _local_solver(E: Any, theta: Array, curvature: float) -> Product:
    """Solver of ``diag(theta) + curvature E E'``, through the smaller of its two sides.

    Where that would need far more memory than the rows, of its diagonal alone.
    """
    n, d = E.shape
    if n == 0:  # older LAPACK wrappers refuse empty systems
        return lambda t: t
    squared_norm = squared_norms(E)
    theta = np.maximum(theta, 1e-10 * curvature * float(squared_norm.mean()))
    theta = np.where(theta > 0.0, theta, 1.0)
    if fills(E):
        diagonal = theta + curvature * squared_norm
        return lambda t: t / diagonal
    if n <= d:
        system = outer(E, curvature)
        system[np.arange(n), np.arange(n)] += theta
        factors, _ = _potrf(system, overwrite_a=True)
        return lambda t: _potrs(factors, t)[0]
    factors, _ = _potrf(np.eye(d) + curvature * cross(E, E / theta[:, None]))

    def solve(t: Array) -> Array:
        scaled = t / theta
        return scaled - curvature * (E @ _potrs(factors, scaled @ E)[0]) / theta

    return solve


def conjugate_gradient(
    product: Product,
    rhs: Array,
    precondition: Product,
    *,
    tol: float,
    max_iter: int,
) -> Array:
    """Solve a positive semidefinite system to ``||residual|| <= tol ||rhs||``.

    On a singular, consistent system it finds one solution.
    """
    x = np.zeros_like(rhs)
    residual = rhs.copy()
    target = tol * float(np.linalg.norm(rhs))
    direction = precondition(residual)
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
        z = precondition(residual)
        rho, previous = float(residual @ z), rho
        direction = z + (rho / previous) * direction
    return x
