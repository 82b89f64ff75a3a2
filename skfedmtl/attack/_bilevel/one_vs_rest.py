"""Games against victims with more than two classes: one a class, and their sum.

A victim of K classes is K models, each of one class against the rest, fitted to the same rows. H
is the sum of their losses, and so is its gradient. A victim of two classes, or one that predicts
numbers, is a single model and plays by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from skfedmtl._tools.layout import Layout
from skfedmtl._tools.sklearn import last_step
from skfedmtl._typing import Array
from skfedmtl.attack._bilevel.lower_level import Bilevel
from skfedmtl.attack._setting import CleanData, Judged, Start, injected_weights

_SEPARATOR = "/"


def parts_of(victim: Any) -> list[Any]:
    """The fitted victim's models, each behind the victim's scalers."""
    models = last_step(victim)._parts()
    if not isinstance(victim, Pipeline):
        return models
    *scalers, (name, _) = victim.steps
    return [Pipeline([*scalers, (name, model)]) for model in models]


def make_game(
    kind: Callable[..., Bilevel],
    victim: Any,
    clean: CleanData,
    start: Start,
    judged: Judged,
    *,
    rng: np.random.Generator,
    shares: list[Array] | None = None,
    **options: Any,
) -> Bilevel | OneVsRest:
    """A game of the given kind against a victim with any number of classes.

    `shares`, one array a model, are what counts of each row; None: all of every row.
    """
    y = np.concatenate([clean.y, start.y])
    added = injected_weights(clean.weight, clean.codes, start.codes)
    weight = np.concatenate([clean.weight, added])
    weight = last_step(victim)._row_weights(y, weight)
    parts = parts_of(victim)
    weights = [weight] * len(parts) if shares is None else [weight * one for one in shares]
    if len(parts) == 1:
        return kind(victim, clean, start, judged, rng=rng, weight=weights[0], **options)
    each = enumerate(zip(parts, weights, rng.spawn(len(parts)), strict=True))
    return OneVsRest(
        [
            kind(part, clean, start, judged.of_part(number), rng=own, weight=one, **options)
            for number, (part, one, own) in each
        ]
    )


class OneVsRest:
    """The sum of games that are played with the same rows."""

    def __init__(self, games: list[Bilevel]) -> None:
        self._games = games

    @property
    def doubt(self) -> float:
        return sum(game.doubt for game in self._games)

    @property
    def is_near(self) -> bool:
        return all(game.is_near for game in self._games)

    def advance(self, share: float) -> None:
        """Tell every game."""
        for game in self._games:
            game.advance(share)

    def harden(self, tol: float) -> None:
        """Tell every game."""
        for game in self._games:
            game.harden(tol)

    def value(self, rows: Array) -> float:
        """H of the rows, over all classes."""
        return sum(game.value(rows) for game in self._games)

    def fit(self, rows: Array) -> None:
        """Fit all victims to the rows."""
        for game in self._games:
            game.fit(rows)

    def refit(self, rows: Array) -> list[Array]:
        """Fit all victims to the rows that they go by; the shares that count for each."""
        return [shares for game in self._games for shares in game.refit(rows)]

    def gradient(self, kind: str) -> Array:
        """Its gradient."""
        return np.sum([game.gradient(kind) for game in self._games], axis=0)

    def decide(self, X: Array, codes: NDArray[np.int64]) -> Array:
        """Decision values of the last victims: (n, K)."""
        return np.column_stack([game.decide(X, codes) for game in self._games])

    def signature(self) -> tuple[Any, ...]:
        """What must stay for H to be smooth."""
        return tuple(game.signature() for game in self._games)

    def state(self) -> dict[str, Array]:
        """The states of all games, each name behind the game's number."""
        return {
            f"{number}{_SEPARATOR}{name}": value
            for number, game in enumerate(self._games)
            for name, value in game.state().items()
        }

    def restore(self, state: dict[str, Array], rows: Array) -> None:
        """Be where a `state` was taken."""
        for number, game in enumerate(self._games):
            start = f"{number}{_SEPARATOR}"
            own = {
                name.removeprefix(start): state[name] for name in state if name.startswith(start)
            }
            game.restore(own, rows)

    def layout(self) -> Layout:
        """What a `state` is."""
        return {
            f"{number}{_SEPARATOR}{name}": field
            for number, game in enumerate(self._games)
            for name, field in game.layout().items()
        }
