"""What every poisoner keeps to."""

import pickle
from copy import copy

import numpy as np
from joblib import parallel_config
from sklearn.base import clone, is_classifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from skfedmtl._tools.sklearn import last_step
from skfedmtl.attack import BasePoisoner
from skfedmtl.testing._federation import make_federation

__all__ = ["check_poisoner"]

_STORED = (
    "target_nodes_",
    "source_nodes_",
    "poison_X_",
    "poison_y_",
    "poison_nodes_",
    "poison_origin_",
    "poison_sample_weight_",
)
_VICTIMS = ("clean_estimator_", "estimator_")
_FITTED = (*_STORED, *_VICTIMS, "objective_", "clean_objective_", "criterion_")
_NODES_AT = 2  #: where a table has its node column
#: parameters that speak of the caller's own table
_OF_A_TABLE = (
    "source_nodes",
    "node_column",
    "feature_range",
    "frozen_features",
    "integer_features",
    "one_hot_groups",
    "constraint",
)


def check_poisoner(poisoner):
    """Check that a poisoner keeps to what is asked of all of them.

    It is fitted some thirty times to small federations, with its own parameters but for those that
    name nodes or columns. Checked are, in this order: parameters, `clone`; that users' data
    stay as they are; what is stored, that `random_state` decides it alone, what `poison` returns,
    and pickling; the threat model: rows in sources only, as many as the budget says, in the radius,
    with possible targets; the limits of features; that `n_jobs` decides nothing; that nodes
    without ties feel nothing; that a victim with a node column and one behind a scaler are attacked
    as a plain one is; and that bad input is refused.

    The time is that of the fits: seconds where rows are drawn, a minute or more where every fit is
    an attack of its own. ``init="clean"``, ``criterion="loss"`` and ``max_iter=2`` make a
    `PoisoningAttacker` light: no search among weights and no moves by chance, no share of wrong
    rows to tell attempts apart by, two steps.

    Parameters
    ----------
    poisoner : BasePoisoner
        An instance, fitted or not; it is cloned.

    Raises
    ------
    TypeError
        If it is no instance of a class derived from `BasePoisoner`.
    AssertionError
        If it breaks a promise; the message says which.

    See Also
    --------
    skfedmtl.attack.BasePoisoner : What a class of your own defines.

    Examples
    --------
    >>> from skfedmtl import FMTLRegressor, RandomPoisoner
    >>> from skfedmtl.testing import check_poisoner
    >>> check_poisoner(RandomPoisoner(FMTLRegressor()))
    """
    if not isinstance(poisoner, BasePoisoner):
        raise TypeError(
            "`poisoner` must be an instance of a class derived from skfedmtl.attack.BasePoisoner, "
            f"got {poisoner!r}."
        )
    _check_parameters(poisoner)
    data = make_federation(is_classifier(poisoner))
    plain = _prepared(poisoner)
    _check_inputs_stay(plain, data)
    _check_stored(plain, data)
    _check_threat(plain, data)
    _check_budget_and_radius(plain, data)
    _check_limits(plain, data)
    _check_n_jobs(plain, data)
    _check_untied(plain, data)
    _check_victims(plain, data)
    _check_bad_input(plain, data)


def _promise(kept, what):
    """Refuse a promise that was not kept."""
    if not kept:
        raise AssertionError(f"check_poisoner: {what}.")


def _prepared(poisoner):
    """A clone that names no nodes and no columns, with two of five nodes as targets."""
    prepared = clone(poisoner)
    known = prepared.get_params(deep=False)
    given = dict.fromkeys(_OF_A_TABLE)
    given.update(target_nodes=0.4, budget=0.2, radius="max", random_state=0)
    prepared.set_params(**{name: value for name, value in given.items() if name in known})
    model = last_step(prepared.estimator)
    if getattr(model, "node_column", None) is not None:
        model.set_params(node_column=None)
    return prepared


def _with(poisoner, **params):
    """A clone with other parameters, of those that it has."""
    known = poisoner.get_params(deep=False)
    return clone(poisoner).set_params(**{key: params[key] for key in params if key in known})


def _fit(poisoner, data, **others):
    given = {**{name: value.copy() for name, value in data.arguments().items()}, **others}
    fitted = poisoner.fit(given.pop("X"), given.pop("y"), **given)
    _promise(fitted is poisoner, "`fit` must return the poisoner itself")
    return fitted


