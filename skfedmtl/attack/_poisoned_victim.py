"""What predicts and scores as the victim that an attack has poisoned."""

from __future__ import annotations

import json
from copy import copy

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, is_classifier
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted

from skfedmtl._input import listing, read_truth, read_weights, refuse_masked, take_nodes
from skfedmtl._tools.sklearn import chosen, last_step
from skfedmtl.attack._setting import Victim


def _victim_has(method):
    return lambda poisoner: hasattr(last_step(poisoner.estimator), method)


def with_chosen_victim(attack):
    """The attack itself, or one of the same parameters on what a fitted search has chosen."""
    best = chosen(attack.estimator)
    if best is attack.estimator:
        return attack
    twin = copy(attack)
    twin.estimator = best
    return twin


class WithVictim(MetaEstimatorMixin, BaseEstimator):
    """Has a victim as `estimator`; a search keeps nothing when it is cloned, what it chose does."""

    def __sklearn_clone__(self):
        return BaseEstimator.__sklearn_clone__(with_chosen_victim(self))

    def _validate_params(self):
        for name in ("target_nodes", "source_nodes"):
            label = getattr(self, name, None)
            if isinstance(label, str):
                raise ValueError(
                    f"`{name}` must be a list of labels, got the string {label!r}; a single node "
                    f"is [{json.dumps(label, ensure_ascii=False)}]."
                )
        super()._validate_params()


class PoisonedVictim(WithVictim):
    """Answers by its `estimator_`, and scores by the errors of its `target_nodes_`."""

    def _open(self, X, nodes):
        """Its FMTL estimator, and rows and nodes as that sees them: a Pipeline takes no column."""
        refuse_masked(X=X)
        victim = Victim(self.estimator_)
        if victim.in_pipeline:
            X, nodes = take_nodes(self, X, nodes, reset=False, words=victim.encodes)
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
