"""How far injected rows move the weights, where R is a quadratic form between nodes.

Let W0 be the optimum of the problem of the clean shares, ``sum of theta f + R``, where every node
has ``theta g0 + (bend W0)_l = 0``, and W a poisoned one, ``theta g + z + (bend W)_l = 0``: g0 and g
are slopes of f, and z, what the injected rows of a node bring, is no longer than ``p = rho a r``, a
the steepest slope of the loss and r the norm of the longest row. With ``D = W - W0``, by convexity
of f ``(g - g0) . D_l >= 0``, so that

    D_l . (bend D)_l  <=  - z . D_l  <=  p_l ||D_l||

The left side is at least ``||D_l|| (bend_ll ||D_l|| - sum over k != l of |bend_lk| ||D_k||)``: with
C the diagonal of bend and the negative sizes of the rest, ``C delta <= p`` for all lengths delta.
If C is positive definite, its inverse B has no negative entry, and ``delta <= B p``. Where nodes
only pull together, no entry off the diagonal is positive and C is bend itself.

Neither does ``- z . D_l`` exceed ``rho kappa(w0)``, as an injected row meets the way from W0 like
that from any weights. So with sources S and the others N, ``(C delta)_N <= 0`` and the sum of
``delta_s (C delta)_s`` is at most k, that of ``rho kappa``. The former says that delta_N is at most
``- C_NN^-1 C_NS delta_S``, which makes the latter a quadratic form of delta_S, with the inverse
B_SS. Its largest values are::

    delta_t  <=  sqrt(k B_tS B_SS^-1 B_St)

Weights within delta bring a row x no farther than ``||x|| delta``, and f no higher than its slopes
allow, which are at most a times the largest singular value of the rows, weighted. Neither do they
leave it: f(W) rises by ``g . D`` at most, and with ``q_l`` the sum of ``|bend_lk| delta_k``::

    theta (f(w) - f(w0))  <=  (||theta g0|| + q) ||D|| - bend_ll ||D||^2 + min(p ||D||, rho kappa)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
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
    lacks: Array  #: (m,) how far off W0 the centres may be, a part of the radius
    slopes: Array  #: (m,) p
    pulls: Array  #: (m,) rho kappa


def clean_shares(joint: JointMargins) -> Fit:
    """The fit that poisoned ones are compared with."""
    return fit_losses(joint.setting.rows, joint.model, joint.left, _TOL)


def moved(joint: JointMargins, fit: Fit) -> Moved | None:
    """Balls around a fit of `clean_shares`; None where there are none."""
    relationship, injection = joint.relationship, joint.setting.injection
    if not relationship.is_quadratic:
        return None
    answers = _answers(relationship, injection.codes)
    if answers is None:
        return None
    lacks = near(relationship, fit.value - fit.bound)
    p, k = _slopes(joint), _pulls(joint, fit.W, lacks)
    delta = _by_pulls(answers, injection.codes, k)
    if np.isfinite(p).all():
        delta = np.minimum(delta, answers @ p[injection.codes])
    return Moved(fit, delta + lacks, lacks, p, k)


def _slopes(joint: JointMargins) -> Array:
    """p, infinite where slopes have no limit."""
    injection, p = joint.setting.injection, np.zeros(len(joint.left))
    longest = np.hypot(injection.longest(), joint.constant)
    p[injection.codes] = injection.share * _steepest(joint) * longest
    return p


def _pulls(joint: JointMargins, W: Array, lacks: Array) -> Array:
    """``rho kappa`` of weights that may be off by so much."""
    injection, n_slopes = joint.setting.injection, joint.setting.rows.X.shape[1]
    codes, k = injection.codes, np.zeros(len(joint.left))
    farther = np.hypot(injection.longest(), joint.constant) * lacks[codes]
    kappa = joint.pull.near(W[codes, :n_slopes], joint.intercepts(W)[codes], farther)
    k[codes] = injection.share * kappa
    return k


def _by_pulls(answers: Array, codes: NDArray[np.int64], k: Array) -> Array:
    """``sqrt(k B_tS B_SS^-1 B_St)``."""
    if len(codes) == 0:
        return np.zeros(len(k))
    try:
        root = linalg.cholesky(answers[codes], lower=True)
    except linalg.LinAlgError:  # rounded off: next to no ridge holds the nodes
        return np.full(len(k), np.inf)
    known = np.sum(np.square(linalg.solve_triangular(root, answers.T, lower=True)), axis=0)
    return np.asarray(np.sqrt(k.sum() * known))


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
    of_rows = _raised(joint, found, found.radius)[setting.targets]
    of_walks = _walked(joint, found)[setting.targets]
    value = float(np.minimum(np.minimum(of_slopes, of_rows), of_walks).sum())
    # what a gap of 1 adds; that of victims grows with its root
    loose = float(slopes @ near(joint.relationship, 1.0)[setting.targets])
    intercepts = joint.intercepts(fit.W)
    return Bound(value, "T4", fit.W, intercepts, np.zeros(1), 0.0, loose=loose)


def _steepest(joint: JointMargins) -> float:
    """The size of the loss's slopes at most."""
    return float(np.max(np.abs(joint.model.loss.bounds)))