def _check_parameters(poisoner):
    params = poisoner.get_params(deep=False)
    own = type(poisoner)(**params)
    for name, value in params.items():
        _promise(
            own.get_params(deep=False)[name] is value,
            f"`__init__` must store `{name}` as it is, as scikit-learn's estimators do",
        )
    copied = clone(poisoner)
    _promise(type(copied) is type(poisoner), "a clone must be of the same class")
    _promise(
        copied.get_params(deep=False).keys() == params.keys(), "a clone must have all parameters"
    )
    lacking = {"estimator", "target_nodes", "random_state", "budget", "attack"} - params.keys()
    _promise(not lacking, f"parameters of every poisoner are missing: {sorted(lacking)}")


def _check_stored(poisoner, data):
    before = repr(poisoner.get_params())
    fitted = _fit(clone(poisoner), data)
    _promise(repr(fitted.get_params()) == before, "`fit` must not change parameters")
    lacking = [name for name in _FITTED if not hasattr(fitted, name)]
    _promise(not lacking, f"`fit` must set {lacking}")
    _check_random_state(poisoner, data)
    n_injected = len(fitted.poison_nodes_)
    for name in _STORED[2:]:
        _promise(len(getattr(fitted, name)) == n_injected, f"`{name}` must have one entry a row")
    _promise(
        fitted.poison_X_.shape == (n_injected, data.X.shape[1]),
        "`poison_X_` must have the columns of X",
    )
    _promise(np.isfinite(fitted.poison_X_).all(), "`poison_X_` must be finite")
    _promise(np.isfinite(fitted.objective_), "`objective_` must be finite")
    _check_weights(fitted, data)
    _check_poisoned_data(clone(poisoner), fitted, data)
    copied = copy(fitted)  # a class that was defined in a function cannot be pickled, its state can
    vars(copied).update(pickle.loads(pickle.dumps(vars(fitted))))
    told, again = (one.predict(data.X, nodes=data.nodes) for one in (fitted, copied))
    _promise(np.array_equal(told, again), "a pickled poisoner must predict the same")


def _check_weights(fitted, data):
    means = {node: data.weight[data.nodes == node].mean() for node in set(data.nodes.tolist())}
    expected = [means[node] for node in fitted.poison_nodes_.tolist()]
    _promise(
        np.allclose(fitted.poison_sample_weight_, expected, rtol=1e-9),
        "`poison_sample_weight_` must be the mean weight of the node's clean rows",
    )


def _check_poisoned_data(poisoner, fitted, data):
    """`poison` tells the clean rows and the stored ones, to which `estimator_` is fitted."""
    made = poisoner.poison(
        data.X.copy(), data.y.copy(), nodes=data.nodes, sample_weight=data.weight
    )
    n = len(data.y)
    pairs = (
        (data.X, made.X, fitted.poison_X_),
        (data.y, made.y, fitted.poison_y_),
        (data.nodes, made.nodes, fitted.poison_nodes_),
    )
    for clean, both, added in pairs:
        _promise(np.array_equal(clean, both[:n]), "`poison` must keep the clean rows first")
        _promise(np.array_equal(added, both[n:]), "`poison` must return the rows that are stored")
    _promise(
        np.array_equal(made.is_poison, np.arange(len(made.y)) >= n),
        "`is_poison` must mark the rows behind the clean ones",
    )
    victim = clone(fitted.estimator_)
    last_step(victim).set_params(tol=1e-9)
    if victim is not last_step(victim):
        return  # steps of a Pipeline are those of the clean rows
    victim.fit(made.X, made.y, nodes=made.nodes, sample_weight=made.sample_weight)
    one, other = (model._decision(data.X, data.codes) for model in (fitted.estimator_, victim))
    _promise(
        np.allclose(one, other, atol=0.05 * (np.abs(other).max() + 1e-12)),
        "`estimator_` must be the victim fitted to clean and injected rows",
    )


