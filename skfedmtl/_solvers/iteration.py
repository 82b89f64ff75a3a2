"""The state of `skfedmtl._solvers.splitting`, and how it follows what the nodes find."""

from __future__ import annotations

import numpy as np

from skfedmtl._model import Proximal, Relationship
from skfedmtl._solvers.anderson import Anderson
from skfedmtl._solvers.balance import Balance
from skfedmtl._typing import Array

_RELAXATION = 1.6
_UNTIED_RELAXATION = 2.0  #: of nodes that nothing ties: the next state is what they answer


class Iteration:
    """``T`` and ``rho``.

    Parameters
    ----------
    relationship : Relationship
    T : ndarray of shape (m, d)
    rho : float
    age : int
        Iterations so far.
    memory : int
        Of the extrapolation; nodes that nothing ties need none.
    """

    def __init__(
        self, relationship: Relationship, T: Array, rho: float, age: int, memory: int
    ) -> None:
        self._relationship = relationship
        self.T, self.rho, self.age = T, rho, age
        self.is_alone = relationship.own_rho is not None
        self._anderson = Anderson(0 if self.is_alone else memory, relaxation_of(relationship))
        self._balance: Balance | None = None if self.is_alone else Balance()
        self.is_lost = False  #: whether the state has outgrown the arithmetic

    def proximal(self, close: float = 0.0) -> Proximal:
        """The server's step, a node's weights to within about `close`."""
        return self._relationship.proximal(self.T, self.rho, close)

    def advance(self, Z: Array, V: Array, residual: Array, *, is_whole: bool = True) -> None:
        """Take the next state, and the next rho, where the nodes have found these moments.

        Without some of the nodes, whose residual is zero, it is a plain step.
        """
        self.age += 1
        step = self._anderson.advance if is_whole else self._anderson.step_aside
        T = step(self.T, residual)
        self.is_lost = not bool(np.isfinite(T).all())
        if self.is_lost:
            return
        self.T = T
        factor = 1.0 if self._balance is None else self._balance.factor(self.age, self.rho, Z, V)
        if factor != 1.0:
            self.T = Z + (T - Z) / factor
            self.rho *= factor
            self._anderson.forget()

    def settle(self) -> None:
        """Keep rho from now on, and forget the way so far: the problem becomes another one."""
        self._balance = None
        self._anderson.forget()


def relaxation_of(relationship: Relationship) -> float:
    """How far, in residuals, a plain step goes."""
    return _RELAXATION if relationship.own_rho is None else _UNTIED_RELAXATION
