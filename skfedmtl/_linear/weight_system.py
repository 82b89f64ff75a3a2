"""The linear system of Newton's step through the weights: ``(I + J G) u = b``.

``J`` is the derivative of ``W`` with respect to ``V``, and ``G`` is block diagonal, one d-by-d
block a node. It is solved directly: by Woodbury's identity where features are few
(`skfedmtl._linear.woodbury`), by all m d unknowns at once where those are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import linalg

from skfedmtl._linear.woodbury import MAX_FEATURES, make_solver
from skfedmtl._model import Response, Spectral
from skfedmtl._typing import Array

MAX_DIRECT = 800  #: the largest m d that is solved directly if the features are many

_EXACT = 1e-8  #: relative residual that a direct solution may leave

Product = Callable[[Array], Array]

# a small system is solved in less time than `linalg.lu_factor` takes to look at its arguments
_getrf, _getrs = linalg.lapack.dgetrf, linalg.lapack.dgetrs


def is_small(response: Response) -> bool:
    """Whether a system with J is solved in the time of a few iterations."""
    return _few_features(response.spectral()) or response.W.size <= MAX_DIRECT


def _few_features(form: Spectral | None) -> bool:
    return form is not None and len(form.rho) <= MAX_FEATURES


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
    """``u`` of the system of a small problem; None where rounding leaves nothing exact.

    `G` holds one d-by-d block a node.
    """

    def image(u: Array) -> Array:
        return u + response.product(np.matmul(G, u[:, :, None])[:, :, 0])

    form = response.spectral()
    u = None if form is None else _corrected(make_solver(form, G), image, b)
    if u is None and b.size <= MAX_DIRECT:
        u = _corrected(_dense_solver(response.product, G), image, b)
    return u


def _corrected(solve: Product, image: Product, rhs: Array) -> Array | None:
    """A direct solution, once corrected if need be; None where it leaves more than rounding."""
    t = solve(rhs)
    size = float(np.linalg.norm(rhs))
    for correct in (True, False):
        if not np.isfinite(t).all():  # a factor that rounding has spoiled
            return None
        left = rhs - image(t)
        if float(np.linalg.norm(left)) <= _EXACT * size:
            return t
        if correct:
            t = t + solve(left)
    return None