def _check_inputs_stay(poisoner, data):
    given = {name: value.copy() for name, value in data.arguments().items()}
    victim = poisoner.estimator
    _fit(clone(poisoner).set_params(estimator=victim), data, **given)
    for name, value in data.arguments().items():
        _promise(np.array_equal(given[name], value), f"`fit` must not change `{name}`")
    try:
        check_is_fitted(last_step(victim))
    except Exception:
        return
    _promise(False, "`fit` must not fit the `estimator` that it is given, but a clone")


def _check_threat(poisoner, data):
    for attack in ("direct", "indirect", "hybrid"):
        fitted = _fit(_with(poisoner, attack=attack), data)
        targets, sources = set(fitted.target_nodes_.tolist()), set(fitted.source_nodes_.tolist())
        known = set(data.nodes.tolist())
        _promise(targets <= known and sources <= known, "targets and sources must be nodes")
        _promise(targets, "an attack needs a target")
        if attack == "direct":
            _promise(targets == sources, "the sources of a direct attack must be its targets")
        if attack == "indirect":
            _promise(not targets & sources, "no source of an indirect attack may be a target")
        _check_rows(fitted, data, 0.2, data.norms())
    named = _with(poisoner, attack="indirect", target_nodes=["b"], source_nodes=["d", "a"])
    fitted = _fit(named, data)
    chosen = sorted(fitted.target_nodes_.tolist()), sorted(fitted.source_nodes_.tolist())
    if _draws_as_others(poisoner):
        _promise(chosen == (["b"], ["a", "d"]), "named targets and sources must be those attacked")


def _draws_as_others(poisoner):
    """Whether parameters alone say who is attacked."""
    return type(poisoner).draw_threat is BasePoisoner.draw_threat


def _check_rows(fitted, data, budget, radius):
    """Rows in sources only, as many as the budget says, in the balls, with possible targets."""
    sources, where = fitted.source_nodes_.tolist(), fitted.poison_nodes_
    _promise(
        set(where.tolist()) <= set(sources), "injected rows must be in the sources, and only there"
    )
    for node in sources:
        own, clean = where == node, data.nodes == node
        asked = max(1, int(np.floor(budget * clean.sum() + 0.5))) if budget else 0
        _promise(
            own.sum() == asked,
            f"a source with {clean.sum()} clean rows must get {asked} at budget={budget}, got "
            f"{own.sum()}",
        )
        norms = [np.linalg.norm(row) for row in fitted.poison_X_[own]]
        _promise(
            all(norm <= radius[node] for norm in norms), "no injected row may leave its radius"
        )
        given, possible = fitted.poison_y_[own], data.y[clean]
        if data.classify:
            _promise(
                set(given.tolist()) <= set(data.y.tolist()),
                "injected targets must be classes",
            )
        else:
            _promise(
                ((given >= possible.min()) & (given <= possible.max())).all(),
                "injected targets must lie in the clean range of their node",
            )


def _check_budget_and_radius(poisoner, data):
    nothing = _fit(_with(poisoner, budget=0.0), data)
    _promise(len(nothing.poison_y_) == 0, "a budget of 0 must inject no row")
    _check_rows(_fit(_with(poisoner, budget=0.5), data), data, 0.5, data.norms())
    if "radius" in poisoner.get_params(deep=False):
        small = dict.fromkeys(data.nodes.tolist(), 0.7)
        _check_rows(_fit(_with(poisoner, radius=0.7), data), data, 0.2, small)


def _check_limits(poisoner, data):
    """Each limit of features that the poisoner has as a parameter."""
    known = poisoner.get_params(deep=False)
    if "frozen_features" in known:
        fitted = _fit(_with(poisoner, init="clean", frozen_features=[0]), data)
        kept = fitted.poison_X_[:, 0] == data.X[fitted.poison_origin_, 0]
        _promise(kept.all(), "frozen features must keep the values of the clean row")
    if "integer_features" in known:
        found = _fit(_with(poisoner, integer_features=[2]), data).poison_X_[:, 2]
        _promise(np.array_equal(found, np.rint(found)), "integer features must be whole")
    if "one_hot_groups" in known:
        found = _fit(_with(poisoner, one_hot_groups=[[3, 4]]), data).poison_X_[:, 3:5]
        _promise(
            np.array_equal(np.sort(found, axis=1), np.tile([0.0, 1.0], (len(found), 1))),
            "of a one-hot group exactly one feature must be 1",
        )
    if "feature_range" in known:
        found = _fit(_with(poisoner, feature_range=(-0.5, 0.5)), data).poison_X_
        _promise((np.abs(found) <= 0.5).all(), "features must stay in `feature_range`")