def _answers(relationship: Relationship, codes: NDArray[np.int64]) -> Array | None:
    """B's columns of the sources, (m, k); None where C is not positive definite, or too large."""
    m = relationship.n_nodes
    if m * len(codes) > MAX_DENSE_NODES**2:
        return None
    unit = np.zeros((m, len(codes)))
    unit[codes, np.arange(len(codes))] = 1.0
    if isinstance(relationship, Independent | MeanTied):
        return np.asarray(relationship.respond(unit).W)
    C = _compared(relationship)
    if C is None:
        return None
    try:
        answers = linalg.cho_solve(linalg.cho_factor(C), unit)
    except linalg.LinAlgError:
        return None
    return np.asarray(answers)


def _compared(relationship: Relationship) -> Array | None:
    """C; None of too many nodes."""
    m = relationship.n_nodes
    if m > MAX_DENSE_NODES:
        return None
    bend = relationship.curved(np.eye(m), 0.0).slope
    C: Array = 2.0 * np.diag(np.diag(bend)) - np.abs(bend)
    return C


def _slope(joint: JointMargins, l: np.int64) -> float:
    """No slope of a node's f is longer."""
    own = joint.setting.rows.codes == l
    rows = np.sqrt(joint.share[own])[:, None] * joint.seen[own]
    return _steepest(joint) * float(np.linalg.norm(rows, 2))


def _raised(joint: JointMargins, found: Moved, radius: Array) -> Array:
    """The mean loss of every node, each row at its worst in a ball around the fit."""
    rows, loss = joint.setting.rows, joint.model.loss
    f = joint.decide(found.fit.W)
    reach = np.linalg.norm(joint.seen, axis=1) * radius[rows.codes]
    worst = np.maximum(loss.value(rows.y, f - reach), loss.value(rows.y, f + reach))
    raised = np.bincount(rows.codes, joint.share * worst, minlength=len(radius))
    return raised.astype(np.float64)


def _walked(joint: JointMargins, found: Moved) -> Array:
    """The mean loss of every node, where the slopes of all that it minimises are zero."""
    C = _compared(joint.relationship)
    if C is None:
        return np.full(len(found.radius), np.inf)
    bend = np.diag(C)
    q = bend * found.radius - C @ found.radius
    slope = joint.relationship.curved(found.fit.W, 0.0).slope
    steep = np.linalg.norm(slope, axis=1) + np.abs(C) @ found.lacks + q

    def most(of_length: Array) -> Array:
        length = np.minimum(found.radius, 0.5 * of_length / bend)
        return np.asarray(length * (of_length - bend * length))

    rise = np.minimum(most(steep + found.slopes), most(steep) + found.pulls)
    return _raised(joint, found, found.lacks) + rise / joint.left
