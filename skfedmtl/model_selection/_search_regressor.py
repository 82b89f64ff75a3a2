"""The public regressor that searches for its penalties."""

from sklearn.base import RegressorMixin

from skfedmtl._estimators import FMTLRegressor
from skfedmtl._tools.sklearn import _fit_context
from skfedmtl.model_selection._search import PenaltySearch

__all__ = ["FMTLRegressorCV"]


class FMTLRegressorCV(RegressorMixin, PenaltySearch):
    """`FMTLRegressor` with the best penalties of a grid, by cross-validation.

    In every fold one fit follows another along a path through the grid, from strong penalties to
    weak ones, each from where the last has ended. The penalties of the best mean score are those of
    a last fit to all rows.

    Attackers and bounds take it fitted, and go by its `best_estimator_`.

    Parameters
    ----------
    lambda0s : None or list of None and float, default=None
        Values of `lambda0`. None: no common part.
    lambda1s : list of float, default=(1e-4, 1e-3, 1e-2, 0.1, 1.0)
        Values of `lambda1`.
    lambda2s : list of float, default=(1e-4, 1e-3, 1e-2, 0.1, 1.0)
        Values of `lambda2`.
    cv : None, int, splitter or iterable, default=None
        The folds: an int is the number of those of `NodeKFold`, None is 5. A splitter of
        scikit-learn is given the nodes as `groups`. An iterable yields training and test rows.
    scoring : None, str or callable, default=None
        What is to be large: None is `score`, in which rows count by their `sample_weight`; else a
        scorer, by its name in scikit-learn or called as ``scorer(estimator, X, y)``. One that asks
        for `nodes` is given them, ``make_node_scorer("rmse", over="nodes")`` for one.
    refit : bool, default=True
        Whether to fit to all rows with the best penalties; without that there is no model.
    loss : {"squared_error", "huber"} or `protocols.Loss`, default="squared_error"
        As in `FMTLRegressor`.
    huber_delta : float or None, default=None
        As in `FMTLRegressor`.
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
    n_jobs : int or None, default=None
        Folds that are searched at a time, as in joblib; without effect on the result.
    random_state : int, RandomState instance or None, default=None
        As in `FMTLRegressor`; every fit has the same.

    Attributes
    ----------
    lambda0_ : None or float
        The best `lambda0`.
    lambda1_, lambda2_ : float
        The best `lambda1` and `lambda2`.
    best_estimator_ : FMTLRegressor
        The fit to all rows. All its fitted attributes are the search's as well: `coef_`,
        `intercept_`, `nodes_`, `dual_gap_` and the others.
    best_score_ : float
        Mean score of the best penalties over the folds.
    best_params_ : dict
        The best penalties by name.
    best_index_ : int
        Their place in `cv_results_`.
    cv_results_ : dict of ndarray
        ``params`` and ``param_lambda0`` to ``param_lambda2``, ``split0_test_score`` and so on,
        ``mean_test_score``, ``std_test_score`` and ``rank_test_score``, one entry a point of the
        grid, as in `sklearn.model_selection.GridSearchCV`.
    n_features_in_ : int
        Columns of `X`.
    feature_names_in_ : ndarray of str
        Names of the columns, if `X` had names.
    feature_importances_ : ndarray of shape (n_columns,)
        As in `FMTLRegressor`.

    Raises
    ------
    ValueError
        In `fit`, for a wrong parameter or wrong data; the message names the argument.

    See Also
    --------
    FMTLRegressor : With given penalties.

    Examples
    --------
    >>> from skfedmtl import FMTLRegressorCV
    >>> from skfedmtl.datasets import make_federated_regression
    >>> X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
    >>> search = FMTLRegressorCV(lambda0s=[None, 0.1], lambda1s=[1e-3, 1e-1], lambda2s=[1e-3])
    >>> search.fit(X, y, nodes=nodes).best_params_
    {'lambda0': 0.1, 'lambda1': 0.001, 'lambda2': 0.001}
    """

    _plain = FMTLRegressor

    _parameter_constraints = {
        **{
            name: allowed
            for name, allowed in FMTLRegressor._parameter_constraints.items()
            if name not in ("lambda0", "lambda1", "lambda2", "warm_start")
        },
        **PenaltySearch._search_constraints,
    }

    def __init__(
        self,
        *,
        lambda0s=None,
        lambda1s=(1e-4, 1e-3, 1e-2, 0.1, 1.0),
        lambda2s=(1e-4, 1e-3, 1e-2, 0.1, 1.0),
        cv=None,
        scoring=None,
        refit=True,
        loss="squared_error",
        huber_delta=None,
        relationship="learned",
        node_labels="auto",
        node_weight=None,
        fit_intercept=True,
        intercept_scaling=None,
        solver="splitting",
        max_iter=1000,
        tol=0.0001,
        local_epochs=None,
        participation=1.0,
        node_column=None,
        handle_unknown="error",
        n_jobs=None,
        random_state=None,
    ):
        self.lambda0s = lambda0s
        self.lambda1s = lambda1s
        self.lambda2s = lambda2s
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.loss = loss
        self.huber_delta = huber_delta
        self.relationship = relationship
        self.node_labels = node_labels
        self.node_weight = node_weight
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.local_epochs = local_epochs
        self.participation = participation
        self.node_column = node_column
        self.handle_unknown = handle_unknown
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sample_weight=None, nodes=None):
        """Search, and fit one model a node with the best penalties.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of all nodes, in any order.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows within their node.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row: integers, strings or booleans. None: one node, or the column
            `node_column`.

        Returns
        -------
        self : FMTLRegressorCV
            Fitted.
        """
        self._search(X, y, nodes, sample_weight)
        return self

    def predict(self, X, *, nodes=None):
        """Predict with the model of each row's node.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row; needed if the model was fitted on several nodes, unless
            `node_column` says where it is.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions.
        """
        return self._best().predict(X, nodes=nodes)

    def score(self, X, y, *, sample_weight=None, nodes=None):
        """Coefficient of determination over all rows, whatever `scoring` is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        nodes : array-like of shape (n_samples,), default=None
            As in `predict`.

        Returns
        -------
        score : float
            As of the best estimator.
        """
        return self._best().score(X, y, sample_weight=sample_weight, nodes=nodes)
