"""Whether the members of a relationship agree with each other, and its fits with the primal."""

from itertools import product

import numpy as np
from scipy.optimize import minimize

from skfedmtl._estimators import FMTLRegressor
from skfedmtl._model import OwnRelationship

__all__ = ["check_relationship"]

_N_NODES, _N_FEATURES = 5, 3  #: where `n_nodes` says nothing
_SIZES = (1e-2, 1.0, 1e2)  #: of points,
_STEPS = (1e-3, 0.1, 1.0, 10.0)  #: and proximal steps from each
_CLOSE = 1e-9  #: to which identities hold, as a share of their terms
_PAIRED = 1e-7  #: the same of a value and a conjugate, at a slope that differences tell
_ROUNDING = 1e-13  #: of the difference that a slope is told by


def check_relationship(relationship, *, n_features=_N_FEATURES):
    """Check that a relationship of your own is convex, and told the same way by all its members.

    Checked are, at random points of many sizes: that `value` is a finite number of at least 0,
    0 at zero weights, and convex; that `proximal` is what it is defined to be, the W of least
    ``step * value(W) + 0.5 * ||W - T||_F^2``, for short and long steps; that both keep what they
    are handed, or in `proximal` return another array, and say the same again; `conjugate`, if there
    is one, by Fenchel and Young's inequality ``value(U) + conjugate(V) >= <V, U>``, with equality
    where V is a slope at U; and that fits by both solvers meet their gap, of an objective that is
    what it says, and a bound that nothing falls below which `scipy.optimize` finds.

    Parameters
    ----------
    relationship : skfedmtl.protocols.Relationship
        An instance. It is tried on `n_nodes` nodes, 5 if it has no such member.
    n_features : int, default=3
        Columns that it is tried on, at least 1; of one that knows its columns, their number.

    Raises
    ------
    TypeError
        If a member is missing.
    ValueError
        If `n_features` is below 1, or a member returns what can be none.
    AssertionError
        If a member disagrees with another; the message says which.

    See Also
    --------
    skfedmtl.protocols.Relationship : What a relationship has.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.testing import check_relationship
    >>> class Sparse:
    ...     def value(self, W):
    ...         return np.abs(W).sum()
    ...     def proximal(self, T, step):
    ...         return np.sign(T) * np.maximum(np.abs(T) - step, 0.0)
    >>> check_relationship(Sparse())
    """
    if not n_features >= 1:
        raise ValueError(f"n_features must be at least 1, got {n_features!r}.")
    shape = getattr(relationship, "n_nodes", _N_NODES), n_features
    OwnRelationship(relationship, shape[0], 1.0, 1.0)  # refuses what lacks a member
    rng = np.random.default_rng(0)
    points = [size * rng.normal(size=shape) for size in _SIZES for _ in range(4)]
    _check_value(relationship, points, shape)
    _check_convex(relationship, points)
    for T, step in product(points, _STEPS):
        W = _proximal(relationship, T, step)
        _check_proximal(relationship, T, step, W, points)
        if hasattr(relationship, "conjugate"):
            _check_conjugate(relationship, (T - W) / step, W, points)
    for solver in ("splitting", "mocha"):
        _check_fit(relationship, solver, shape, rng)


def _promise(kept, what):
    """Refuse a promise that was not kept."""
    if not kept:
        raise AssertionError(f"check_relationship: {what}.")


def _check_value(relationship, points, shape):
    for W in points:
        given = W.copy()
        value = relationship.value(given)
        _promise(np.ndim(value) == 0, "`value` must return one number")
        _promise(np.isfinite(value), "`value` must be finite")
        _promise(value >= 0.0, "`value` must not be negative")
        _promise(np.array_equal(given, W), "`value` must not change what it is handed")
        _promise(relationship.value(W.copy()) == value, "`value` must say the same again")
    _promise(relationship.value(np.zeros(shape)) == 0.0, "`value` must be 0 at zero weights")


def _check_convex(relationship, points):
    for one, other in product(points, points):
        ends = relationship.value(one.copy()), relationship.value(other.copy())
        for share in (0.1, 0.5):
            between = relationship.value((1.0 - share) * one + share * other)
            most = (1.0 - share) * ends[0] + share * ends[1]
            _promise(between <= most + _CLOSE * (1e-12 + max(ends)), "`value` must be convex")


