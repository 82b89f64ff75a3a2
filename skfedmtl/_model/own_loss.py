"""Losses that users bring: a few members in Python become all that solvers ask for."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np

from skfedmtl._kernels import _sdca
from skfedmtl._model.losses import _Smooth
from skfedmtl._typing import Array

REQUIRED = ("value", "derivative", "curvature", "conjugate")
OPTIONAL = ("step", "kappa")
_KEPT = 0.1  #: share of its distance to a bound that a row keeps in a long step, as of `Logistic`
_MOST_STEPS = 200  #: of Newton's method or bisection, which halves what is left


class OwnLoss(_Smooth):
    """A `skfedmtl.protocols.Loss` as a `Loss` of the solvers.

    What a step in Python raises is kept, as compiled loops cannot pass it on, and raised when the
    loss is next asked for values.

    Parameters
    ----------
    given : object
        The users' loss.
    """

    name: ClassVar = "own"
    is_scale_free: ClassVar = False  # nothing is known of its other units

    def __init__(self, given: Any) -> None:
        check_members(given)
        self._given = given
        self.is_regression = bool(given.is_regression)
        low, high = given.bounds
        self.bounds = float(low), float(high)
        self.steepness = float(given.steepness)
        self.modulus = 1.0 / self.steepness
        self._one_step = getattr(given, "step", self._root)
        self._error: Exception | None = None

    @property
    def kernel(self) -> _sdca.LossKernel:  # type: ignore[override]
        """Made when it is asked for: one that was kept would hold the loss that holds it."""
        return _sdca.Own(self._step)

    # -- the primal half ------------------------------------------------------------------

    def value(self, y: Array, f: Array) -> Array:
        self._raise()
        return np.asarray(self._given.value(y, f), dtype=np.float64)

    def derivative(self, y: Array, f: Array) -> Array:
        return np.asarray(self._given.derivative(y, f), dtype=np.float64)

    def curvature(self, y: Array, f: Array) -> Array:
        return np.asarray(self._given.curvature(y, f), dtype=np.float64)

    # -- the dual half --------------------------------------------------------------------

    def conjugate(self, y: Array, a: Array) -> Array:
        self._raise()
        return np.asarray(self._given.conjugate(y, a), dtype=np.float64)

    def sign(self, y: Array) -> Array:
        return np.ones_like(y) if self.is_regression else y

    def start(self, y: Array) -> Array:
        """Zero inside the domain, else the slope at zero, which is."""
        low, high = self.bounds
        return np.zeros_like(y) if low < 0.0 < high else -self.derivative(y, np.zeros_like(y))

    def clip(self, y: Array, a: Array) -> Array:
        sign = self.sign(y)
        return sign * np.clip(sign * a, *self.bounds)

    def limit(self, y: Array, old: Array, new: Array) -> Array:
        """A row keeps some of its distance to a bound, where the conjugate may be steep."""
        sign, (low, high) = self.sign(y), self.bounds
        b = sign * self.clip(y, old)
        least = low + _KEPT * (b - low) if np.isfinite(low) else low
        most = high - _KEPT * (high - b) if np.isfinite(high) else high
        return sign * np.clip(sign * new, least, most)

    def kappa(self, reach: Array, low: Array, high: Array) -> Array:
        return np.asarray(self._given.kappa(reach, low, high), dtype=np.float64)

    # -- the coordinate step --------------------------------------------------------------

    def _step(self, a: float, f: float, y: float, q: float) -> float:
        """That of the users; no move where it fails."""
        if self._error is not None:
            return a
        try:
            new = float(self._one_step(a, f, y, q))
            if not np.isfinite(new):
                raise ValueError(f"`step` of `loss` must be finite, got {new} for {(a, f, y, q)}.")
        except Exception as error:
            self._error = error
            return a
        return new

    def _root(self, a: float, f: float, y: float, q: float) -> float:
        """``-L'(u)`` for the root u of ``u + q L'(u) = f - q a``, which rises by 1 at least."""
        target, one = np.array([y]), np.empty(1)

        def slope(u: float) -> float:
            one[0] = u
            return float(self.derivative(target, one)[0])

        u = f
        excess = q * (slope(u) + a)
        low, high = (u - excess, u) if excess > 0.0 else (u, u - excess)
        before = np.inf
        for _ in range(_MOST_STEPS):
            left = u - f + q * (slope(u) + a)
            if left > 0.0:
                high = u
            else:
                low = u
            one[0] = u
            step = left / (1.0 + q * float(self.curvature(target, one)[0]))
            new = u - step
            # slopes that bend both ways let Newton's method go round in circles
            if not low < new < high or abs(left) > 0.5 * before:
                new = 0.5 * (low + high)
            before = abs(left)
            if abs(new - u) <= 1e-15 * max(abs(u), abs(new), 1e-300):
                break
            u = new
        return -slope(u)

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error


def check_members(given: Any) -> None:
    """Refuse what is no loss, naming what it lacks."""
    if isinstance(given, type):
        raise TypeError(f"`loss` must be an instance, got the class {given.__name__}.")
    names = ("is_regression", "bounds", "steepness", *REQUIRED)
    if lacking := [name for name in names if not hasattr(given, name)]:
        raise TypeError(
            f"`loss` must have all members of skfedmtl.protocols.Loss; {type(given).__name__} "
            f"lacks {', '.join(lacking)}."
        )
    for name in OPTIONAL:
        if not callable(member := getattr(given, name, abs)):
            raise TypeError(f"`{name}` of `loss` must be a function or left out, got {member!r}.")
    if not _is_pair(given.bounds):
        raise ValueError(
            f"`bounds` of `loss` must be a pair (low, high) of numbers, got {given.bounds!r}."
        )
    if not (isinstance(given.steepness, Real) and 0.0 < float(given.steepness) < np.inf):
        raise ValueError(
            f"`steepness` of `loss` must be a positive, finite number, got {given.steepness!r}; a "
            "loss with a kink cannot be brought."
        )


def _is_pair(bounds: Any) -> bool:
    """Whether these are two numbers that rise."""
    if np.shape(bounds) != (2,) or not all(isinstance(bound, Real) for bound in bounds):
        return False
    return bool(bounds[0] < bounds[1])
