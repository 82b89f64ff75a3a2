"""What all poisoners share: the threat model, the injected rows, the refitted victim."""

from __future__ import annotations

from copy import copy
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, is_classifier
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from skfedmtl._estimators import BaseFMTL, whole_or_not_at_all
from skfedmtl._input import (
    from_polars,
    listing,
    n_rows,
    one_column,
    read_targets,
    read_truth,
    read_weights,
    refuse_lazy,
    refuse_masked,
    split_node_column,
    take_nodes,
    to_polars,
)
from skfedmtl._tools.doc_link import DocLinkMixin
from skfedmtl._tools.sklearn import Interval, StrOptions, last_step
from skfedmtl.attack._bilevel import upper_value
from skfedmtl.attack._setting import (
    ATTACKS,
    CleanData,
    Victim,
    as_given,
    as_rows,
    check_label_kind,
    check_limits,
    check_victim,
    draw_start,
    draw_threat,
    in_frame,
    injected_weights,
    make_space,
    poisoned_data,
    put_node_column,
    read_evaluation,
    refuse_weightless,
    unfitted,
)


def _victim_has(method):
    return lambda poisoner: hasattr(last_step(poisoner.estimator), method)


class BasePoisoner(DocLinkMixin, MetaEstimatorMixin, BaseEstimator):
    """Draws a threat model, injects rows, refits the victim; subclasses craft the rows."""

    __metadata_request__fit = {"nodes": True}
    __metadata_request__predict = {"nodes": True}
    __metadata_request__decision_function = {"nodes": True}
    __metadata_request__predict_proba = {"nodes": True}
    __metadata_request__score = {"nodes": True}

    _parameter_constraints: dict[str, list[Any]] = {
        "estimator": [BaseFMTL, Pipeline],
        "attack": [StrOptions(set(ATTACKS))],
        "target_nodes": [Interval(Real, 0, 1, closed="right"), "array-like"],
        "source_nodes": [None, "array-like"],
        "budget": [Interval(Real, 0, None, closed="left")],
        "radius": [StrOptions({"max"}), Interval(Real, 0, None, closed="neither")],
        "feature_range": [None, "array-like"],
        "frozen_features": [None, "array-like"],
        "integer_features": [None, "array-like"],
        "one_hot_groups": [None, "array-like"],
        "labels": [StrOptions({"auto", "flip", "extreme", "random", "keep"})],
        "init": [StrOptions({"clean", "ball"})],
        "victim_tol": [Interval(Real, 0, None, closed="neither")],
        "node_column": [None, Integral, str],
        "random_state": ["random_state"],
    }

    # -- fit ------------------------------------------------------------------------------

    def _fit(self, X, y, nodes, sample_weight=None, evaluation=(None, None, None)):
        """Fit the clean victim, craft the rows, refit the victim on clean and injected rows."""
        with whole_or_not_at_all(self):
            refuse_masked(X=X, y=y)
            refuse_lazy(nodes, "nodes")
            X, y, nodes = map(from_polars, (X, y, nodes))
            check_victim(self.estimator, type(self).__name__)
            numeric = not is_classifier(last_step(self.estimator))
            y = read_targets(y, "y", numeric=numeric)
            limits = self._limits(X)
            seed = self._draw_seed()
            rng = np.random.default_rng(seed)
            victim = unfitted(self.estimator, self._column(), self._tol(), seed)
            seen, where = self._seen(victim, X, nodes, reset=True)
            labels, codes = self._nodes_of(victim.model, X, nodes)
            threat = self._draw_threat(labels, codes, rng)
            weight = read_weights(sample_weight, X)
            refuse_weightless(weight, codes, threat, labels, judged=evaluation[0] is None)
            own = None if sample_weight is None else weight
            victim.fit(seen, y, where, own)
            self.clean_estimator_ = victim.estimator
            self.target_nodes_ = labels[threat.targets]
            self.source_nodes_ = labels[threat.sources]
            clean = CleanData(as_rows(X, self._column()), column_or_1d(y), codes, weight)
            evaluation = read_evaluation(self, evaluation, threat.targets)
            injected = self._inject(X, clean, threat, rng, limits, evaluation)
            self.poison_X_, self.poison_y_, places = injected
            self.poison_nodes_ = labels[places]
            self.poison_sample_weight_ = injected_weights(weight, codes, places)
            data = self._poisoned(X, y, nodes, own)
            poisoned = unfitted(self.estimator, self._column(), self._tol(), seed)
            seen, where = self._seen(poisoned, data.X, data.nodes)
            poisoned.fit_behind(victim, seen, data.y, where, data.sample_weight)
            self.estimator_ = poisoned.estimator
            self.objective_ = self._upper_value(evaluation or clean, threat.targets)
            validate_data(self, X, skip_check_array=True)
            if hasattr(victim.model, "classes_"):
                self.classes_ = victim.model.classes_
        return self

    def _draw_seed(self):
        return check_random_state(self.random_state).randint(np.iinfo(np.int32).max)

    def _nodes_of(self, model, X, nodes):
        """The labels that the victim will know, and every row's position among them."""
        if not (n_samples := n_rows(X, "X")):
            raise ValueError("`X` has no rows; at least one a target node is needed.")
        column = self._column()
        if column is not None:
            nodes = split_node_column(X, column)[1]
        return model._encode(nodes, n_samples)

    def _draw_threat(self, labels, codes, rng, judged=None):
        """Targets, sources and numbers of rows, refused before anything is fitted."""
        counts = np.bincount(codes, minlength=len(labels))
        chosen = self.target_nodes, self.source_nodes, float(self.budget)
        return draw_threat(self.attack, *chosen, labels, counts, rng, judged)

    def _draw_nodes(self, nodes, judged):
        """Labels of the targets and sources as `fit` draws them, but targets are `judged` nodes."""
        self._validate_params()
        check_victim(self.estimator, type(self).__name__)
        labels, codes = last_step(self.estimator)._encode(nodes, len(nodes))
        rng = np.random.default_rng(self._draw_seed())
        threat = self._draw_threat(labels, codes, rng, np.isin(labels, judged))
        return labels[threat.targets], labels[threat.sources]

    def _limits(self, X):
        """What users ask of injected rows, refused before anything is fitted if no row has it."""
        check_label_kind(self.labels, last_step(self.estimator))
        return check_limits(self, X)

    def _inject(self, X, clean, threat, rng, limits, evaluation):
        """Injected rows in the layout of `X`, their targets, and the positions of their nodes."""
        space = make_space(self, X, limits)

        def draw(rng):
            return draw_start(self, clean, threat, rng, space)

        start, rows = self._craft(clean, threat, rng, draw, evaluation)
        rows, codes = start.feasible.store(rows), start.codes
        labels = last_step(self.clean_estimator_).nodes_[codes]
        table = put_node_column(rows, labels, X, self._column(), space.kinds)
        return table, start.y, codes

    def _upper_value(self, rows, targets):
        """H of the poisoned victim."""
        return upper_value(self.estimator_, rows, targets, "victim")

    def _column(self):
        """The node column: the poisoner's own, else the victim's."""
        own = self.node_column
        return last_step(self.estimator).node_column if own is None else own

    def _tol(self):
        """The gap to which victims are solved: errors below it would pass for damage."""
        tol = last_step(self.estimator).tol
        return min(float(tol), float(self.victim_tol)) if isinstance(tol, Real) else tol

    def _seen(self, victim, X, nodes, *, reset=False):
        """The rows and nodes a victim is given: a Pipeline would scale a node column."""
        return take_nodes(self, X, nodes, reset=reset) if victim.in_pipeline else (X, nodes)

    def _open(self, estimator, X, nodes):
        """The FMTL estimator in a fitted victim, and rows and nodes as it sees them."""
        refuse_masked(X=X)
        victim = Victim(estimator)
        X, nodes = self._seen(victim, X, nodes)
        return victim.model, victim.transform(X), nodes

    def _poisoned(self, X, y, nodes, sample_weight=None):
        injected = self.poison_X_, self.poison_y_, self.poison_nodes_
        if sample_weight is not None:
            weight = read_weights(sample_weight, X)
            sample_weight = np.concatenate([weight, self.poison_sample_weight_])
        return poisoned_data((X, y, nodes), injected, sample_weight)

    # -- poisoned data --------------------------------------------------------------------

    def poison(self, X, y, *, sample_weight=None, nodes=None):
        """Fit, and return the poisoned data set.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows.
        y : array-like of shape (n_samples,)
            Clean targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the clean rows within their node.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.

        Returns
        -------
        data : Bunch
            ``X``, ``y``, ``nodes`` (None if none were given): the clean rows first, in their
            order, container and dtype, then the injected ones; ``sample_weight``, an array of
            their weights (None if none were given), in which an injected row has the mean of the
            clean rows of its node; ``is_poison``, a boolean mask. All have n_samples + n_injected
            entries.

        Examples
        --------
        Rows crafted against one model may hurt others; any estimator can be fitted to them:

        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> from skfedmtl import FMTLRegressor, PoisoningAttacker
        >>> rng = np.random.default_rng(0)
        >>> X, nodes = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
        >>> y, a = X @ [1.0, -1.0], nodes == "a"
        >>> attacker = PoisoningAttacker(FMTLRegressor(), target_nodes=["a"], random_state=0)
        >>> data = attacker.poison(X, y, nodes=nodes)
        >>> local = Ridge().fit(data.X[data.nodes == "a"], data.y[data.nodes == "a"])
        >>> local.score(X[a], y[a]) < Ridge().fit(X[a], y[a]).score(X[a], y[a])
        True
        """
        self.fit(X, y, sample_weight=sample_weight, nodes=nodes)
        given = X, one_column(y), nodes
        data = self._poisoned(*map(from_polars, given), sample_weight)
        for name, one in zip(("X", "y", "nodes"), given, strict=True):
            data[name] = to_polars(data[name], one)
        data.y = in_frame(data.y, y)
        return data

    def fit_resample(self, X, y):
        """Fit, and return the poisoned rows and targets (imbalanced-learn's protocol).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows; the nodes are the column `node_column`.
        y : array-like of shape (n_samples,)
            Clean targets.

        Returns
        -------
        X : array-like of shape (n_samples + n_injected, n_features)
            Clean rows, then injected ones.
        y : array-like of shape (n_samples + n_injected,)
            Their targets.

        Examples
        --------
        >>> import numpy as np
        >>> from skfedmtl import FMTLRegressor, RandomPoisoner
        >>> table = np.column_stack([np.linspace(0.0, 1.0, 40), np.repeat([0, 1], 20)])
        >>> poisoner = RandomPoisoner(FMTLRegressor(node_column=1), random_state=0)
        >>> X, y = poisoner.fit_resample(table, table[:, 0])
        >>> X.shape, y.shape
        ((44, 2), (44,))
        """
        data = self.poison(X, y)
        return as_given(data.X, X), as_given(data.y, y)

    # -- the poisoned victim --------------------------------------------------------------

    def _answer(self, method, X, nodes):
        """What a method of the poisoned victim says of these rows."""
        check_is_fitted(self)
        model, X, nodes = self._open(self.estimator_, X, nodes)
        return getattr(model, method)(X, nodes=nodes)

    def predict(self, X, *, nodes=None):
        """Predict with the poisoned victim.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions of `estimator_`.
        """
        return self._answer("predict", X, nodes)

    @available_if(_victim_has("decision_function"))
    def decision_function(self, X, *, nodes=None):
        """Decision values of the poisoned victim.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values of `estimator_`.
        """
        return self._answer("decision_function", X, nodes)

    @available_if(_victim_has("predict_proba"))
    def predict_proba(self, X, *, nodes=None):
        """Probabilities of the classes by the poisoned victim.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Those of `estimator_`.
        """
        return self._answer("predict_proba", X, nodes)

    def score(self, X, y, *, sample_weight=None, nodes=None):
        """The attacker's aim: the mean error over the target nodes. Larger is stronger.

        The sign is opposite to that of scikit-learn's scorers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows, held out or not; rows of other nodes, known or not, are ignored.
        y : array-like of shape (n_samples,)
            Their true targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows within their node.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.

        Returns
        -------
        error : float
            Mean over the target nodes of the error rate (0 to 1), or of the root mean squared
            error in the units of y.

        Raises
        ------
        ValueError
            If a target node has no row in `X`, or no weight; for targets with gaps, of the wrong
            type or shape, and for negative weights.
        """
        check_is_fitted(self)
        model, X, nodes = self._open(self.estimator_, X, nodes)
        model = copy(model).set_params(handle_unknown="mean")
        predicted = model.predict(X, nodes=nodes)
        classify = is_classifier(model)
        truth = column_or_1d(read_truth(y, "y", numeric=not classify))
        check_consistent_length(X, truth)
        if classify:
            # both refuse what are no classes like those of the fit; not every version does alone
            accuracy_score(truth, predicted)
            unique_labels(model.classes_, truth)
        weight = read_weights(sample_weight, predicted)
        codes = model._check_predict(X, nodes)[1]
        errors = []
        for label in self.target_nodes_:
            rows = (codes >= 0) & (model.nodes_[codes] == label)
            if not rows.any():
                raise ValueError(
                    f"`nodes` has no row of the target node {listing(label)}. In a "
                    "cross-validation a target needs as many rows as there are folds: name such "
                    "nodes in target_nodes."
                )
            if not weight[rows].any():
                raise ValueError(
                    f"`sample_weight` holds zeros only for the target node {listing(label)}."
                )
            if classify:
                errors.append(np.average(truth[rows] != predicted[rows], weights=weight[rows]))
            else:
                square = np.square(truth[rows] - predicted[rows])
                errors.append(np.sqrt(np.average(square, weights=weight[rows])))
        return float(np.mean(errors))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        model = last_step(self.estimator)
        if isinstance(model, BaseEstimator):
            victim = model.__sklearn_tags__()
            tags.estimator_type = victim.estimator_type
            tags.classifier_tags = victim.classifier_tags
            tags.regressor_tags = victim.regressor_tags
            tags.target_tags = victim.target_tags
            for part in (tags.classifier_tags, tags.regressor_tags):
                if part is not None:
                    part.poor_score = True
        return tags


def clean_twin(poisoner):
    """The fitted poisoner before its attack: it predicts and scores by the clean victim."""
    twin = copy(poisoner)
    twin.estimator_ = poisoner.clean_estimator_
    return twin
