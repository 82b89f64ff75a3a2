"""Who answers in a round of the protocol, and how much each node works."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array

T = TypeVar("T")

_ALLOWED = (
    "a positive number, a pair (low, high) with 0 < low <= high, or a dict that gives every "
    "node's label a number of at least 0"
)


class Draws(NamedTuple):
    """One round: positions of the nodes that answer, and their epochs."""

    which: NDArray[np.intp]
    epochs: list[float]


def heard(which: NDArray[np.intp], answers: Sequence[T | None]) -> tuple[NDArray[np.intp], list[T]]:
    """The nodes that have answered, and what."""
    is_here = np.array([answer is not None for answer in answers], dtype=bool)
    return which[is_here], [answer for answer in answers if answer is not None]


class Schedule:
    """Draws the rounds of a fit.

    Parameters
    ----------
    low, high : ndarray of shape (m,)
        Between which each node's passes over its rows are drawn; a node whose `high` is 0
        never answers.
    participation : float in (0, 1]
        Share of the nodes that answer in a round.
    """

    def __init__(self, low: Array, high: Array, participation: float) -> None:
        self._low, self._high = low, high
        self._count = max(1, int(np.floor(participation * len(low) + 0.5)))

    @property
    def is_full(self) -> bool:
        """Whether all nodes answer in every round."""
        return self._count == len(self._low) and bool((self._high > 0.0).all())

    def draw(self, rng: np.random.Generator) -> Draws:
        """The next round; as many draws whoever answers."""
        m = len(self._low)
        which = np.sort(rng.permutation(m)[: self._count])
        epochs = rng.uniform(self._low, self._high)
        which = which[self._high[which] > 0.0]
        return Draws(which, epochs[which].tolist())


def make_schedule(local_epochs: Any, participation: float, labels: NDArray[Any]) -> Schedule:
    """The schedule that the parameters of an estimator ask for."""
    m = len(labels)
    if isinstance(local_epochs, dict):
        fixed = _by_label(local_epochs, labels)
        return Schedule(fixed, fixed, participation)
    pair = local_epochs if isinstance(local_epochs, tuple) else (local_epochs, local_epochs)
    numbers = len(pair) == 2 and all(_is_number(value) for value in pair)
    if not numbers or not 0 < pair[0] <= pair[1]:
        raise ValueError(f"local_epochs must be {_ALLOWED}, got {local_epochs!r}.")
    low, high = (np.full(m, float(value)) for value in pair)
    return Schedule(low, high, participation)


def _by_label(local_epochs: dict[Any, Any], labels: NDArray[Any]) -> Array:
    """The epochs of every node; each node must be listed, and nothing else."""
    known = labels.tolist()
    missing = [label for label in known if label not in local_epochs]
    unknown = [label for label in local_epochs if label not in known]
    if missing or unknown:
        raise ValueError(
            f"local_epochs must list every node: missing are {missing}, unknown are {unknown}."
        )
    wrong = {l: e for l, e in local_epochs.items() if not (_is_number(e) and e >= 0)}
    if wrong or not any(local_epochs.values()):
        raise ValueError(f"local_epochs must be {_ALLOWED}, some above 0; got {local_epochs!r}.")
    return np.array([float(local_epochs[label]) for label in known])


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0.0 <= float(value) < np.inf
