"""How the damage of an attack grows with one of its parameters, or of its victim's."""

import numbers
from collections.abc import Mapping

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils import Bunch, check_random_state
from threadpoolctl import threadpool_limits

from skfedmtl._input import (
    as_unique_labels,
    check_nodes,
    listing,
    n_rows,
    read_weights,
    split_node_column,
    take,
)
from skfedmtl._tools.parallel import call_each
from skfedmtl._tools.sklearn import last_step
from skfedmtl.attack import BasePoisoner, DamageBound, clean_twin, draw_nodes, with_chosen_victim
from skfedmtl.model_selection._strata import (
    check_test_size,
    draw,
    refuse_single_rows,
    single_rows,
    strata,
)

__all__ = ["security_curve"]

#: Of a curve with bounds, beside its scores.
CERTIFIED = ("objectives", "upper_bounds", "clean_objectives")
#: Parameters of bounds alone.
STEPS = ("max_iter", "max_seconds", "tol")
#: Parameters of attackers that bounds have as well, with the same meaning.
SHARED = ("estimator", "attack", "budget", "radius", "node_column", "random_state")
SCORE_NAMES = ("mean RMSE of the target nodes", "mean error rate of the target nodes")


def security_curve(
    attacker,
    X,
    y,
    *,
    sample_weight=None,
    nodes=None,
    param_name,
    param_range,
    n_repeats=5,
    test_size=0.25,
    bound=False,
    bound_params=None,
    n_jobs=None,
    verbose=0,
):
    """Measure an attack on held-out rows for several values of a parameter.

    A repetition splits the rows of every node into training and test rows and draws the nodes that
    are attacked, among those of which a row is held out: all but those of a single row. Both are
    the same for all values of the parameter, so that its values are compared on the same rows and
    the same nodes. For each value the attack is run on the training
    rows, and its score, the mean error of the target nodes, is taken on the test rows.

    Parameters
    ----------
    attacker : PoisoningAttacker or other BasePoisoner
        The attack; it is cloned. An int as its `random_state` makes the curve reproducible.
    X : array-like of shape (n_samples, n_features)
        Clean rows of all nodes.
    y : array-like of shape (n_samples,)
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights of the rows within their node, in the attack and in its score.
    nodes : array-like of shape (n_samples,), default=None
        The node of each row; None: the column `node_column` of the attacker or its victim.
    param_name : str
        The parameter: one of the attacker (``"budget"``), or of its victim
        (``"estimator__lambda1"``).
    param_range : array-like of shape (n_values,)
        Its values.
    n_repeats : int, default=5
        Number of repetitions, at least 1.
    test_size : float, default=0.25
        The share of a node's rows to test, between 0 and 1.
    bound : bool, default=False
        Whether to certify with a `DamageBound` what no attack on the same training rows, targets
        and sources exceeds. It takes the parameters that it shares with the attacker; others, as
        limits of features, leave the bound as it is. Not for attackers with a `goal` of their own.
        There is one for each value and repetition, which may take longer than the attacks.
    bound_params : dict or None, default=None
        With `bound`: `max_iter`, `max_seconds` or `tol` of every `DamageBound`. None: its defaults,
        but `tol` is the attacker's `victim_tol`.
    n_jobs : int or None, default=None
        Attacks that run at a time, as in joblib; without effect on the result.
    verbose : int, default=0
        How often joblib tells how many values and repetitions are done, as in
        `sklearn.model_selection.learning_curve`.

    Returns
    -------
    curve : Bunch
        Dictionary-like object, with these attributes.

        param_name : str
            As given.
        param_range : list of n_values
            As given.
        scores : ndarray of shape (n_values, n_repeats)
            The attacker's score: larger is a stronger attack.
        clean_scores : ndarray of shape (n_values, n_repeats)
            The same of the victim without the attack.
        score_name : str
            What is measured.
        objectives : ndarray of shape (n_values, n_repeats)
            With `bound`: the mean loss of the victim on a target's clean training rows, under the
            attack; its `objective_` divided by the number of targets.
        upper_bounds : ndarray of shape (n_values, n_repeats)
            With `bound`: what that loss never exceeds, `per_target_` of a `DamageBound`. Along
            budgets it never falls: with `radius="max"` it is the least of those of the budget and
            of all larger ones, which hold for fewer rows; else, and for attackers of your own, the
            largest of those of smaller ones. Neither is in the unit of the scores.
        clean_objectives : ndarray of shape (n_values, n_repeats)
            With `bound`: the same loss without the attack.

    Raises
    ------
    TypeError
        If `attacker` is no poisoner, `n_repeats` no whole number, `bound` no bool, or
        `bound_params` no dict.
    ValueError
        If `attacker` has no such parameter, `param_range` is empty, `n_repeats` is below 1, the
        rows have no nodes, or a target node given by its label has a single row; if `bound` is
        asked of an attacker with a `goal` other than "error"; if `bound_params` holds anything else
        or is given without `bound`; and as `fit` of the attacker and,
        with `bound`, of `DamageBound` do.

    See Also
    --------
    skfedmtl.inspection.SecurityCurveDisplay : Draws it.
    skfedmtl.attack.DamageBound : What no attack exceeds.

    Examples
    --------
    >>> from skfedmtl import FMTLRegressor, RandomPoisoner
    >>> from skfedmtl.datasets import make_federated_regression
    >>> from skfedmtl.model_selection import security_curve
    >>> X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
    >>> curve = security_curve(
    ...     RandomPoisoner(FMTLRegressor(), random_state=0), X, y, nodes=nodes,
    ...     param_name="budget", param_range=[0.0, 0.2], n_repeats=3,
    ... )
    >>> curve.scores.shape
    (2, 3)
    >>> bool((curve.scores[0] == curve.clean_scores[0]).all())
    True
    >>> bool((curve.scores[1] > curve.clean_scores[1]).all())
    True
    """
    check_attacker(attacker)
    attacker = with_chosen_victim(attacker)
    values = _check(attacker, param_name, param_range, n_repeats, test_size)
    _check_bound(bound, attacker, param_name, values)
    certificate = _certificate(bound, bound_params, attacker.estimator)
    labels = row_nodes(attacker, X, nodes)
    refuse_single_rows(labels)
    alone = single_rows(labels)
    for value in values:
        _check_targets({**attacker.get_params(), param_name: value}, alone)
    groups = strata(labels, y)
    n_samples = n_rows(X, "X")
    n_rows(y, "y")  # the strata take a missing one
    weight = None if sample_weight is None else read_weights(sample_weight, X)
    random = check_random_state(attacker.random_state)
    seeds = random.randint(np.iinfo(np.int32).max, size=(n_repeats, 2)).tolist()
    tests = [draw(groups, n_samples, test_size, np.random.RandomState(seed)) for seed, _ in seeds]
    fits = (
        (
            clone(attacker).set_params(
                **{param_name: clone(value, safe=False), "random_state": seed}
            ),
            is_test,
        )
        for value in values
        for is_test, (_, seed) in zip(tests, seeds, strict=True)
    )
    data = X, y, {"nodes": nodes, "sample_weight": weight}
    common = data, labels, certificate
    results = call_each(_measure, common, fits, n_jobs=n_jobs, verbose=verbose)
    measured = np.moveaxis(np.array(results).reshape(len(values), n_repeats, -1), -1, 0)
    names = ("scores", "clean_scores", *(CERTIFIED if bound else ()))
    parts = {name: part.copy() for name, part in zip(names, measured, strict=True)}
    if bound and param_name == "budget":
        holds = _hold_for_fewer(attacker)
        parts["upper_bounds"] = _never_falling(parts["upper_bounds"], values, holds)
    return Bunch(
        param_name=param_name,
        param_range=values,
        **parts,
        score_name=SCORE_NAMES[is_classifier(last_step(attacker.estimator))],
    )


