"""Errors node by node, and scorers that tell a model where the rows live."""

import numbers
from functools import partial

import numpy as np
from sklearn.base import is_regressor
from sklearn.metrics import root_mean_squared_error, zero_one_loss
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRequest

from skfedmtl._input import as_labels, read_truth, split_node_column
from skfedmtl._tools.sklearn import last_step

__all__ = ["certified_scorer", "make_node_scorer", "node_errors", "robustness_scorer"]

METRICS = {"error": zero_one_loss, "rmse": root_mean_squared_error}
METHODS = ("predict", "decision_function", "predict_proba")


def node_errors(y_true, y_pred, nodes, metric="auto", *, return_counts=False):
    """Return the error of each node's rows.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True targets.
    y_pred : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Predictions; of two axes only if `metric` takes them.
    nodes : array-like of shape (n_samples,)
        The node of each row: integers, strings or booleans.
    metric : {"auto", "error", "rmse"} or callable, default="auto"
        ``"error"``: share of rows predicted wrong, 0 to 1. ``"rmse"``: root mean squared error, in
        the unit of the targets. ``"auto"``: ``"rmse"`` if `y_true` or `y_pred` holds a number that
        is not whole, else ``"error"``. A callable takes the true targets and the predictions of a
        node and returns a number, like the functions of `sklearn.metrics`.
    return_counts : bool, default=False
        Whether to count the rows of each node as well.

    Returns
    -------
    errors : dict
        What `metric` returns by node, nodes sorted.
    counts : dict
        Numbers of rows by node, with `return_counts`: few of them tell little.

    Raises
    ------
    TypeError
        If `metric` is neither a str nor a callable.
    ValueError
        If there are no rows, the lengths differ, `nodes` holds anything but labels, or `metric` is
        another str.

    See Also
    --------
    compare : Errors by node with and without an attack.
    make_node_scorer : Scores of a model that needs the nodes to predict.

    Examples
    --------
    >>> from skfedmtl.metrics import node_errors
    >>> node_errors([0, 1, 1, 0], [0, 0, 1, 0], ["home", "home", "away", "away"])
    {'away': 0.0, 'home': 0.5}
    >>> node_errors([0, 1, 1], [0, 0, 1], ["home", "home", "away"], return_counts=True)[1]
    {'away': 1, 'home': 2}

    The mean over the nodes, and the worst of them:

    >>> errors = node_errors([1.0, 2.0, 6.0], [1.5, 2.5, 4.0], [1, 1, 2])
    >>> sum(errors.values()) / len(errors), max(errors, key=errors.get)
    (1.25, 2)
    """
    y_true = np.asarray(read_truth(y_true, "y_true", numeric=False))
    y_pred = np.asarray(read_truth(y_pred, "y_pred", numeric=False))
    nodes = as_labels(nodes, "nodes")
    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        if values.ndim == 0 or len(values) != len(nodes):
            raise ValueError(
                f"`{name}` and `nodes` must be equally long; `{name}` has shape {values.shape}, "
                f"`nodes` has {len(nodes)} entries."
            )
    if not len(nodes):
        raise ValueError("`nodes` is empty; at least one row is needed.")
    metric = _as_metric(metric, y_true, y_pred)
    errors, counts = {}, {}
    for node in np.unique(nodes).tolist():
        rows = nodes == node
        error = metric(y_true[rows], y_pred[rows])
        errors[node] = float(error) if isinstance(error, numbers.Real) else error
        counts[node] = int(rows.sum())
    return (errors, counts) if return_counts else errors


def _as_metric(metric, y_true, y_pred):
    """The function that is meant."""
    _check_metric(metric)
    if isinstance(metric, str) and metric == "auto":
        metric = "rmse" if _has_fractions(y_true) or _has_fractions(y_pred) else "error"
    return METRICS[metric] if isinstance(metric, str) else metric


def _check_metric(metric):
    """Refuse what is neither a name nor a function."""
    if isinstance(metric, str) and metric in ("auto", *METRICS):
        return
    if not callable(metric):
        kind = ValueError if isinstance(metric, str) else TypeError
        raise kind(f"`metric` must be 'auto', 'error', 'rmse' or a callable, got {metric!r}.")


def _has_fractions(values):
    return values.dtype.kind == "f" and bool((values != np.trunc(values)).any())


