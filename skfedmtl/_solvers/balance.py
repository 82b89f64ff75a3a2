"""How strongly the two sides of a splitting pull at each other: the choice of rho.

At a solution ``rho`` scales weights against moments, so it is well chosen where both move alike:
``||V - V'|| / ||Z - Z'||`` since the last check, as the primal weight of a primal-dual method [1]_.
Checks become rarer, and end, so that the iteration converges whatever they find.

References
----------
.. [1] D. Applegate et al., "Practical Large-Scale Linear Programming using Primal-Dual Hybrid
   Gradient", NeurIPS 2021.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._typing import Array

_CHECKS = frozenset((3, 5, 8, 12, 18, 27, 40, 60, 90, 135, 200, 300))
_MOST = 10.0  #: by which rho changes at most
_ALIKE = 0.8, 1.25  #: changes between these are not worth what the acceleration would forget


class Balance:
    """Watches an iteration for the factor by which rho should change."""

    def __init__(self) -> None:
        self._last: tuple[Array, Array] | None = None

    def factor(self, iteration: int, rho: float, Z: Array, V: Array) -> float:
        """What rho is to be multiplied with after this iteration; 1 where it rests."""
        if iteration not in _CHECKS or not Z.any():
            return 1.0
        before: tuple[Array | None, Array | None] = self._last or (None, None)
        # one difference after the other: of many nodes each is large
        of_weights, of_moments = _moved(before[0], Z), _moved(before[1], V)
        self._last = Z, V
        if not (of_weights > 0.0 and of_moments > 0.0):
            return 1.0
        ratio = float(np.sqrt(of_moments / of_weights / rho))
        if not np.isfinite(ratio) or _ALIKE[0] < ratio < _ALIKE[1]:
            return 1.0
        return float(np.clip(ratio, 1.0 / _MOST, _MOST))


def _moved(before: Array | None, now: Array) -> float:
    return float(np.linalg.norm(now if before is None else now - before))