def _check_victims(poisoner, data):
    """Victims plain, with a node column, and behind a scaler, whichever the poisoner came with."""
    model = clone(last_step(poisoner.estimator))
    table = np.insert(data.X, _NODES_AT, data.codes, axis=1)
    own_column = clone(model).set_params(node_column=_NODES_AT)
    _attacked("a plain victim", poisoner, model, data)
    told = _attacked("a victim with a node column", poisoner, own_column, data, X=table, nodes=None)
    _promise(
        np.array_equal(told.poison_X_[:, _NODES_AT], told.poison_nodes_),
        "`poison_X_` must hold the nodes in the node column",
    )
    behind = make_pipeline(StandardScaler(), clone(model))
    _check_rows(_attacked("a Pipeline", poisoner, behind, data), data, 0.2, data.norms())


def _attacked(what, poisoner, victim, data, **others):
    try:
        return _fit(clone(poisoner).set_params(estimator=victim), data, **others)
    except Exception as error:
        raise AssertionError(
            f"check_poisoner: {what} must be attacked like any other; `fit` raised "
            f"{type(error).__name__}: {error}"
        ) from error


def _same_rows(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in _STORED)


def _check_random_state(poisoner, data):
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(1)  # noqa: NPY002
        first = _fit(clone(poisoner), data)
        np.random.seed(2)  # noqa: NPY002
        second = _fit(clone(poisoner), data)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    _promise(_same_rows(first, second), "rows must follow from `random_state` and the data alone")
    _promise(
        _same_rows(first, _fit(second, data)), "a second fit must not depend on the one before"
    )


def _check_n_jobs(poisoner, data):
    if "n_jobs" not in poisoner.get_params(deep=False):
        return
    with parallel_config(backend="threading"):
        one, two = (_fit(_with(poisoner, n_jobs=n, n_restarts=2), data) for n in (1, 2))
    _promise(_same_rows(one, two), "rows must not depend on `n_jobs`")


def _check_untied(poisoner, data):
    """Without ties nothing reaches the targets from other nodes."""
    victim = clone(poisoner.estimator)
    model = last_step(victim)
    untied = {"relationship": "none", "lambda0": None, "node_weight": None, "tol": 1e-8}
    known = model.get_params(deep=False)
    model.set_params(**{name: value for name, value in untied.items() if name in known})
    fitted = _fit(_with(poisoner, estimator=victim, attack="indirect", victim_tol=1e-8), data)
    is_target = np.isin(data.nodes, fitted.target_nodes_)
    rows, where = data.X[is_target], data.nodes[is_target]
    pair = fitted.estimator_, fitted.clean_estimator_
    told, before = (one.predict(rows, nodes=where) for one in pair)
    if data.classify:
        same = np.mean(told == before) > 0.95  # a row on the boundary may fall on either side
    else:
        same = np.allclose(told, before, atol=1e-2 * np.ptp(data.y))
    _promise(same, "without ties between nodes an indirect attack must not reach its targets")


def _check_bad_input(poisoner, data):
    gaps = data.X.copy()
    gaps[0, 0] = np.nan
    wrong = {
        "NaN in X": (poisoner, {"X": gaps}),
        "fewer targets than rows": (poisoner, {"y": data.y[:-1]}),
        "fewer nodes than rows": (poisoner, {"nodes": data.nodes[:-1]}),
        "negative weights": (poisoner, {"sample_weight": -data.weight}),
        "target_nodes of no row": (_with(poisoner, target_nodes=["nobody"]), {}),
        "budget=-1": (_with(poisoner, budget=-1.0), {}),
        "attack='sideways'": (_with(poisoner, attack="sideways"), {}),
    }
    if not _draws_as_others(poisoner):
        del wrong["target_nodes of no row"]
    for what, (one, given) in wrong.items():
        one = clone(one)
        try:
            _fit(one, data, **given)
        except ValueError:
            _promise(not hasattr(one, "estimator_"), f"{what} must leave the poisoner unfitted")
            continue
        _promise(False, f"{what} must be refused by a ValueError")