def make_node_scorer(
    metric, *, greater_is_better=None, response_method="predict", over="rows", **kwargs
):
    """Make a scorer that hands the nodes of the rows on to the model.

    Scorers of scikit-learn, strings like ``"accuracy"`` among them, call ``predict(X)`` without
    nodes. This one calls ``predict(X, nodes=nodes)`` with the `nodes` that a search or
    `cross_validate` was given, once metadata routing is enabled
    (``sklearn.set_config(enable_metadata_routing=True)``). Given none, it leaves them out: for
    models with a `node_column`.

    Parameters
    ----------
    metric : {"auto", "error", "rmse"} or callable
        One of the names of `node_errors`, or a function that takes the true targets, the
        predictions and `kwargs`, and returns a number: any metric of `sklearn.metrics`. `over` says
        of which rows.
    greater_is_better : bool or None, default=None
        False changes the sign, for metrics whose small values are good. None is False for a name,
        which is that of an error, and True for a function.
    response_method : str or list of str, default="predict"
        The model's method that predicts: ``"predict"``, ``"decision_function"`` or
        ``"predict_proba"``, of a list the first that it has. Of two columns of probabilities the
        second is taken.
    over : {"rows", "nodes"}, default="rows"
        ``"rows"``: `metric` of all rows at once, in which a node counts by its rows. ``"nodes"``:
        the mean over the nodes of `metric` of a node's rows, in which each counts once, as in
        `node_errors`; the nodes are those that are routed, or the model's `node_column`.
    **kwargs : dict
        More arguments for `metric`, the same for every node.

    Returns
    -------
    scorer : callable
        Takes ``(estimator, X, y, nodes=None)`` and returns the score; for ``scoring=``.

    Raises
    ------
    TypeError
        If `metric` is neither a str nor a callable or `greater_is_better` neither a bool nor None.
    ValueError
        If `metric` or `over` is another str, or `response_method` holds anything but the three
        names. When called, if ``over="nodes"`` finds no nodes.

    See Also
    --------
    node_errors : Errors node by node.
    robustness_scorer : What a defender maximises.

    Examples
    --------
    >>> import numpy as np
    >>> import sklearn
    >>> from sklearn.metrics import mean_absolute_error
    >>> from sklearn.model_selection import cross_val_score
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.datasets import make_federated_regression
    >>> from skfedmtl.metrics import make_node_scorer, node_errors
    >>> from skfedmtl.model_selection import NodeKFold
    >>> X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
    >>> scorer = make_node_scorer(mean_absolute_error, greater_is_better=False)
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     scores = cross_val_score(
    ...         FMTLRegressor(), X, y, cv=NodeKFold(3), scoring=scorer, params={"nodes": nodes}
    ...     )
    >>> bool((scores > -0.2).all())
    True

    Where nodes are of different sizes, the mean over them is another score:

    >>> X, y, nodes = X[50:], y[50:], nodes[50:]
    >>> model = FMTLRegressor().fit(X, y, nodes=nodes)
    >>> mean = make_node_scorer("rmse", over="nodes")(model, X, y, nodes=nodes)
    >>> errors = node_errors(y, model.predict(X, nodes=nodes), nodes, "rmse")
    >>> bool(np.isclose(mean, -sum(errors.values()) / len(errors)))
    True
    """
    _check_metric(metric)
    if over not in ("rows", "nodes"):
        raise ValueError(f"`over` must be 'rows' or 'nodes', got {over!r}.")
    if greater_is_better is None:
        greater_is_better = not isinstance(metric, str)
    if not isinstance(greater_is_better, bool | np.bool_):
        raise TypeError(
            f"`greater_is_better` must be True, False or None, got {greater_is_better!r}."
        )
    methods = [response_method] if isinstance(response_method, str) else response_method
    known = isinstance(methods, list | tuple) and all(method in METHODS for method in methods)
    if not known or not methods:
        raise ValueError(
            f"`response_method` must be one of {', '.join(map(repr, METHODS))} or a list of them, "
            f"got {response_method!r}."
        )
    return _NodeScorer(metric, 1 if greater_is_better else -1, tuple(methods), over, kwargs)


class _Scorer:
    """Asks for the nodes wherever metadata is routed to `score`."""

    def get_metadata_routing(self):
        """Return that `nodes` is wanted.

        Returns
        -------
        routing : MetadataRequest
            The request.
        """
        request = MetadataRequest(owner=self)
        request.score.add_request(param="nodes", alias=True)
        return request


