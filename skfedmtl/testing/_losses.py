"""Whether the members of a loss agree with each other, and its fits with an independent one."""

import numpy as np
from scipy.optimize import minimize

from skfedmtl._estimators import FMTLClassifier, FMTLRegressor
from skfedmtl._model import OwnLoss
from skfedmtl.testing._federation import make_federation

__all__ = ["check_loss"]

_N = 400  #: points that identities are tried at
_STEP = 1e-5  #: of difference quotients, whose error is about its square
_CLOSE = 1e-4  #: to which those agree
_FAR = 40.0  #: decision values that grids reach to; an exponential of them is a number still
_WIDE = 20.0  #: of dual variables that are tried where `bounds` has no end
_REACHES = (0.0, 0.3, 1.0, 3.0, 10.0)  #: how far an injected row may reach
_ENDS = ((-1.0, 1.0), (0.0, 2.0), (-3.0, -1.0))  #: between which its target lies


def check_loss(loss):
    """Check that a loss of your own is convex, smooth, and told the same way by all its members.

    Checked are, at random points: that slopes rise, are those of the values and lie in `bounds`;
    that the curvature is that of the slopes, and `steepness` its most; equality in Fenchel and
    Young's inequality ``L(y, f) + L*(-a) >= -a f`` where a is the slope; and `step`, if there is
    one. On grids: the inequality, for every a in `bounds` and decision values from -40 to 40; and
    that no row pulls harder than `kappa`, if there is one. Last, that a fit certifies what
    `scipy.optimize` finds as well.

    Parameters
    ----------
    loss : skfedmtl.protocols.Loss
        An instance.

    Raises
    ------
    TypeError
        If a member is missing, or is no function where it must be one.
    ValueError
        If `bounds` or `steepness` can be none.
    AssertionError
        If a member disagrees with another; the message says which.

    See Also
    --------
    skfedmtl.protocols.Loss : What a loss has.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.testing import check_loss
    >>> class Square:
    ...     is_regression = True
    ...     bounds = -np.inf, np.inf
    ...     steepness = 1.0
    ...     def value(self, y, f):
    ...         return 0.5 * (f - y) ** 2
    ...     def derivative(self, y, f):
    ...         return f - y
    ...     def curvature(self, y, f):
    ...         return np.ones_like(f)
    ...     def conjugate(self, y, a):
    ...         return 0.5 * a**2 - a * y
    >>> check_loss(Square())
    """
    own = OwnLoss(loss)
    rng = np.random.default_rng(0)
    y = rng.normal(size=_N) if own.is_regression else rng.choice([-1.0, 1.0], size=_N)
    f = 3.0 * rng.normal(size=_N)
    _check_slopes(own, y, f)
    _check_duality(own, y, f)
    _check_domain(own)
    _check_step(own, y, f, rng)
    if hasattr(loss, "kappa"):
        _check_kappa(own)
    _check_fit(loss, own)


def _promise(kept, what):
    """Refuse a promise that was not kept."""
    if not np.all(kept):
        raise AssertionError(f"check_loss: {what}.")


def _near(one, other, share=_CLOSE):
    return np.abs(one - other) <= share * (1.0 + np.abs(other))


def _check_slopes(own, y, f):
    value, slope, bend = own.value(y, f), own.derivative(y, f), own.curvature(y, f)
    for name, one in (("value", value), ("derivative", slope), ("curvature", bend)):
        _promise(np.shape(one) == (_N,), f"`{name}` must return one number a row")
        _promise(np.isfinite(one), f"`{name}` must be finite")
    _promise(value >= 0.0, "`value` must not be negative")
    told = (own.value(y, f + _STEP) - own.value(y, f - _STEP)) / (2.0 * _STEP)
    _promise(_near(slope, told), "`derivative` must be the slope of `value`")
    far = own.derivative(y, f + 1.0)
    _promise(far >= slope - 1e-12, "`derivative` must rise with f: the loss must be convex")
    told = (own.derivative(y, f + _STEP) - own.derivative(y, f - _STEP)) / (2.0 * _STEP)
    agrees = _near(bend, told)
    # a second derivative may jump, at few points
    _promise(agrees.mean() > 0.99, "`curvature` must be the slope of `derivative`")
    _promise(
        np.abs(far - slope) <= own.steepness * (1.0 + 1e-9) + 1e-12,
        "`steepness` must be the largest second derivative",
    )
    _promise(bend <= own.steepness * (1.0 + 1e-9), "`steepness` must be the largest `curvature`")
    low, high = own.bounds
    turned = -own.sign(y) * slope
    _promise((turned >= low - 1e-9) & (turned <= high + 1e-9), "`bounds` must hold all slopes")


