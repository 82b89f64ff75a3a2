"""The server's half: the solvers of the estimators, and nodes behind a transport."""

from __future__ import annotations

import logging
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skfedmtl._estimators import FMTLClassifier, FMTLRegressor, what_helps
from skfedmtl._input import as_unique_labels
from skfedmtl._model import LOSSES
from skfedmtl._protocol import NOBODY, Server, Solution, Watch
from skfedmtl._tools.sklearn import Interval, StrOptions
from skfedmtl.federation._blocks import RemoteBlocks
from skfedmtl.federation._messages import LOSS_NAMES
from skfedmtl.federation._remote_nodes import RemoteNodes, Restarted

__all__ = ["FederatedServer"]

_LOG = logging.getLogger("skfedmtl.federation")
_SHARED = ("lambda0", "lambda1", "lambda2", "loss", "relationship", "solver", "max_iter", "tol")
_SHARED = (*_SHARED, "local_epochs", "participation")
_EPOCHS = 30.0  #: of a round, by default
_OF_BLOCKS = {"solver": "splitting", "local_epochs": None, "participation": 1.0}


class FederatedServer(BaseEstimator):
    """A federation's server: fits by messages what the estimators fit to rows at hand.

    Parameters
    ----------
    relationship : {"learned", "mean", "none"}, array-like of shape (n_nodes, n_nodes) or \
`protocols.Relationship`, default="learned"
        As in `FMTLClassifier`; in the order of the nodes' sorted labels. Nodes see nothing of it.
    solver : {"splitting", "mocha"}, default="splitting"
        As in `FMTLClassifier`.
    loss : {"hinge", "squared_hinge", "logistic", "squared_error"}
        As all nodes have agreed.
    lambda0 : None or float, default=None
        Strength of the ridge penalty of a common part; None: there is none.
    lambda1, lambda2 : float, default=1e-3
        Strength of the tie, and of the ridge penalty of every node.
    tol : float, default=1e-4
        Stop when ``dual_gap_ <= tol * objective_``.
    max_iter : int, default=100
        Rounds at most.
    local_epochs : None, float, (low, high) or dict, default=None
        Passes over its rows that a node makes in a round; nodes may refuse few. None: 30; blocks of
        nodes (`DaskTransport`) pass as long as pays, and take nothing else.
    participation : float, default=1.0
        Share of the nodes that are asked in a round.
    max_row_norm : float or None, default=None
        That all nodes have declared: a moment that no such rows have is a wrong answer.
    on_refused : {"expel", "error"}, default="expel"
        What becomes of a node that answers wrong `patience` times on end, or contradicts so many
        times what it has said of its loss: the fit goes on without it, or the first wrong answer is
        an error. Nodes that fall silent are left out in any case.
    patience : int, default=3
        Exchanges on end that a node may miss.
    deadline : float, default=60.0
        Seconds after which an exchange does not wait any more.
    random_state : int, RandomState instance or None, default=None
        Draws who is asked.

    Attributes
    ----------
    nodes_ : ndarray of shape (n_nodes,)
        Labels of the nodes that the model and its certificate are of, sorted.
    absent_ : list
        Labels of those that were left out as they fell silent.
    refused_ : dict of str
        By label, in a word why a node was left out that answered wrong.
    coef_, intercept_, common_coef_, common_intercept_ : ndarray, or None
        As those of `FMTLClassifier`; there is no ``dual_coef_``.
    objective_, dual_objective_, dual_gap_ : float
        As those of `FMTLClassifier`, of the losses that the nodes have told of: what a node says
        must be true of some convex loss.
    node_covariance_factor_ : ndarray of shape (n_nodes, rank)
        ``F`` with ``Sigma = F F'``.
    history_ : dict of ndarray
        As that of `FMTLClassifier`, since the last node was left out.
    n_iter_ : int
        Rounds, likewise.
    model_ : FMTLClassifier or FMTLRegressor
        The fitted model as an estimator, which predicts.

    Raises
    ------
    FederationError
        In `fit`, if no node is left, or a node refuses what it is asked.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport
    >>> rng = np.random.default_rng(0)
    >>> nodes = {}
    >>> for label in ("north", "south"):
    ...     X = rng.normal(size=(30, 3))
    ...     nodes[label] = FederatedNode(X, np.sign(X[:, 0]), loss="hinge", random_state=0)
    >>> server = FederatedServer(loss="hinge").fit(LocalTransport(nodes))
    >>> server.predict([[2.0, 0.0, 0.0]], nodes=["north"])
    array([1.])
    """

    def __init__(
        self,
        relationship="learned",
        *,
        solver="splitting",
        loss,
        lambda0=None,
        lambda1=1e-3,
        lambda2=1e-3,
        tol=1e-4,
        max_iter=100,
        local_epochs=None,
        participation=1.0,
        max_row_norm=None,
        on_refused="expel",
        patience=3,
        deadline=60.0,
        random_state=None,
    ):
        self.relationship = relationship
        self.solver = solver
        self.loss = loss
        self.lambda0 = lambda0
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.tol = tol
        self.max_iter = max_iter
        self.local_epochs = local_epochs
        self.participation = participation
        self.max_row_norm = max_row_norm
        self.on_refused = on_refused
        self.patience = patience
        self.deadline = deadline
        self.random_state = random_state

    _parameter_constraints = {
        "loss": [StrOptions(set(LOSS_NAMES))],
        "local_epochs": [None, Interval(Real, 0, None, closed="neither"), tuple, dict],
        "max_row_norm": [None, Interval(Real, 0, None, closed="neither")],
        "on_refused": [StrOptions({"expel", "error"})],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "deadline": [Interval(Real, 0, None, closed="neither")],
    }

    def fit(self, transport):
        """Fit one model a node.

        Parameters
        ----------
        transport : LocalTransport, or what has its ``labels`` and ``exchange``; or DaskTransport
            Reaches the nodes.

        Returns
        -------
        self : FederatedServer
            Fitted.
        """
        return self._fit(transport, NOBODY)

    def _fit(self, transport: Any, watch: Watch) -> FederatedServer:
        model = self._model()
        self._check(model)
        has_blocks = hasattr(transport, "labels_by_block")
        if not has_blocks and not hasattr(transport, "exchange"):
            raise TypeError(f"transport must have labels and exchange, got {transport!r}.")
        if has_blocks:
            self._check_for_blocks()
        elif self.local_epochs is None:
            model.set_params(local_epochs=_EPOCHS)
        if not len(transport.labels):
            raise ValueError("transport reaches no node.")
        labels = np.sort(as_unique_labels(transport.labels, "transport.labels"))
        nodes = (
            RemoteBlocks(transport, labels, self.loss)
            if has_blocks
            else self._reach(transport, labels)
        )
        relationship = model._make_relationship(labels)
        n_features = nodes.meet()
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        rng = np.random.default_rng(seed)
        while True:
            server = Server(relationship, nodes.n_coordinates)
            try:
                solution = model._make_solver(labels).solve(server, nodes, rng, watch)
                self._take(model, server, nodes, solution, labels, n_features)
                break
            except Restarted:
                continue
        self._warn_if_short(solution)
        return self

    def _reach(self, transport: Any, labels: Any) -> RemoteNodes:
        """Nodes that are asked one by one."""
        return RemoteNodes(
            transport,
            labels.tolist(),
            self.loss,
            deadline=float(self.deadline),
            patience=self.patience,
            expels=self.on_refused == "expel",
            max_row_norm=self.max_row_norm,
            report=_LOG.warning,
        )

    def _model(self) -> Any:
        """The estimator of this loss, with the parameters that it shares."""
        made = LOSSES.get(self.loss) if isinstance(self.loss, str) else None
        kind = FMTLRegressor if made is not None and made.is_regression else FMTLClassifier
        return kind(**{name: getattr(self, name) for name in _SHARED})

    def _check(self, model: Any) -> None:
        self._validate_params()
        model._validate_params()

    def _check_for_blocks(self) -> None:
        for name, allowed in _OF_BLOCKS.items():
            if getattr(self, name) != allowed:
                raise ValueError(
                    f"{name} must be {allowed!r} for nodes in blocks, got {getattr(self, name)!r}."
                )

    def _take(
        self,
        model: Any,
        server: Server,
        nodes: RemoteNodes | RemoteBlocks,
        solution: Solution,
        labels: Any,
        n_features: int,
    ) -> None:
        """Set the fitted attributes, with the intercepts that the nodes tell."""
        W = solution.W
        u = server.relationship.common_part(W)
        concluded = nodes.conclude(W, np.zeros(0) if u is None else u)
        left = nodes.left
        intercepts = np.array([concluded[l] for l in left])
        certificate = solution.certificate
        model.nodes_ = labels[left]
        model.coef_ = W[left, :n_features].copy()
        model.intercept_ = intercepts[:, 0]
        model.common_coef_ = None if u is None else u[:n_features].copy()
        model.common_intercept_ = None if u is None else float(intercepts[:, 1].mean())
        model.objective_ = certificate.objective
        model.dual_objective_ = certificate.dual_objective
        model.dual_gap_ = certificate.gap
        model.history_ = solution.history
        model.n_iter_ = len(solution.history["round"]) - 1
        model.node_covariance_factor_ = server.relationship.covariance_factor(W)[left]
        for name, value in vars(model).items():
            if name.endswith("_"):
                setattr(self, name, value)
        model.n_features_in_ = n_features
        if not LOSSES[self.loss].is_regression:
            model.classes_ = np.array([-1.0, 1.0])
        self.model_ = model
        self.absent_ = labels[sorted(nodes.absent)].tolist()
        self.refused_ = {labels.tolist()[l]: nodes.refused[l] for l in sorted(nodes.refused)}

    def _warn_if_short(self, solution: Solution) -> None:
        if self.tol == 0 or solution.converged or solution.stopped:
            return
        helps = what_helps(
            self.solver,
            self.lambda2,
            limits="max_iter, local_epochs, tol",
            scaling="let nodes scale their",
        )
        warnings.warn(
            f"FederatedServer stopped after max_iter={self.max_iter} rounds at a duality gap of "
            f"{self.dual_gap_:.3g}; tol={self.tol:g} asks for {self.tol * self.objective_:.3g}. "
            f"{helps}",
            ConvergenceWarning,
            stacklevel=3,
        )

    def predict(self, X, *, nodes=None):
        """Predict with the model of each row's node.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row; needed if there are several.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Targets, or classes -1 and +1.
        """
        check_is_fitted(self)
        return self.model_.predict(X, nodes=nodes)
