"""The public detector of poisoned rows and nodes."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target

from skfedmtl._estimators import FMTLClassifier, FMTLRegressor, whole_or_not_at_all
from skfedmtl._input import MAX_DENSE_NODES, check_dense, from_polars, read_targets
from skfedmtl._model import LOSSES
from skfedmtl._tools.doc_link import DocLinkMixin
from skfedmtl._tools.sklearn import Instance, Interval, StrOptions, _fit_context
from skfedmtl._victim import FEDERATED_VICTIM, FederatedVictim
from skfedmtl.defense._node_scores import node_scores
from skfedmtl.defense._row_scores import Table, isolations, losses, pulls, ranks

__all__ = ["PoisonDetector"]


class PoisonDetector(DocLinkMixin, MetaEstimatorMixin, BaseEstimator):
    """Scores of rows and nodes by how much they look injected, and the rows that stand out.

    Rows are held against those of the same node and class: the highest scores of each such group
    are called outliers, so that a rare class is thinned like any other and not removed. What a
    group shares, its detector cannot see: where most rows of a class in a node were injected,
    the clean ones stand out.

    Parameters
    ----------
    estimator : FMTLClassifier, FMTLRegressor or None, default=None
        Whose fit tells what rows and nodes do. None: a classifier if `y` holds classes, a
        regressor if it holds floats with fractions, with their default parameters.
    row_score : {"pull", "loss", "isolation"}, default="pull"
        Of rows. ``"pull"``: ``|a_i| sqrt(1 + ||x_i - mean||^2)``, the pull of the row at the
        weights of its node, with its dual variable a_i and the mean of the node's rows.
        ``"loss"``: the loss of the row under the fit. Where there are more than two classes,
        losses are sums over them, and ``|a_i|`` is a Euclidean norm. ``"isolation"``: how soon an
        isolation forest of all distinct rows parts the row with its target from the others; no
        fit is needed for that.
    contamination : float, default=0.1
        Share of the rows that are called outliers, above 0 and at most 0.5.
    score_nodes : bool, default=True
        Whether nodes are scored as well, which needs a refit a node.
    node_column : str, int or None, default=None
        Column of `X` that holds the nodes; None takes the estimator's.
    n_jobs : int or None, default=None
        Refits, and parts of the forest, that run at a time, as in joblib; without effect on the
        result.
    random_state : int, RandomState instance or None, default=None
        Draws the forest, and the fits of an estimator that has no `random_state`.

    Attributes
    ----------
    negative_outlier_factor_ : ndarray of shape (n_samples,)
        The lower, the more abnormal: minus the rank of the row's score among the rows of its node
        and class, as a share of them, between -1 and 0. Rows of equal scores share their ranks.
    offset_ : float
        Rows below it are outliers: ``contamination - 1``.
    scores_ : ndarray of shape (n_samples,)
        The scores themselves, of rows of any node and class; the higher, the more abnormal.
    node_scores_ : dict of ndarray of shape (n_nodes,)
        In the order of `nodes_`, the higher the more suspect; not there without `score_nodes`.
        ``"effect"``: the share of another node's mean loss that leaving this node out takes off,
        the median of the others, 0 where there is none. ``"parting"``: 1 less the largest
        correlation with another node in size, 1 where there is none.
    nodes_ : ndarray of shape (n_nodes,)
        Labels of the nodes.
    n_features_in_ : int
        Columns of `X`.
    feature_names_in_ : ndarray of str
        Names of the columns, if `X` had names.

    Raises
    ------
    ValueError
        In `fit`, for a wrong parameter or wrong data; the message names the argument.
    TypeError
        For sparse rows.

    Notes
    -----
    The values are those of scikit-learn's outlier detectors, +1 and -1, but targets are needed, so
    that this is none to `sklearn.base.is_outlier_detector`. The order of the rows is without effect
    on any value.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl import FMTLRegressor, PoisoningAttacker
    >>> from skfedmtl.defense import PoisonDetector
    >>> rng = np.random.default_rng(0)
    >>> X, nodes = rng.normal(size=(90, 2)), np.repeat(["a", "b", "c"], 30)
    >>> threat = {"target_nodes": ["a"], "budget": 0.1, "random_state": 0}
    >>> attacker = PoisoningAttacker(FMTLRegressor(), **threat)
    >>> data = attacker.poison(X, X @ [1.0, -1.0], nodes=nodes)
    >>> detector = PoisonDetector(FMTLRegressor(), random_state=0)
    >>> found = detector.fit_predict(data.X, data.y, nodes=data.nodes)
    >>> found[data.is_poison]
    array([-1, -1, -1])
    >>> detector.nodes_[detector.node_scores_["effect"].argmax()]
    np.str_('a')
    """

    __metadata_request__fit = {"nodes": True}

    _parameter_constraints = {
        "estimator": [Instance((FederatedVictim,), FEDERATED_VICTIM), None],
        "row_score": [StrOptions({"pull", "loss", "isolation"})],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "score_nodes": ["boolean"],
        "node_column": [None, Integral, str],
        "n_jobs": [None, Integral],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        row_score="pull",
        contamination=0.1,
        score_nodes=True,
        node_column=None,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.row_score = row_score
        self.contamination = contamination
        self.score_nodes = score_nodes
        self.node_column = node_column
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, nodes=None):
        """Score rows and nodes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of all nodes, in any order.
        y : array-like of shape (n_samples,)
            Targets.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row: integers, strings or booleans. None: one node, or the column
            `node_column`.

        Returns
        -------
        self : PoisonDetector
            Fitted.
        """
        with whole_or_not_at_all(self):
            check_dense(X, user="detectors")
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            model = self._unfitted(y, seed)
            rows, targets, labels, codes, _ = model._check_fit(X, y, nodes, None)
            if self.score_nodes and len(labels) > MAX_DENSE_NODES:
                raise ValueError(
                    f"score_nodes=True refits once a node, of which there are {len(labels)}; at "
                    f"most {MAX_DENSE_NODES} are allowed. Use score_nodes=False."
                )
            table = Table.sorted(rows, targets, codes, len(labels))
            self._score(model, table, labels, seed)
            self.nodes_ = labels
            self.n_features_in_ = model.n_features_in_
            if hasattr(model, "feature_names_in_"):
                self.feature_names_in_ = model.feature_names_in_
        return self

    def _unfitted(self, y, seed):
        """The estimator that is asked for, to be fitted more than once."""
        model = self.estimator
        if model is None:
            model = FMTLClassifier() if _holds_classes(y) else FMTLRegressor()
        model = clone(model).set_params(warm_start=True)
        if self.node_column is not None:
            model.set_params(node_column=self.node_column)
        if model.random_state is None:
            model.set_params(random_state=seed)
        return model

    def _score(self, model, table, labels, seed):
        classify = not LOSSES[model.loss].is_regression
        if self.score_nodes or self.row_score != "isolation":
            model = clone(model).set_params(node_column=None)
            model.fit(table.X, table.y, nodes=labels[table.codes])
        if self.row_score == "isolation":
            classes = np.unique(table.y) if classify else None
            scores = isolations(table, classes, seed, self.n_jobs)
        else:
            scores = (pulls if self.row_score == "pull" else losses)(model, table)
        if self.score_nodes:
            self.node_scores_ = node_scores(model, table, self.n_jobs)
        self.scores_ = table.as_given(scores)
        self.negative_outlier_factor_ = -table.as_given(ranks(scores, table, by_class=classify))
        self.offset_ = float(self.contamination) - 1.0

    def fit_predict(self, X, y, *, nodes=None):
        """Score rows and nodes, and tell the rows that stand out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of all nodes, in any order.
        y : array-like of shape (n_samples,)
            Targets.
        nodes : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            -1 for outliers, +1 for the others.
        """
        self.fit(X, y, nodes=nodes)
        return np.where(self.negative_outlier_factor_ < self.offset_, -1, 1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _holds_classes(y):
    """Whether these targets are classes, not numbers; what is neither, the estimators refuse."""
    if y is None:
        return False
    targets = read_targets(from_polars(y), "y", numeric=False, mixed=True)
    return not type_of_target(targets, input_name="y").startswith("continuous")
