"""What all poisoners share: the threat model, the injected rows, the refitted victim."""

from __future__ import annotations

from copy import copy
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, is_classifier
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from skfedmtl._estimators import whole_or_not_at_all
from skfedmtl._input import (
    from_polars,
    listing,
    one_column,
    read_truth,
    read_weights,
    refuse_masked,
    take_nodes,
    to_polars,
)
from skfedmtl._tools.doc_link import DocLinkMixin
from skfedmtl._tools.sklearn import Interval, Search, StrOptions, chosen, last_step
from skfedmtl._tools.task import NO_TASK
from skfedmtl._victim import FederatedVictim
from skfedmtl.attack._setting import (
    ATTACKS,
    Parameters,
    Victim,
    as_given,
    check_victim,
    in_frame,
    poisoned_data,
    read_scenario,
    warn_of_departures,
)


def _victim_has(method):
    return lambda poisoner: hasattr(last_step(poisoner.estimator), method)


class WithVictim(MetaEstimatorMixin, BaseEstimator):
    """Has a victim as `estimator`; a search keeps nothing when it is cloned, what it chose does."""

    def __sklearn_clone__(self):
        return BaseEstimator.__sklearn_clone__(with_chosen_victim(self))


def with_chosen_victim(attack):
    """The attack itself, or one of the same parameters on what a fitted search has chosen."""
    best = chosen(attack.estimator)
    if best is attack.estimator:
        return attack
    twin = copy(attack)
    twin.estimator = best
    return twin


class BasePoisoner(DocLinkMixin, WithVictim):
    """Draws a threat model, injects rows, refits the victim; subclasses craft the rows."""

    __metadata_request__fit = {"nodes": True}
    __metadata_request__predict = {"nodes": True}
    __metadata_request__decision_function = {"nodes": True}
    __metadata_request__predict_proba = {"nodes": True}
    __metadata_request__score = {"nodes": True}

    _parameter_constraints: dict[str, list[Any]] = {
        "estimator": [FederatedVictim, Pipeline, Search],
        "attack": [StrOptions(set(ATTACKS))],
        "target_nodes": [Interval(Real, 0, 1, closed="right"), "array-like"],
        "source_nodes": [None, "array-like"],
        "choose_sources": [StrOptions({"random", "influence"})],
        "budget": [Interval(Real, 0, None, closed="left")],
        "radius": [StrOptions({"max"}), Interval(Real, 0, None, closed="neither")],
        "feature_range": [None, StrOptions({"clean", "clean-all"}), "array-like"],
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

    def _fit(self, X, y, nodes, sample_weight=None, evaluation=(None, None, None), task=NO_TASK):
        """Fit the clean victim, craft the rows, refit the victim on clean and injected rows.

        `evaluation` are rows to be judged, their targets and nodes; what is crafted step by step
        is a part of `task`.
        """
        with whole_or_not_at_all(self):
            judged = evaluation[0] is None
            scenario = self._read(X, y, nodes, sample_weight, judged=judged)
            scenario = scenario.with_fitted_victim(evaluation)
            injected = self._inject(scenario, task)
            warn_of_departures(scenario, injected)
            poisoned = scenario.poisoned_victim(injected)
            self._record(scenario, injected, poisoned)
        return self

    def _read(self, X, y, nodes, sample_weight, *, judged=True):
        """The setting of an attack on these rows; reading leaves no mark on the poisoner."""
        given = X, y, nodes, sample_weight
        return read_scenario(Parameters.of(self), copy(self), *given, judged=judged)

    def _inject(self, scenario, task):
        """The injected rows; subclasses craft them."""
        raise NotImplementedError

    def _record(self, scenario, injected, poisoned):
        """Set the fitted attributes."""
        labels, targets = scenario.labels, scenario.threat.targets
        self.clean_estimator_ = scenario.victim.estimator
        self.estimator_ = poisoned.estimator
        self.target_nodes_ = labels[targets]
        self.source_nodes_ = labels[scenario.threat.sources]
        self.poison_X_ = injected.X
        self.poison_y_ = injected.y
        self.poison_nodes_ = labels[injected.codes]
        self.poison_origin_ = injected.origin
        self.poison_sample_weight_ = scenario.weights_of(injected)
        self.criterion_, self.objective_ = scenario.measure.of(self.estimator_)
        validate_data(self, scenario.X, skip_check_array=True)
        model = scenario.victim.model
        if hasattr(model, "classes_"):
            self.classes_ = model.classes_

    # -- poisoned data --------------------------------------------------------------------

    def _poisoned(self, X, y, nodes, sample_weight=None):
        """The data, and behind them the injected rows."""
        injected = self.poison_X_, self.poison_y_, self.poison_nodes_
        if sample_weight is not None:
            weight = read_weights(sample_weight, X)
            sample_weight = np.concatenate([weight, self.poison_sample_weight_])
        return poisoned_data((X, y, nodes), injected, sample_weight)

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

    def _open(self, X, nodes):
        """Its FMTL estimator, and rows and nodes as that sees them: a Pipeline takes no column."""
        refuse_masked(X=X)
        victim = Victim(self.estimator_)
        if victim.in_pipeline:
            X, nodes = take_nodes(self, X, nodes, reset=False)
        return victim.model, victim.transform(X), nodes

    def _answer(self, method, X, nodes):
        """What a method of the poisoned victim says of these rows."""
        check_is_fitted(self)
        model, X, nodes = self._open(X, nodes)
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
        model, X, nodes = self._open(X, nodes)
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


def draw_nodes(poisoner, nodes, judged):
    """Labels of the targets and sources as `fit` draws them, but targets are `judged` nodes.

    Sources are None where `fit` chooses them. `nodes` are the labels of the rows to be fitted to,
    as they have been read.
    """
    poisoner._validate_params()
    parameters = Parameters.of(poisoner)
    check_victim(parameters.estimator, type(poisoner).__name__)
    labels, codes = parameters.model._encode(nodes, len(nodes))
    rng = np.random.default_rng(parameters.draw_seed())
    threat = parameters.draw_threat(labels, codes, rng, np.isin(labels, judged))
    chosen = parameters.sources_follow_influence
    return labels[threat.targets], None if chosen else labels[threat.sources]
