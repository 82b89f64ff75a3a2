"""The learned regulariser's conjugate on singular values: what W(V) leaves of those of V."""

from __future__ import annotations

import numpy as np

from skfedmtl._typing import Array

_DIRECT = 3e5  #: m d min(m, d) up to which a decomposition of V itself is quick enough
_LOST = 1e6  #: times lambda2; beside a larger lambda1 its sums with that lose too many digits


def shrink(nu: Array, lambda1: float, lambda2: float) -> tuple[int, float, Array]:
    """Rank k, threshold scale T and singular values of W(V) from those of V, descending."""
    if lambda1 > _LOST * lambda2:
        return _shrink_by_differences(nu, lambda1, lambda2)
    scale = nu.cumsum() / (2.0 * lambda2 + 2.0 * lambda1 * np.arange(1.0, len(nu) + 1.0))
    rank = int((nu > 2.0 * lambda1 * scale).sum())  # true for the first ones only
    if rank == 0:
        return 0, 0.0, np.zeros_like(nu)
    T = float(scale[rank - 1])
    omega = (nu - 2.0 * lambda1 * T) / (2.0 * lambda2)
    omega[rank:] = 0.0
    return rank, T, np.maximum(omega, 0.0, out=omega)


def _shrink_by_differences(nu: Array, lambda1: float, lambda2: float) -> tuple[int, float, Array]:
    """The same, with ``k nu_i - (nu_1 + ... + nu_k)`` as a sum of differences."""
    steps = np.arange(1.0, len(nu)) * (nu[:-1] - nu[1:])
    excess = np.concatenate([np.zeros(1), steps.cumsum()])[: len(nu)]
    rank = int((lambda2 * nu > lambda1 * excess).sum())
    omega = np.zeros_like(nu)
    if rank == 0:
        return 0, 0.0, omega
    total = 2.0 * lambda2 + 2.0 * lambda1 * rank
    above = rank * (nu[:rank] - nu[rank - 1]) - excess[rank - 1]
    omega[:rank] = np.maximum(nu[:rank] + (lambda1 / lambda2) * above, 0.0) / total
    return rank, float(nu[:rank].sum()) / total, omega


def conjugate(nu: Array, T: float, omega: Array, lambda1: float, lambda2: float) -> float:
    """R*(V); of degree two, it is what R is at W(V)."""
    if lambda1 > _LOST * lambda2:
        return float(lambda1 * T * T + lambda2 * (omega @ omega))
    return float(nu @ omega - lambda1 * T * T - lambda2 * (omega @ omega))


def mixing_weights(nu: Array, omega: Array, k: int, lambda2: float) -> tuple[Array, Array]:
    """What the derivative of W(V) makes of the symmetric and the skew part of U' dV Z.

    Of rank `k`. Only what is off the diagonal counts.
    """
    total = nu[:, None] + nu
    skew = np.divide(omega[:, None] + omega, total, out=np.zeros_like(total), where=total > 0)
    skew[k:, k:] = 0.0
    symmetric = np.zeros_like(skew)
    symmetric[:k, :k] = 0.5 / lambda2
    symmetric[:k, k:] = omega[:k, None] / (nu[:k, None] - nu[k:])
    symmetric[k:, :k] = symmetric[:k, k:].T
    np.fill_diagonal(symmetric, 0.0)
    return symmetric, skew


def singular(T: Array) -> tuple[Array | None, Array, Array]:
    """Singular vectors and values of T, descending; of tall tables the right vectors alone.

    Of large tables the Gram matrix of the smaller side is decomposed: values below 1e-8 of the
    largest are lost in it.
    """
    m, d = T.shape
    if m * d * min(m, d) <= _DIRECT:
        U, nu, Zt = np.linalg.svd(T, full_matrices=False)
        return U, nu, Zt
    if m <= d:
        squares, vectors = np.linalg.eigh(T @ T.T)
        U, nu = vectors[:, ::-1], np.sqrt(np.maximum(squares[::-1], 0.0))
        scale = np.divide(1.0, nu, out=np.zeros_like(nu), where=nu > 0.0)
        return U, nu, scale[:, None] * (U.T @ T)
    squares, vectors = np.linalg.eigh(T.T @ T)
    return None, np.sqrt(np.maximum(squares[::-1], 0.0)), vectors[:, ::-1].T


def shrunk(T: Array, U: Array | None, nu: Array, Zt: Array, omega: Array) -> Array:
    """T with these singular values, of which the last ones may be zero, in the place of its own."""
    kept = omega > 0.0
    omega, right = omega[kept], Zt[kept]
    if U is not None:
        return np.asarray((U[:, kept] * omega) @ right)
    turned = right.T * (omega / nu[kept])
    if 2 * len(right) > len(Zt):  # one product of all rows in the place of two
        return np.asarray(T @ (turned @ right))
    return np.asarray((T @ turned) @ right)


def singular_values(T: Array) -> Array:
    """The values alone."""
    m, d = T.shape
    nu: Array
    if m * d * min(m, d) <= _DIRECT:
        nu = np.linalg.svd(T, compute_uv=False)  # type: ignore[assignment]
    else:
        squares = np.linalg.eigvalsh(T @ T.T if m <= d else T.T @ T)
        nu = np.sqrt(np.maximum(squares[::-1], 0.0))
    return nu