def _hold_for_fewer(attacker):
    """Whether bounds of more rows are known to hold for fewer, through the same nodes.

    Balls have to hold the clean rows, and attackers of users may choose their nodes by the budget.
    """
    is_own = not type(attacker).__module__.startswith("skfedmtl.")
    return not is_own and isinstance(getattr(attacker, "radius", "max"), str)


def _never_falling(bounds, budgets, holds):
    """Bounds (n_values, n_repeats), none below a smaller budget's.

    Where balls hold the clean rows, what bounds more rows bounds fewer, and the least of all larger
    budgets is taken. Else what is larger holds, too.
    """
    order = np.argsort(budgets, kind="stable")
    level = np.empty_like(bounds)
    if holds:
        order = order[::-1]
    level[order] = (np.minimum if holds else np.maximum).accumulate(bounds[order], axis=0)
    return level


def _check(attacker, param_name, param_range, n_repeats, test_size):
    """The values of the parameter, if all arguments are as they should be."""
    _check_parameter(attacker, param_name)
    single = isinstance(param_range, str) or getattr(param_range, "shape", None) == ()
    if single or not hasattr(param_range, "__len__"):
        raise TypeError(f"`param_range` must be a list of values, got {param_range!r}.")
    if not len(param_range):
        raise ValueError("`param_range` is empty; at least one value is needed.")
    if isinstance(n_repeats, bool) or not isinstance(n_repeats, numbers.Integral):
        raise TypeError(f"`n_repeats` must be a whole number of at least 1, got {n_repeats!r}.")
    if n_repeats < 1:
        raise ValueError(f"`n_repeats` must be a whole number of at least 1, got {n_repeats!r}.")
    check_test_size(test_size)
    return param_range.tolist() if isinstance(param_range, np.ndarray) else list(param_range)


def check_attacker(attacker):
    """Refuse what is no poisoner."""
    if not isinstance(attacker, BasePoisoner):
        raise TypeError(
            f"`attacker` must be a poisoner, got {attacker!r}; allowed are objects of classes "
            "derived from skfedmtl.attack.BasePoisoner."
        )


