"""What a node has said of its loss, and whether a convex loss can say it.

A dual point ``(v_j, c_j)`` says that the node's loss is at least ``-v_j . w - c_j`` everywhere,
priced weights ``(w_k, f_k)`` that it is at most ``f_k`` there. By Fenchel and Young::

    c_j + f_k >= -v_j . w_k        of every dual point and of all priced weights

and where the loss of a row is of bounded slope, ``|f_j - f_k| <= R ||w_j - w_k||`` and
``||v_j|| <= R``, with R the slope's bound times the root mean square of the rows' lengths. A node
that keeps to this has told of the largest of the planes ``-v_j . w - c_j``, which is convex: the
certificate is that of the problem with this function in the place of its loss.

Of `MochaSolver` dual points are composed by the server. Where dual variables are free the shares
are too, and rounding may then spoil what is composed: such points are not held against a node, and
the bound is that of its report.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skfedmtl._model import Loss
from skfedmtl._protocol import (
    AVERAGING,
    LARGEST,
    Answer,
    Greeted,
    Greeting,
    Mixture,
    Order,
    Price,
    Share,
    StepAnswer,
    StepOrder,
    Told,
)
from skfedmtl._solvers import KeptAnswers
from skfedmtl._typing import Array
from skfedmtl.federation._messages import Hosted

__all__ = ["LIES", "Fault", "Witness"]

_ROUNDING = 1e-11  #: of the terms that a node has summed: what its rounding may come to
_MOST = 1e-4  #: of the sums themselves: rounding beyond that is no excuse
_MOST_FEATURES = 1e7


class Fault(NamedTuple):
    """What is wrong with a node's answer."""

    code: str
    words: str


class Point(NamedTuple):
    """Weights or a moment, and the loss or the conjugate there."""

    place: Array
    value: float
    is_composed: bool = False  #: by the server, whose rounding is no fault of the node's


_CHANGED = Fault("changed", "answers for other rows than before")
_RANGE = Fault("range", "answered a number that no rows have")
_LONG = Fault("row_norm", "answered a moment longer than max_row_norm allows")
_STEEP = Fault("slope", "answered losses steeper than its rows allow")
_CONTRADICTION = Fault("contradiction", "contradicts what it has said of its loss")

#: What stays wrong, whatever is answered later.
LIES = {fault.code for fault in (_STEEP, _CONTRADICTION)}


