"""The lower level of the attack: a victim that answers every change of the injected rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from skfedmtl._losses import LOSSES, Array
from skfedmtl._solver import SequentialSolver
from skfedmtl.attack._gradients import UpperObjective


def signed_targets(victim, y) -> Array:
    """Targets as the problem takes them: -1 or +1 for classes, as they are for regression."""
    if is_classifier(victim):
        return np.where(np.asarray(y) == victim.classes_[1], 1.0, -1.0)
    return np.asarray(y, dtype=np.float64)


def clean_shares(codes: NDArray[np.int64], targets: NDArray[np.int64]) -> Array:
    """1 / h_t for the clean rows of every target node, 0 for the others."""
    counts = np.bincount(codes)
    return np.where(np.isin(codes, targets), 1.0 / counts[codes], 0.0)


def upper_value(victim, clean, targets: NDArray[np.int64]) -> float:
    """H of a fitted victim: the mean loss of every target node's clean rows, summed."""
    f = victim._decision(clean.X, clean.codes)
    loss = LOSSES[victim.loss]().value(signed_targets(victim, clean.y), f)
    return float(clean_shares(clean.codes, targets) @ loss)


class Bilevel:
    """H as a function of the injected rows, and its gradient at the last rows tried.

    Parameters
    ----------
    victim : fitted FMTL estimator
        On the clean rows: gives the parameters, the labels and a first guess.
    clean : CleanData
    start : Start
    targets : ndarray of target codes
    tol : float
        Relative duality gap to which the victim is solved for every change.
    rng : Generator
        Draws the order of visits.
    """

    def __init__(self, victim, clean, start, targets, *, tol: float, rng) -> None:
        n, k = len(clean.codes), len(start.codes)
        codes = np.concatenate([clean.codes, start.codes])
        y = np.concatenate([signed_targets(victim, clean.y), signed_targets(victim, start.y)])
        self._problem = victim._problem(
            np.vstack([clean.X, start.X]), y, codes, victim.nodes_, np.ones(n + k)
        )
        first = self._problem.dual_coef()
        first[:n] = victim.dual_coef_
        self._problem.set_dual_coef(first)
        share = np.concatenate([clean_shares(clean.codes, targets), np.zeros(k)])
        self._injected = np.arange(n, n + k)
        self._upper = UpperObjective(self._problem, share, self._injected)
        self._solver = SequentialSolver(tol=tol, max_iter=victim.max_iter)
        self._rng = rng

    def value(self, rows: Array) -> float:
        """H after the victim has been fitted to these rows."""
        self._problem.replace_rows(self._injected, rows)
        self._problem.solve(self._solver, self._rng)
        return self._upper.value()

    def gradient(self, kind: str) -> Array:
        """Gradient of H with respect to the rows last given to `value`."""
        return self._upper.gradient(kind)
