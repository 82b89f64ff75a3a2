"""What attacks do to the models of a table of your own."""

import inspect
from numbers import Integral, Real
from pathlib import Path

from skfedmtl._model import REQUIRED, OwnLoss
from skfedmtl._report import (
    ATTACKS,
    BOUNDS_OF,
    TASKS,
    Asked,
    Settings,
    Threat,
    check_own_poisoner,
    make,
    prepare,
    read_frames,
    wrong_with_share,
)
from skfedmtl._tools.figures import import_pyplot
from skfedmtl._tools.files import write_whole
from skfedmtl._tools.sklearn import HasMethods, Interval, StrOptions, validate_parameter_constraints

__all__ = ["AttackReport", "attack_report"]

_CONSTRAINTS = {
    "task": [StrOptions(set(TASKS))],
    "categorical": [list, tuple],
    "integer": [list, tuple],
    "frozen": [list, tuple],
    "loss": [StrOptions({"auto"}), HasMethods(list(REQUIRED))],
    "attack": [StrOptions(set(ATTACKS)), list, tuple],
    "target_nodes": [None, list, tuple],
    "source_nodes": [None, list, tuple],
    "budget": [Interval(Real, 0, None, closed="left")],
    "lambda0": [None, Interval(Real, 0, None, closed="neither")],
    "lambda1": [None, Interval(Real, 0, None, closed="left")],
    "lambda2": [None, Interval(Real, 0, None, closed="neither")],
    "repeats": [Interval(Integral, 1, None, closed="left")],
    "bound": ["boolean"],
    "bounds_of": [StrOptions(set(BOUNDS_OF))],
    "remedies": ["boolean"],
    "max_iter": [Interval(Integral, 0, None, closed="left")],
    "bound_iter": [Interval(Integral, 1, None, closed="left")],
    "bound_seconds": [None, Interval(Real, 0, None, closed="neither")],
    "n_jobs": [None, Integral],
    "random_state": [Interval(Integral, 0, 2**32 - 1, closed="both")],
}


