"""Nodes that come to a fitted model, and nodes that leave it."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from skfedmtl._estimators.newcomers import Added, changes, fit_added, left_of
from skfedmtl._estimators.one_vs_rest import padded
from skfedmtl._estimators.whole import take_fit, whole_or_not_at_all
from skfedmtl._input import (
    as_unique_labels,
    check_nodes,
    kind_name,
    listing,
    n_rows,
    read_weights,
    refuse_masked,
    split_node_column,
    take,
)
from skfedmtl._model import is_own
from skfedmtl._tools.frames import import_pandas
from skfedmtl._tools.spelling import meant

_ARRAYS = ("coef_", "intercept_", "is_constant_")  #: one entry a node


class AddedNodesMixin:
    """Of the estimators."""

    def add_nodes(self, X, y, *, nodes=None, sample_weight=None):
        """Fit models of new nodes to what the fitted ones share, and leave those as they are.

        What they share is the common part ``u`` (0 without `lambda0`), and, where it is learned,
        the relationship of the features, ``D = (Z'Z)^(1/2)`` over its trace, of which
        ``lambda1 ||Z||_*^2 = lambda1 tr(Z D^-1 Z')`` [1]_. Held at the fitted one, it leaves every
        node a problem of its own. That of a new one, with a loss and weights ``s_i`` as in `fit`,
        is the least over ``w = u + z`` of ::

            (1/c) sum_i s_i L(y_i, w . x_i + b) + lambda1 z' D^-1 z + lambda2 ||z||^2     "learned"
            (1/c) sum_i s_i L(y_i, w . x_i + b) + lambda2 ||z||^2                         "none"
            (1/c) sum_i s_i L(y_i, w . x_i + b) + lambda1 ||z - mean||^2 + lambda2 ||z||^2  "mean"

        with the mean of the fitted ``z_l``. Rows of a node of the fit lead to that node's weights
        again, within its gap. Directions that no fitted node uses are as good as closed: D counts
        their singular values as 1e-5 of the others' size.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of the new nodes.
        y : array-like of shape (n_samples,)
            Their targets; classes are those of the fit.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row, none of which is known yet; or the column `node_column`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows within their node. ``class_weight="balanced"`` looks at
            the new rows alone.

        Returns
        -------
        self : object
            With the new nodes at the end of `nodes_` and of every array in its order, and two
            attributes more: `added_nodes_`, all labels that were added since the fit, and
            `added_dual_gap_`, how far the last added ones are at most from the least of their
            problem. Everything else is of the fit, but for the covariance, which is that of all
            weights.

        Raises
        ------
        ValueError
            If a node is known already, the relationship is a matrix, which says nothing of others,
            or the fit goes by some rows only.

        References
        ----------
        .. [1] A. Argyriou, T. Evgeniou, M. Pontil, "Convex multi-task feature learning", Machine
           Learning 73(3), 2008.

        Examples
        --------
        >>> from skfedmtl import FMTLRegressor
        >>> from skfedmtl.datasets import make_federated_regression
        >>> X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
        >>> late = nodes == nodes.max()
        >>> model = FMTLRegressor(lambda0=0.01).fit(X[~late], y[~late], nodes=nodes[~late])
        >>> model.add_nodes(X[late], y[late], nodes=nodes[late]).added_nodes_.tolist()
        [9]
        >>> model.predict(X[late][:2], nodes=nodes[late][:2]).shape
        (2,)
        """
        check_is_fitted(self)
        self._refuse_untold("add_nodes")
        rows, targets, labels, codes, weight = self._check_added(X, y, nodes, sample_weight)
        n_fitted = len(self.nodes_) - len(self._added)
        found = []
        for part in self._parts():
            signed = part._solver_targets(targets)
            own = part._row_weights(targets, weight)
            found.append(fit_added(part, n_fitted, rows, signed, codes, labels, own))
        with whole_or_not_at_all(self):
            self._append(labels, found)
        return self

    def remove_nodes(self, labels, X, y, *, nodes=None, sample_weight=None):
        """Fit anew without some nodes, from where the fit has ended, and tell what that changes.

        Parameters
        ----------
        labels : array-like of shape (n_removed,)
            Nodes of the fit that are to go, not all.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows of the fit; those of nodes that go may be among them or not.
        y : array-like of shape (n_samples,)
            Their targets.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row; or the column `node_column`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows within their node.

        Returns
        -------
        changes : DataFrame
            A row a node that stays, indexed by its label: ``distance`` between its weights before
            and after, over all classes, ``relative``, the same as a share of those before, and
            ``moved``, the root mean square of what its own rows' decisions or predictions have
            moved by. The estimator itself is fitted to the nodes that stay. Where nodes were added
            before, a warning says that their joining the fit is part of what changes.

        Raises
        ------
        ValueError
            If a label is not known, no node or no row of a class is left, or the relationship is a
            matrix: give `fit` that of the nodes that stay. A list as `node_weight` is one of the
            fit; after the first removal it must be set anew, a dict need not.
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> from skfedmtl import FMTLRegressor
        >>> from skfedmtl.datasets import make_federated_regression
        >>> X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
        >>> model = FMTLRegressor().fit(X, y, nodes=nodes)
        >>> changes = model.remove_nodes([0], X, y, nodes=nodes)
        >>> changes.columns.tolist(), model.nodes_.tolist()
        (['distance', 'relative', 'moved'], [1, 2, 3, 4, 5, 6, 7, 8, 9])
        """
        pandas = import_pandas("remove_nodes")
        check_is_fitted(self)
        self._refuse_untold("remove_nodes")
        stays = self._staying(labels)
        if len(self._added):
            warnings.warn(
                f"nodes {listing(self._added)} were added and are fitted jointly for the first "
                "time: what changes is due to that, too. To see what a removal alone changes, fit "
                "with them before.",
                stacklevel=2,
            )
        own = self._nodes_of_rows(X, nodes)
        rows = np.flatnonzero(np.isin(own, self.nodes_[stays]))
        check_consistent_length(own, y)
        refuse_masked(y=y)
        y = np.asarray(y)
        weight = None if sample_weight is None else read_weights(sample_weight, X)
        self._refuse_lost_classes(y[rows])
        model = self._without(stays, rows, len(own))
        part = take(X if hasattr(X, "shape") else np.asarray(X), rows)
        routed = None if nodes is None else own[rows]
        weight = None if weight is None else weight[rows]
        model.fit(part, y[rows], nodes=routed, sample_weight=weight)
        found = changes(self, model, stays, part, own[rows], routed)
        take_fit(self, model)
        index = pandas.Index(self.nodes_.tolist(), name="node")
        return pandas.DataFrame(found, index)

    # -- new nodes --------------------------------------------------------------------------

    @property
    def _added(self):
        """The labels at the end of `nodes_` that are not of the fit."""
        return getattr(self, "added_nodes_", self.nodes_[:0])

    def _refuse_untold(self, method):
        """Refuse a relationship that says nothing of other nodes than its own."""
        if not isinstance(self.relationship, str):
            got = "one of your own" if is_own(self.relationship) else "a matrix"
            raise ValueError(
                f"{method} needs relationship='learned', 'mean' or 'none', got {got}, which is "
                "that of the nodes of the fit alone; fit again with one of all nodes."
            )

    def _check_added(self, X, y, nodes, sample_weight):
        """Checked rows, targets, the new labels with the rows' positions, and weights."""
        if not self._goes_by_all:
            raise ValueError(
                f"add_nodes goes by all rows, but this {type(self).__name__} by some; fit again."
            )
        if self.node_weight is not None:
            raise ValueError(
                "add_nodes needs node_weight=None: what other nodes count says nothing of new ones."
            )
        if nodes is None and self.node_column is None:
            raise ValueError("`nodes` is missing: add_nodes needs the node of every row.")
        twin = clone(self).set_params(node_labels="auto")
        X, y, labels, codes, weight = twin._check_fit(X, y, nodes, sample_weight)
        self._compare_columns(twin)
        if labels.dtype.kind != self.nodes_.dtype.kind:
            raise ValueError(
                f"`nodes` holds {kind_name(labels)}, but the model was fitted on nodes labelled by "
                f"{kind_name(self.nodes_)}."
            )
        known = np.isin(labels, self.nodes_)
        if known.any():
            raise ValueError(f"`nodes` holds labels that are known: {listing(labels[known])}.")
        classes = getattr(self, "classes_", None)
        if classes is not None and not np.isin(y, classes).all():
            unknown = np.setdiff1d(y, classes).tolist()
            raise ValueError(f"y holds the classes {unknown}; those of the fit are {classes}.")
        return X, y, labels, codes, weight

    def _compare_columns(self, twin):
        """Refuse other columns than those of the fit."""
        if twin.n_features_in_ != self.n_features_in_:
            raise ValueError(
                f"X has {twin.n_features_in_} features, but this {type(self).__name__} was fitted "
                f"to {self.n_features_in_}."
            )
        names = getattr(self, "feature_names_in_", None)
        own = getattr(twin, "feature_names_in_", None)
        if names is not None and own is not None and not np.array_equal(names, own):
            raise ValueError(
                f"X has the columns {own.tolist()}, those of fit are {names.tolist()}."
            )

    def _append(self, labels, found: list[Added]):
        """Take new nodes into the fitted attributes; one model a class."""
        many = len(found) > 1
        added = np.concatenate([self._added, labels])
        for name in (name for name in _ARRAYS if hasattr(self, name)):  # a server's lacks some
            values = [getattr(one, name) for one in found]
            new = np.stack(values, axis=1) if many else values[0]
            setattr(self, name, np.concatenate([getattr(self, name), new]))
        factors = [one.factor for one in found]
        self.node_covariance_factor_ = padded(factors) if many else factors[0]
        self.nodes_ = np.concatenate([self.nodes_, labels])
        self.added_nodes_ = added
        self.added_dual_gap_ = float(sum(one.certificate.gap for one in found))
        self._iterate = None
        if self.tol > 0 and not all(one.converged for one in found):
            warnings.warn(
                f"add_nodes stopped after max_iter={self.max_iter} rounds at a duality gap of "
                f"{self.added_dual_gap_:.3g}. Raise max_iter, tol or the lambdas, or scale the "
                "features.",
                ConvergenceWarning,
                stacklevel=4,
            )

    # -- nodes that leave -------------------------------------------------------------------

    def _staying(self, labels):
        """Which nodes are not among these labels."""
        labels = as_unique_labels(labels, "labels")
        unknown = ~np.isin(labels, self.nodes_)
        if unknown.any():
            raise ValueError(
                f"`labels` holds nodes that were not fitted: {listing(labels[unknown])}"
                f"{meant(labels[unknown], self.nodes_)}."
            )
        stays = ~np.isin(self.nodes_, labels)
        if not stays.any():
            raise ValueError("`labels` holds all nodes; one at least must stay.")
        return stays

    def _nodes_of_rows(self, X, nodes):
        if self.node_column is not None:
            return split_node_column(X, self.node_column)[1]
        if nodes is None:
            raise ValueError("`nodes` is missing: remove_nodes needs the node of every row.")
        return check_nodes(nodes, n_rows(X, "X"))

    def _refuse_lost_classes(self, y):
        """Refuse targets without a class of the fit: its models are one a class."""
        classes = getattr(self, "classes_", None)
        if classes is None:
            return
        lost = classes[~np.isin(classes, y)].tolist()
        if lost:
            raise ValueError(
                f"y of the nodes that stay has no row of the classes {lost}, which were fitted; "
                "fit again without them."
            )

    def _weights_of(self, stays):
        """`node_weight` for the nodes that stay."""
        given = self.node_weight
        if given is None or isinstance(given, str | dict):
            return self._without_others(given, stays)
        if len(given) != len(self.nodes_):
            raise ValueError(
                f"node_weight holds {len(given)} numbers, but {len(self.nodes_)} nodes are left; "
                "give one a node of nodes_, or a dict by label."
            )
        return np.asarray(given)[stays]

    def _without_others(self, given, stays):
        """A parameter without what it lists for nodes that go or have gone before."""
        if not isinstance(given, dict):
            return given
        left = self.nodes_[stays].tolist()
        return {label: value for label, value in given.items() if label in left}

    def _without(self, stays, rows, n):
        """An estimator of the nodes that stay, which begins where this one has ended."""
        model = clone(self).set_params(warm_start=True, node_labels=self.nodes_[stays])
        model.set_params(
            node_weight=self._weights_of(stays),
            local_epochs=self._without_others(self.local_epochs, stays),
        )
        if len(self._added) or len(getattr(self, "dual_coef_", ())) != n:
            return model
        for name in ("classes_", "common_coef_", "common_intercept_", "huber_delta_"):
            if hasattr(self, name):
                setattr(model, name, getattr(self, name))
        model.nodes_ = self.nodes_[stays]
        kept = self._iterate
        if isinstance(kept, list):
            model._iterate = [left_of(one, stays, rows) for one in kept]
        else:
            model._iterate = left_of(kept, stays, rows)
        model.coef_, model.intercept_ = self.coef_[stays], self.intercept_[stays]
        model.dual_coef_ = self.dual_coef_[rows]
        model.node_covariance_factor_ = self.node_covariance_factor_[..., stays, :]
        return model
