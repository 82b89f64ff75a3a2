"""The least of the bounds that hold for a setting.

==========================  =====================  ============================
bound                       relationship           losses
==========================  =====================  ============================
T1 `Joint`, `JointMargins`  any                    all
T2 `Conditional`, cap       learned                squared error
T3 `Given`                  given, or none         squared error
==========================  =====================  ============================
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skfedmtl._model import Learned
from skfedmtl.attack._bound.conditional import Conditional
from skfedmtl.attack._bound.given import MOST_WEIGHTS, Given
from skfedmtl.attack._bound.joint import Joint
from skfedmtl.attack._bound.margins import JointMargins
from skfedmtl.attack._bound.setting import Bound, Setting


def damage_bound(setting: Setting, max_iter: int = 300) -> Bound:
    """What no attack of the setting exceeds.

    A bound for more injected rows holds for fewer: who asks for several budgets may take the least
    of all that are not below one.

    Parameters
    ----------
    setting : Setting
    max_iter : int
        Steps of every descent; fewer give a bound too, but a larger one.
    """
    setting = setting.with_rows_only()
    if not setting.model.loss.is_regression:
        return JointMargins(setting).descend(max_iter)
    return min(_of_squares(setting, max_iter), key=lambda bound: bound.value)


def _of_squares(setting: Setting, max_iter: int) -> Iterator[Bound]:
    relationship, sources = setting.model.relationship, setting.injection.codes
    joint = Joint(setting)
    yield joint.descend(max_iter)
    if not len(sources):
        return
    if isinstance(relationship, Learned):
        struck = np.isin(setting.targets, sources)
        conditional = Conditional(joint, relationship)
        if not struck.all():
            yield conditional.descend(max_iter)
        if not struck.any():
            yield conditional.cap()
    elif relationship.n_nodes * joint.moments.e.shape[1] <= MOST_WEIGHTS:
        yield Given(setting).descend(max_iter)
