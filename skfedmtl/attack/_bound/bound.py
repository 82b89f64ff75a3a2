"""The least of the bounds that hold for a setting.

==========================  =====================  ============================
bound                       relationship           losses
==========================  =====================  ============================
T1 `Joint`, `JointMargins`  any                    squared error, the others
T2 `Conditional`, cap       learned                squared error; the others,
                                                   `ConditionalMargins`
T2 `ConditionalCommon`      learned, common part   squared error
T3 `Given`                  given, or none         squared error
T4 `bound_of_moves`         given, or none         of slopes that are limited
==========================  =====================  ============================

T2 is of the nodes that inject nothing; for losses of classes and a hybrid attack, of the targets.

A common part is a part of R for T1, T3 and T4, for which R has to be convex, or a quadratic. T2 has
to move it with the nodes that inject nothing, which is done for squared error; no cap is known.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import CommonLearned, Learned
from skfedmtl.attack._bound.conditional import Conditional
from skfedmtl.attack._bound.conditional_common import ConditionalCommon
from skfedmtl.attack._bound.conditional_margins import ConditionalMargins
from skfedmtl.attack._bound.gap import ceiling, excess, with_gap
from skfedmtl.attack._bound.given import MOST_WEIGHTS, Given
from skfedmtl.attack._bound.joint import Joint, Point
from skfedmtl.attack._bound.margins import JointMargins
from skfedmtl.attack._bound.moved import bound_of_moves
from skfedmtl.attack._bound.setting import Bound, Setting


def damage_bound(setting: Setting, max_iter: int = 300, tol: float = 0.0) -> Bound:
    """What no attack of the setting exceeds, of victims at the optimum.

    A bound for more injected rows holds for fewer: who asks for several budgets may take the least
    of all that are not below one.

    Parameters
    ----------
    setting : Setting
    max_iter : int
        Steps of every descent; fewer give a bound too, but a larger one.
    tol : float
        Relative gap that `with_gap` is going to be told; multipliers are chosen for it.
    """
    setting = setting.with_rows_only()
    if setting.model.loss.constant_curvature:
        return min(_of_squares(setting, max_iter), key=lambda bound: bound.value)
    bounds = _of_margins(setting, max_iter, tol)
    return min(bounds, key=lambda bound: with_gap(bound, setting, tol).value)


def of_fewer_rows(bound: Bound, setting: Setting) -> Bound | None:
    """The bound of a setting at the place where one of more rows was found; None if not of T1.

    It is no larger than that of more rows where kappa is at least the clean loss of a source at V,
    or half of it for squared error, which gains q: as f and q are those of weights W that are the
    worst for the fewer rows, tau and V being held, a row more in a node adds at least

        tau (kappa(v) - f(v) + f(w) + q(w - v))  >=  0
    """
    if bound.theorem != "T1" or not np.isfinite(bound.tau[0]):
        return None
    setting = setting.with_rows_only()
    if not setting.model.loss.constant_curvature:
        margins = JointMargins(setting)
        return margins.bound(bound.V, float(np.log(bound.tau[0] / margins.limit)))
    joint = Joint(setting)
    residual = np.zeros(len(bound.V))
    if joint.moments.is_free:
        residual = bound.intercepts - joint.moments.intercepts(bound.V, residual)
    log_tau = float(np.log(bound.tau[0] / joint.limit))
    return joint.bound(Point(log_tau, bound.V, residual))


def damage_cap(setting: Setting) -> Bound | None:
    """What no injection whatever exceeds; None where there is no such bound."""
    relationship = setting.model.relationship
    if setting.strikes_sources or not isinstance(relationship, Learned):
        return None
    if setting.model.loss.constant_curvature:
        return Conditional(Joint(setting), relationship).cap()
    return ConditionalMargins(JointMargins(setting), relationship).cap()


def _of_squares(setting: Setting, max_iter: int) -> Iterator[Bound]:
    relationship = setting.model.relationship
    joint = Joint(setting)
    if len(setting.injection.codes) == 0:
        yield joint.untouched()
        return
    first = joint.descend(max_iter)
    yield first
    if isinstance(relationship, CommonLearned) and setting.strikes_others:
        beside = ConditionalCommon(joint, relationship).descend(max_iter, first)
        if beside is not None:
            yield beside
    if isinstance(relationship, Learned):
        conditional = Conditional(joint, relationship)
        if setting.strikes_others:
            yield conditional.descend(max_iter)
        if not setting.strikes_sources:
            yield conditional.cap()
    elif relationship.is_quadratic and joint.moments.e.size <= MOST_WEIGHTS:
        yield Given(setting).descend(max_iter)


def _of_margins(setting: Setting, max_iter: int, tol: float) -> Iterator[Bound]:
    relationship = setting.model.relationship
    joint = JointMargins(setting)
    K, V = joint.reference(max_iter)
    eps = tol / (1.0 - tol) * ceiling(setting)
    K += excess(setting, V, joint.intercepts(V), eps)
    yield joint.descend(K, V)
    if (of_moves := bound_of_moves(joint)) is not None:
        yield of_moves
    if isinstance(relationship, Learned):
        if setting.strikes_others:
            yield ConditionalMargins(joint, relationship, _group(setting)).descend(K, V, max_iter)
        if not setting.strikes_sources:
            yield ConditionalMargins(joint, relationship).cap()


def _group(setting: Setting) -> NDArray[np.int64] | None:
    """That of the conditional inequality: the targets, if some are sources, and not all nodes."""
    targets = np.unique(setting.targets)
    everyone = len(targets) == setting.model.relationship.n_nodes
    return targets if setting.strikes_sources and not everyone else None
