"""The public regressor that trims."""

from skfedmtl._estimators import FMTLRegressor
from skfedmtl.defense._trimming import TrimmingMixin

__all__ = ["TrimmedFMTLRegressor"]


class TrimmedFMTLRegressor(TrimmingMixin, FMTLRegressor):
    """`FMTLRegressor` on the rows of every node that fit best.

    A fit to all rows is followed by fits to those of least loss, ``1 - trim`` of the weight of the
    rows of every node, until these stay the same [1]_. The objective of `FMTLRegressor` on the
    rows that are kept falls with every fit, to a local minimum over weights and rows. Random rows
    and wrong targets are left out that way; rows that an attack has crafted may fit better than
    clean ones, which are left out in their place.

    Parameters
    ----------
    trim : float, default=0.2
        Share of the weight of the rows that is left out, at least 0 and below 1; 0 is
        `FMTLRegressor`.
    max_trim : int, default=10
        Choices of rows at most.
    lambda0 : None or float, default=None
        As in `FMTLRegressor`.
    lambda1 : float, default=1e-3
        As in `FMTLRegressor`.
    lambda2 : float, default=1e-3
        As in `FMTLRegressor`.
    loss : {"squared_error", "huber"}, default="squared_error"
        As in `FMTLRegressor`.
    huber_delta : float or None, default=None
        As in `FMTLRegressor`; None goes by a fit to all rows.
    relationship : {"learned", "mean", "none"}, array-like of shape (n_nodes, n_nodes), \
DataFrame or `protocols.Relationship`, default="learned"
        As in `FMTLRegressor`.
    node_labels : "auto" or array-like of shape (n_nodes,), default="auto"
        As in `FMTLRegressor`.
    node_weight : None, "rows", dict or array-like of shape (n_nodes,), default=None
        As in `FMTLRegressor`.
    fit_intercept : bool, default=True
        As in `FMTLRegressor`.
    intercept_scaling : float or None, default=None
        As in `FMTLRegressor`.
    solver : {"splitting", "mocha"}, default="splitting"
        As in `FMTLRegressor`.
    max_iter : int, default=1000
        As in `FMTLRegressor`.
    tol : float, default=1e-4
        As in `FMTLRegressor`.
    local_epochs : None, float, (low, high) or dict, default=None
        As in `FMTLRegressor`.
    participation : float, default=1.0
        As in `FMTLRegressor`.
    node_column : str, int or None, default=None
        As in `FMTLRegressor`.
    handle_unknown : {"error", "mean", "common"}, default="error"
        As in `FMTLRegressor`.
    warm_start : bool, default=False
        As in `FMTLRegressor`.
    n_jobs : int or None, default=None
        As in `FMTLRegressor`.
    random_state : int, RandomState instance or None, default=None
        As in `FMTLRegressor`.

    Attributes
    ----------
    inlier_ : ndarray of bool of shape (n_samples,)
        The rows that were fitted to. The last of every node, and those of equal loss, count
        in part, so that the weight that is kept is the same share everywhere.
    nodes_ : ndarray of shape (n_nodes,)
        As in `FMTLRegressor`.
    coef_ : ndarray of shape (n_nodes, n_features)
        As in `FMTLRegressor`.
    feature_importances_ : ndarray of shape (n_columns,)
        As in `FMTLRegressor`.
    intercept_ : ndarray of shape (n_nodes,)
        As in `FMTLRegressor`.
    common_coef_ : None or ndarray of shape (n_features,)
        As in `FMTLRegressor`.
    common_intercept_ : None or float
        As in `FMTLRegressor`.
    huber_delta_ : float
        As in `FMTLRegressor`.
    dual_coef_ : ndarray of shape (n_samples,)
        As in `FMTLRegressor`.
    objective_, dual_objective_, dual_gap_ : float
        As in `FMTLRegressor`, of the rows that are kept.
    node_covariance_factor_ : ndarray of shape (n_nodes, rank)
        As in `FMTLRegressor`.
    is_constant_ : ndarray of bool of shape (n_nodes,)
        As in `FMTLRegressor`.
    history_ : dict of ndarray
        As in `FMTLRegressor`, of the last fit.
    n_iter_ : int
        As in `FMTLRegressor`, of the last fit.
    n_features_in_ : int
        As in `FMTLRegressor`.
    feature_names_in_ : ndarray of str
        As in `FMTLRegressor`.

    Raises
    ------
    ValueError
        In `fit`, for a wrong parameter or wrong data; the message names the argument.

    References
    ----------
    .. [1] M. Jagielski, A. Oprea, B. Biggio, C. Liu, C. Nita-Rotaru, B. Li, "Manipulating Machine
       Learning: Poisoning Attacks and Countermeasures for Regression Learning", S&P 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.defense import TrimmedFMTLRegressor
    >>> X, nodes = np.tile(np.arange(10.0), 2)[:, None], np.repeat(["a", "b"], 10)
    >>> y = 2.0 * X[:, 0]
    >>> y[[3, 15]] = 100.0
    >>> plain = FMTLRegressor().fit(X, y, nodes=nodes)
    >>> trimmed = TrimmedFMTLRegressor(trim=0.1).fit(X, y, nodes=nodes)
    >>> plain.predict([[5.0]], nodes=["a"]).round(), trimmed.predict([[5.0]], nodes=["a"]).round()
    (array([19.]), array([10.]))
    >>> np.flatnonzero(~trimmed.inlier_)
    array([ 3, 15])
    """

    _parameter_constraints = {
        **FMTLRegressor._parameter_constraints,
        **TrimmingMixin._trimming_constraints,
    }

    def __init__(
        self,
        *,
        trim=0.2,
        max_trim=10,
        lambda0=None,
        lambda1=1e-3,
        lambda2=1e-3,
        loss="squared_error",
        huber_delta=None,
        relationship="learned",
        node_labels="auto",
        node_weight=None,
        fit_intercept=True,
        intercept_scaling=None,
        solver="splitting",
        max_iter=1000,
        tol=1e-4,
        local_epochs=None,
        participation=1.0,
        node_column=None,
        handle_unknown="error",
        warm_start=False,
        n_jobs=None,
        random_state=None,
    ):
        super().__init__(
            lambda0=lambda0,
            lambda1=lambda1,
            lambda2=lambda2,
            loss=loss,
            huber_delta=huber_delta,
            relationship=relationship,
            node_labels=node_labels,
            node_weight=node_weight,
            fit_intercept=fit_intercept,
            intercept_scaling=intercept_scaling,
            solver=solver,
            max_iter=max_iter,
            tol=tol,
            local_epochs=local_epochs,
            participation=participation,
            node_column=node_column,
            handle_unknown=handle_unknown,
            warm_start=warm_start,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        self.trim = trim
        self.max_trim = max_trim
