"""The attacker's gradient held against differences."""

from numbers import Integral

from skfedmtl.attack._bilevel import CHECK_TOL, ExactBilevel, compare, make_game
from skfedmtl.attack._target_rows import read_target_rows


class GradientCheckMixin:
    """For a poisoner that follows a gradient."""

    def check_gradient(
        self,
        X,
        y,
        *,
        sample_weight=None,
        nodes=None,
        X_target=None,
        y_target=None,
        nodes_target=None,
        n_points=5,
    ):
        """Compare the gradient with central differences of the refitted victim.

        At random points near the start of an attack, along random directions of all injected
        rows at once; every victim is solved as far as rounding allows, and none is smoothed.
        Of columns that an encoder of the victim reads the shares of their categories move.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows of all nodes.
        y : array-like of shape (n_samples,)
            Clean targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the clean rows, as in `fit`.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.
        X_target : array-like of shape (n_target_samples, n_features), default=None
            Rows whose loss is raised, as in `fit`; None: the clean rows of the target nodes.
        y_target : array-like of shape (n_target_samples,), default=None
            Their targets.
        nodes_target : array-like of shape (n_target_samples,), default=None
            The node of each of them.
        n_points : int, default=5
            Points, each with one direction; at least 1.

        Returns
        -------
        comparison : Bunch
            ``relative_error`` (0 where both are nothing) and ``cosine`` of the slopes, over the
            points without a kink (NaN if there is none); ``gradient`` and ``finite_differences``,
            arrays of shape (n_points,); ``kink``, a boolean array: whether the rank of W, or the
            rows that respond, changed within the smallest step, so that no derivative exists.

        Raises
        ------
        ValueError
            As `fit`, and if `n_points` is no whole number of at least 1, or nothing is injected.

        Examples
        --------
        >>> import numpy as np
        >>> from skfedmtl import FMTLRegressor, PoisoningAttacker
        >>> rng = np.random.default_rng(0)
        >>> X, nodes = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
        >>> attacker = PoisoningAttacker(FMTLRegressor(), target_nodes=["a"], random_state=0)
        >>> bool(attacker.check_gradient(X, X @ [1.0, -1.0], nodes=nodes).relative_error < 1e-4)
        True
        """
        if isinstance(n_points, bool) or not isinstance(n_points, Integral) or n_points < 1:
            raise ValueError(f"n_points must be a whole number of at least 1, got {n_points!r}.")
        evaluation = read_target_rows(X_target, y_target, nodes_target)
        self._validate_params()
        self._check_kind()
        scenario = self._read(X, y, nodes, sample_weight, judged=X_target is None)
        scenario = scenario.with_fitted_victim(evaluation)
        start = scenario.draw_start(scenario.rng)
        if len(start.codes) == 0:
            raise ValueError(f"budget={self.budget!r} injects nothing; there is no gradient.")
        game = make_game(
            ExactBilevel,
            scenario.crafting.estimator,
            scenario.clean,
            start,
            scenario.judged(scenario.parameters.aim.climbed()),
            tol=CHECK_TOL,
            rng=scenario.rng,
        )
        radius = start.feasible.radius
        return compare(game, start.X, radius, self.gradient, n_points, scenario.rng)
