"""Gradients of the attacker's objective with respect to injected rows.

The attacker raises the mean loss of the target nodes over their clean rows::

    H = sum over targets t of (1/h_t) sum over clean rows j of s_j L(y_j, f_j)

through a victim that is fitted to optimality on clean and injected rows. With
``G = dH/dW``, row ``i`` of node ``s`` and its share ``p_i = s_i / c_s``, one adjoint
solution ``u``, shape (m, d), serves all injected rows (`skfedmtl._solvers.adjoint`)::

    grad_i = p_i a_i u_s - answer_i w_s           [- p_i (dH/db_s) w_s]

The bracket belongs to an intercept without penalty, which follows from the means. A target
of squared error enters as ``f - y``: ``dH/dy_i = answer_i + p_i (dH/db_s)``.

===========  ===================================  =============================================
gradient     (Hess P) u = G, in which             meaning
===========  ===================================  =============================================
"dual"       only R bends, with Omega held;       dual variables and Omega frozen: Eq. 15-16 of
             no row answers                       [1]_, corrected in sign, scale and increment
"implicit"   Omega is held                        dual variables respond, Omega frozen
"total"      all respond                          exact, where the rank of W and the rows on the
                                                  margin stay
===========  ===================================  =============================================

References
----------
.. [1] G. Sun, Y. Cong, J. Dong, Q. Wang, J. Liu, "Data Poisoning Attacks on Federated
   Machine Learning", 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._protocol import FederatedProblem
from skfedmtl._solvers import Adjoint, Solved
from skfedmtl._typing import Array
from skfedmtl.attack._setting import UpperLoss

GRADIENTS = ("dual", "implicit", "total")
EXACT = 1e-10  #: of an adjoint solution
_ITERATIONS = 2000


class Damage(NamedTuple):
    """Rows and targets of one node, in its coordinates, and their shares of H."""

    X: Array
    y: Array
    share: Array
    fitted: bool  #: whether these are the rows that the node was fitted on


class _Upper(NamedTuple):
    """H and its derivatives with respect to weights and free intercepts."""

    value: float
    G: Array  #: (m, d)
    intercept: Array  #: (m,)


class UpperObjective:
    """H on a problem, and its gradient with respect to some of the problem's rows.

    Parameters
    ----------
    problem : FederatedProblem
        Clean and injected rows.
    loss : UpperLoss
        L of the sum above.
    damage : callable
        ``damage(l)`` gives the rows of node ``l`` that are summed over, or None.
    injected : ndarray of shape (n_injected,)
        Positions of the injected rows.
    adjoint : Adjoint
        Of the victim's problem.
    accuracy : float
        Of the adjoint solution.
    """

    def __init__(
        self,
        problem: FederatedProblem,
        loss: UpperLoss,
        damage: Callable[[int], Damage | None],
        injected: NDArray[np.intp],
        adjoint: Adjoint,
        accuracy: float = EXACT,
    ) -> None:
        self._problem, self._loss = problem, loss
        self._damage, self._injected = damage, injected
        self._adjoint, self._accuracy = adjoint, accuracy
        self._last: tuple[Solved, _Upper] | None = None

    def value(self, solved: Solved) -> float:
        """H of a victim."""
        return self._upper(solved).value

    def forget(self) -> None:
        """Hold no victim whose rows have moved."""
        self._last = None

    def full_gradient(self, kind: str, solved: Solved) -> Array:
        """Gradient of H with respect to the injected rows, their targets in the last column."""
        upper, problem = self._upper(solved), self._problem
        if kind == "dual":
            response = problem.server.relationship.respond(solved.V)
            still = problem.nodes.nothing()
            return self._assemble(solved, upper, response.frozen_product(upper.G), still)
        u, answers = self._adjoint.solve(
            solved,
            upper.G,
            frozen=kind == "implicit",
            tol=self._accuracy,
            max_iter=_ITERATIONS,
        )
        return self._assemble(solved, upper, u, answers)

    def _upper(self, solved: Solved) -> _Upper:
        """Of a victim, found once: a gradient asks where its value has been."""
        if self._last is None or self._last[0] is not solved:
            self._last = solved, self._find_upper(solved)
        return self._last[1]

    def _find_upper(self, solved: Solved) -> _Upper:
        problem, W = self._problem, solved.W
        G, intercept, value = np.zeros(W.shape), np.zeros(len(W)), 0.0
        for l, w in enumerate(W):
            damage = self._damage(l)
            if damage is not None:
                X, y, share, fitted = damage
                f = X @ w
                value += float(share @ self._loss.value(y, f))
                slope = share * self._slope(y, f, l, solved if fitted else None)
                G[l], intercept[l] = slope @ X, slope.sum()
        if problem.intercept != "centred":
            intercept[:] = 0.0
        return _Upper(value, G, intercept)

    def _slope(self, y: Array, f: Array, l: int, solved: Solved | None) -> Array:
        """dL/df; the dual variables of a node that these rows belong to know the side of a kink."""
        if solved is None:
            return self._loss.slope(y, f, None)
        nodes = self._problem.nodes
        weight = nodes.weight[nodes.parts[l]]
        slope = self._loss.slope(y, f, solved.alpha[nodes.parts[l]])
        if weight.all():
            return slope
        # a class may weigh nothing in the fit, and its dual variables say nothing then
        return np.where(weight > 0.0, slope, self._loss.slope(y, f, None))

    def _assemble(self, solved: Solved, upper: _Upper, u: Array, answers: list[Array]) -> Array:
        """grad_i = p_i a_i u_s - pull_i w_s, pull_i = answer_i + p_i dH/db_s, and pull_i."""
        problem, d = self._problem, self._problem.n_features
        nodes = problem.nodes
        # an intercept follows from means, whatever the node's loss counts
        pairs = zip(nodes.parts, answers, upper.intercept / nodes.totals, strict=True)
        pulls = [answer + nodes.weight[part] * intercept for part, answer, intercept in pairs]
        duals = nodes.weight * solved.alpha
        pull = problem.join(pulls)[self._injected, None]
        dual = problem.join([duals[part] for part in nodes.parts])[self._injected, None]
        source = problem.codes_of(self._injected)
        slope: Array = np.empty((len(source), d + 1))
        slope[:, :d] = dual * u[source, :d] - pull * solved.W[source, :d]
        slope[:, d:] = pull
        return slope
