"""What the estimators share: validation, the call of the solver, prediction by node."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state, check_X_y
from sklearn.utils.validation import check_is_fitted, validate_data

from skfedmtl._estimators.added_nodes import AddedNodesMixin
from skfedmtl._estimators.constant import constant_models
from skfedmtl._estimators.handed import Handed, taken
from skfedmtl._estimators.huge import refuse_huge
from skfedmtl._estimators.node_covariance import NodeCovarianceMixin
from skfedmtl._estimators.node_weight import node_weights
from skfedmtl._estimators.own_loss import LossMixin
from skfedmtl._estimators.short import what_helps
from skfedmtl._estimators.tie import TieMixin
from skfedmtl._input import (
    check_nodes,
    encode_nodes,
    lookup_nodes,
    oddly_scaled,
    read_targets,
    read_weights,
    refuse_masked,
    take_nodes,
)
from skfedmtl._model import REQUIRED_OF_RELATIONSHIPS, least_ridge
from skfedmtl._protocol import FederatedProblem, Watch
from skfedmtl._solvers import MochaSolver, SplittingSolver, make_schedule
from skfedmtl._tools.callbacks import CallbackSupportMixin
from skfedmtl._tools.doc_link import DocLinkMixin
from skfedmtl._tools.sklearn import HasMethods, Interval, StrOptions
from skfedmtl._tools.task import NO_TASK, Task

_NAMED = 5  #: columns that a warning lists
NO_NODE = 0  #: the one label of a model fitted without nodes


class BaseFMTL(
    LossMixin,
    TieMixin,
    AddedNodesMixin,
    NodeCovarianceMixin,
    DocLinkMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """One linear model a node, tied by a relationship matrix; see the subclasses."""

    __metadata_request__fit = {"nodes": True}
    __metadata_request__predict = {"nodes": True}
    __metadata_request__decision_function = {"nodes": True}
    __metadata_request__score = {"nodes": True}

    _parameter_constraints: dict[str, list[Any]] = {
        "lambda0": [None, Interval(Real, 0, None, closed="neither")],
        "lambda1": [Interval(Real, 0, None, closed="left")],
        "lambda2": [Interval(Real, 0, None, closed="neither")],
        "relationship": [
            StrOptions({"learned", "mean", "none"}),
            "array-like",
            HasMethods(list(REQUIRED_OF_RELATIONSHIPS)),
        ],
        "node_labels": [StrOptions({"auto"}), "array-like"],
        "node_weight": [None, StrOptions({"rows"}), dict, "array-like"],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"splitting", "mocha"})],
        "local_epochs": [None, Interval(Real, 0, None, closed="neither"), tuple, dict],
        "participation": [Interval(Real, 0, 1, closed="right")],
        "n_jobs": [None, Integral],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "node_column": [None, Integral, str],
        "handle_unknown": [StrOptions({"error", "mean", "common"})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    _goes_by_all = True  #: whether all rows are fitted to
    _more_arrays: tuple[str, ...] = ()  #: fitted attributes of a subclass, one a model

    # -- input ----------------------------------------------------------------------------

    def _check_fit(self, X, y, nodes, sample_weight):
        """Checked rows, targets, node labels with the rows' positions, and weights."""
        self._check_unknown(self.lambda0 is not None)
        for name in ("added_nodes_", "added_dual_gap_"):
            vars(self).pop(name, None)
        y_numeric = self._check_loss()
        refuse_masked(X=X, sample_weight=sample_weight)
        X, nodes = take_nodes(self, X, nodes, reset=True)
        y = read_targets(y, "y", numeric=y_numeric)
        if self.node_column is None:
            X, y = validate_data(
                self, X, y, accept_sparse="csr", dtype=np.float64, y_numeric=y_numeric
            )
        else:
            X, y = check_X_y(
                X, y, accept_sparse="csr", dtype=np.float64, y_numeric=y_numeric, estimator=self
            )
        refuse_huge("X", X.data if issparse(X) else X)
        if y_numeric:
            y = y.astype(np.float64, copy=False)
            refuse_huge("y", y)
        labels, codes = self._encode(self._read_nodes(nodes, X.shape[0]), X.shape[0])
        sample_weight = read_weights(sample_weight, X)
        if not sample_weight.any():
            raise ValueError("sample_weight must hold positive weights, got zeros only.")
        return X, y, labels, codes, sample_weight

    def _read_fit(self, X, y, nodes, sample_weight):
        """What `_check_fit` returns, the rows to be taken once."""
        X, *others = self._check_fit(X, y, nodes, sample_weight)
        return Handed(X), *others

    def _check_predict(self, X, nodes):
        """Checked rows and the positions of their nodes, -1 for the mean or common model."""
        check_is_fitted(self)
        self._check_unknown(self.common_coef_ is not None)
        refuse_masked(X=X)
        X, nodes = take_nodes(self, X, nodes, reset=False)
        if self.node_column is None:
            X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        else:
            X = check_array(X, accept_sparse="csr", dtype=np.float64, estimator=self)
        if nodes is not None:
            nodes = self._read_nodes(nodes, X.shape[0])
            return X, lookup_nodes(nodes, self.nodes_, self.handle_unknown)
        if len(self.nodes_) > 1:
            raise ValueError(
                f"`nodes` is missing: this {type(self).__name__} was fitted on "
                f"{len(self.nodes_)} nodes and needs the node of every row (predict(X, nodes=...), "
                "or node_column=...). scikit-learn's string scorers and cross_val_predict do not "
                "pass it on: use node_column there."
            )
        return X, np.zeros(X.shape[0], dtype=np.int64)

    def _check_unknown(self, has_common):
        if self.handle_unknown == "common" and not has_common:
            raise ValueError(
                "handle_unknown='common' needs a common part, which lambda0=None leaves out; give "
                "lambda0 a number, or use handle_unknown='mean' or 'error'."
            )

    def _read_nodes(self, nodes, n_samples):
        """The node of each row, if said; a node column has been read as it was taken off."""
        is_read = nodes is None or self.node_column is not None
        return nodes if is_read else check_nodes(nodes, n_samples)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # -- what an attack may do ------------------------------------------------------------

    def _row_weights(self, y, sample_weight):
        """Weights of rows with these targets; a classifier's know the class."""
        return sample_weight

    def _solver_targets(self, y):
        """Targets as the solver takes them: numbers, or -1 and +1 for classes."""
        return np.asarray(y, dtype=np.float64)

    def _parts(self):
        """The fitted models whose losses add up: this one, or one a class."""
        return [self]

    def _hold_scale_of(self, clean):
        """Take over what the other one's fit has learned of its targets before it began."""

    def _select(self, fit, signed_y, codes, sample_weight):
        """Fit to the rows that this estimator goes by, all; the share that counts of each.

        ``fit(sample_weight)`` gives the losses of all rows.
        """
        fit(sample_weight)
        return np.ones(len(codes))

    # -- fit ------------------------------------------------------------------------------

    def _fit_path(self, points, X, y, *, nodes, sample_weight):
        """Fit with the parameters of one point after the other; yields the solutions of each.

        The rows are checked once, and with `warm_start` every fit goes on from the one before.
        """
        checked = self._check_fit(X, y, nodes, sample_weight)
        for point in points:
            self.set_params(**point)
            yield self._fit_checked(*checked, lambda n_subtasks: NO_TASK)

    def _encode(self, nodes, n_samples):
        """`nodes_` and the position of every row's node, from labels that have been read."""
        if nodes is None:
            if not isinstance(self.node_labels, str):
                raise ValueError(
                    "`node_labels` lists nodes, but neither `nodes` nor `node_column` says where "
                    "the rows belong."
                )
            return np.array([NO_NODE]), np.zeros(n_samples, dtype=np.int64)
        return encode_nodes(nodes, self.node_labels)

    def _fit_rows(
        self, X, signed_y, codes, labels, sample_weight, task: Task, *, whole=True, again=False
    ):
        """Solve and set the fitted attributes that both estimators share; returns the solution.

        The rounds are parts of `task`; `whole` says that the model after one can predict, `again`
        that the last fit is to be gone on from, as with `warm_start`. Rows that are `Handed` live
        on in the problem alone.
        """
        X = taken(X)
        problem = self._problem(X, signed_y, codes, labels, sample_weight)
        X = problem.features(X)
        iterate = self._last_iterate(problem, labels) if self.warm_start or again else None
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)

        def attributes(solution):
            classify = not self._declared_loss().is_regression
            constant = constant_models(
                problem, solution, X, self._ridge(len(labels)), classify=classify
            )
            return {"nodes_": labels, **_attributes(problem, solution), "is_constant_": constant}

        # other nodes and orders than the fits before, whose seed may be the same
        age = 0 if iterate is None else iterate.age
        rng = np.random.default_rng([seed, age] if age else seed)
        watch = Watch(task, attributes if whole else None)
        solver = self._make_solver(labels, iterate)
        solution = problem.solve(solver, rng, watch)
        self._iterate = None
        if self._keeps_iterate and isinstance(solver, SplittingSolver):
            self._iterate = problem.iterate_to_keep(solver.iterate)
            self._iterate["penalties"] = self._penalties()
        for name, value in attributes(solution).items():
            setattr(self, name, value)
        return solution

    @property
    def _keeps_iterate(self):
        """Whether a fit leaves behind what another one can go on from."""
        return self.warm_start

    @property
    def _most_rounds(self):
        """Rounds of a fit at most."""
        return self.max_iter

    def _ridge(self, n_nodes):
        """The strength of the ridge penalty that any weights pay at least."""
        lambda2 = float(self.lambda2)
        if self.lambda0 is None:
            return lambda2
        return least_ridge(lambda2, float(self.lambda0), n_nodes)

    def _last_iterate(self, problem, labels):
        """Where the last fit has ended, as far as it suits this problem; None without one."""
        if np.shape(getattr(self, "dual_coef_", ())) == problem.y_shape:
            problem.set_dual_coef(self.dual_coef_)
        kept = getattr(self, "_iterate", None)
        if not isinstance(kept, dict) or not np.array_equal(self.nodes_, labels):
            return None
        iterate = problem.iterate_from(kept, self.coef_, self.intercept_)
        if iterate is None or np.array_equal(kept["penalties"], self._penalties()):
            return iterate
        # rho is to be found anew; other penalties' best common part is dear, and not the best here
        return iterate._replace(age=0, W=iterate.W if self.lambda0 is None else None)

    def _penalties(self):
        given = np.inf if self.lambda0 is None else self.lambda0
        return np.array([given, self.lambda1, self.lambda2], dtype=float)

    def _warn_if_short(self, solutions, X, nodes):
        """Say so where a fit, or one of a class, ended by its number of rounds.

        `X` and `nodes` are those of the caller: the fit has let go of what it made of them.
        """
        if self.tol == 0 or all(one.converged or one.stopped for one in solutions):
            return
        epochs = self.local_epochs if isinstance(self.local_epochs, dict) else {}
        silent = [label for label, count in epochs.items() if count == 0]
        warnings.warn(
            f"{type(self).__name__} stopped after max_iter={self.max_iter} rounds at a "
            f"duality gap of {self.dual_gap_:.3g}; tol={self.tol:g} asks for "
            f"{self.tol * self.objective_:.3g}. {what_helps(self.solver, self.lambda2)}"
            + self._odd_scales(X, nodes)
            + (f" The nodes {silent} never answer (local_epochs)." if silent else ""),
            ConvergenceWarning,
            stacklevel=4,
        )

    def _odd_scales(self, X, nodes):
        """A sentence about columns that differ from the middle one by decades, if there are any."""
        X, _ = take_nodes(self, X, nodes, reset=False)
        odd = oddly_scaled(check_array(X, accept_sparse="csr", dtype=np.float64))
        if not len(odd):
            return ""
        names = np.delete(np.arange(self.n_features_in_), self._node_place())
        if hasattr(self, "feature_names_in_"):
            names = self.feature_names_in_[names]
        more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
        listed = ", ".join(map(repr, names[odd[:_NAMED]].tolist()))
        return f" Columns of X whose size differs from the others' by decades: {listed}{more}."

    def _node_place(self):
        """The position of the node column among those of `X`; an empty list without one."""
        place = self.node_column
        if place is None:
            return []
        if isinstance(place, str):
            place = self.feature_names_in_.tolist().index(place)
        return place % self.n_features_in_

    def _make_solver(self, labels, iterate=None):
        """The solver that the parameters ask for, to go on from `iterate`."""
        settings = {"tol": float(self.tol), "max_iter": self.max_iter, "n_jobs": self.n_jobs}
        epochs, share = self.local_epochs, float(self.participation)
        is_mocha = self.solver == "mocha"
        schedule = None
        if is_mocha or epochs is not None or share < 1.0:
            schedule = make_schedule(1.0 if epochs is None else epochs, share, labels)
        if is_mocha:
            return MochaSolver(schedule=schedule, **settings)
        return SplittingSolver(schedule=schedule, iterate=iterate, **settings)

    @property
    def _intercept_of_solver(self):
        """Its kind and size, as a problem takes them."""
        kind = self._intercept_kind if self.fit_intercept else "none"
        return kind, float(self.intercept_scaling or 1.0)

    def _problem(
        self, X, signed_y, codes, labels, sample_weight, relationship=None
    ) -> FederatedProblem:
        """The fit's problem, not yet solved; attacks build theirs with it."""
        intercept, scaling = self._intercept_of_solver
        return FederatedProblem(
            X,
            signed_y,
            codes,
            sample_weight,
            loss=self._make_loss(),
            relationship=relationship or self._make_relationship(labels),
            intercept=intercept,
            intercept_scaling=scaling,
            node_weight=node_weights(self.node_weight, labels, codes, sample_weight),
        )

    # -- prediction -----------------------------------------------------------------------

    def _decision(self, X, codes):
        """x . w + b of every row with its own node's model, a column a class if there are many."""
        other_coef, other_intercept = self.common_coef_, self.common_intercept_
        if other_coef is None:
            other_coef, other_intercept = self.coef_.mean(axis=0), self.intercept_.mean(axis=0)
        coef = np.concatenate([self.coef_, other_coef[None]])
        intercept = np.concatenate(
            [self.intercept_, np.reshape(other_intercept, (1, *self.intercept_.shape[1:]))]
        )
        out = np.empty((X.shape[0], *coef.shape[1:-1]))
        order = np.argsort(codes, kind="stable")
        present, starts = np.unique(codes[order], return_index=True)
        for code, rows in zip(present, np.split(order, starts[1:]), strict=True):
            out[rows] = X[rows] @ coef[code].T + intercept[code]
        return out

    # -- the features ---------------------------------------------------------------------

    @property
    def feature_importances_(self):
        """Mean size of each feature's coefficients over the nodes, and the classes.

        For selectors of features, ``importance_getter="feature_importances_"``: those of
        scikit-learn look at `coef_` else, which has no column for a node column, and of more than
        two classes an axis too many. A node column has an entry of its own, above all others, so
        that a selector keeps it. One that drops columns before it fits, `RFE` for one, shifts those
        behind: let the node column be the first, ``node_column=0``, or the last, -1.

        Returns
        -------
        importances : ndarray of shape (n_columns,)
            Those of features that differ in scale cannot be compared.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.feature_selection import SelectFromModel
        >>> from skfedmtl import FMTLRegressor
        >>> from skfedmtl.datasets import make_federated_regression
        >>> X, y, nodes = make_federated_regression(
        ...     n_features=4, random_state=0, return_X_y_nodes=True
        ... )
        >>> table = np.column_stack([X, np.zeros(len(X)), nodes])
        >>> selector = SelectFromModel(
        ...     FMTLRegressor(node_column=-1),
        ...     importance_getter="feature_importances_",
        ...     threshold="0.5*median",
        ... )
        >>> selector.fit(table, y).get_support()
        array([ True,  True,  True,  True, False,  True])
        """
        check_is_fitted(self)
        sizes = np.abs(self.coef_).reshape(-1, self.coef_.shape[-1]).mean(axis=0)
        if len(sizes) == self.n_features_in_:
            return sizes
        # above them also where selectors square them
        return np.insert(sizes, self._node_place(), max(1.01 * sizes.max(), 1e-150))


def _attributes(problem, solution):
    """The fitted attributes of a solution, but for the nodes."""
    coef, intercept = problem.coefficients(solution.W)
    common_coef, common_intercept = problem.common_coefficients(solution.W)
    return {
        "coef_": coef,
        "intercept_": intercept,
        "common_coef_": common_coef,
        "common_intercept_": common_intercept,
        "dual_coef_": problem.dual_coef(),
        "objective_": solution.certificate.objective,
        "dual_objective_": solution.certificate.dual_objective,
        "dual_gap_": solution.certificate.gap,
        "history_": solution.history,
        "n_iter_": len(solution.history["round"]) - 1,
        "node_covariance_factor_": problem.server.relationship.covariance_factor(solution.W),
    }
