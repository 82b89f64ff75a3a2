"""What objects of your own must have to take the place of the package's."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from skfedmtl._typing import Array

__all__ = ["Constraint", "Loss", "Relationship", "Victim"]


@runtime_checkable
class Loss(Protocol):
    """A smooth convex loss, as `FMTLRegressor` and `FMTLClassifier` take it for `loss`.

    Any object with these members will do; it need not derive from this class. All functions take
    and return arrays of shape (n,), element by element: targets `y`, numbers or -1 and +1,
    decision values `f`, and dual variables `a`. A loss with a kink, of no finite `steepness`,
    cannot be brought. `skfedmtl.testing.check_loss` tells whether the members agree.

    Two more members are optional. ``step(a, f, y, q)``, of plain numbers, is the root ``b`` of
    ``b = -derivative(y, f + q (b - a))``, found by Newton's method and bisection where it is left
    out. ``kappa(reach, low, high)`` says how hard an injected row may pull: arrays of the most of
    ``-derivative(y, f) (f - u)`` for any f, any target between low and high (of classes: any), and
    ``|u| <= reach``. `skfedmtl.attack.DamageBound` asks for it, and refuses a loss without.

    Attributes
    ----------
    is_regression : bool
        Whether targets are numbers; else they are -1 and +1.
    bounds : pair of float
        Between which dual variables lie, the slopes ``-derivative(y, f)``; of classes those times
        y. Infinite where slopes are.
    steepness : float
        The largest second derivative.

    See Also
    --------
    skfedmtl.testing.check_loss : Whether a loss is one.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.protocols import Loss
    >>> class LogCosh:
    ...     is_regression = True
    ...     bounds = -1.0, 1.0
    ...     steepness = 1.0
    ...     def value(self, y, f):
    ...         return np.logaddexp(f - y, y - f) - np.log(2.0)
    ...     def derivative(self, y, f):
    ...         return np.tanh(f - y)
    ...     def curvature(self, y, f):
    ...         return 1.0 - np.tanh(f - y) ** 2
    ...     def conjugate(self, y, a):
    ...         a = np.clip(a, -1.0, 1.0)
    ...         up, down = 1.0 + a, 1.0 - a
    ...         entropy = sum(0.5 * s * np.log(np.where(s > 0, s, 1.0)) for s in (up, down))
    ...         return entropy - a * y
    >>> isinstance(LogCosh(), Loss)
    True
    >>> X, nodes = np.arange(12.0).reshape(-1, 1) / 12.0, np.repeat([0, 1], 6)
    >>> model = FMTLRegressor(loss=LogCosh()).fit(X, X[:, 0], nodes=nodes)
    >>> model.coef_.shape
    (2, 1)
    """

    is_regression: bool
    bounds: tuple[float, float]
    steepness: float

    def __init__(self) -> None: ...

    def value(self, y: Array, f: Array) -> Array:
        """The loss L(y, f).

        Parameters
        ----------
        y, f : ndarray of shape (n,)
            Targets and decision values.

        Returns
        -------
        value : ndarray of shape (n,)
            At least 0.
        """

    def derivative(self, y: Array, f: Array) -> Array:
        """The slope dL/df.

        Parameters
        ----------
        y, f : ndarray of shape (n,)
            Targets and decision values.

        Returns
        -------
        slope : ndarray of shape (n,)
            Rising with f.
        """

    def curvature(self, y: Array, f: Array) -> Array:
        """The second derivative.

        Parameters
        ----------
        y, f : ndarray of shape (n,)
            Targets and decision values.

        Returns
        -------
        curvature : ndarray of shape (n,)
            Between 0 and `steepness`.
        """

    def conjugate(self, y: Array, a: Array) -> Array:
        """The conjugate at -a, the most of ``-a f - L(y, f)`` over all f.

        Parameters
        ----------
        y, a : ndarray of shape (n,)
            Targets, and dual variables in `bounds`.

        Returns
        -------
        conjugate : ndarray of shape (n,)
            Finite, at the bounds as well.
        """


@runtime_checkable
class Relationship(Protocol):
    """A convex penalty that ties nodes, as `FMTLRegressor` and `FMTLClassifier` take it.

    Any object with these members will do as `relationship`; it need not derive from this class.
    With it the models pay::

        R(W) = lambda1 Q(W) + lambda2 ||W||_F^2

    Q is `value`, a convex function that is at least 0, and 0 at zero weights. It may have kinks.
    `W` has one row a node, in the order of ``nodes_``, and one column a feature. A last column, of
    a constant feature, is the intercept over `intercept_scaling`: of a classifier, and of a
    regressor with another loss than the squared error or an `intercept_scaling`.
    `skfedmtl.testing.check_relationship` tells whether the members agree.

    Two more members are optional. ``n_nodes`` is the number of rows that Q is of; others are
    refused before a fit. ``conjugate(V)`` is the most of ``<V, W> - value(W)`` over all W, asked
    where V is a slope of Q, and to be finite there whatever rounding does. Without it the duality
    gap trusts the proximal step to be exact, as one in closed form is. With it the gap holds
    however early a step that is found by iteration ends.

    See Also
    --------
    skfedmtl.testing.check_relationship : Whether a relationship is one.
    skfedmtl.relationships : Builders of precision matrices, the quadratic ones.

    Notes
    -----
    No covariance of the nodes is known, no second derivative, and no bound
    (`skfedmtl.attack.DamageBound`). Attackers take the derivative of a proximal step by
    differences.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.protocols import Relationship
    >>> class FewFeatures:
    ...     def value(self, W):
    ...         return np.linalg.norm(W, axis=0).sum()
    ...     def proximal(self, T, step):
    ...         size = np.linalg.norm(T, axis=0)
    ...         return T * np.maximum(0.0, 1.0 - step / np.where(size > 0.0, size, 1.0))
    >>> isinstance(FewFeatures(), Relationship)
    True
    >>> X = np.column_stack([np.arange(12.0), np.tile([0.0, 1.0], 6)])
    >>> y, nodes = X[:, 0] / 4.0, np.repeat([0, 1], 6)
    >>> model = FMTLRegressor(relationship=FewFeatures(), lambda1=0.1).fit(X, y, nodes=nodes)
    >>> np.flatnonzero(model.coef_.any(axis=0))
    array([0])
    """

    def __init__(self) -> None: ...

    def value(self, W: Array) -> float:
        """Q(W).

        Parameters
        ----------
        W : ndarray of shape (n_nodes, n_columns)
            Weights.

        Returns
        -------
        value : float
            At least 0; 0 at zero.
        """

    def proximal(self, T: Array, step: float) -> Array:
        """The W of least ``step * value(W) + 0.5 * ||W - T||_F^2``.

        Parameters
        ----------
        T : ndarray of shape (n_nodes, n_columns)
            Where the step begins; it may be changed.
        step : float
            Above 0.

        Returns
        -------
        W : ndarray of shape (n_nodes, n_columns)
            Where the step leads.
        """


@runtime_checkable
class Victim(Protocol):
    """An estimator that attacks are tried on, as far as users see it.

    `skfedmtl.attack.BasePoisoner` and all poisoners, and `skfedmtl.defense.PoisonDetector`, ask for
    these members, and for a fit's problem, which they change row by row. That half is private: a
    victim of your own derives from `FMTLRegressor` or `FMTLClassifier`, which bring it, and fits or
    predicts otherwise. It may be the last step of a Pipeline.

    Attributes
    ----------
    loss : str or `Loss`
        Of a row. Attacks climb it.
    relationship : str, array-like or `Relationship`
        What ties the nodes.
    node_weight : None, str, dict or array-like
        What the loss of a node counts.
    node_column : int, str or None
        The column of `X` that holds the nodes.
    max_iter, tol : int, float
        When a fit ends. Attacks ask for a smaller `tol`.
    random_state : int, RandomState instance or None
        What a fit draws. Attacks set it, so that theirs alone decides.

    See Also
    --------
    skfedmtl.testing.check_poisoner : Whether attacks on a victim keep their promises.

    Notes
    -----
    After `fit` a victim has ``nodes_``, ``coef_``, ``intercept_``, ``dual_coef_``, and of classes
    ``classes_``, as in `FMTLClassifier`.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.protocols import Victim
    >>> isinstance(FMTLRegressor(), Victim), isinstance(Ridge(), Victim)
    (True, False)
    """

    loss: Any
    relationship: Any
    node_weight: Any
    node_column: int | str | None
    max_iter: int
    tol: float
    random_state: Any

    def __init__(self) -> None: ...

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, nodes: Any = None) -> Any:
        """Fit one model a node.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            What rows count.
        nodes : array-like of shape (n_samples,) or None, default=None
            The node of each row.

        Returns
        -------
        self : object
            The victim itself.
        """

    def predict(self, X: Any, *, nodes: Any = None) -> Any:
        """Predict with the model of each row's node.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        nodes : array-like of shape (n_samples,) or None, default=None
            The node of each row.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Numbers or classes.
        """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get parameters by name, as those of scikit-learn's estimators.

        Parameters
        ----------
        deep : bool, default=True
            Whether those of parameters, too.

        Returns
        -------
        params : dict
            The parameters.
        """

    def set_params(self, **params: Any) -> Any:
        """Set parameters by name.

        Parameters
        ----------
        **params : object
            The parameters.

        Returns
        -------
        self : object
            The victim itself.
        """