class Witness:
    """One node's words, kept to be compared with what it says later.

    Parameters
    ----------
    loss : Loss
    hosted : Hosted
        What the node has said of itself.
    longest : float
        Declared length of the longest row.
    """

    def __init__(self, loss: Loss, hosted: Hosted, longest: float) -> None:
        self.loss, self._hosted = loss, hosted
        self._low, self._high = loss.bounds
        self._is_steady = bool(np.isfinite(loss.bounds).all())
        self._most_slope = float(np.abs(loss.bounds).max())
        self._row_length = float(np.sqrt(hosted.squared_norm))
        self._longest = longest
        nothing = Point(np.zeros(int(hosted.n_coordinates)), 0.0)
        self._duals = [nothing]  # the loss is at least 0
        self._prices = [nothing._replace(value=float(hosted.loss))]
        self._most_conjugate = 0.0
        self._step = nothing, 0.0  #: the last proximal step, and its linear sum
        self._mean = nothing.place  #: that the node's answers to rounds go into
        self._kept: KeptAnswers | None = None  #: what its answers compose

    @property
    def nothing(self) -> float:
        """The loss of weights of zero."""
        return float(self._hosted.loss)

    @property
    def squared_norm(self) -> float:
        """Mean of the rows' squared lengths."""
        return float(self._hosted.squared_norm)

    @staticmethod
    def fault_of(loss: Loss, hosted: Hosted, longest: float) -> Fault | None:
        """What is wrong with an introduction."""
        n_features, n_coordinates, squared_norm, value, _ = hosted
        sizes = (n_features, n_features + 1.0)
        if n_features % 1.0 or not 1.0 <= n_features < _MOST_FEATURES:
            return _RANGE
        if n_coordinates not in sizes or min(squared_norm, value) < 0.0:
            return _RANGE
        if np.sqrt(squared_norm) > longest:
            return _LONG
        if not loss.is_regression:
            known = float(loss.value(np.ones(1), np.zeros(1))[0])
            if abs(value - known) > _ROUNDING * known:
                return _RANGE
        return None

    # -- by message -----------------------------------------------------------------------------

    def hear(self, question: Any, answer: Any) -> Fault | None:
        """What is wrong with an answer; it is kept if nothing is."""
        if any(np.any(np.abs(field) > LARGEST) for field in answer):
            return _RANGE
        if isinstance(answer, Hosted):
            return _CHANGED if answer != self._hosted else None
        if isinstance(answer, Greeted):
            return self._greeted(question, answer)
        if isinstance(answer, Told):
            return self._enter([Point(answer.v, answer.conjugate)], [])
        if isinstance(answer, Price):
            return self._enter([], [Point(question.w, answer.loss)])
        if isinstance(answer, StepAnswer):
            return self._stepped(question, answer)
        if isinstance(answer, Answer):
            return self._answered(question, answer)
        return None

    def _greeted(self, greeting: Greeting, answer: Greeted) -> Fault | None:
        dual = Point(answer.v, answer.conjugate)
        if answer.squared_norm != self._hosted.squared_norm:
            return _CHANGED
        if self._is_off(dual, answer.linear):
            return _RANGE
        fault = self._enter([dual], [Point(greeting.w, answer.loss)])
        if fault is None:
            self._step = dual, answer.linear
            self._mean = greeting.w.copy()
            if np.isfinite(self.loss.bounds).any():
                every = answer._replace(conjugate=np.array([answer.conjugate]))
                self._kept = KeptAnswers(self, answer.v[None], every)
        return fault

    def _stepped(self, order: StepOrder, answer: StepAnswer) -> Fault | None:
        dual = Point(answer.v, answer.conjugate)
        if self._is_off(dual, answer.linear):
            return _RANGE
        w = order.asked if len(order.asked) else order.base + answer.v / order.rho
        fault = self._enter([dual], [Point(w, answer.loss)])
        if fault is None:
            self._step = dual, answer.linear
        return fault

    def _answered(self, order: Order, answer: Answer) -> Fault | None:
        local = order.w + order.curvature * answer.dv
        mean = self._mean + AVERAGING * (local - self._mean)
        points = zip((order.w, local, mean), answer.losses, strict=True)
        fault = self._enter(self._composed(answer), [Point(*point) for point in points])
        if fault is None:
            self._mean = mean
            if self._kept is not None:
                self._kept.add(np.zeros(1, dtype=np.intp), [answer])
        return fault

    def _composed(self, answer: Answer) -> list[Point]:
        """The dual points of an answer, a change of what the server has composed."""
        if self._kept is None:
            return []
        v = self._kept.V[0].copy()
        before, after = answer.conjugates
        return [Point(v, before, True), Point(v + answer.dv, after, True)]

    def mix(self, mixture: Mixture) -> Fault | None:
        """What is wrong with a combination of its answers."""
        if self._kept is None:
            return None
        self._kept.settle(mixture.t[None])
        composed = Point(self._kept.V[0].copy(), float(self._kept.conjugate[0]), True)
        return self._enter([composed], [])

    def share(self, share: Share) -> Fault | None:
        """What is wrong with a share of its last step."""
        (v, conjugate, _), linear = self._step
        conjugate = self.loss.conjugate_of_share(linear, conjugate, share.share)
        return self._enter([Point(share.share * v, conjugate)], [])

    # -- what rows can say ----------------------------------------------------------------------

    def _is_off(self, dual: Point, linear: float) -> bool:
        """Whether no dual variables have this conjugate and this sum of ``weight y a``."""
        slack = _ROUNDING * (1.0 + abs(dual.value) + abs(linear))
        total = dual.value + linear
        least = 0.0
        if not self.loss.is_regression:
            if not self._low - slack <= linear <= self._high + slack:
                return True
            least = -float(self.loss.value(np.ones(1), np.ones(1))[0])
        return total < least - slack or (self.loss.linear and total > slack)

    def _enter(self, duals: list[Point], prices: list[Point]) -> Fault | None:
        """Keep these points, unless something is wrong with them."""
        for dual in duals:
            if fault := self._fault_of_dual(dual):
                return fault
        every_dual, every_price = [*self._duals, *duals], [*self._prices, *prices]
        if prices and self._is_steady and self._is_steep(every_price, prices):
            return _STEEP
        if self._contradict(duals, every_price) or self._contradict(every_dual, prices):
            return _CONTRADICTION
        # whoever has made the messages may go on writing into their arrays
        self._duals += [dual._replace(place=dual.place.copy()) for dual in duals]
        self._prices += [price._replace(place=price.place.copy()) for price in prices]
        self._most_conjugate = max([self._most_conjugate, *(dual.value for dual in duals)])
        return None

    def _fault_of_dual(self, dual: Point) -> Fault | None:
        if not self._is_steady:
            return None
        length = float(np.linalg.norm(dual.place)) * (1.0 - _ROUNDING)
        if length > self._most_slope * self._longest:
            return _LONG
        ends = self.loss.conjugate(np.ones(2), np.array(self.loss.bounds))
        if length > self._most_slope * self._row_length or dual.value > ends.max() + _ROUNDING:
            return _RANGE
        return None

    def _contradict(self, duals: list[Point], prices: list[Point]) -> bool:
        """Whether a dual point lies above a price."""
        if not duals or not prices:
            return False
        V, c = _table(duals)
        W, f = _table(prices)
        terms = np.abs(c)[:, None] + f
        size = self._size()
        reach = self._row_length * size * np.linalg.norm(W, axis=1) + self.loss.modulus * size**2
        slack = _ROUNDING * (terms + reach)
        own = ~np.array([dual.is_composed for dual in duals])
        slack[own] = np.minimum(slack[own], _MOST * (terms[own] + self._hosted.loss))
        return not np.all(c[:, None] + f + V @ W.T >= -slack)

    def _size(self) -> float:
        """Root mean square of dual variables of these conjugates, at most.

        Also of those before: what is left of large ones has their rounding.
        """
        if self._is_steady:
            return self._most_slope
        nothing = self._hosted.loss
        return 2.0 * float(np.sqrt(nothing) + np.sqrt(max(nothing + self._most_conjugate, 0.0)))

    def _is_steep(self, every: list[Point], prices: list[Point]) -> bool:
        """Whether two prices differ more than the weights allow."""
        W, f = _table(every)
        slope = self._most_slope * self._row_length
        lengths = np.linalg.norm(W, axis=1)
        for place, value, _ in prices:
            terms = f + value
            far = slope * (lengths + float(np.linalg.norm(place)))
            slack = np.minimum(_ROUNDING * (terms + far), _MOST * (terms + self._hosted.loss))
            allowed = slope * np.linalg.norm(W - place, axis=1) + slack
            if np.any(np.abs(f - value) > allowed):
                return True
        return False


def _table(points: list[Point]) -> tuple[Array, Array]:
    """Places, a row each, and values."""
    places, values, _ = zip(*points, strict=True)
    return np.array(places), np.array(values)
