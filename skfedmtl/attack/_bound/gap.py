"""Victims that are solved to a relative gap, not to the end.

Their objective is at most ``eps`` above the optimum's: the gap times a value that some weights, of
zero slopes, do not exceed whatever is injected.

Squared error: the objective rises from its optimum by ``sum theta q`` and more, and q is the
square of a distance, so that the root of H is at most ``sqrt(eps / theta)`` farther.

Other losses: weights and dual variables a fall short of each other by eps in all, and an injected
row by its part e. It meets the inequality at ``a (t - u)`` with an a that is not quite ``-L'(t)``.
For every c > 1, by convexity of the conjugate::

    a (t - u) <= c / (c - 1) kappa + c e

so that of the best c the injected rows, with A the sum of ``rho kappa``, bring no more than
``A + 2 sqrt(A eps) + eps``. Of the hinge ``kappa + e`` is enough. Where the problem of some nodes
is compared with other weights, A is the sum over them: nodes that inject nothing add eps itself.
Where R is a quadratic, weights that are eps above the optimum are within a root of eps of it, and
the losses of targets, whose slopes are limited, rise by a multiple of that root: `Bound.loose`.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._model import Loss
from skfedmtl._typing import Array
from skfedmtl.attack._bound.injection import Pull
from skfedmtl.attack._bound.setting import Bound, Setting


def with_gap(bound: Bound, setting: Setting, tol: float) -> Bound:
    """The same for victims at a relative gap of at most `tol`, below 1."""
    eps = tol / (1.0 - tol) * ceiling(setting)
    if setting.model.loss.constant_curvature:
        theta = float(setting.left[setting.targets].min())
        value = np.square(np.sqrt(bound.value) + np.sqrt(eps / theta))
        return bound._replace(value=float(value))
    joint, conditional = _multipliers(bound)
    more = joint * excess(setting, bound.V, bound.intercepts, eps)
    more += conditional * _excess(setting.model.loss, bound.pulled, eps)
    more += bound.loose * float(np.sqrt(eps))
    return bound._replace(value=bound.value + float(more))


def _multipliers(bound: Bound) -> tuple[float, float]:
    """Of the joint and of the conditional inequality."""
    return float(bound.tau[0]), float(bound.tau[1]) if len(bound.tau) > 1 else 0.0


def excess(setting: Setting, V: Array, intercepts: Array, eps: float) -> float:
    """What victims of other losses that are eps above the optimum add to the joint inequality."""
    loss, injection = setting.model.loss, setting.injection
    codes, n_slopes = injection.codes, setting.rows.X.shape[1]
    pulls = Pull(loss, injection).at(V[codes, :n_slopes], intercepts[codes])
    return _excess(loss, float(injection.share @ pulls.value), eps)


def _excess(loss: Loss, pulled: float, eps: float) -> float:
    """The same of injected rows that bring so much."""
    return eps if loss.linear else 2.0 * float(np.sqrt(pulled * eps)) + eps


def ceiling(setting: Setting) -> float:
    """No less than the objective of slopes of zero, whatever is injected."""
    rows, model, injection = setting.rows, setting.model, setting.injection
    m = model.relationship.n_nodes
    total = np.bincount(rows.codes, rows.weight, minlength=m)
    share = rows.weight / np.where(total > 0.0, total, 1.0)[rows.codes]
    b: Array = np.zeros(m)
    if model.intercept == "centred":
        b = np.bincount(rows.codes, share * rows.y, minlength=m).astype(np.float64)
    clean = setting.left[rows.codes] * share @ model.loss.value(rows.y, b[rows.codes])
    own = b[injection.codes]
    ends = injection.low, injection.high
    if not model.loss.is_regression:
        ends = np.ones_like(own), -np.ones_like(own)
    worst: Array = np.maximum(*(model.loss.value(end, own) for end in ends))
    return float(clean + injection.share @ worst)
