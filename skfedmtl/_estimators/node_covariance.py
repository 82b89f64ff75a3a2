"""The fitted relationship as matrices between nodes."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skfedmtl._estimators.precision import correlation
from skfedmtl._input import MAX_DENSE_NODES
from skfedmtl._model import is_own
from skfedmtl._tools.frames import import_pandas


def ties_to_mean(relationship: Any) -> bool:
    """Whether this is the pull of all nodes to their mean, of which no matrix is kept."""
    return isinstance(relationship, str) and relationship == "mean"


class NodeCovarianceMixin:
    """Of estimators with these attributes."""

    nodes_: Any
    classes_: Any  #: of classifiers
    node_covariance_factor_: Any
    relationship: Any

    def node_covariance(self, *, as_frame=False):
        """Covariance Sigma of the nodes: the learned one, or the inverse of the given Omega.

        Parameters
        ----------
        as_frame : bool, default=False
            Whether to return a DataFrame of pandas that names the nodes.

        Returns
        -------
        covariance : ndarray or DataFrame of shape (n_nodes, n_nodes)
            In the order of `nodes_`. The learned one has trace 1 [1]_; with
            ``relationship="none"`` it is the identity over n_nodes, and with ``"mean"`` the
            identity less 1 over n_nodes. With more than two classes
            one a class, of shape (n_classes, n_nodes, n_nodes), and in a frame below each other;
            so are precision and correlation.

        Raises
        ------
        ValueError
            With a `relationship` of your own, which has none; or with more than 5000 nodes: use
            `node_covariance_factor_` instead.
        ImportError
            With `as_frame`, if pandas is not installed.

        References
        ----------
        .. [1] V. Smith et al., "Federated Multi-Task Learning", NeurIPS 2017.

        Examples
        --------
        >>> from skfedmtl import FMTLRegressor, from_nodes
        >>> X, y, nodes = from_nodes([([[1.0], [2.0]], [1.0, 2.0]), ([[1.0], [2.0]], [2.0, 4.0])])
        >>> FMTLRegressor().fit(X, y, nodes=nodes).node_covariance().trace().round(6)
        np.float64(1.0)
        """
        check_is_fitted(self)
        self._refuse_own_tie("node_covariance")
        m = len(self.nodes_)
        if m > MAX_DENSE_NODES:
            raise ValueError(
                f"A dense matrix of {m} nodes is refused; at most {MAX_DENSE_NODES} nodes are "
                "allowed. Use node_covariance_factor_."
            )
        factor = self.node_covariance_factor_
        if ties_to_mean(self.relationship):
            covariance = np.tile(np.eye(m) - 1.0 / m, (*factor.shape[:-2], 1, 1))
            return self._named(covariance) if as_frame else covariance
        untied = np.where(factor.any(axis=(-2, -1)), 0.0, 1.0 / m)
        covariance = factor @ np.swapaxes(factor, -1, -2) + untied[..., None, None] * np.eye(m)
        return self._named(covariance) if as_frame else covariance

    def node_precision(self, *, as_frame=False):
        """Precision Omega of the nodes, the (pseudo-)inverse of `node_covariance`.

        Parameters
        ----------
        as_frame : bool, default=False
            Whether to return a DataFrame of pandas that names the nodes.

        Returns
        -------
        precision : ndarray or DataFrame of shape (n_nodes, n_nodes)
            In the order of `nodes_`.

        Raises
        ------
        ValueError
            With more than 5000 nodes.

        Examples
        --------
        >>> import numpy as np
        >>> from skfedmtl import FMTLRegressor, from_nodes
        >>> X, y, nodes = from_nodes([([[1.0], [2.0]], [1.0, 2.0]), ([[1.0], [2.0]], [2.0, 4.0])])
        >>> model = FMTLRegressor(relationship=2 * np.eye(2)).fit(X, y, nodes=nodes)
        >>> model.node_precision().round(6)
        array([[2., 0.],
               [0., 2.]])
        """
        precision = np.linalg.pinv(self.node_covariance(), hermitian=True)
        return self._named(precision) if as_frame else precision

    def node_correlation(self, *, as_frame=False):
        """Correlation of the nodes: `node_covariance` scaled to a unit diagonal.

        Parameters
        ----------
        as_frame : bool, default=False
            Whether to return a DataFrame of pandas that names the nodes.

        Returns
        -------
        correlation : ndarray or DataFrame of shape (n_nodes, n_nodes)
            In the order of `nodes_`; a node of no variance correlates with itself only.

        Raises
        ------
        ValueError
            With more than 5000 nodes.

        Examples
        --------
        >>> from skfedmtl import FMTLRegressor, from_nodes
        >>> X, y, nodes = from_nodes([([[1.0], [2.0]], [1.0, 2.0]), ([[1.0], [2.0]], [2.0, 4.0])])
        >>> FMTLRegressor().fit(X, y, nodes=nodes).node_correlation().round(3)
        array([[1., 1.],
               [1., 1.]])
        """
        covariance = self.node_covariance()
        if covariance.ndim == 3:
            scaled = np.array([correlation(one) for one in covariance])
        else:
            scaled = correlation(covariance)
        return self._named(scaled) if as_frame else scaled

    def _ties_with(self, targets):
        """Of every node what its covariances with these come to, of two classes or numbers."""
        self._refuse_own_tie("choose_sources='influence'")
        F = self.node_covariance_factor_
        if not ties_to_mean(self.relationship):
            return np.abs(F @ F[targets].T).sum(axis=1)
        m = len(F)
        ties = np.full(m, len(targets) / m)
        ties[targets] += 1.0 - 2.0 / m
        return ties

    def _refuse_own_tie(self, asker):
        """Refuse a relationship that users have brought, of which no covariance is known."""
        if is_own(self.relationship):
            raise ValueError(
                f"{asker} needs a covariance of the nodes; a `relationship` of your own, "
                f"{type(self.relationship).__name__}, has none."
            )

    def _named(self, matrix):
        """A frame; of several classes one below the other."""
        pandas = import_pandas("as_frame=True")
        nodes = pandas.Index(self.nodes_.tolist(), name="node")
        if matrix.ndim == 2:
            return pandas.DataFrame(matrix, nodes, nodes)
        each = [pandas.DataFrame(one, nodes, nodes) for one in matrix]
        return pandas.concat(each, keys=self.classes_.tolist(), names=["class"])
