"""The learned regulariser's conjugate with its kinks rounded off.

With the singular values ``nu`` of ``V`` and a threshold ``theta`` (``2 lambda1 T``)::

    R*(V) = min over theta of  theta^2 / (4 lambda1) + sum of h(nu_i - theta)
    h(x)  = max(0, x)^2 / (4 lambda2)

so that W has a kink wherever a singular value crosses the threshold. Here ``h`` becomes
smooth, and so does its argument where ``nu_i = 0``::

    h'(x) = (x + sqrt(x^2 + 4 width^2)) / (4 lambda2),      nu_i -> sqrt(nu_i^2 + width^2)

The result is convex and has two derivatives; those of W are, in the singular basis, divided
differences of ``om_i``, the singular values of W. Newton's method follows it through many
changes of rank where the exact derivative sees none coming.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from skfedmtl._model.regulariser import Spectral
from skfedmtl._typing import Array

_STEPS = 100
_ENOUGH = 1e-14
_CLOSE = 1e-6  #: singular values that differ by less, relative, share one derivative


class RoundedResponse:
    """``W(V)`` and its derivative.

    Parameters
    ----------
    U, nu, Zt : ndarray of shape (m, p), (p,) and (p, d)
        The thin SVD of V.
    lambda1, lambda2 : float
    theta : float
        The threshold of R* itself.
    width : float
        Positive; of the range of singular values about the threshold that is rounded off.
    """

    def __init__(
        self,
        U: Array,
        nu: Array,
        Zt: Array,
        lambda1: float,
        lambda2: float,
        theta: float,
        width: float,
    ) -> None:
        self._U, self._nu, self._Zt = U, nu, Zt
        self._lambda1, self._lambda2, self._width = lambda1, lambda2, width
        self._length = np.hypot(nu, width)
        # Newton's method on a convex function, from the left: the rounded threshold is higher
        for _ in range(_STEPS):
            slope, bend, height = self._rounding(theta)
            excess = float(slope.sum()) - theta / (2.0 * lambda1)
            change = excess / (float(bend.sum()) + 1.0 / (2.0 * lambda1))
            theta += change
            if change <= _ENOUGH * theta:
                break
        self._slope, self._bend, height = self._rounding(theta)
        self.value = float(height.sum()) + theta * theta / (4.0 * lambda1)

    def _rounding(self, theta: float) -> tuple[Array, Array, Array]:
        """h', h'' and h, but for a constant, of every singular value."""
        t = np.arcsinh((self._length - theta) / (2.0 * self._width))
        grown, scale = np.exp(t), self._width / (2.0 * self._lambda2)
        height = 0.5 * self._width * scale * (np.square(grown) + 2.0 * t)
        return scale * grown, (1.0 + np.tanh(t)) / (4.0 * self._lambda2), height

    @cached_property
    def _ratio(self) -> Array:
        """om_i / nu_i."""
        ratio: Array = self._slope / self._length
        return ratio

    @cached_property
    def W(self) -> Array:
        W: Array = (self._U * (self._ratio * self._nu)) @ self._Zt
        return W

    @cached_property
    def _mixing(self) -> tuple[Array, Array, Array]:
        """Weights of the symmetric and the skew part of U' dV Z, and those of its diagonal."""
        nu, omega, share = self._nu, self._ratio * self._nu, self._nu / self._length
        tilt = self._bend * share
        own = tilt * share + self._ratio * np.square(self._width / self._length)
        between, total = nu[:, None] - nu, nu[:, None] + nu
        close = np.abs(between) <= _CLOSE * total
        symmetric = np.where(
            close,
            0.5 * (own[:, None] + own),
            (omega[:, None] - omega) / np.where(close, 1.0, between),
        )
        skew = 0.5 * (self._ratio[:, None] + self._ratio)  # the limit of two zeros
        np.divide(omega[:, None] + omega, total, out=skew, where=total > 0.0)
        joint = np.outer(tilt, tilt) / (1.0 / (2.0 * self._lambda1) + self._bend.sum())
        return 0.5 * symmetric, 0.5 * skew, np.diag(own) - joint

    def product(self, dV: Array) -> Array:
        """J[dV]; `dV` may carry leading axes: a stack of directions."""
        U, Zt, ratio = self._U, self._Zt, self._ratio
        right, left = dV @ Zt.T, U.T @ dV
        M = U.T @ right
        above = ratio[:, None] * (left - M @ Zt)
        return U @ (self._inside(M) @ Zt + above) + ((right - U @ M) * ratio) @ Zt

    def _inside(self, M: Array) -> Array:
        """What J makes of U M Z', in the same bases."""
        symmetric, skew, diagonal = self._mixing
        turned = np.swapaxes(M, -1, -2)
        Y: Array = symmetric * (M + turned) + skew * (M - turned)
        every = np.arange(len(self._nu))
        Y[..., every, every] = M[..., every, every] @ diagonal
        return Y

    def spectral(self) -> Spectral | None:
        if self._U.shape[0] < self._Zt.shape[1]:
            return None
        return Spectral(self._U, self._Zt, self._ratio, self._inside)
