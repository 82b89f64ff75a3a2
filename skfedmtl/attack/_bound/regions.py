"""Balls that hold the poisoned weights of every node; for losses of classes.

By the joint inequality, with P the problem of the clean shares, ``sum theta f + R``, P* its minimum
and W* its optimum, ``lambda2 ||W - W*||^2 <= K - P*``, and with the ridge alone in the place of R::

    ||W||_* <= O = sqrt((K - min of [sum theta f + lambda2 ||W||^2]) / lambda1)

A node by itself is optimal given the others, whose norm is at most O. As in
`skfedmtl.attack._bound.conditional`, with l = lambda1 + lambda2, for every v::

    F(w) = theta f(w) + l ||w||^2
        <=  C = theta f(v) + l ||v||^2 + 2 lambda1 O ||v|| + rho kappa(v)

so that w is within ``sqrt((C - F*) / l)`` of the least of F. Optima are known by fits of a gap g,
which are within ``sqrt(g / l)`` of them.

Where R is a quadratic, ``R(W - W*) <= K - P*``, which limits every node by itself, and so does
`skfedmtl.attack._bound.moved`. Of all its balls a node has the smallest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._model import Independent, Learned, Relationship
from skfedmtl._typing import Array
from skfedmtl.attack._bound.fits import Fit, fit_losses
from skfedmtl.attack._bound.gap import ceiling, excess
from skfedmtl.attack._bound.margins import JointMargins
from skfedmtl.attack._bound.moved import clean_shares, moved, near
from skfedmtl.attack._bound.rows import Costs
from skfedmtl.attack._bound.setting import Setting

_TOL = 1e-8  #: of the fits
_SHARES = np.linspace(0.0, 1.0, 21)  #: of weights that are tried as v


class Regions(NamedTuple):
    """Where the victim's weights lie, whatever is injected."""

    centre: Array  #: (m, d) in the solver's coordinates
    radius: Array  #: (m,)
    costs: Costs | None  #: None where nodes that are tied have no problem of their own


def regions(setting: Setting, max_iter: int, tol: float, V: Array | None = None) -> Regions | None:
    """Of victims at a relative gap of at most `tol`; None where there are none.

    V is the reference of `JointMargins`, if it has been found.
    """
    relationship = setting.model.relationship
    lambdas = _lambdas(relationship)
    if setting.model.loss.is_regression or not (lambdas or relationship.is_quadratic):
        return None
    setting = setting.with_rows_only()
    joint = JointMargins(setting)
    eps = tol / (1.0 - tol) * ceiling(setting)
    K, V = joint.reference(max_iter) if V is None else (joint.known(V), V)
    K += excess(setting, V, joint.intercepts(V), eps)
    together = clean_shares(joint)
    far = _together(joint, together, K, eps)
    if lambdas is None:
        return Regions(together.W, far, None)
    alone, radius, most = _of_nodes(joint, lambdas, (K, V, eps))
    nearer = radius < far
    centre = np.where(nearer[:, None], alone, together.W)
    seen = setting.rows._replace(X=joint.seen)
    costs = Costs(seen, setting.model, joint.left, sum(lambdas), most)
    return Regions(centre, np.where(nearer, radius, far), costs)


def _together(joint: JointMargins, fit: Fit, K: float, eps: float) -> Array:
    """Radii around the fit of all nodes."""
    relationship = joint.relationship
    if isinstance(relationship, Learned):
        return np.full(len(joint.left), _radius(K - fit.bound, fit, relationship.lambda2))
    radius = near(relationship, K - fit.bound) + near(relationship, fit.value - fit.bound)
    balls = moved(joint, fit)
    return radius if balls is None else np.minimum(radius, balls.radius + near(relationship, eps))


def _lambdas(relationship: Relationship) -> tuple[float, float] | None:
    """lambda1 and lambda2, if R has no more."""
    if isinstance(relationship, Learned):
        return relationship.lambda1, relationship.lambda2
    if isinstance(relationship, Independent):
        return 0.0, relationship.penalty(np.ones((1, 1)))
    return None


def _of_nodes(
    joint: JointMargins, lambdas: tuple[float, float], known: tuple[float, Array, float]
) -> tuple[Array, Array, Array]:
    """Centres and radii of nodes by themselves, and C."""
    K, V, eps = known
    m, (lambda1, lambda2) = len(V), lambdas
    ridge = lambda1 + lambda2
    # 2 lambda1 O
    tie = 2.0 * np.sqrt(lambda1 * max(K - _fit(joint, Independent(m, lambda2)).bound, 0.0))
    alone = _fit(joint, Independent(m, ridge))
    least = np.full(m, np.inf)
    for share in _SHARES:
        for W in (V, alone.W):
            v = share * W
            size = np.linalg.norm(v, axis=1)
            pulled = joint.pulled(v)
            pulled += 2.0 * np.sqrt(pulled * eps) + eps
            C = joint.left * joint.losses(v) + ridge * size**2 + tie * size
            least = np.minimum(least, C + pulled)
    F = joint.left * joint.losses(alone.W) + ridge * np.sum(np.square(alone.W), axis=1)
    # F* is not below F less the gap of all nodes together
    return alone.W, _radius(least - F + (alone.value - alone.bound), alone, ridge), least


def _fit(joint: JointMargins, relationship: Independent) -> Fit:
    """Every node by itself."""
    model = joint.model._replace(relationship=relationship)
    return fit_losses(joint.setting.rows, model, joint.left, _TOL)


def _radius(above: Array | float, fit: Fit, ridge: float) -> Array:
    """Around a fit, of weights whose objective is at most so much above the optimum's."""
    off = np.sqrt(max(fit.value - fit.bound, 0.0) / ridge)
    radius: Array = np.sqrt(np.maximum(above, 0.0) / ridge) + off
    return radius