def attack_report(
    X,
    y,
    nodes,
    *,
    task="auto",
    positive=None,
    categorical=(),
    integer=(),
    frozen=(),
    loss="auto",
    attack=ATTACKS,
    poisoner=None,
    target_nodes=None,
    source_nodes=None,
    budget=0.2,
    lambda0=None,
    lambda1=None,
    lambda2=None,
    repeats=3,
    bound=True,
    bounds_of="first",
    remedies=True,
    max_iter=15,
    bound_iter=200,
    bound_seconds=None,
    n_jobs=None,
    random_state=0,
):
    """Measure attacks on a federated multi-task model of your own rows.

    What the command ``skfedmtl report TABLE`` does. Missing values are filled by training rows
    (medians, most frequent categories), words become a column of zeros and ones a category, and
    columns are scaled. Injected rows keep every column within the clean range of their node, whole
    numbers whole, and one category a row.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Numbers and words; NaN and None are missing values.
    y : array-like of shape (n_samples,)
        The target; rows without one are left out.
    nodes : array-like of shape (n_samples,)
        The node of each row; rows without one are left out.
    task : {"auto", "classification", "regression"}, default="auto"
        ``"auto"``: words and two different numbers are classes, more than ten numbers are a
        regression.
    positive : str or None, default=None
        The class that is told from all others; None: of two classes the last.
    categorical, integer, frozen : list of str, default=()
        Columns of numbers that are names of categories; columns whose injected values are whole,
        beside those that are; columns that injected rows leave as they were.
    loss : "auto" or `protocols.Loss`, default="auto"
        Of the model. ``"auto"``: the hinge for classes, the squared error for numbers. Or a smooth
        one of your own, which a bound asks for its `kappa`.
    attack : {"direct", "indirect", "hybrid"} or list of them, default=all three
        The attacks that are tried.
    poisoner : BasePoisoner or None, default=None
        Crafts the optimised attacks in the place of a `PoisoningAttacker` of `max_iter` steps:
        one of your own, or a configured one of the package's. It is cloned for every repetition and
        attack. The report sets its `estimator`, `attack`, nodes, `budget`, `random_state` and, of
        `radius` and the limits of features, what it has; all else it keeps, its steps among them.
        A bound needs `feature_range` and `one_hot_groups`, by which rows keep to what is bounded,
        or a `LabelFlipPoisoner`, whose rows are copies. Refused are a `draw_threat` of its own and
        a `goal` other than ``"error"``.
    target_nodes : list of labels or None, default=None
        The nodes to be hurt; None: all but `source_nodes` where these are named and an attack is
        not direct, else half of the nodes, drawn in every repetition.
    source_nodes : list of labels or None, default=None
        The nodes that indirect and hybrid attacks inject rows into; None draws them.
    budget : float, default=0.2
        Rows injected into a source node, as a share of its rows: 0.1 is 10 %. At most 1.
    lambda0 : float or None, default=None
        Penalty of what the nodes' models have in common; None: they have no common part.
    lambda1, lambda2 : float or None, default=None
        Penalties of the model; None: chosen by 3-fold cross-validation of training rows.
    repeats : int, default=3
        Splits into training and test rows, and draws of target nodes.
    bound : bool, default=True
        Whether to certify what no attack exceeds, which takes longest.
    bounds_of : {"first", "all"}, default="first"
        The repetitions in which it is certified. The losses of training rows, which it is compared
        with, are means over these.
    remedies : bool, default=True
        Whether to repeat an attack, of several the hybrid one, against weaker ties, a larger
        `lambda2` and with half the budget, for the page to show what reduces the damage.
    max_iter : int, default=15
        Steps of an optimised attack at most; a `poisoner` has its own.
    bound_iter : int, default=200
        Steps of a descent to a low bound.
    bound_seconds : float or None, default=None
        Seconds after which a bound is no longer lowered: it holds, but depends on the machine.
    n_jobs : int or None, default=None
        Processes, as in joblib; without effect on the result but the seconds.
    random_state : int, default=0
        Seed of all draws.

    Returns
    -------
    report : AttackReport
        Errors as frames, a figure, a page.

    Raises
    ------
    ValueError
        If there is nothing to learn from, or nobody could tell how; for a wrong parameter, and a
        `poisoner` that lacks what is asked of it.
    TypeError
        If `poisoner` is no poisoner.

    See Also
    --------
    skfedmtl.PoisoningAttacker : One attack on one model.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skfedmtl.report import attack_report
    >>> rng = np.random.default_rng(0)
    >>> people = pd.DataFrame({"age": rng.integers(20, 80, 90), "ward": ["A", "B", "C"] * 30})
    >>> days = people["age"] / 10 + 2.0 * (people["ward"] == "B") + rng.normal(size=90)
    >>> site = np.repeat(["north", "south", "west"], 30)
    >>> report = attack_report(
    ...     people, days, site, attack="direct", bound=False, repeats=1, lambda1=0.1, lambda2=0.01
    ... )
    >>> report.attacks[["attack", "kind", "metric"]].values.tolist()
    [['direct', 'random', 'rmse'], ['direct', 'optimised', 'rmse']]
    >>> sorted(report.nodes["node"].unique())
    ['north', 'south', 'west']

    An attack of your own:

    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.attack import BasePoisoner
    >>> class NearFlip(BasePoisoner):
    ...     def craft(self, setting):
    ...         return setting.project(1.1 * setting.X_start), setting.y_start
    >>> report = attack_report(
    ...     people, days, site, attack="direct", poisoner=NearFlip(FMTLRegressor()), bound=False,
    ...     remedies=False, repeats=1, lambda1=0.1, lambda2=0.01,
    ... )
    >>> "optimised attacks: by the given poisoner, NearFlip" in repr(report)
    True
    """
    options = {key: value for key, value in locals().items() if key not in ("X", "y", "nodes")}
    validate_parameter_constraints(_CONSTRAINTS, _known(options), "attack_report")
    if wrong := wrong_with_share(budget, budget):
        raise ValueError(f"`budget` {wrong}.")
    attacks = (attack,) if isinstance(attack, str) else tuple(attack)
    if not attacks or set(attacks) - set(ATTACKS):
        raise ValueError(f"`attack` must be of {', '.join(ATTACKS)}, or a list of them; {attack!r}")
    check_own_poisoner(poisoner, bound)
    own_loss = _own_loss(loss, bound)
    positive = None if positive is None else str(positive)
    asked = Asked(task, positive, (), *(list(map(str, s)) for s in (categorical, integer, frozen)))
    prepared = prepare(*read_frames(X, y, nodes), asked)
    seed = int(random_state)
    given = {"bound_iter": bound_iter, "lambda0": lambda0, "bounds_of": bounds_of}
    given |= {"own_loss": own_loss, "poisoner": poisoner}
    given["bound_seconds"] = None if bound_seconds is None else float(bound_seconds)
    settings = Settings("X", repeats, budget, seed, max_iter, 0.0, 0.0, **given)
    ordered = tuple(one for one in ATTACKS if one in attacks)
    threat = Threat(ordered, target_nodes, source_nodes, bound, remedies)
    made = make("X", prepared, settings, threat, (lambda1, lambda2), n_jobs)
    return AttackReport(made, _call(options))


