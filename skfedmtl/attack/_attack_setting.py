"""What a poisoner that users write is told of the attack."""

from __future__ import annotations

from copy import copy
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skfedmtl._input import check_nodes, listing
from skfedmtl._typing import Array
from skfedmtl.attack._setting import (
    Injected,
    Scenario,
    as_targets,
    target_ranges,
)

__all__ = ["AttackSetting"]


class AttackSetting:
    """All that `craft` of a `BasePoisoner` may use: rows, nodes, limits, the victim.

    One is made by every fit, after the victim has been fitted to the clean rows. Its arrays cannot
    be written to. With n clean rows of d features, k injected rows and m nodes:

    Parameters
    ----------
    scenario : object
        What the poisoner has read; made by the package.

    Attributes
    ----------
    X : ndarray of shape (n, d)
        Clean rows in float64 without the node column, before the steps of a Pipeline, their gaps
        filled as its imputers do. A word is its position in ``categories_`` of the encoder that
        reads it.
    y : ndarray of shape (n,)
        Clean targets as given: classes or numbers.
    nodes : ndarray of shape (n,)
        The label of each row's node.
    sample_weight : ndarray of shape (n,)
        Weights of the clean rows, ones if none were given.
    target_nodes, source_nodes : ndarray
        Labels of the nodes to be hurt and of those that inject.
    poison_nodes : ndarray of shape (k,)
        The node of each row to inject, which the budget fixes.
    X_start : ndarray of shape (k, d)
        Rows to begin with, as `RandomPoisoner` injects them: they keep to every limit.
    y_start : ndarray of shape (k,)
        Their targets, as the parameter `labels` says.
    radius : ndarray of shape (k,)
        Norm that each row may have at most.
    victim : estimator
        Fitted on the clean rows. Its own `predict` wants them as users gave them, with the node
        column if it has one; ``setting.predict`` takes rows like ``X`` for every victim.
    rng : numpy.random.Generator
        Draws whatever `craft` draws: so `random_state` alone decides.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.attack import BasePoisoner
    >>> class Outward(BasePoisoner):
    ...     def craft(self, setting):
    ...         print(setting.poison_nodes.tolist(), setting.X_start.shape)
    ...         return setting.project(100.0 * setting.X_start), setting.y_start
    >>> rng = np.random.default_rng(0)
    >>> X, nodes = rng.normal(size=(20, 2)), np.repeat(["a", "b"], 10)
    >>> poisoner = Outward(FMTLRegressor(), target_nodes=["a"], random_state=0)
    >>> poisoner = poisoner.fit(X, X @ [1.0, -1.0], nodes=nodes)
    ['a', 'a'] (2, 2)
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._start = scenario.draw_start(scenario.rng)
        clean, labels, threat = scenario.clean, scenario.labels, scenario.threat
        self.X: Array = _locked(scenario.rows)
        self.y: NDArray[Any] = _locked(clean.y)
        self.nodes: NDArray[Any] = _locked(labels[clean.codes])
        self.sample_weight: Array = _locked(clean.weight)
        self.target_nodes: NDArray[Any] = _locked(labels[threat.targets])
        self.source_nodes: NDArray[Any] = _locked(labels[threat.sources])
        self.poison_nodes: NDArray[Any] = _locked(labels[self._start.codes])
        self.X_start: Array = _locked(scenario.close(self._start.X))
        self.y_start: NDArray[Any] = _locked(self._start.y)
        self.radius: Array = _locked(self._start.feasible.radius)
        self.victim: Any = scenario.victim.estimator
        self.rng: np.random.Generator = scenario.rng

    def project(self, X: ArrayLike) -> Array:
        """Move rows to the nearest ones that every limit allows.

        Until rows are stored, whole numbers may have fractions, and one-hot groups be shares that
        sum to 1. A column that an encoder of the victim reads holds one of its clean values, the
        nearest, or another of the row's range.

        Parameters
        ----------
        X : array-like of shape (k, d)
            Row i is one for the node ``poison_nodes[i]``.

        Returns
        -------
        X : ndarray of shape (k, d)
            The nearest allowed rows.
        """
        rows: Array = self._scenario.close(self._project(X))
        return rows

    def damage(self, X: ArrayLike, y: ArrayLike) -> float:
        """Refit the victim to clean and these rows, and take the damage done.

        The rows are moved, rounded and stored as they would be in the end.

        Parameters
        ----------
        X : array-like of shape (k, d)
            Injected rows.
        y : array-like of shape (k,)
            Their targets.

        Returns
        -------
        objective : float
            The attacker's objective H, what `objective_` is of the final rows.
        """
        return float(self._scenario.suffered(self._stored(X, y)).objective)

    def predict(self, X: ArrayLike, nodes: ArrayLike) -> NDArray[Any]:
        """Predict with the victim of the clean rows, be it a Pipeline or one with a node column.

        Parameters
        ----------
        X : array-like of shape (n_rows, d)
            Rows in the columns of ``setting.X``, clean, crafted or others.
        nodes : array-like of shape (n_rows,)
            The label of each row's node.

        Returns
        -------
        y : ndarray of shape (n_rows,)
            Classes or numbers.
        """
        return self._answer("predict", X, nodes)

    def decision_function(self, X: ArrayLike, nodes: ArrayLike) -> Array:
        """Decision values of the victim of the clean rows; of numbers, its predictions.

        Parameters
        ----------
        X : array-like of shape (n_rows, d)
            Rows in the columns of ``setting.X``, clean, crafted or others.
        nodes : array-like of shape (n_rows,)
            The label of each row's node.

        Returns
        -------
        decision : ndarray of shape (n_rows,) or (n_rows, n_classes)
            What is positive, or largest, for the class that is predicted; numbers of a regressor.
        """
        is_classification = self._scenario.parameters.is_classification
        return self._answer("decision_function" if is_classification else "predict", X, nodes)

    def _answer(self, method: str, X: ArrayLike, nodes: ArrayLike) -> NDArray[Any]:
        """What the model behind the victim's steps says of rows that have no node column."""
        rows, scenario = np.array(X, dtype=np.float64), self._scenario
        if rows.ndim != 2 or rows.shape[1] != self.X.shape[1]:
            raise ValueError(
                f"`X` must have the {self.X.shape[1]} columns of the setting's rows, got shape "
                f"{rows.shape}."
            )
        if not np.isfinite(rows).all():
            raise ValueError("`X` must be finite, got NaN or infinity.")
        where = check_nodes(nodes, len(rows))
        if not len(rows):  # a budget of 0; estimators refuse to be asked nothing
            return self._answer(method, self.X[:1], self.nodes[:1])[:0]
        victim = scenario.crafting
        seen = victim.forward(scenario.open(rows))
        model = copy(victim.model)
        model.node_column, model.n_features_in_ = None, seen.shape[1]
        vars(model).pop("feature_names_in_", None)
        answer: NDArray[Any] = getattr(model, method)(seen, nodes=where)
        return answer

    def _stored(self, X: ArrayLike, y: ArrayLike) -> Injected:
        """The rows laid out as the clean ones are."""
        rows, targets = self._project(X), self._read_targets(y)
        return self._scenario.lay_out(self._start._replace(X=rows, y=targets))

    def _project(self, X: ArrayLike) -> Array:
        """The nearest allowed rows, as they are crafted."""
        rows, opened = self._read_rows(X), self._scenario.opened
        if opened is not None:
            rows = opened.open(opened.nearest(rows))
        return self._start.feasible.project(rows)

    def _read_rows(self, X: ArrayLike) -> Array:
        rows = np.array(X, dtype=np.float64)
        if rows.shape != self.X_start.shape:
            raise ValueError(
                "The crafted rows must be one for each of `poison_nodes`, of shape "
                f"{self.X_start.shape}, got shape {rows.shape}."
            )
        if not np.isfinite(rows).all():
            raise ValueError("The crafted rows must be finite, got NaN or infinity.")
        return rows

    def _read_targets(self, y: ArrayLike) -> NDArray[Any]:
        """Classes that the victim knows, or numbers, moved into the clean range of their node."""
        given, start = np.asarray(y), self._start
        if given.shape != start.y.shape:
            raise ValueError(
                f"The crafted targets must have shape {start.y.shape}, got shape {given.shape}."
            )
        if self._scenario.parameters.is_classification:
            classes = self._scenario.victim.model.classes_
            known = set(classes.tolist())
            if unknown := [label for label in given.tolist() if label not in known]:
                raise ValueError(
                    f"The crafted targets must be classes of the victim, {listing(classes)}; got "
                    f"{unknown[0]!r}."
                )
            return given.astype(classes.dtype)
        if not all(isinstance(value, Real) for value in given.tolist()):
            raise ValueError("The crafted targets must be numbers.")
        if np.array_equal(given, start.y):
            return start.y
        numbers = given.astype(np.float64)
        if not np.isfinite(numbers).all():
            raise ValueError("The crafted targets must be finite, got NaN or infinity.")
        clean = self._scenario.clean
        return as_targets(clean, start.codes, np.clip(numbers, *target_ranges(clean, start.codes)))


def _locked(values: NDArray[Any]) -> NDArray[Any]:
    """A view that cannot be written to: users' own rows may lie beneath."""
    view = values.view()
    view.flags.writeable = False
    return view


def crafted_rows(poisoner: Any, scenario: Scenario) -> Injected:
    """What `craft` of a poisoner makes, as it is stored."""
    craft = getattr(poisoner, "craft", None)
    if craft is None:
        raise TypeError(
            f"{type(poisoner).__name__} must define `craft(setting)`, which returns the injected "
            "rows and their targets."
        )
    setting = AttackSetting(scenario)
    made = craft(setting)
    if not isinstance(made, tuple) or len(made) != 2:
        raise TypeError(
            f"`craft` of {type(poisoner).__name__} must return a pair, rows and targets; got a "
            f"{type(made).__name__}."
        )
    return setting._stored(*made)