class _NodeScorer(_Scorer):
    """What `make_node_scorer` returns."""

    def __init__(self, metric, sign, methods, over, kwargs):
        self._metric, self._sign, self._methods = metric, sign, methods
        self._over, self._kwargs = over, kwargs

    def __call__(self, estimator, X, y, *, nodes=None):
        name = next((name for name in self._methods if hasattr(estimator, name)), None)
        if name is None:
            raise AttributeError(
                f"{type(estimator).__name__} has none of the methods that this scorer calls: "
                f"{', '.join(self._methods)}."
            )
        where = {} if nodes is None else {"nodes": nodes}
        response = getattr(estimator, name)(X, **where)
        if name == "predict_proba" and response.ndim == 2 and response.shape[1] == 2:
            response = response[:, 1]
        y = read_truth(y, "y", numeric=is_regressor(estimator))
        metric = _as_metric(self._metric, np.asarray(y), np.asarray(response))
        if self._over == "rows":
            return self._sign * metric(y, response, **self._kwargs)
        nodes = _nodes_in(estimator, X) if nodes is None else nodes
        scores = node_errors(y, response, nodes, partial(metric, **self._kwargs))
        return self._sign * float(np.mean(list(scores.values())))

    def __repr__(self):
        parts = [getattr(self._metric, "__name__", repr(self._metric))]
        if self._sign < 0:
            parts.append("greater_is_better=False")
        if self._methods != ("predict",):
            parts.append(f"response_method={list(self._methods)}")
        if self._over != "rows":
            parts.append(f"over={self._over!r}")
        parts += [f"{name}={value!r}" for name, value in self._kwargs.items()]
        return f"make_node_scorer({', '.join(parts)})"


def _nodes_in(estimator, X):
    """The nodes of the column that a model reads them from."""
    if isinstance(estimator, Pipeline):
        return _nodes_in(estimator[-1], estimator[:-1].transform(X) if len(estimator) > 1 else X)
    column = getattr(estimator, "node_column", None)
    if column is None:
        raise ValueError(
            "`nodes` is missing: a scorer with over='nodes' needs the node of each row, routed to "
            "it or in the `node_column` of the model."
        )
    return split_node_column(X, column)[1]


class _RobustnessScorer(_Scorer):
    """What a defender maximises: the negative of a poisoner's score.

    A scorer for searches over the parameters of a poisoner's victim: the best ones are those under
    which the attack does least. It takes ``(poisoner, X, y, nodes=None)`` and asks for the nodes
    where metadata is routed. The poisoner needs an int as `random_state`, or targets and sources
    as labels: else every fit attacks other nodes.

    Examples
    --------
    >>> import sklearn
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skfedmtl import FMTLRegressor, RandomPoisoner
    >>> from skfedmtl.datasets import make_federated_regression
    >>> from skfedmtl.metrics import robustness_scorer
    >>> from skfedmtl.model_selection import NodeKFold
    >>> X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
    >>> poisoner = RandomPoisoner(FMTLRegressor(), random_state=0)
    >>> search = GridSearchCV(
    ...     poisoner, {"estimator__lambda2": [1e-3, 1e3]}, scoring=robustness_scorer,
    ...     cv=NodeKFold(3),
    ... )
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     search.fit(X, y, nodes=nodes).best_params_
    {'estimator__lambda2': 0.001}
    """

    def __call__(self, estimator, X, y, *, nodes=None):
        if not hasattr(last_step(estimator), "target_nodes_"):
            raise TypeError(
                "robustness_scorer scores fitted poisoners, PoisoningAttacker for one, got "
                f"{type(estimator).__name__}."
            )
        where = {} if nodes is None else {"nodes": nodes}
        return -estimator.score(X, y, **where)

    def __repr__(self):
        return "robustness_scorer"


robustness_scorer = _RobustnessScorer()


class _CertifiedScorer(_Scorer):
    """What a defender maximises who trusts no attack: the negative of certified damage.

    A scorer for searches over the parameters of the victim of a `DamageBound`: the best ones are
    those under which the worst case is least, minus its `per_target_`, the mean loss of a target
    that no attack on the rows of the fit exceeds. It takes ``(bound, X, y, nodes=None)`` and asks
    for the nodes where metadata is routed; the rows that it is given count for nothing. The bound
    needs an int as `random_state`, or targets and sources as labels: else every fit is about other
    nodes.

    Examples
    --------
    >>> import sklearn
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.attack import DamageBound
    >>> from skfedmtl.datasets import make_federated_regression
    >>> from skfedmtl.metrics import certified_scorer
    >>> from skfedmtl.model_selection import NodeKFold
    >>> X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
    >>> bound = DamageBound(FMTLRegressor(), attack="indirect", max_iter=20, random_state=0)
    >>> search = GridSearchCV(
    ...     bound, {"estimator__lambda1": [1e-3, 1.0]}, scoring=certified_scorer, cv=NodeKFold(2)
    ... )
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     search.fit(X, y, nodes=nodes).best_params_
    {'estimator__lambda1': 0.001}
    """

    def __call__(self, estimator, X, y, *, nodes=None):
        fitted = last_step(estimator)
        if not hasattr(fitted, "upper_bound_"):
            raise TypeError(
                "certified_scorer scores fitted DamageBounds, of skfedmtl.attack, got "
                f"{type(estimator).__name__}."
            )
        return -fitted.per_target_

    def __repr__(self):
        return "certified_scorer"


certified_scorer = _CertifiedScorer()