@runtime_checkable
class Constraint(Protocol):
    """Where injected rows may lie, as an ascent asks: one convex set a row.

    It is what `radius`, `feature_range`, `frozen_features`, `integer_features` and `one_hot_groups`
    of a poisoner come to, and what `skfedmtl.attack.AttackSetting` is to a poisoner of your own.
    One of yours is the parameter `constraint` of `skfedmtl.PoisoningAttacker`,
    `skfedmtl.RandomPoisoner` and `skfedmtl.attack.BasePoisoner`. Its rows are those of the table in
    float64, without the node column and before the steps of a Pipeline.

    See Also
    --------
    skfedmtl.attack.AttackSetting : Has one, of all limits together.
    skfedmtl.PoisoningAttacker : Keeps to one, beside its own limits.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.protocols import Constraint
    >>> class NotNegative:
    ...     def project(self, X):
    ...         return np.maximum(X, 0.0)
    >>> isinstance(NotNegative(), Constraint)
    True
    """

    def __init__(self) -> None: ...

    def project(self, X: Array) -> Array:
        """The nearest rows that are allowed.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Row i is to lie in set i; one set is the same for all rows, as a rule.

        Returns
        -------
        X : ndarray of shape (n_rows, n_features)
            The nearest rows; those inside as they are.
        """
