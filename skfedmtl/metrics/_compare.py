"""What an attack does to every node, beside what would be without it."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils import check_random_state

from skfedmtl._input import listing, n_rows, read_truth, take
from skfedmtl._tools.frames import import_pandas
from skfedmtl._tools.sklearn import last_step
from skfedmtl.attack import RandomPoisoner, clean_twin
from skfedmtl.metrics._resampling import error_of, resampled_errors, row_losses
from skfedmtl.model_selection import check_attacker, name_nodes, row_nodes, train_test_split_nodes

__all__ = ["compare"]


def compare(attacker, X, y, *, nodes=None, test_size=0.25, n_resamples=1000, confidence_level=0.95):
    """Compare the errors of every node with and without an attack, on held-out rows.

    The rows of every node are split into training and test rows. On the training rows the attack
    is run, and beside it the random attack with the same targets, sources and limits, and the
    victim without ties between the nodes.

    Parameters
    ----------
    attacker : PoisoningAttacker or other BasePoisoner
        The attack; it is cloned. An int as its `random_state` makes the comparison reproducible;
        it is the seed of the split as well.
    X : array-like of shape (n_samples, n_features)
        Clean rows of all nodes.
    y : array-like of shape (n_samples,)
        Their targets.
    nodes : array-like of shape (n_samples,), default=None
        The node of each row; None: the column `node_column` of the attacker or its victim.
    test_size : float, default=0.25
        The share of a node's rows to test, between 0 and 1.
    n_resamples : int, default=1000
        Draws of test rows, with replacement, behind the interval.
    confidence_level : float, default=0.95
        That of the interval, between 0 and 1.

    Returns
    -------
    errors : DataFrame
        A row a node, nodes sorted, with the columns

        n_train, n_test : int
            Clean rows in training and test.
        is_target, is_source : bool
            Whether the node is to be hurt, and whether it injects rows.
        clean, random, optimised : float
            Error without an attack, under the random one, and under `attacker`: the share of wrong
            rows, or for numbers the root mean squared error; NaN where there is no test row, with
            a warning if such a node is named as a target.
        local : float
            Error of the victim with ``relationship="none"``, without an attack.
        low, high : float
            Ends of the interval of `optimised`, quantiles over resampled test rows. It tells
            nothing of other splits, and where there are few test rows it is too short.

        goal_clean, goal_random, goal_optimised : float
            Only of attackers whose `goal` is not ``"error"``: what they want, more of which is
            more harm. Of a pair the share of rows of the one class that are taken for the other,
            NaN without such rows; of ``"raise"`` the mean of forecasts minus targets, of
            ``"lower"`` of targets minus forecasts.

        ``errors.attrs["error"]`` says which error it is, ``"error rate"`` or ``"RMSE"``.

    Raises
    ------
    TypeError
        If `attacker` is no poisoner.
    ValueError
        If the rows have no nodes, or an argument is out of its range; and as `fit` of the attacker
        does.
    ImportError
        If pandas is not installed.

    See Also
    --------
    skfedmtl.inspection.DamageDisplay : Draws it.
    node_errors : Errors by node of any predictions.

    Examples
    --------
    >>> from skfedmtl import FMTLClassifier, PoisoningAttacker
    >>> from skfedmtl.datasets import make_federated_classification
    >>> from skfedmtl.metrics import compare
    >>> X, y, nodes = make_federated_classification(random_state=0, return_X_y_nodes=True)
    >>> attacker = PoisoningAttacker(FMTLClassifier(), target_nodes=[0, 1], random_state=0)
    >>> errors = compare(attacker, X, y, nodes=nodes)
    >>> errors.columns.tolist()[4:]
    ['clean', 'random', 'optimised', 'local', 'low', 'high']
    >>> hurt = errors[errors["is_target"]]
    >>> bool(hurt["optimised"].mean() > hurt["clean"].mean())
    True
    """
    pandas = import_pandas("compare")
    check_attacker(attacker)
    _check_interval(n_resamples, confidence_level)
    labels = row_nodes(attacker, X, nodes)
    seed = attacker.random_state
    if not isinstance(seed, Integral):
        seed = int(check_random_state(seed).randint(np.iinfo(np.int32).max))
    split = np.arange(n_rows(X, "X")), y, labels
    train, test, y_train, y_test, *_ = train_test_split_nodes(
        *split, test_size=test_size, random_state=seed
    )
    known, judged = labels[train], labels[test]
    attack = clone(attacker).set_params(random_state=seed)
    name_nodes(attack, known, np.unique(judged))
    random = _random(attack)
    local = clone(random).set_params(budget=0.0)
    last_step(local.estimator).set_params(relationship="none", lambda0=None)
    given, asked = ({} if nodes is None else {"nodes": take(nodes, part)} for part in (train, test))
    for poisoner in (attack, random, local):
        poisoner.fit(take(X, train), y_train, **given)
    _warn_of_unjudged(attack.target_nodes_, judged)
    classify = is_classifier(last_step(attack.estimator))
    truth = np.asarray(read_truth(y_test, "y", numeric=not classify)).ravel()
    judges = {"clean": clean_twin(attack), "random": random, "optimised": attack, "local": local}
    told = {name: judge.predict(take(X, test), **asked) for name, judge in judges.items()}
    losses = {name: row_losses(truth, said, classify) for name, said in told.items()}
    wanted = _wanted(attack.get_params(deep=False).get("goal", "error"), truth, told)
    found = np.unique(labels)
    members = {
        "n_train": known,
        "n_test": judged,
        "is_target": attack.target_nodes_,
        "is_source": attack.source_nodes_,
    }
    counts = {name: [np.sum(where == node) for node in found] for name, where in members.items()}
    rng, tail = np.random.default_rng(seed), (1.0 - confidence_level) / 2.0
    errors = []
    for node in found:
        own = {name: loss[judged == node] for name, loss in losses.items()}
        again = resampled_errors(own["optimised"][:, None], n_resamples, classify, rng)
        low, high = np.quantile(again, [tail, 1.0 - tail])
        row = {name: error_of(loss, classify) for name, loss in own.items()}
        row |= {"low": low, "high": high}
        errors.append(row | {name: _mean(some[judged == node]) for name, some in wanted.items()})
    index = pandas.Index(found.tolist(), name="node")
    frame = pandas.DataFrame(counts, index).join(pandas.DataFrame(errors, index))
    frame = frame.astype({"is_target": bool, "is_source": bool})
    frame.attrs["error"] = "error rate" if classify else "RMSE"
    return frame


def _warn_of_unjudged(targets, judged):
    """Targets without a test row, which are never drawn, have no errors."""
    alone = np.setdiff1d(targets, judged)
    if alone.size:
        warnings.warn(
            f"`target_nodes` holds nodes without a test row, {listing(alone)}: their errors are "
            "NaN. Give them more rows, or leave them out.",
            UserWarning,
            stacklevel=3,
        )


def _wanted(goal, truth, told):
    """What the attacker wants of every row, by column; NaN of rows that do not count.

    Nothing of one who wants errors, as these have columns of their own.
    """
    if isinstance(goal, str) and goal == "error":
        return {}
    sign = {"raise": 1.0, "lower": -1.0}
    columns = {}
    for name in ("clean", "random", "optimised"):
        if isinstance(goal, str):
            columns[f"goal_{name}"] = sign[goal] * (told[name] - truth)
        else:
            one, other = np.asarray(goal).tolist()
            is_taken = np.where(told[name] == other, 1.0, 0.0)
            columns[f"goal_{name}"] = np.where(truth == one, is_taken, np.nan)
    return columns


def _mean(values):
    """Of those that are known; NaN if none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _check_interval(n_resamples, confidence_level):
    """Refuse what makes no interval."""
    whole = isinstance(n_resamples, Integral) and not isinstance(n_resamples, bool)
    if not whole or n_resamples < 1:
        raise ValueError(
            f"`n_resamples` must be a whole number of at least 1, got {n_resamples!r}."
        )
    if not isinstance(confidence_level, Real) or not 0.0 < confidence_level < 1.0:
        raise ValueError(
            f"`confidence_level` must be a number between 0 and 1, got {confidence_level!r}."
        )


def _random(attack):
    """The random attack with the same draws, limits and victim."""
    given = attack.get_params(deep=False)
    known = RandomPoisoner(attack.estimator).get_params(deep=False)
    shared = {name: given[name] for name in known if name in given}
    shared["init"] = "ball" if given.get("init") == "ball" else "clean"
    return clone(RandomPoisoner(**shared))
