"""The public classifier that trims."""

from skfedmtl._estimators import FMTLClassifier
from skfedmtl.defense._trimming import TrimmingMixin

__all__ = ["TrimmedFMTLClassifier"]


class TrimmedFMTLClassifier(TrimmingMixin, FMTLClassifier):
    """`FMTLClassifier` on the rows of every node and class that fit best.

    A fit to all rows is followed by fits to those of least loss, ``1 - trim`` of the weight of the
    rows of every class in every node, so that rare classes stay, until these are the same [1]_.
    The objective of `FMTLClassifier` on the rows that are kept falls with every fit, to a local
    minimum over weights and rows. Random rows and wrong labels are left out that way; rows that
    an attack has crafted may fit better than clean ones, which are left out in their place.

    With more than two classes the model of each, one against the rest, leaves out rows of its own.

    Parameters
    ----------
    trim : float, default=0.2
        Share of the weight of the rows that is left out, at least 0 and below 1; 0 is
        `FMTLClassifier`.
    max_trim : int, default=10
        Choices of rows at most.
    lambda0 : None or float, default=None
        As in `FMTLClassifier`.
    lambda1 : float, default=1e-3
        As in `FMTLClassifier`.
    lambda2 : float, default=1e-3
        As in `FMTLClassifier`.
    loss : {"hinge", "squared_hinge", "logistic"}, default="hinge"
        As in `FMTLClassifier`.
    relationship : {"learned", "mean", "none"}, array-like of shape (n_nodes, n_nodes), \
DataFrame or `protocols.Relationship`, default="learned"
        As in `FMTLClassifier`.
    node_labels : "auto" or array-like of shape (n_nodes,), default="auto"
        As in `FMTLClassifier`.
    node_weight : None, "rows", dict or array-like of shape (n_nodes,), default=None
        As in `FMTLClassifier`.
    fit_intercept : bool, default=True
        As in `FMTLClassifier`.
    intercept_scaling : float, default=1.0
        As in `FMTLClassifier`.
    solver : {"splitting", "mocha"}, default="splitting"
        As in `FMTLClassifier`.
    max_iter : int, default=1000
        As in `FMTLClassifier`.
    tol : float, default=1e-4
        As in `FMTLClassifier`.
    local_epochs : None, float, (low, high) or dict, default=None
        As in `FMTLClassifier`.
    participation : float, default=1.0
        As in `FMTLClassifier`.
    node_column : str, int or None, default=None
        As in `FMTLClassifier`.
    handle_unknown : {"error", "mean", "common"}, default="error"
        As in `FMTLClassifier`.
    class_weight : dict, "balanced" or None, default=None
        As in `FMTLClassifier`.
    warm_start : bool, default=False
        As in `FMTLClassifier`.
    n_jobs : int or None, default=None
        As in `FMTLClassifier`.
    random_state : int, RandomState instance or None, default=None
        As in `FMTLClassifier`.

    Attributes
    ----------
    inlier_ : ndarray of bool of shape (n_samples,) or (n_samples, n_classes)
        The rows that were fitted to. The last of every class in a node, and those of equal loss,
        count in part, so that the weight that is kept is the same share everywhere.
    classes_ : ndarray of shape (n_classes,)
        As in `FMTLClassifier`.
    nodes_ : ndarray of shape (n_nodes,)
        As in `FMTLClassifier`.
    coef_ : ndarray of shape (n_nodes, n_features) or (n_nodes, n_classes, n_features)
        As in `FMTLClassifier`.
    feature_importances_ : ndarray of shape (n_columns,)
        As in `FMTLClassifier`.
    intercept_ : ndarray of shape (n_nodes,) or (n_nodes, n_classes)
        As in `FMTLClassifier`.
    common_coef_ : None or ndarray of shape (n_features,) or (n_classes, n_features)
        As in `FMTLClassifier`.
    common_intercept_ : None, float or ndarray of shape (n_classes,)
        As in `FMTLClassifier`.
    dual_coef_ : ndarray of shape (n_samples,) or (n_samples, n_classes)
        As in `FMTLClassifier`.
    objective_, dual_objective_, dual_gap_ : float
        As in `FMTLClassifier`, of the rows that are kept.
    node_covariance_factor_ : ndarray of shape (n_nodes, rank) or (n_classes, n_nodes, rank)
        As in `FMTLClassifier`.
    is_constant_ : ndarray of bool of shape (n_nodes,) or (n_nodes, n_classes)
        As in `FMTLClassifier`.
    history_ : dict of ndarray
        As in `FMTLClassifier`, of the last fit.
    n_iter_ : int
        As in `FMTLClassifier`, of the last fit.
    n_features_in_ : int
        As in `FMTLClassifier`.
    feature_names_in_ : ndarray of str
        As in `FMTLClassifier`.

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
    >>> from skfedmtl.defense import TrimmedFMTLClassifier
    >>> X, nodes = np.tile(np.arange(-5.0, 5.0) + 0.5, 2)[:, None], np.repeat(["a", "b"], 10)
    >>> y = np.where(X[:, 0] > 0, "yes", "no")
    >>> y[[0, 19]] = ["yes", "no"]
    >>> model = TrimmedFMTLClassifier(trim=0.17).fit(X, y, nodes=nodes)
    >>> np.flatnonzero(~model.inlier_)
    array([ 0, 19])
    """

    _parameter_constraints = {
        **FMTLClassifier._parameter_constraints,
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
        loss="hinge",
        relationship="learned",
        node_labels="auto",
        node_weight=None,
        fit_intercept=True,
        intercept_scaling=1.0,
        solver="splitting",
        max_iter=1000,
        tol=1e-4,
        local_epochs=None,
        participation=1.0,
        node_column=None,
        handle_unknown="error",
        class_weight=None,
        warm_start=False,
        n_jobs=None,
        random_state=None,
    ):
        super().__init__(
            lambda0=lambda0,
            lambda1=lambda1,
            lambda2=lambda2,
            loss=loss,
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
            class_weight=class_weight,
            warm_start=warm_start,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        self.trim = trim
        self.max_trim = max_trim
