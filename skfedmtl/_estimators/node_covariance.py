"""The fitted relationship as matrices between nodes."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skfedmtl._estimators.precision import correlation
from skfedmtl._input import MAX_DENSE_NODES


class NodeCovarianceMixin:
    """Of estimators with these attributes."""

    nodes_: Any
    node_covariance_factor_: Any

    def node_covariance(self):
        """Covariance Sigma of the nodes: the learned one, or the inverse of the given Omega.

        Returns
        -------
        covariance : ndarray of shape (n_nodes, n_nodes)
            In the order of `nodes_`. The learned one has trace 1 [1]_; with
            ``relationship="none"`` it is the identity over n_nodes. With more than two classes
            one a class, of shape (n_classes, n_nodes, n_nodes); so are precision and correlation.

        Raises
        ------
        ValueError
            With more than 5000 nodes: use `node_covariance_factor_` instead.

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
        m = len(self.nodes_)
        if m > MAX_DENSE_NODES:
            raise ValueError(
                f"A dense matrix of {m} nodes is refused; at most {MAX_DENSE_NODES} nodes are "
                "allowed. Use node_covariance_factor_."
            )
        factor = self.node_covariance_factor_
        untied = np.where(factor.any(axis=(-2, -1)), 0.0, 1.0 / m)
        return factor @ np.swapaxes(factor, -1, -2) + untied[..., None, None] * np.eye(m)

    def node_precision(self):
        """Precision Omega of the nodes, the (pseudo-)inverse of `node_covariance`.

        Returns
        -------
        precision : ndarray of shape (n_nodes, n_nodes)
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
        return np.linalg.pinv(self.node_covariance(), hermitian=True)

    def node_correlation(self):
        """Correlation of the nodes: `node_covariance` scaled to a unit diagonal.

        Returns
        -------
        correlation : ndarray of shape (n_nodes, n_nodes)
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
            return np.array([correlation(one) for one in covariance])
        return correlation(covariance)