def _check_parameter(attacker, param_name):
    """Refuse what is no parameter of an attacker."""
    known = isinstance(param_name, str) and param_name in attacker.get_params()
    if param_name == "random_state" or not known:
        raise ValueError(
            "`param_name` must be a parameter of the attacker or, after 'estimator__', of its "
            f"victim, and not 'random_state'; got {param_name!r}."
        )


def _check_bound(bound, attacker, param_name, values):
    """Refuse bounds on what they do not bound: the objective of any goal but errors."""
    if not isinstance(bound, bool | np.bool_):
        raise TypeError(f"`bound` must be True or False, got {bound!r}.")
    if not bound:
        return
    for value in values:
        goal = {**attacker.get_params(deep=False), param_name: value}.get("goal", "error")
        if not isinstance(goal, str) or goal != "error":
            raise ValueError(
                "`bound` needs attackers whose objective is the victim's loss on the targets, "
                f"goal='error'; got goal={goal!r}."
            )


def _certificate(bound, bound_params, estimator):
    """Parameters of every bound; None if there are none."""
    if bound_params is None:
        return {} if bound else None
    if not bound:
        raise ValueError("`bound_params` was given without bound=True, which they are for.")
    if not isinstance(bound_params, Mapping):
        raise TypeError(
            f"`bound_params` must be a dict of {listing(STEPS)}, or None; got {bound_params!r}."
        )
    if unknown := [name for name in bound_params if name not in STEPS]:
        raise ValueError(
            f"`bound_params` may hold {listing(STEPS)}; got {unknown[0]!r}. Who attacks whom is "
            "what the attacker says."
        )
    DamageBound(estimator, **bound_params)._validate_params()
    return dict(bound_params)


def row_nodes(attacker, X, nodes):
    """The node of each row."""
    if nodes is not None:
        return check_nodes(nodes, n_rows(X, "X"))
    column = attacker.node_column
    if column is None:
        column = getattr(last_step(attacker.estimator), "node_column", None)
    if column is None:
        raise ValueError("`nodes` is missing, and neither attacker nor victim has a `node_column`.")
    return split_node_column(X, column)[1]


def _check_targets(params, alone):
    """Refuse named targets that have no row to spare for the test."""
    name, chosen = "target_nodes", params["target_nodes"]
    if isinstance(chosen, numbers.Real):  # a share, unless the sources say who
        name, chosen = "source_nodes", params["source_nodes"]
        if chosen is None or params["attack"] != "direct":
            return
    single = set(as_unique_labels(chosen, name).tolist()) & set(alone.tolist())
    if single:
        raise ValueError(
            f"`{name}` must have two rows each, one of them to be tested on; got nodes of a "
            f"single row: {listing(list(single))}."
        )


def _measure(data, labels, certificate, attacker, is_test):
    """The score of an attack, that of its victim without it, and what `CERTIFIED` names."""
    name_nodes(attacker, labels[~is_test], np.unique(labels[is_test]))
    X, y, metadata = _part(data, ~is_test)
    X_test, y_test, metadata_test = _part(data, is_test)
    # one thread: sums are taken in the same order however many processes share the cores
    with threadpool_limits(1):
        attacker.fit(X, y, **metadata)
        pair = attacker, clean_twin(attacker)
        scores = [model.score(X_test, y_test, **metadata_test) for model in pair]
        if certificate is None:
            return scores
        return scores + _certify(attacker, X, y, metadata, certificate)


def _certify(attacker, X, y, metadata, params):
    """The loss of a target under a fitted attack, its bound, and the loss without the attack."""
    given = attacker.get_params(deep=False)
    bound = DamageBound(
        **{name: given[name] for name in SHARED if name in given},
        # by name, as attackers may choose their sources
        target_nodes=attacker.target_nodes_,
        source_nodes=attacker.source_nodes_,
        **{"tol": attacker.victim_tol, **params},
    ).fit(X, y, **metadata)
    n_targets = len(bound.target_nodes_)
    return [
        attacker.objective_ / n_targets,
        bound.per_target_,
        bound.clean_objective_ / n_targets,
    ]


def name_nodes(attacker, nodes, judged):
    """Name the nodes to be drawn where `fit` could not tell which of them are judged.

    It sees the training rows only: where a node has one of them, another is held out, or none.
    """
    counts = np.unique(nodes, return_counts=True)[1]
    if isinstance(attacker.target_nodes, numbers.Real) and counts.min() == 1:
        targets, sources = draw_nodes(attacker, nodes, judged)
        attacker.set_params(target_nodes=targets, source_nodes=sources)


def _part(data, chosen):
    """The chosen rows of X and y, and of the metadata that were given."""
    rows = np.flatnonzero(chosen)
    X, y, metadata = data
    given = {name: take(values, rows) for name, values in metadata.items() if values is not None}
    return take(X, rows), take(y, rows), given
