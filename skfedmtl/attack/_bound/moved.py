"""How far injected rows move the weights, where R is a quadratic form between nodes.

Let W0 be the optimum of the problem of the clean shares, ``sum of theta f + R``, where every node
has ``theta g0 + (bend W0)_l = 0``, and W a poisoned one, ``theta g + z + (bend W)_l = 0``: g0 and g
are slopes of f, and z, what the injected rows of a node bring, is no longer than ``p = rho a r``, a
the steepest slope of the loss and r the norm of the longest row. With ``D = W - W0``, by convexity
of f ``(g - g0) . D_l >= 0``, so that

    D_l . (bend D)_l  <=  p_l ||D_l||

The left side is at least ``||D_l|| (bend_ll ||D_l|| - sum over k != l of |bend_lk| ||D_k||)``: with
C the diagonal of bend and the negative sizes of the rest, ``C delta <= p`` for all lengths delta.
If C is positive definite, its inverse has no negative entry, and ``delta <= C^-1 p``. Where nodes
only pull together, no entry off the diagonal is positive and C is bend itself.

Weights within delta bring a row x no farther than ``||x|| delta``, and f no higher than its slopes
allow, which are at most a times the largest singular value of the rows, weighted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg

from skfedmtl._input import MAX_DENSE_NODES
from skfedmtl._model import Independent, MeanTied, Relationship
from skfedmtl._typing import Array
from skfedmtl.attack._bound.fits import Fit, fit_losses
from skfedmtl.attack._bound.margins import JointMargins
from skfedmtl.attack._bound.setting import Bound

_TOL = 1e-8  #: of the fit


class Moved(NamedTuple):
    """Poisoned optima lie in balls."""

    fit: Fit  #: of the problem of the clean shares; its weights are the centres
    radius: Array  #: (m,)


def clean_shares(joint: JointMargins) -> Fit:
    """The fit that poisoned ones are compared with."""
    return fit_losses(joint.setting.rows, joint.model, joint.left, _TOL)


def moved(joint: JointMargins, fit: Fit) -> Moved | None:
    """Balls around a fit of `clean_shares`; None where there are none."""
    steepest = _steepest(joint)
    if not joint.relationship.is_quadratic or not np.isfinite(steepest):
        return None
    injection = joint.setting.injection
    pull = np.zeros(len(joint.left))
    longest = np.hypot(injection.longest(), joint.constant)
    pull[injection.codes] = injection.share * steepest * longest
    delta = _answers(joint.relationship, pull)
    if delta is None:
        return None
    return Moved(fit, delta + near(joint.relationship, fit.value - fit.bound))


def near(relationship: Relationship, above: float) -> Array:
    """How far from an optimum weights lie whose objective is so much above; of a quadratic R.

    ``R(W - W*)`` is at most that: R is ``tr W' A W``, and half the diagonal of the inverse of A is
    the first curvature.
    """
    size: Array = np.sqrt(2.0 * relationship.first_curvature() * max(above, 0.0))
    return size


def bound_of_moves(joint: JointMargins) -> Bound | None:
    """What losses the targets have at most in their balls; None where there are none."""
    setting = joint.setting
    if not joint.relationship.is_quadratic or not np.isfinite(_steepest(joint)):
        return None
    fit = clean_shares(joint)
    found = moved(joint, fit)
    if found is None:
        return None
    slopes = np.array([_slope(joint, l) for l in setting.targets])
    of_slopes = joint.losses(fit.W)[setting.targets] + slopes * found.radius[setting.targets]
    of_rows = _raised(joint, found)[setting.targets]
    value = float(np.minimum(of_slopes, of_rows).sum())
    # what a gap of 1 adds; that of victims grows with its root
    loose = float(slopes @ near(joint.relationship, 1.0)[setting.targets])
    intercepts = joint.intercepts(fit.W)
    return Bound(value, "T4", fit.W, intercepts, np.zeros(1), 0.0, loose=loose)


def _steepest(joint: JointMargins) -> float:
    """The size of the loss's slopes at most."""
    return float(np.max(np.abs(joint.model.loss.bounds)))


def _answers(relationship: Relationship, pull: Array) -> Array | None:
    """``C^-1 p``; None where C is not positive definite."""
    if isinstance(relationship, Independent | MeanTied):
        return np.asarray(relationship.respond(pull[:, None]).W[:, 0])
    if len(pull) > MAX_DENSE_NODES:
        return None
    bend = relationship.curved(np.eye(len(pull)), 0.0).slope
    C = 2.0 * np.diag(np.diag(bend)) - np.abs(bend)
    try:
        factor = linalg.cho_factor(C)
    except linalg.LinAlgError:
        return None
    return np.asarray(linalg.cho_solve(factor, pull))


def _slope(joint: JointMargins, l: np.int64) -> float:
    """No slope of a node's f is longer."""
    own = joint.setting.rows.codes == l
    rows = np.sqrt(joint.share[own])[:, None] * joint.seen[own]
    return _steepest(joint) * float(np.linalg.norm(rows, 2))


def _raised(joint: JointMargins, found: Moved) -> Array:
    """The mean loss of every node, each row at its worst in the ball."""
    rows, loss = joint.setting.rows, joint.model.loss
    f = joint.decide(found.fit.W)
    reach = np.linalg.norm(joint.seen, axis=1) * found.radius[rows.codes]
    worst = np.maximum(loss.value(rows.y, f - reach), loss.value(rows.y, f + reach))
    raised = np.bincount(rows.codes, joint.share * worst, minlength=len(found.radius))
    return raised.astype(np.float64)