def _own_loss(loss, bound):
    """The users' loss, None for the package's; one that nothing bounds is refused at once."""
    if isinstance(loss, str):
        return None
    OwnLoss(loss)  # refuses what lacks a member
    if bound and not hasattr(loss, "kappa"):
        raise ValueError(
            f"bound=True needs `kappa` of `loss`, which {type(loss).__name__} lacks; give "
            "bound=False."
        )
    return loss


def _known(options):
    return {key: value for key, value in options.items() if key in _CONSTRAINTS}


def _call(options):
    """What makes the same report again."""
    defaults = inspect.signature(attack_report).parameters
    given = [f", {k}={v!r}" for k, v in options.items() if v is not defaults[k].default]
    return f"attack_report(X, y, nodes{''.join(given)})"


class AttackReport:
    """What attacks do to the models of a table, as `attack_report` measured it.

    Parameters
    ----------
    made : object
        What `attack_report` hands over.
    call : str
        What makes the same report again.

    Attributes
    ----------
    clean : DataFrame
        The models without an attack: ``model`` (``"constant"``, ``"local"``, ``"global"``, and
        ``"none"`` for the federated one), ``nodes`` (all, or the targets), ``metric``, ``mean``
        and its standard error over the repetitions, ``se``.
    attacks : DataFrame
        The federated model under attack, test rows of the target nodes: ``attack``, ``kind``
        (``"random"``, ``"optimised"``), ``metric``, ``mean``, ``se``, ``ratio`` to the clean model
        and ``seconds``. With a bound also the losses of training rows, kinds ``"found"`` and
        ``"certified"`` among them.
    nodes : DataFrame
        A row a node, model and metric, the number of its rows in ``n_train`` and ``n_test``, and
        in ``low`` and ``high`` the 95 % interval of the error over resampled test rows.

    See Also
    --------
    attack_report : Makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.report import attack_report
    >>> rng = np.random.default_rng(0)
    >>> X, nodes = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
    >>> report = attack_report(
    ...     X, X[:, 0], nodes, attack="direct", bound=False, repeats=1, lambda1=0.1, lambda2=0.01
    ... )
    >>> report.clean["model"].unique().tolist()
    ['constant', 'local', 'global', 'none']
    """

    def __init__(self, made, call):
        import pandas

        self._made, self._call = made, call
        rows = pandas.DataFrame(made.rows)
        if (
            not made.plan.threat.bound
        ):  # the losses of training rows are there to be compared with it
            rows = rows[~rows["metric"].isin(["loss", "root_loss"]) & (rows["kind"] != "found")]
        without = ["baseline", "clean"]
        means, nodes = rows[rows["level"] == "aggregate"], rows[rows["level"] == "node"]
        scores = ["metric", "unit", "mean", "se"]
        clean = means[means["kind"].isin(without)].rename(columns={"attack": "model"})
        self.clean = clean[["model", "nodes", *scores]].reset_index(drop=True)
        head = ["attack", "kind", *scores, "ratio"]
        under = means[~means["kind"].isin(without)]
        self.attacks = under[[*head, "seconds"]].reset_index(drop=True)
        counts, ends = ["node", "n_train", "n_test"], ["low", "high"]
        self.nodes = nodes[[*counts, *head, *ends]].reset_index(drop=True)

    def __repr__(self):
        return "\n".join(self._made.lines)

    def plot(self):
        """Draw the errors under attack beside those without one.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure of ``skfedmtl report``.
        """
        import_pyplot("AttackReport")
        return self._made.figure()

    def to_html(self, path):
        """Write the report as one page that needs no other file.

        Parameters
        ----------
        path : str or path-like
            Where to; a file that is there is replaced.

        Returns
        -------
        path : Path
            The file.
        """
        import_pyplot("AttackReport")
        path = Path(path)
        content = self._made.page(self._made.png(), self._call)
        write_whole({path: lambda file: file.write(content)})
        return path