def _proximal(relationship, T, step):
    """A proximal step, twice."""
    W, again = (np.array(relationship.proximal(T.copy(), step)) for _ in range(2))
    _promise(W.shape == T.shape, "`proximal` must return an array of the shape of T")
    _promise(np.isfinite(W).all(), "`proximal` must be finite")
    _promise(np.array_equal(W, again), "`proximal` must return the same again")
    return W


def _check_proximal(relationship, T, step, W, points):
    """The slope that the step tells must be one of `value`: nothing lies below its tangent."""
    G = (T - W) / step
    at = relationship.value(W.copy())
    rng = np.random.default_rng(1)
    unit = rng.normal(size=T.shape) * np.linalg.norm(T) / np.sqrt(T.size)
    near = [W + length * way for way in (unit, -unit, T - W, -W) for length in (1e-3, 0.1, 1.0)]
    for U in (*near, *points, np.zeros_like(T)):
        value, along = relationship.value(U.copy()), float(np.vdot(G, U - W))
        terms = abs(value) + abs(at) + float(np.sum(np.abs(G) * (np.abs(U) + np.abs(W))))
        rounding = _ROUNDING * float(np.linalg.norm(T) * np.linalg.norm(U - W)) / step
        _promise(
            value - at - along >= -_CLOSE * terms - rounding,
            "`proximal`(T, step) must be the W of least step * `value`(W) + 0.5 * ||W - T||^2",
        )


def _check_conjugate(relationship, G, W, points):
    """Of a slope G of Q at W."""
    conjugate = relationship.conjugate(G.copy())
    _promise(np.ndim(conjugate) == 0, "`conjugate` must return one number")
    _promise(np.isfinite(conjugate), "`conjugate` must be finite at slopes of `value`")
    value, along = relationship.value(W.copy()), float(np.vdot(G, W))
    terms = abs(conjugate) + abs(value) + float(np.sum(np.abs(G) * np.abs(W)))
    _promise(
        abs(value + conjugate - along) <= _PAIRED * terms,
        "`value`(W) + `conjugate`(V) must be <V, W> where V is a slope at W",
    )
    for U in points:
        value, along = relationship.value(U.copy()), float(np.vdot(G, U))
        terms = abs(conjugate) + abs(value) + float(np.sum(np.abs(G) * np.abs(U)))
        _promise(
            value + conjugate - along >= -_PAIRED * terms,
            "`value`(U) + `conjugate`(V) must be at least <V, U>",
        )


def _check_fit(relationship, solver, shape, rng):
    """No weights that scipy finds may cost less than the fit's bound."""
    m, d = shape
    codes = np.repeat(np.arange(m), 6)
    X = rng.normal(size=(len(codes), d))
    truth = rng.normal(size=d) + 0.5 * rng.normal(size=shape)
    y = np.sum(X * truth[codes], axis=1) + 0.1 * rng.normal(size=len(codes))
    lambda1, lambda2, tol = 0.1, 0.05, 1e-6
    model = FMTLRegressor(
        relationship=relationship,
        lambda1=lambda1,
        lambda2=lambda2,
        fit_intercept=False,
        solver=solver,
        tol=tol,
        max_iter=3000,
        random_state=0,
    ).fit(X, y, nodes=codes)

    def objective(flat):
        W = flat.reshape(shape)
        errors = y - np.sum(X * W[codes], axis=1)
        penalty = lambda1 * relationship.value(W.copy()) + lambda2 * float(np.vdot(W, W))
        return float(errors @ errors) / 6.0 + penalty

    _promise(
        model.dual_gap_ <= tol * (1.0 + model.objective_),
        f"a fit must meet its gap: {tol:g} was asked for, {model.dual_gap_:.3g} came",
    )
    own = objective(model.coef_.ravel())
    _promise(
        abs(own - model.objective_) <= 1e-9 * (1.0 + own),
        f"a fit's objective must be that of its weights, {own:.8g}, not {model.objective_:.8g}",
    )
    for start in (np.zeros(m * d), model.coef_.ravel()):
        found = minimize(objective, start, method="L-BFGS-B", options={"maxiter": 200})
        _promise(
            found.fun >= model.dual_objective_ - 1e-9 * (1.0 + own),
            f"no weights may cost less than a fit's bound: {model.dual_objective_:.8g} was "
            f"promised, scipy finds {float(found.fun):.8g}",
        )
