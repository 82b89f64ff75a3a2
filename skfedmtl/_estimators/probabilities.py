"""Probabilities of classes, of losses whose decision values are log-odds."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.utils.metaestimators import available_if

from skfedmtl._model import LOSSES


def _has_probabilities(classifier):
    loss = LOSSES.get(classifier.loss) if isinstance(classifier.loss, str) else None
    if loss is not None and loss.has_probabilities:
        return True
    raise AttributeError(
        f"loss={classifier.loss!r} has no probabilities: use loss='logistic', or "
        "sklearn.calibration.CalibratedClassifierCV around this classifier."
    )


class _OfLogOdds:
    """A method of losses that have probabilities; of others scikit-learn would not say why not."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._guarded = available_if(_has_probabilities)(method)
        update_wrapper(self, method)

    def __get__(self, model: Any, owner: Any = None) -> Any:
        if model is not None:
            _has_probabilities(model)
        return self._guarded.__get__(model, owner)


class ProbabilityMixin:
    """Of classifiers with these attributes."""

    loss: Any
    decision_function: Any

    __metadata_request__predict_proba = {"nodes": True}
    __metadata_request__predict_log_proba = {"nodes": True}

    @_OfLogOdds
    def predict_proba(self, X, *, nodes=None):
        """Probabilities of the classes; with ``loss="logistic"`` only.

        Other losses have none: `sklearn.calibration.CalibratedClassifierCV` makes them from
        decision values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        nodes : array-like of shape (n_samples,), default=None
            As in `decision_function`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. Of two classes: ``1 / (1 + exp(f))`` and
            ``1 / (1 + exp(-f))`` for the decision value ``f``. Of more: ``1 / (1 + exp(-f_k))``,
            over their sum.

        Examples
        --------
        >>> from skfedmtl import FMTLClassifier
        >>> model = FMTLClassifier(loss="logistic").fit([[-1.0], [1.0]], ["no", "yes"])
        >>> model.predict_proba([[0.0]]).round(2)
        array([[0.5, 0.5]])
        """
        return np.exp(self.predict_log_proba(X, nodes=nodes))

    @_OfLogOdds
    def predict_log_proba(self, X, *, nodes=None):
        """Logarithms of `predict_proba`, which do not vanish where a probability does.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        nodes : array-like of shape (n_samples,), default=None
            As in `decision_function`.

        Returns
        -------
        logarithms : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        decision = self.decision_function(X, nodes=nodes)
        if decision.ndim == 1:
            return -np.logaddexp(0.0, np.column_stack([decision, -decision]))
        each = -np.logaddexp(0.0, -decision)
        return each - logsumexp(each, axis=1, keepdims=True)
