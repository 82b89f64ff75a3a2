"""The public regressor: validate, solve, set attributes."""

from functools import partial
from numbers import Real

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from skfedmtl._estimators.base import BaseFMTL
from skfedmtl._estimators.handed import taken
from skfedmtl._estimators.residual_scale import large_residual
from skfedmtl._estimators.whole import whole_or_not_at_all
from skfedmtl._input import read_truth
from skfedmtl._model import REQUIRED, Huber, Loss, SquaredError
from skfedmtl._tools.callbacks import begin_fit
from skfedmtl._tools.sklearn import HasMethods, Interval, StrOptions, _fit_context

__all__ = ["FMTLRegressor"]


class FMTLRegressor(RegressorMixin, BaseFMTL):
    """Federated multi-task regression: one linear model a node, tied by a relationship.

    Minimises, over weights ``W`` with one row ``w_l`` a node and intercepts ``b_l`` [1]_::

        P = sum_l (1/c_l) sum_i s_i L(y_i - w_l . x_i - b_l)
            + lambda1 tr(W' Omega W) + lambda2 ||W||_F^2

    where ``L(r)`` is ``r^2`` or Huber's [2]_, ``s_i`` are the row weights and ``c_l`` their sum in
    node ``l``. With ``relationship="learned"`` the covariance ``Sigma = Omega^-1``, of trace 1, is
    found together with ``W``, which turns the tie into ``lambda1 ||W||_*^2``. The intercepts of
    the squared error are not penalised, unless `intercept_scaling` asks for it. The fit ends with
    a certificate: `objective_` lies at most `dual_gap_` above the least value of ``P``.

    With `lambda0` the weights have a common part, ``w_l = u + z_l``: ``P`` then has
    ``lambda0 ||u||^2`` more, and ``Z`` in the place of ``W`` in the penalties.

    Parameters
    ----------
    lambda0 : None or float, default=None
        Strength of the ridge penalty of a common part, above 0: ``w_l = u + z_l``, of which the
        relationship and `lambda2` see the ``z_l`` alone. Nodes then are pulled towards a common
        model, not towards zero. The larger, the less is common. None: nothing is.
    lambda1 : float, default=1e-3
        Strength of the tie between the nodes, at least 0.
    lambda2 : float, default=1e-3
        Strength of the ridge penalty of every node, above 0.
    loss : {"squared_error", "huber"} or `protocols.Loss`, default="squared_error"
        ``"squared_error"``: ``r^2`` of the residual ``r = y - f``. ``"huber"``: the same up to
        ``|r| = delta``, beyond which it goes on along its tangent, ``2 delta |r| - delta^2``, so
        that no row pulls harder than ``2 delta``. Or a smooth one of your own, whose coordinate
        steps run in Python.
    huber_delta : float or None, default=None
        ``delta`` of ``loss="huber"``, in units of `y`. None: 1.35 robust standard deviations of
        the residuals of a fit by squared error with the same penalties, which comes first: 2.0015
        times their median size. Attacks on such a fit leave it at that of the clean rows.
    relationship : {"learned", "mean", "none"}, array-like of shape (n_nodes, n_nodes), \
DataFrame or `protocols.Relationship`, default="learned"
        ``"learned"``: the best covariance, found with the weights; with ``lambda1=0`` the same as
        ``"none"``. ``"mean"``: every node is pulled to the mean of all, Omega is ``I - 11'/m``
        for any number ``m`` of nodes. ``"none"``: no tie, only `lambda2`. A matrix is the precision
        Omega, symmetric and positive semidefinite, in the order of `node_labels`; a DataFrame is
        labelled by the nodes on both axes. `skfedmtl.relationships` builds common ones. Or a
        convex penalty of your own, which stands for ``tr(W' Omega W)``.
    node_labels : "auto" or array-like of shape (n_nodes,), default="auto"
        The nodes and their order; ``"auto"``: those found in fit, sorted. A listed node without
        rows is legal: its weights follow from the others that a given Omega or the mean ties it to,
        and are 0 where nothing does or Omega is learned.
    node_weight : None, "rows", dict or array-like of shape (n_nodes,), default=None
        What the loss of a node counts. None: every node's mean counts once, whatever its number of
        rows. ``"rows"``: by the weight of its rows, so that all rows count alike, on average over
        the nodes 1. Numbers above 0: by label, 1 if not listed, or in the order of `nodes_`.
    fit_intercept : bool, default=True
        Whether every node has an intercept.
    intercept_scaling : float or None, default=None
        A number: the intercept is the weight of a constant feature of this size, penalised like
        the others; a large one is hardly penalised. None: the intercept is not penalised, with
        ``loss="squared_error"``; the same as 1.0 with ``loss="huber"``, which wants targets near
        zero or a larger number.
    solver : {"splitting", "mocha"}, default="splitting"
        ``"splitting"`` alternates between the nodes, which see the losses of their own rows, and
        the server, which sees the relationship. ``"mocha"`` is the federated protocol of [1]_.
        In a round it sends a node one vector and gets one back, ``"splitting"`` sends two. Both
        reach the same optimum.
    max_iter : int, default=1000
        Rounds of the solver at most: exchanges with the nodes, or second-order steps.
    tol : float, default=1e-4
        Stop when ``dual_gap_ <= tol * objective_`` or rounding allows no better; 0 runs exactly
        `max_iter` rounds.
    local_epochs : None, float, (low, high) or dict, default=None
        Passes over its rows that a node makes in a round: for all nodes, drawn for each node and
        round, or by label. Below 1: a part of the rows. A label given 0 never answers. None: with
        ``"splitting"`` as many as pay, exact steps where those are cheap, and second-order steps
        on all nodes at once where the problem is small; with ``"mocha"`` 1.
    participation : float, default=1.0
        Share of the nodes, drawn anew, that answer in a round.
    node_column : str, int or None, default=None
        Name or position of a column of `X` that holds the nodes, instead of the argument
        `nodes`. It counts in `n_features_in_`, not in `coef_`.
    handle_unknown : {"error", "mean", "common"}, default="error"
        What to do at prediction with a node not seen in fit: an error, or the common model, which
        without `lambda0` is the mean of all nodes' models. ``"common"`` insists on `lambda0`.
    warm_start : bool, default=False
        Go on from where the last fit has ended, as far as nodes, features and rows are the same.
        Rows, weights and penalties may have changed.
    n_jobs : int or None, default=None
        Workers among which the nodes are shared, as in joblib; without effect on the result.
    random_state : int, RandomState instance or None, default=None
        Draws the order of rows, and who answers; it moves the result within `dual_gap_`.

    Attributes
    ----------
    nodes_ : ndarray of shape (n_nodes,)
        Labels of the nodes, in the order of every array below.
    coef_ : ndarray of shape (n_nodes, n_features)
        Weights, one row a node.
    feature_importances_ : ndarray of shape (n_columns,)
        Mean size of each feature's weights, for selectors; a node column is above all others.
    intercept_ : ndarray of shape (n_nodes,)
        Intercepts; zeros without `fit_intercept`.
    common_coef_ : None or ndarray of shape (n_features,)
        The common part ``u`` of the weights, the model of nodes not seen in fit; None without
        `lambda0`.
    common_intercept_ : None or float
        Its intercept: the mean of those that ``u`` would have in the nodes.
    dual_coef_ : ndarray of shape (n_samples,)
        Dual variables of the rows.
    huber_delta_ : float
        ``delta`` of the loss; infinite with ``loss="squared_error"``.
    objective_, dual_objective_, dual_gap_ : float
        ``P`` at the solution, a lower bound of its least value, and their difference.
    node_covariance_factor_ : ndarray of shape (n_nodes, rank)
        ``F`` with ``Sigma = F F'``. It has no column, or zeros only, where nothing ties the
        nodes: with ``relationship="none"`` or zero weights Sigma is the identity over n_nodes. Nor
        has it any with ``"mean"``, of which `node_covariance` needs none.
    is_constant_ : ndarray of bool of shape (n_nodes,)
        Whether a model answers alike for every row as far as the gap can tell: its slopes may be
        zero at the optimum, and move no prediction by more than ``sqrt(dual_gap_ / objective_)``
        of the root of the node's loss.
    history_ : dict of ndarray
        ``round``, ``objective``, ``dual_objective``, ``bytes_communicated`` (so far, at 8 bytes
        a number) and ``time`` (seconds), one entry a round, the first before any.
    n_iter_ : int
        Rounds made.
    n_features_in_ : int
        Columns of `X`.
    feature_names_in_ : ndarray of str
        Names of the columns, if `X` had names.

    Raises
    ------
    ValueError
        In `fit`, for a wrong parameter or wrong data; the message names the argument.

    References
    ----------
    .. [1] V. Smith, C.-K. Chiang, M. Sanjabi, A. Talwalkar, "Federated Multi-Task Learning",
       NeurIPS 2017.
    .. [2] P. J. Huber, "Robust Estimation of a Location Parameter", The Annals of Mathematical
       Statistics 35(1), 1964.

    Examples
    --------
    >>> from skfedmtl import FMTLRegressor, from_nodes
    >>> X, y, nodes = from_nodes({
    ...     "north": ([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]),
    ...     "south": ([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0]),
    ... })
    >>> model = FMTLRegressor(tol=1e-6).fit(X, y, nodes=nodes)
    >>> model.predict([[3.0], [3.0]], nodes=["north", "south"]).round(1)
    array([7., 6.])
    """

    _parameter_constraints = {
        **BaseFMTL._parameter_constraints,
        "loss": [StrOptions({"squared_error", "huber"}), HasMethods(list(REQUIRED))],
        "huber_delta": [None, Interval(Real, 0, None, closed="neither")],
        "intercept_scaling": [None, Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
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
        self.lambda0 = lambda0
        self.lambda1 = lambda1
        self.lambda2 = lambda2
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
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sample_weight=None, nodes=None):
        """Fit one model a node.

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
        self : FMTLRegressor
            Fitted.
        """
        with whole_or_not_at_all(self):
            checked = self._read_fit(X, y, nodes, sample_weight)
            begin = partial(begin_fit, self, X=X, y=y, nodes=nodes, sample_weight=sample_weight)
            solutions = self._fit_checked(*checked, begin)
        self._warn_if_short(solutions, X, nodes)
        return self

    def _fit_checked(self, X, y, labels, codes, sample_weight, begin):
        task = begin(self._most_rounds)
        given = taken(X), self._solver_targets(y), codes, labels, sample_weight
        self.huber_delta_ = self._find_delta(*given)
        solution = self._fit_rows(*given, task)
        task.end(dict)
        return [solution]

    @property
    def _intercept_kind(self):
        is_free = self.intercept_scaling is None and self._declared_loss().constant_curvature > 0.0
        return "centred" if is_free else "feature"

    @property
    def _loss_name(self):
        return self.loss if isinstance(self.loss, str) else None

    def _make_loss(self) -> Loss:
        """Of a scale that is not given or known yet: the squared error, which tells it."""
        if self._loss_name != Huber.name:
            return super()._make_loss()
        delta = self.huber_delta_ if self.huber_delta is None else self.huber_delta
        return Huber(float(delta)) if np.isfinite(delta) else SquaredError()

    def _hold_scale_of(self, clean):
        if self.huber_delta is None and self._loss_name == Huber.name:
            self.huber_delta = clean.huber_delta_

    def _find_delta(self, X, y, codes, labels, sample_weight):
        """The given one, or what a fit by squared error calls a large residual."""
        if self._loss_name != Huber.name:
            return np.inf
        if self.huber_delta is not None:
            return float(self.huber_delta)
        self.huber_delta_ = np.inf
        problem = self._problem(X, y, codes, labels, sample_weight)
        solution = problem.solve(self._make_solver(labels), np.random.default_rng(0))
        nodes = problem.nodes
        residuals = nodes.y - nodes.margins(solution.W)
        weight = np.concatenate(problem.split(sample_weight))
        return large_residual(residuals, nodes.y, weight)

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
        return self._decision(*self._check_predict(X, nodes))

    def score(self, X, y, *, sample_weight=None, nodes=None):
        """Coefficient of determination over all rows.

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
            ``R^2``, at most 1.
        """
        y = read_truth(y, "y", numeric=True)
        return r2_score(y, self.predict(X, nodes=nodes), sample_weight=sample_weight)
