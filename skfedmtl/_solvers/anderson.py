"""Anderson acceleration of a fixed-point iteration (type II).

For ``T <- T + s r(T)`` the differences of former states and residuals, ``dT_j`` and ``dr_j``, say
which combination of them would have left the smallest residual [1]_::

    mix = argmin ||r - sum_j mix_j dr_j||,      T <- T + s r - sum_j mix_j (dT_j + s dr_j)

References
----------
.. [1] H. F. Walker, P. Ni, "Anderson acceleration for fixed-point iterations", SIAM J. Numerical
   Analysis 49(4), 2011.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import row_algebra
from skfedmtl._typing import Array

#: a difference, in either precision
_Kept = Array | NDArray[np.float32]

_TINY = float(np.finfo(float).tiny)


class Anderson:
    """Remembers the last states of an iteration, and makes the next one of them.

    Parameters
    ----------
    memory : int
        Differences that are kept; 0: none, and no acceleration.
    relaxation : float
        s.
    ridge : float
        Of the mean square of the differences, so that equal ones do no harm.
    longest : float
        Times the plain step; a longer one is not trusted. Linear iterations need no such limit.
    single : bool
        Whether differences are kept in single precision, half the room; the states are not.
    """

    def __init__(
        self,
        memory: int,
        relaxation: float,
        ridge: float = 1e-10,
        longest: float = 100.0,
        *,
        single: bool = False,
    ) -> None:
        self._memory, self._relaxation, self._ridge = memory, relaxation, ridge
        self._longest, self._single = longest, single
        self.forget()

    def forget(self) -> None:
        """Begin anew: the iteration has become another one."""
        self._steps: list[_Kept] = []  #: dT + s dr
        self._residuals: list[_Kept] = []
        self._gram = np.zeros((0, 0))
        self._last: tuple[Array, Array] | None = None

    def step_aside(self, T: Array, residual: Array) -> Array:
        """A plain step that is no part of the iteration; it begins anew after it."""
        self.forget()
        return self._plain(T, residual)

    def advance(self, T: Array, residual: Array) -> Array:
        """The next state; `residual` is taken over."""
        self._note(T, residual)
        if len(self._residuals) < 2:
            return self._plain(T, residual)
        against = np.array([_product(dr, residual) for dr in self._residuals])
        ridge = self._ridge * float(np.trace(self._gram)) + _TINY
        mix = np.linalg.solve(self._gram + ridge * np.eye(len(against)), against)
        mixed = self._plain(T, residual)
        for part in row_algebra.chunks(*mixed.shape):  # no array as large as the state beside it
            for share, step in zip(mix.tolist(), self._steps, strict=True):
                mixed[part] -= share * step[part]
        longest = self._longest * self._relaxation * float(np.linalg.norm(residual))
        is_near = float(np.linalg.norm(mixed - T)) < longest
        return mixed if is_near else self._plain(T, residual)

    def _plain(self, T: Array, residual: Array) -> Array:
        return T + self._relaxation * residual

    def _note(self, T: Array, residual: Array) -> None:
        if self._memory == 0:
            return
        if self._last is not None:
            drop = len(self._residuals) == self._memory
            newest = np.subtract(residual, self._last[1], out=self._last[1])
            step = T - self._last[0]
            step += self._relaxation * newest
            self._steps = [*self._steps[drop:], self._kept(step)]
            self._residuals = [*self._residuals[drop:], self._kept(newest)]
            products = np.array([_product(dr, newest) for dr in self._residuals])
            gram = np.empty((len(products), len(products)))
            gram[:-1, :-1] = self._gram[drop:, drop:]
            gram[-1] = gram[:, -1] = products
            self._gram = gram
        self._last = T, residual

    def _kept(self, difference: Array) -> _Kept:
        return difference.astype(np.float32) if self._single else difference


def _product(kept: _Kept, other: Array) -> float:
    """The sum of the products of all entries, in double precision."""
    if kept.dtype == other.dtype:
        return float(np.vdot(kept, other))
    parts = row_algebra.chunks(*other.shape)  # a copy of all would be as large as the other
    return sum(float(np.vdot(kept[part], other[part])) for part in parts)
