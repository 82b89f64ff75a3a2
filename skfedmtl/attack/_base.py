"""What all poisoners share: the threat model, the injected rows, the refitted victim."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.utils import Bunch, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skfedmtl._base import BaseFMTL
from skfedmtl._nodes import check_nodes, lookup_nodes, split_node_column
from skfedmtl._sklearn import Interval, StrOptions, _check_sample_weight
from skfedmtl.attack._bilevel import upper_value
from skfedmtl.attack._start import CleanData, check_limits, draw_start, make_space
from skfedmtl.attack._tables import as_rows, concatenate, put_node_column
from skfedmtl.attack._threat import ATTACKS, draw_threat
from skfedmtl.attack._upper import Evaluation


def _victim_decides(poisoner):
    return hasattr(poisoner.estimator, "decision_function")


class BasePoisoner(MetaEstimatorMixin, BaseEstimator):
    """Draws a threat model, injects rows, refits the victim; subclasses craft the rows."""

    __metadata_request__fit = {"nodes": True}
    __metadata_request__predict = {"nodes": True}
    __metadata_request__decision_function = {"nodes": True}
    __metadata_request__score = {"nodes": True}

    _parameter_constraints: dict[str, list[Any]] = {
        "estimator": [BaseFMTL],
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

    def _fit(self, X, y, nodes, evaluation=(None, None, None)):
        """Fit the clean victim, craft the rows, refit the victim on clean and injected rows."""
        limits = check_limits(self, X)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        rng = np.random.default_rng(seed)
        self.clean_estimator_ = self._victim(seed).fit(X, y, **self._node_argument(nodes))
        victim = self.clean_estimator_
        clean = self._clean_data(X, y, nodes)
        n_rows = np.bincount(clean.codes, minlength=len(victim.nodes_))
        threat = draw_threat(
            self.attack,
            self.target_nodes,
            self.source_nodes,
            float(self.budget),
            victim.nodes_,
            n_rows,
            rng,
        )
        self.target_nodes_ = victim.nodes_[threat.targets]
        self.source_nodes_ = victim.nodes_[threat.sources]
        space = make_space(self, X, limits)

        def draw(rng):
            return draw_start(self, clean, threat, rng, space)

        evaluation = self._evaluation(clean, threat, evaluation)
        start, rows = self._craft(clean, threat, rng, draw, evaluation)
        rows = start.feasible.store(rows)
        self.poison_X_ = put_node_column(
            rows, victim.nodes_[start.codes], X, self._column(), space.kinds
        )
        self.poison_y_ = start.y
        self.poison_nodes_ = victim.nodes_[start.codes]
        data = self._poisoned(X, y, nodes)
        self.estimator_ = self._victim(seed).fit(data.X, data.y, **self._node_argument(data.nodes))
        self.objective_ = self._upper_value(evaluation or clean, threat.targets)
        self.n_features_in_ = victim.n_features_in_
        for name in ("feature_names_in_", "classes_"):
            if hasattr(victim, name):
                setattr(self, name, getattr(victim, name))
        return self

    def _upper_value(self, rows, targets):
        """H of the poisoned victim."""
        return upper_value(self.estimator_, rows, targets, "victim")

    def _evaluation(self, clean, threat, given):
        """The rows of the target nodes in `X_target`; None if that was not given."""
        X, y, nodes = given
        if X is None:
            return None
        victim = self.clean_estimator_
        names = ("X_target", "y_target", "nodes_target")
        try:
            codes = victim._check_predict(X, nodes)[1]
            rows = self._rows_of(X, y, codes)
        except ValueError as error:
            raise ValueError(f"{', '.join(names)}: {error}") from error
        missing = np.setdiff1d(threat.targets, rows.codes)
        if len(missing):
            raise ValueError(
                f"`nodes_target` has no row of the target nodes {victim.nodes_[missing].tolist()}."
            )
        return Evaluation(*rows)

    def _rows_of(self, X, y, codes):
        features, y = as_rows(X, self._column()), column_or_1d(y)
        check_consistent_length(features, y)
        if is_classifier(self.estimator) and len(
            unknown := np.setdiff1d(y, self.clean_estimator_.classes_)
        ):
            raise ValueError(
                f"y_target holds {unknown.tolist()}; known classes are "
                f"{self.clean_estimator_.classes_.tolist()}."
            )
        return CleanData(features, y, codes)

    def _column(self):
        """The node column: the poisoner's own, else the victim's."""
        return self.estimator.node_column if self.node_column is None else self.node_column

    def _victim(self, seed):
        """An unfitted clone of the victim that takes the nodes where the poisoner does."""
        victim = clone(self.estimator).set_params(node_column=self._column())
        if victim.random_state is None:
            # the poisoner's seed alone decides the bits of the result
            victim.set_params(random_state=seed)
        # anything else than a number is left for the victim's own check
        return victim.set_params(tol=self._tol()) if isinstance(victim.tol, Real) else victim

    def _tol(self):
        """The gap to which victims are solved: errors below it would pass for damage."""
        return min(float(self.estimator.tol), float(self.victim_tol))

    def _node_argument(self, nodes):
        return {} if nodes is None else {"nodes": nodes}

    def _clean_data(self, X, y, nodes):
        victim = self.clean_estimator_
        features = as_rows(X, self._column())
        if self._column() is not None:
            nodes = split_node_column(X, self._column())[1]
        if nodes is None:
            codes = np.zeros(len(features), dtype=np.int64)
        else:
            codes = lookup_nodes(check_nodes(nodes, len(features)), victim.nodes_)
        return CleanData(features, column_or_1d(y), codes)

    def _poisoned(self, X, y, nodes):
        n_clean, n_injected = len(np.asarray(y)), len(self.poison_y_)
        is_poison = np.repeat([False, True], [n_clean, n_injected])
        if nodes is not None:
            nodes = concatenate(nodes, self.poison_nodes_)
        return Bunch(
            X=concatenate(X, self.poison_X_),
            y=concatenate(y, self.poison_y_),
            nodes=nodes,
            is_poison=is_poison,
        )

    # -- poisoned data --------------------------------------------------------------------

    def poison(self, X, y, *, nodes=None):
        """Fit, and return the poisoned data set.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows.
        y : array-like of shape (n_samples,)
            Clean targets.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.

        Returns
        -------
        data : Bunch
            ``X``, ``y``, ``nodes`` (None if none were given): the clean rows first, in their
            order, container and dtype, then the injected ones; ``is_poison``, a boolean mask of
            shape (n_samples + n_injected,).
        """
        self.fit(X, y, nodes=nodes)
        return self._poisoned(X, y, nodes)

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
        """
        data = self.poison(X, y)
        return data.X, data.y

    # -- the poisoned victim --------------------------------------------------------------

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
        check_is_fitted(self)
        return self.estimator_.predict(X, nodes=nodes)

    @available_if(_victim_decides)
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
        decision : ndarray of shape (n_samples,)
            Decision values of `estimator_`.
        """
        check_is_fitted(self)
        return self.estimator_.decision_function(X, nodes=nodes)

    def score(self, X, y, *, sample_weight=None, nodes=None):
        """The attacker's aim: the mean error over the target nodes. Larger is stronger.

        The sign is opposite to that of scikit-learn's scorers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows, held out or not; rows of other nodes are ignored.
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
            If a target node has no row in `X`.
        """
        predicted = self.predict(X, nodes=nodes)
        truth = column_or_1d(y)
        check_consistent_length(X, truth)
        weight = _check_sample_weight(sample_weight, predicted)
        codes = self.estimator_._check_predict(X, nodes)[1]
        errors = []
        for label in self.target_nodes_:
            rows = (codes >= 0) & (self.estimator_.nodes_[codes] == label)
            if not rows.any():
                raise ValueError(f"`nodes` has no row of the target node {label!r}.")
            if is_classifier(self.estimator_):
                errors.append(np.average(truth[rows] != predicted[rows], weights=weight[rows]))
            else:
                square = np.square(truth[rows] - predicted[rows])
                errors.append(np.sqrt(np.average(square, weights=weight[rows])))
        return float(np.mean(errors))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if isinstance(self.estimator, BaseEstimator):
            victim = self.estimator.__sklearn_tags__()
            tags.estimator_type = victim.estimator_type
            tags.classifier_tags = victim.classifier_tags
            tags.regressor_tags = victim.regressor_tags
            tags.target_tags = victim.target_tags
            for part in (tags.classifier_tags, tags.regressor_tags):
                if part is not None:
                    part.poor_score = True
        return tags
