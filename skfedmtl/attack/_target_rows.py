"""Rows of one's own whose loss an attack raises, in place of the clean ones."""


def read_target_rows(X_target, y_target, nodes_target):
    """The three of them, which are given together or not at all."""
    if (X_target is None) != (y_target is None):
        raise ValueError("`X_target` and `y_target` must be given together or not at all.")
    if nodes_target is not None and X_target is None:
        raise ValueError("`nodes_target` was given without `X_target` and `y_target`.")
    return X_target, y_target, nodes_target


class TargetRowsMixin:
    """For a poisoner whose `fit` takes such rows."""

    def poison(
        self,
        X,
        y,
        *,
        sample_weight=None,
        nodes=None,
        X_target=None,
        y_target=None,
        nodes_target=None,
    ):
        """Fit anew, and return the poisoned data set.

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
        X_target : array-like of shape (n_target_samples, n_features), default=None
            Rows whose loss is raised, as in `fit`; None: the clean rows of the target nodes.
        y_target : array-like of shape (n_target_samples,), default=None
            Their targets.
        nodes_target : array-like of shape (n_target_samples,), default=None
            The node of each of them.

        Returns
        -------
        data : Bunch
            ``X``, ``y``, ``nodes`` (None if none were given): the clean rows first, in their
            order, container and dtype, then the injected ones; ``sample_weight``, an array of
            their weights (None if none were given), in which an injected row has the mean of the
            clean rows of its node; ``is_poison``, a boolean mask. All have n_samples + n_injected
            entries.

        Raises
        ------
        ValueError
            As `fit`.

        Examples
        --------
        Rows that hurt held-out rows of a victim; any estimator can be fitted to them:

        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> from skfedmtl import FMTLRegressor, PoisoningAttacker
        >>> rng = np.random.default_rng(0)
        >>> X, nodes = rng.normal(size=(80, 2)), np.tile(["a", "b", "c", "d"], 20)
        >>> y, held_out = X @ [1.0, -1.0], np.arange(80) >= 60
        >>> a = held_out & (nodes == "a")
        >>> attacker = PoisoningAttacker(FMTLRegressor(), target_nodes=["a"], random_state=0)
        >>> data = attacker.poison(
        ...     X[~held_out], y[~held_out], nodes=nodes[~held_out],
        ...     X_target=X[a], y_target=y[a], nodes_target=nodes[a],
        ... )
        >>> local = (nodes == "a") & ~held_out
        >>> poisoned = Ridge().fit(data.X[data.nodes == "a"], data.y[data.nodes == "a"])
        >>> poisoned.score(X[a], y[a]) < Ridge().fit(X[local], y[local]).score(X[a], y[a])
        True
        """
        judged = {"X_target": X_target, "y_target": y_target, "nodes_target": nodes_target}
        self.fit(X, y, sample_weight=sample_weight, nodes=nodes, **judged)
        return self._poisoned_as_given(X, y, nodes, sample_weight)
