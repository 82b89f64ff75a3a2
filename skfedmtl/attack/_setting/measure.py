"""The damage that a victim has taken: H, and the criterion that attempts are judged by."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._tools.sklearn import last_step
from skfedmtl._typing import Array
from skfedmtl.attack._setting.aim import Aim
from skfedmtl.attack._setting.upper_loss import upper_loss
from skfedmtl.attack._setting.victim import Victim


class Verdict(NamedTuple):
    """Larger is more damage; ties in the criterion are decided by H."""

    criterion: float
    objective: float  #: H


class Measure:
    """Takes the damage of victims on the rows that an attack is about.

    Parameters
    ----------
    aim : Aim
    victim : fitted FMTL estimator, or Pipeline of scalers and one
        Any that knows the classes.
    rows : CleanData or Evaluation
        Of which those of the targets count.
    targets : ndarray of node codes
    """

    def __init__(self, aim: Aim, victim: Any, rows: Any, targets: NDArray[np.int64]) -> None:
        self._made_of = aim, victim, rows, targets
        model = last_step(victim)
        classes: Any = getattr(model, "classes_", None)
        judged = aim.judged(rows, targets, aim.told(), classes, fitted=False)
        counts = judged.share > 0.0
        self._parts = judged.parts
        self.X, self.codes = judged.X[counts], judged.codes[counts]
        y = judged.y[counts]
        self._share = judged.share[counts]
        self._loss = upper_loss(judged.loss, model._make_loss())
        self._signed = [part._solver_targets(y) for part in model._parts()]
        self._kind = aim.judging(classify=classes is not None)
        if self._kind == "loss":
            return
        balanced = self._kind == "balanced_error"
        self._wrong_share = aim.shares(rows, targets, balanced=balanced)[counts]
        self._wrong_share /= max(len(np.unique(self.codes)), 1)
        self._truth = np.searchsorted(classes, y)
        self._other = None if aim.pair is None else int(np.flatnonzero(classes == aim.pair[1])[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # where the rows go as well, a copy of those of the targets need not
        return Measure, self._made_of

    def of_decisions(self, decisions: Array) -> Verdict:
        """For decision values of `X`: (n,), or (n, K) of one model a class."""
        columns = decisions.reshape(len(decisions), -1).T
        each = zip(self._signed, columns, self._parts, strict=True)
        objective = sum(
            float(self._share @ self._loss.value(y, f)) for y, f, counts in each if counts
        )
        if self._kind == "loss":
            return Verdict(objective, objective)
        told = decisions.argmax(axis=1) if decisions.ndim == 2 else (decisions > 0.0).astype(int)
        wrong = told != self._truth if self._other is None else told == self._other
        return Verdict(float(self._wrong_share @ wrong), objective)

    def of(self, victim: Any) -> Verdict:
        """For a fitted victim."""
        seen = Victim(victim).forward(self.X)
        return self.of_decisions(last_step(victim)._decision(seen, self.codes))