def _check_duality(own, y, f):
    value, a = own.value(y, f), -own.derivative(y, f)
    equal = value + own.conjugate(y, a) + a * f
    scale = 1.0 + np.abs(value) + np.abs(a * f)
    _promise(
        np.abs(equal) <= 1e-8 * scale,
        "L(y, f) + `conjugate`(y, a) must be -a f for a = -`derivative`(y, f)",
    )


def _grid(*axes):
    """All combinations of them, an array each."""
    return [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]


def _check_domain(own):
    """Bounds that are too wide let a dual variable certify what is no bound."""
    low, high = own.bounds
    if not np.isfinite(low):
        low = min(-_WIDE, high - _WIDE)
    if not np.isfinite(high):
        high = max(_WIDE, low + _WIDE)
    targets = np.array([-3.0, -1.0, 0.0, 0.5, 2.0]) if own.is_regression else np.array([-1.0, 1.0])
    y, a, f = _grid(targets, np.linspace(low, high, 41), np.linspace(-_FAR, _FAR, 161))
    a *= own.sign(y)
    conjugate = own.conjugate(y, a)
    _promise(np.isfinite(conjugate), "`conjugate` must be finite at `bounds` and between them")
    value = own.value(y, f)
    _promise(
        value + conjugate + a * f >= -1e-8 * (1.0 + np.abs(value) + np.abs(a * f)),
        "L(y, f) + `conjugate`(y, a) must be at least -a f for every a in `bounds`",
    )


def _check_step(own, y, f, rng):
    start = -own.derivative(y, rng.normal(size=_N))
    q = rng.exponential(size=_N) * rng.choice([0.01, 1.0, 10.0], size=_N)
    new = np.array([own._step(*row) for row in zip(start, f, y, q, strict=True)])
    own.value(y, f)  # raises what a step has raised
    _promise(
        _near(new, -own.derivative(y, f + q * (new - start)), 1e-6),
        "`step`(a, f, y, q) must be the b = -`derivative`(y, f + q (b - a))",
    )


def _check_kappa(own):
    """The product is linear in u, so that its most lies at an end."""
    reach = np.array(_REACHES)
    for low, high in _ENDS if own.is_regression else _ENDS[:1]:
        targets = np.linspace(low, high, 9) if own.is_regression else np.array([low, high])
        y, f = _grid(targets, np.linspace(-_FAR, _FAR, 4001))
        slope = own.derivative(y, f)
        most = own.kappa(reach, np.full_like(reach, low), np.full_like(reach, high))
        pull = np.array([np.max(np.abs(slope) * far - slope * f) for far in reach])
        _promise(
            pull <= most + 1e-9 * (1.0 + np.abs(most)),
            "`kappa` must be at least -`derivative`(y, f) (f - u) for |u| <= reach",
        )


def _check_fit(loss, own):
    """Nodes without ties are problems of their own, which scipy solves."""
    data = make_federation(not own.is_regression)
    ridge, tol = 0.05, 1e-6
    kind = FMTLRegressor if own.is_regression else FMTLClassifier
    model = kind(
        loss=loss,
        relationship="none",
        lambda2=ridge,
        fit_intercept=False,
        tol=tol,
        max_iter=3000,
        random_state=0,
    ).fit(data.X, data.y, nodes=data.nodes, sample_weight=data.weight)
    y = data.y if own.is_regression else np.where(data.y == model.classes_[1], 1.0, -1.0)
    least = 0.0
    for code in range(5):
        mine = data.codes == code
        X, share = data.X[mine], data.weight[mine] / data.weight[mine].sum()

        def objective(w, X=X, y=y[mine], share=share):
            margins = X @ w
            slope = X.T @ (share * own.derivative(y, margins)) + 2.0 * ridge * w
            return share @ own.value(y, margins) + ridge * w @ w, slope

        found = minimize(objective, np.zeros(X.shape[1]), jac=True, tol=1e-12, method="BFGS")
        least += float(found.fun)
    _promise(
        -1e-12 <= model.dual_gap_ <= tol * (1.0 + model.objective_),
        f"a fit must meet its gap: {tol:g} was asked for, {model.dual_gap_:.3g} came",
    )
    _promise(
        np.abs(model.objective_ - least) <= 1e-5 * (1.0 + least),
        f"a fit must be the optimum: scipy finds {least:.8g}, the fit {model.objective_:.8g}",
    )
