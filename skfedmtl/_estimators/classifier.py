"""The public classifier: validate, solve, set attributes."""

from functools import partial
from numbers import Real

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from skfedmtl._estimators.base import BaseFMTL
from skfedmtl._estimators.class_weight import class_weights
from skfedmtl._estimators.handed import taken
from skfedmtl._estimators.one_vs_rest import joined
from skfedmtl._estimators.probabilities import ProbabilityMixin
from skfedmtl._estimators.whole import whole_or_not_at_all
from skfedmtl._input import read_truth
from skfedmtl._model import REQUIRED
from skfedmtl._protocol import LARGEST
from skfedmtl._tools.callbacks import begin_fit
from skfedmtl._tools.sklearn import HasMethods, Interval, StrOptions, _fit_context
from skfedmtl._tools.task import Task

__all__ = ["FMTLClassifier"]


class FMTLClassifier(ProbabilityMixin, ClassifierMixin, BaseFMTL):
    """Federated multi-task linear classifier: one linear model a node, tied by a relationship.

    Minimises, over weights ``W`` with one row ``w_l`` a node [1]_::

        P = sum_l (1/c_l) sum_i s_i L(y_i, w_l . x_i + b_l)
            + lambda1 tr(W' Omega W) + lambda2 ||W||_F^2

    with ``y_i`` = -1 or +1, row weights ``s_i`` and their sum ``c_l`` in node ``l``. With
    ``relationship="learned"`` the covariance ``Sigma = Omega^-1``, of trace 1, is found
    together with ``W``, which turns the tie into ``lambda1 ||W||_*^2``. The intercept is the
    weight of a constant feature, a column of ``W`` and penalised with it, as in
    `sklearn.svm.LinearSVC`. The fit ends with a certificate: `objective_` lies at most
    `dual_gap_` above the least value of ``P``.

    With `lambda0` the weights have a common part, ``w_l = u + z_l``: ``P`` then has
    ``lambda0 ||u||^2`` more, and ``Z`` in the place of ``W`` in the penalties.

    More than two classes are fitted one against the rest, each with a relationship of its own;
    ``P`` is then the sum over classes.

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
    loss : {"hinge", "squared_hinge", "logistic"} or `protocols.Loss`, default="hinge"
        ``max(0, 1 - y f)``, its square, or ``log(1 + exp(-y f))``; or a smooth one of your own,
        whose coordinate steps run in Python.
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
    intercept_scaling : float, default=1.0
        Size of the constant feature, above 0: the larger, the less the intercept is penalised.
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
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which multiply `sample_weight`: by label, 1 if not listed; or
        ``"balanced"``, in inverse proportion to the weights of the rows of each class, all nodes
        together, so that all classes weigh the same.
    warm_start : bool, default=False
        Go on from where the last fit has ended, as far as nodes, features and rows are the same.
        Rows, weights and penalties may have changed.
    n_jobs : int or None, default=None
        Workers among which the nodes are shared, as in joblib; without effect on the result.
    random_state : int, RandomState instance or None, default=None
        Draws the order of rows, and who answers; it moves the result within `dual_gap_`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes; of two the second has positive decision values.
    nodes_ : ndarray of shape (n_nodes,)
        Labels of the nodes, in the order of every array below.
    coef_ : ndarray of shape (n_nodes, n_features) or (n_nodes, n_classes, n_features)
        Weights, one row a node; with more than two classes one a node and class.
    feature_importances_ : ndarray of shape (n_columns,)
        Mean size of each feature's weights, for selectors; a node column is above all others.
    intercept_ : ndarray of shape (n_nodes,) or (n_nodes, n_classes)
        Intercepts; zeros without `fit_intercept`.
    common_coef_ : None or ndarray of shape (n_features,) or (n_classes, n_features)
        The common part ``u`` of the weights, the model of nodes not seen in fit; None without
        `lambda0`.
    common_intercept_ : None, float or ndarray of shape (n_classes,)
        Its intercept.
    dual_coef_ : ndarray of shape (n_samples,) or (n_samples, n_classes)
        Dual variables of the rows; times -1 or +1 they are at least 0, and at most 1 but for
        ``squared_hinge``.
    objective_, dual_objective_, dual_gap_ : float
        ``P`` at the solution, a lower bound of its least value, and their difference; with more
        than two classes the sums over all.
    node_covariance_factor_ : ndarray of shape (n_nodes, rank) or (n_classes, n_nodes, rank)
        ``F`` with ``Sigma = F F'``; each class has its own. It has no column, or zeros only, where
        nothing ties the nodes: with ``relationship="none"`` or zero weights Sigma is the identity
        over n_nodes. Nor has it any with ``"mean"``, of which `node_covariance` needs none.
    is_constant_ : ndarray of bool of shape (n_nodes,) or (n_nodes, n_classes)
        Whether a model answers alike for every row as far as the gap can tell: its slopes may be
        zero at the optimum, and move no decision by more than ``sqrt(dual_gap_ / objective_)`` of
        what it is. The order in which such a model ranks rows is rounding: its AUC is 0.5, whatever
        the signs of its slopes. The hinge has such models where classes are rare.
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

    Examples
    --------
    >>> from skfedmtl import FMTLClassifier, from_nodes
    >>> X, y, nodes = from_nodes({
    ...     "north": ([[0.0], [1.0], [2.0]], ["no", "yes", "yes"]),
    ...     "south": ([[0.0], [1.0], [2.0]], ["no", "no", "yes"]),
    ... })
    >>> model = FMTLClassifier().fit(X, y, nodes=nodes)
    >>> model.predict([[1.0], [1.0]], nodes=["north", "south"])
    array(['yes', 'no'], dtype='<U3')
    """

    _intercept_kind = "feature"

    _parameter_constraints = {
        **BaseFMTL._parameter_constraints,
        "loss": [StrOptions({"hinge", "squared_hinge", "logistic"}), HasMethods(list(REQUIRED))],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        *,
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
        self.lambda0 = lambda0
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.loss = loss
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
        self.class_weight = class_weight
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
            Classes, two or more in all; a node may hold only one of them.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows within their node.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row: integers, strings or booleans. None: one node, or the column
            `node_column`.

        Returns
        -------
        self : FMTLClassifier
            Fitted.
        """
        with whole_or_not_at_all(self):
            checked = self._read_fit(X, y, nodes, sample_weight)
            begin = partial(begin_fit, self, X=X, y=y, nodes=nodes, sample_weight=sample_weight)
            solutions = self._fit_checked(*checked, begin)
        self._warn_if_short(solutions, X, nodes)
        return self

    def _fit_checked(self, X, y, labels, codes, sample_weight, begin):
        self.classes_ = self._check_classes(y)
        weight = self._row_weights(y, sample_weight)
        if not weight.any():
            raise ValueError(
                f"class_weight={self.class_weight!r} leaves no row a weight above zero."
            )
        many = len(self.classes_) > 2
        task = begin(len(self.classes_) if many else self._most_rounds)
        if many:
            solutions = self._fit_one_vs_rest(taken(X), y, codes, labels, weight, task)
        else:
            signed_y = self._solver_targets(y)
            solutions = [self._fit_rows(X, signed_y, codes, labels, weight, task)]
        task.end(dict)
        return solutions

    def _check_classes(self, y):
        check_classification_targets(y)
        classes = np.unique(y)
        if len(classes) == 1:
            only = classes.tolist()[0]
            raise ValueError(f"y must hold two classes, got only one class: {only!r}.")
        return classes

    def _row_weights(self, y, sample_weight):
        position = np.searchsorted(self.classes_, y)
        largest = sample_weight.max(initial=0.0)
        if largest > LARGEST:  # sums would overflow, and only shares of them count
            sample_weight = sample_weight / largest
        return sample_weight * class_weights(
            self.class_weight, self.classes_, position, sample_weight
        )

    def _solver_targets(self, y):
        return np.where(np.asarray(y) == self.classes_[1], 1.0, -1.0)

    # -- more than two classes ------------------------------------------------------------

    def _part(self, label):
        """A model of two classes, not fitted: this one, and whatever else there is.

        The latter goes by no name: of `classes_` only the second counts, for the targets.
        """
        part = clone(self)
        part.classes_ = np.array([label, label])
        return part

    def _fit_one_vs_rest(self, X, y, codes, labels, weight, task: Task):
        """A model for each class against all others; objectives and gaps add up.

        Returns their solutions.
        """
        shape = X.shape[0], len(self.classes_)
        known = np.shape(getattr(self, "dual_coef_", ())) == shape
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        parts, solutions = [], []
        for number, label in enumerate(self.classes_):
            part = self._part(label).set_params(random_state=seed)
            if known:  # for a warm start
                self._lend(part, number)
                part._iterate = self._iterate[number] if isinstance(self._iterate, list) else None
            own, signs = task.subtask("class", self._most_rounds), part._solver_targets(y)
            solutions.append(part._fit_rows(X, signs, codes, labels, weight, own, whole=False))
            parts.append(part)
            own.end()
        self.nodes_ = labels
        self._iterate = [part._iterate for part in parts]
        for name, value in joined(parts).items():
            setattr(self, name, value)
        return solutions

    def _lend(self, part, number):
        """Tell the model of one class what the last fit has found of it."""
        part.nodes_ = self.nodes_
        for name in ("coef_", "intercept_", "dual_coef_"):
            setattr(part, name, getattr(self, name)[:, number])
        part.node_covariance_factor_ = self.node_covariance_factor_[number]
        for name in ("common_coef_", "common_intercept_"):
            values = getattr(self, name)
            setattr(part, name, None if values is None else values[number])

    def _parts(self):
        if len(self.classes_) == 2:
            return [self]
        parts = []
        for number, label in enumerate(self.classes_):
            part = self._part(label)
            self._lend(part, number)
            parts.append(part)
        return parts

    # -- prediction -----------------------------------------------------------------------

    def decision_function(self, X, *, nodes=None):
        """Decision values of each row under the model of its node.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row; needed if the model was fitted on several nodes, unless
            `node_column` says where it is.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            ``w_l . x + b_l``; positive for the second of two classes, else a column a class.
        """
        return self._decision(*self._check_predict(X, nodes))

    def predict(self, X, *, nodes=None):
        """Predict the class with the model of each row's node.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        nodes : array-like of shape (n_samples,), default=None
            As in `decision_function`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predicted classes.
        """
        check_is_fitted(self)
        decision = self.decision_function(X, nodes=nodes)
        if decision.ndim == 2:
            return self.classes_[decision.argmax(axis=1)]
        return self.classes_[(decision > 0).astype(int)]

    def score(self, X, y, *, sample_weight=None, nodes=None):
        """Accuracy over all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            True classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        nodes : array-like of shape (n_samples,), default=None
            As in `predict`.

        Returns
        -------
        score : float
            Share of rows predicted right, 0 to 1.
        """
        y = read_truth(y, "y", numeric=False)
        return accuracy_score(y, self.predict(X, nodes=nodes), sample_weight=sample_weight)
