"""Nodes of an attacker, to see what a federation bears; they pass its checks."""

from __future__ import annotations

from typing import Any

import numpy as np

from skfedmtl._model import LOSSES
from skfedmtl._protocol import Greeted, Greeting, Node
from skfedmtl._tools.sklearn import last_step
from skfedmtl.federation._node import FederatedNode

__all__ = ["ModelPoisoningNode", "PoisonedNode"]


class PoisonedNode(FederatedNode):
    """A node with injected rows behind its own: the attack of an attacker over a wire.

    The attacker has seen the rows of all nodes, as a fitted one has: what it injects is the worst
    that it has found with full knowledge.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The node's own rows.
    y : array-like of shape (n_samples,)
        Their targets: numbers, or -1 and +1 for the classes.
    attacker : fitted `PoisoningAttacker` or another poisoner
        Whose injected rows are taken as they are, before the steps of a Pipeline; it was fitted to
        rows like `X`, without a node column. Of two classes the second one counts as +1.
    label : object
        What the attacker calls this node.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the node's own rows.
    **params
        As in `FederatedNode`.

    Raises
    ------
    ValueError
        Also if the attacker is not fitted, does not know the node, or has other columns or classes.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.attack import PoisoningAttacker
    >>> from skfedmtl.federation import PoisonedNode
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> nodes = np.repeat(["north", "south"], 30)
    >>> attacker = PoisoningAttacker(FMTLRegressor(), random_state=0, max_iter=2)
    >>> attacker = attacker.fit(X, X[:, 0], nodes=nodes)
    >>> own = nodes == "north"
    >>> node = PoisonedNode(
    ...     X[own], X[own, 0], attacker=attacker, label="north", loss="squared_error"
    ... )
    """

    def __init__(
        self, X: Any, y: Any, *, attacker: Any, label: Any, sample_weight: Any = None, **params: Any
    ) -> None:
        _check_attacker(attacker, label, np.shape(X))
        own = np.asarray(attacker.poison_nodes_) == label
        targets = np.asarray(attacker.poison_y_)[own]
        if hasattr(attacker, "classes_"):
            targets = np.where(targets == attacker.classes_[1], 1.0, -1.0)
        weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
        super().__init__(
            np.concatenate([np.asarray(X), np.asarray(attacker.poison_X_)[own]]),
            np.concatenate([np.asarray(y), targets]),
            sample_weight=np.concatenate([weight, attacker.poison_sample_weight_[own]]),
            **params,
        )


def _check_attacker(attacker: Any, label: Any, shape: tuple[int, ...]) -> None:
    """Refuse one whose rows are none of this node, or of other columns or targets."""
    if not hasattr(attacker, "poison_nodes_"):
        raise ValueError("attacker must be fitted.")
    known = last_step(attacker.clean_estimator_).nodes_.tolist()
    if label not in known:
        raise ValueError(f"label must be a node of the attacker, {known}, got {label!r}.")
    n_columns = np.shape(attacker.poison_X_)[1]
    if len(shape) == 2 and shape[1] != n_columns:
        raise ValueError(
            f"X has {shape[1]} features, but rows of the attacker have {n_columns} columns, a node "
            "column among them if there is one."
        )
    if len(getattr(attacker, "classes_", ())) > 2:
        raise ValueError(
            f"attacker must be of two classes, or of numbers, got {attacker.classes_.tolist()}."
        )


class ModelPoisoningNode(FederatedNode):
    """A node without rows, whose messages are those of the steepest loss that passes.

    Its loss is ``max(0, L(0) - row_norm u'w)`` along a direction u: convex, as steep as rows of
    that length allow, and of the value that rows have at weights of zero. No convex loss within
    these limits pulls harder along u. It answers every round as an honest node of this loss would.

    Parameters
    ----------
    direction : array-like of shape (n_coordinates,)
        Along which weights are pulled: a number a feature, and one of the constant if there is one.
    loss : {"hinge", "logistic"}
        That all nodes have agreed upon; others have no steepest slope.
    row_norm : float
        Length of the rows that it pretends to have, at most what the server allows: long ones pull
        hard, shorter ones lead weights farther before they yield.
    fit_intercept : bool, default=True
        Whether the last coordinate is that of a constant.
    random_state : int, sequence of int or None, default=None
        As in `FederatedNode`.

    Examples
    --------
    >>> from skfedmtl.federation import ModelPoisoningNode
    >>> node = ModelPoisoningNode([-1.0, 0.0, 0.0], loss="logistic", row_norm=2.0)
    """

    def __init__(
        self,
        direction: Any,
        *,
        loss: str,
        row_norm: float,
        fit_intercept: bool = True,
        random_state: Any = None,
    ) -> None:
        made = LOSSES[loss]() if loss in LOSSES else None
        if made is None or made.is_regression or not np.isfinite(made.bounds).all():
            raise ValueError(f"loss must be 'hinge' or 'logistic', got {loss!r}.")
        along = np.array(direction, dtype=np.float64)
        length = float(np.linalg.norm(along)) if along.ndim == 1 else 0.0
        if not 0.0 < length < np.inf or not 0.0 < row_norm < np.inf:
            raise ValueError(
                "direction must be a vector other than zero, and row_norm positive, "
                f"got {direction!r} and {row_norm!r}."
            )
        self._row, self._row_norm = along * (row_norm / length), float(row_norm)
        X = self._row[None, : len(along) - fit_intercept]
        super().__init__(
            X,
            np.ones(1),
            loss=loss,
            fit_intercept=fit_intercept,
            min_rows=1,
            max_exchanges=None,
            random_state=random_state,
        )

    def _party(self) -> Node:
        """A row of the hinge that is weighed to cost what rows cost at zero."""
        one = np.ones(1)
        nothing = self._problem.nodes.loss.value(one, 0.0 * one)
        X = self._row[None] / nothing[0]
        return _Plane(X, one, nothing, LOSSES["hinge"](), centred=False).of(self._row_norm)


class _Plane(Node):
    """A node that tells of rows of another length than its own."""

    __slots__ = ("_told_length",)

    def of(self, length: float) -> Node:
        """Tell of this length."""
        self._told_length = length
        return self

    def greet(self, greeting: Greeting) -> Greeted:
        """Begin a fit."""
        return super().greet(greeting)._replace(squared_norm=self._told_length**2)
