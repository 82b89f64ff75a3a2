"""What the attacker wants: which rows count, how much each, and what is raised on them.

H is a sum over rows of shares times an upper loss (`upper_loss`). The shares of a target node's
rows add up to one: all alike or as they are weighted, the same for every class that occurs there
("balanced"), or nothing but for the rows of one class, which are to be taken for another.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._input import listing
from skfedmtl._typing import Array
from skfedmtl.attack._setting.row_weights import node_shares

GOALS = ("error", "raise", "lower")
UPPER_LOSSES = ("auto", "victim", "ramp", "balanced")
CRITERIA = ("auto", "loss", "error", "balanced_error")


class Judged(NamedTuple):
    """Rows whose damage counts; n of them."""

    X: Array  #: (n, d) not scaled
    y: NDArray[Any]  #: (n,) as given
    codes: NDArray[np.int64]  #: (n,)
    share: Array  #: (n,) of H; 0 for rows that do not count
    loss: str  #: name of the upper loss
    fitted: bool  #: whether these are the rows that the victim is fitted to
    parts: NDArray[np.bool_]  #: (K,) which of one model a class count; one entry for a single model

    def of_part(self, part: int) -> Judged:
        """What counts of a model."""
        return self if self.parts[part] else self._replace(share=np.zeros_like(self.share))


class Aim(NamedTuple):
    """A goal, what is raised on the way there, and by what its attempts are judged."""

    goal: Any = "error"
    upper_loss: str = "auto"
    criterion: str = "auto"

    @property
    def pair(self) -> tuple[Any, ...] | None:
        """The class that is to be taken for another, and that one; None without."""
        return None if isinstance(self.goal, str) else tuple(np.asarray(self.goal).tolist())

    @property
    def is_signed(self) -> bool:
        """Whether forecasts are to go one way."""
        return self.pair is None and self.goal != "error"

    def check(self, *, classify: bool) -> None:
        """Refuse what is asked of victims of the other kind."""
        wanted = "classification" if classify else "regression"
        refused = {
            "upper_loss": not classify and self.upper_loss in ("ramp", "balanced"),
            "criterion": not classify and self.criterion in ("error", "balanced_error"),
            "goal": self.is_signed if classify else self.pair is not None,
        }
        for name, is_refused in refused.items():
            if is_refused:
                other = "regression" if classify else "classification"
                allowed = _allowed(name, classify)
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is for {other}; {wanted} allows {allowed}."
                )

    def climbed(self) -> str:
        """The upper loss of an ascent."""
        if self.is_signed:
            return str(self.goal)
        return "ramp" if self.upper_loss in ("ramp", "balanced") else "victim"

    def sought(self, *, classify: bool) -> str:
        """The upper loss of a search among weights: what is judged, if users leave it open."""
        is_judged = self.upper_loss == "auto" and self.criterion == "loss"
        if self.is_signed or not classify or self.upper_loss == "victim" or is_judged:
            return self.climbed()
        return "ramp"

    def told(self) -> str:
        """The upper loss of `objective_`."""
        return str(self.goal) if self.is_signed else "victim"

    def judging(self, *, classify: bool) -> str:
        """The criterion, none of them ``"auto"``."""
        if self.criterion != "auto":
            return self.criterion
        return "error" if classify else "loss"

    def judged(
        self, rows: Any, targets: NDArray[np.int64], loss: str, classes: Any, *, fitted: bool
    ) -> Judged:
        """What an upper loss of that name is taken over.

        `rows` have X, y, codes and weight; `classes` are the victim's, None if it has none.
        """
        balanced = self.upper_loss == "balanced" and loss == "ramp"
        share = self.shares(rows, targets, balanced=balanced)
        return Judged(rows.X, rows.y, rows.codes, share, loss, fitted, self._parts(classes))

    def _parts(self, classes: Any) -> NDArray[np.bool_]:
        if classes is None or len(classes) == 2:
            return np.ones(1, dtype=bool)
        if self.pair is None:
            return np.ones(len(classes), dtype=bool)
        return np.isin(classes, self.pair)

    def shares(self, rows: Any, targets: NDArray[np.int64], *, balanced: bool) -> Array:
        """Of the rows, 0 for those that do not count."""
        weight = np.asarray(rows.weight, dtype=np.float64)
        if self.pair is not None:
            weight = np.where(rows.y == self.pair[0], weight, 0.0)
        if not balanced:
            return node_shares(rows.codes, targets, weight)
        _, kinds = np.unique(rows.y, return_inverse=True)
        share = np.zeros(len(weight))
        for kind in range(int(kinds.max(initial=-1)) + 1):
            share += node_shares(rows.codes, targets, np.where(kinds == kind, weight, 0.0))
        return node_shares(rows.codes, targets, share)


def check_pair(pair: tuple[Any, ...], y: NDArray[Any]) -> None:
    """Refuse what are not two classes of y."""
    known = np.unique(y)
    if len(pair) != 2 or len(set(pair)) != 2 or not set(pair) <= set(known.tolist()):
        raise ValueError(
            f"goal={pair!r} must be two classes, the one that is to be taken for the other; known "
            f"are {listing(known)}."
        )


def check_some_count(
    pair: tuple[Any, ...], y: NDArray[Any], codes: NDArray[np.int64], targets: NDArray[np.int64]
) -> None:
    """Refuse a class that no row of the targets has."""
    if not (y[np.isin(codes, targets)] == pair[0]).any():
        raise ValueError(f"goal={pair!r}: no row of class {pair[0]!r} is judged in a target node.")


def _allowed(name: str, classify: bool) -> str:
    if name == "goal":
        return "'error' and a pair of classes" if classify else "'error', 'raise' and 'lower'"
    return "'auto' and 'victim'" if name == "upper_loss" else "'auto' and 'loss'"
