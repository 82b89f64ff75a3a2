"""Gradients of the attacker's objective with respect to injected rows.

The attacker raises the mean loss of the target nodes over their clean rows::

    H = sum over targets t of (1/h_t) sum over clean rows j of s_j L(y_j, f_j)

through a victim that is fitted to optimality on clean and injected rows. With
``G = dH/dW``, row ``i`` of node ``s`` and its share ``p_i = s_i / c_s``, one adjoint
solution ``u``, shape (m, d), serves all injected rows::

    grad_i = p_i a_i u_s - r_i t_i w_s            [- p_i (dH/db_s) w_s]

where ``r_i`` is the row's stiffness (`skfedmtl._losses`) and ``E`` has the rows
``r_i x_i`` of all responding rows::

    (softness I + E J E') t = E J G,        u = J (G - E' t)

The bracket belongs to an intercept without penalty, which follows from the means. A target
of squared error enters as ``f - y``: ``dH/dy_i = r_i t_i + p_i (dH/db_s)``.

===========  =============================  =============================================
gradient     J                              meaning
===========  =============================  =============================================
"dual"       (1/2) B, and t = 0             dual variables and Omega frozen: Eq. 15-16 of
                                            [1]_, corrected in sign, scale and increment
"implicit"   (1/2) B                        dual variables respond, Omega frozen
"total"      derivative of W(V)             dual variables and Omega respond: exact, where the
                                            rank of W and the rows on the margin stay
===========  =============================  =============================================

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

from skfedmtl._losses import Array
from skfedmtl._problem import FederatedProblem
from skfedmtl._protocol import Node
from skfedmtl._rows import decisions, scaled_rows
from skfedmtl._system import DualSystem, is_small
from skfedmtl.attack._upper import UpperLoss

_ADJOINT_TOL = 1e-10
_ADJOINT_ITERATIONS = 2000


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
        Clean and injected rows, solved before every call below.
    loss : UpperLoss
        L of the sum above.
    damage : callable
        ``damage(l)`` gives the rows of node ``l`` that are summed over, or None.
    injected : ndarray of shape (n_injected,)
        Positions of the injected rows.
    accuracy : float or None
        Of the adjoint solution; None: nearly that of the arithmetic.
    """

    def __init__(
        self,
        problem: FederatedProblem,
        loss: UpperLoss,
        damage: Callable[[int], Damage | None],
        injected: NDArray[np.intp],
        accuracy: float | None = None,
    ) -> None:
        self._problem, self._loss = problem, loss
        self._damage, self._injected, self._accuracy = damage, injected, accuracy

    def value(self, W: Array) -> float:
        """H at weights of the victim."""
        return self._upper(W).value

    def full_gradient(self, kind: str) -> Array:
        """Gradient of H with respect to the injected rows, their targets in the last column."""
        return GRADIENTS[kind](self)

    def _upper(self, W: Array) -> _Upper:
        problem = self._problem
        G, intercept, value = np.zeros_like(W), np.zeros(len(W)), 0.0
        for l, (node, w) in enumerate(zip(problem.nodes, W, strict=True)):
            damage = self._damage(l)
            if damage is not None:
                X, y, share, fitted = damage
                f = X @ w
                value += float(share @ self._loss.value(y, f))
                slope = share * self._slope(y, f, node if fitted else None)
                G[l], intercept[l] = slope @ X, slope.sum()
        if problem.intercept != "centred":
            intercept[:] = 0.0
        return _Upper(value, G, intercept)

    def _slope(self, y: Array, f: Array, node: Node | None) -> Array:
        """dL/df; the dual variables of a node that these rows belong to know the side of a kink."""
        if node is None:
            return self._loss.slope(y, f, None)
        slope = self._loss.slope(y, f, node.alpha)
        if node.weight.all():
            return slope
        # a class may weigh nothing in the fit, and its dual variables say nothing then
        return np.where(node.weight > 0.0, slope, self._loss.slope(y, f, None))

    def _dual(self) -> Array:
        upper = self._upper(self._problem.server.response.W)
        u = self._problem.server.response.frozen_product(upper.G)
        still = [np.zeros(len(node.y)) for node in self._problem.nodes]
        return self._assemble(upper, u, still)

    def _implicit(self) -> Array:
        return self._adjoint(self._problem.server.response.frozen_product)

    def _total(self) -> Array:
        return self._adjoint(self._problem.server.response.product)

    def _adjoint(self, product) -> Array:  # type: ignore[no-untyped-def]
        """The gradient with responding dual variables, for the derivative `product` of W(V)."""
        problem, W = self._problem, self._problem.server.response.W
        upper = self._upper(W)
        scales, rows, softness = [], [], 1.0
        rough = self._accuracy is not None and not is_small(problem.server.response)
        for node, w in zip(problem.nodes, W, strict=True):
            X = node.rows(rough=rough)
            f = decisions(X, w)
            scale, softness = node.loss.stiffness(node.y, f, node.alpha, node.weight)
            scales.append(scale)
            rows.append(scaled_rows(X, scale, node.squared_norm, rough=rough))
        system = DualSystem(rows, problem.server.response, product)
        first = product(upper.G)
        rhs = system.push(first)
        t = system.solve(
            np.full(len(rhs), softness),
            rhs,
            tol=self._accuracy or _ADJOINT_TOL,
            max_iter=_ADJOINT_ITERATIONS,
            energy=float(np.vdot(upper.G, first)) if self._accuracy else None,
        )
        u = product(upper.G - system.pull(t))
        answers = []
        for scale, part in zip(scales, system.split(t), strict=True):
            answer = np.zeros(len(scale))
            answer[scale > 0] = part
            answers.append(scale * answer)
        return self._assemble(upper, u, answers)

    def _assemble(self, upper: _Upper, u: Array, answers: list[Array]) -> Array:
        """grad_i = p_i a_i u_s - pull_i w_s, pull_i = answer_i + p_i dH/db_s, and pull_i."""
        problem, d = self._problem, self._problem.n_features
        pairs = zip(problem.nodes, answers, upper.intercept, strict=True)
        pulls = [answer + node.weight * intercept for node, answer, intercept in pairs]
        duals = [node.weight * node.alpha for node in problem.nodes]
        pull = problem.join(pulls)[self._injected, None]
        dual = problem.join(duals)[self._injected, None]
        source = problem.codes_of(self._injected)
        W = problem.server.response.W
        slope: Array = np.empty((len(source), d + 1))
        slope[:, :d] = dual * u[source, :d] - pull * W[source, :d]
        slope[:, d:] = pull
        return slope


GRADIENTS = {
    "dual": UpperObjective._dual,
    "implicit": UpperObjective._implicit,
    "total": UpperObjective._total,
}
