"""Certified damage as an estimator."""

from copy import copy
from dataclasses import replace
from itertools import product
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from skfedmtl._estimators import whole_or_not_at_all
from skfedmtl._input import refuse_masked, take_nodes
from skfedmtl._tools.doc_link import DocLinkMixin
from skfedmtl._tools.parallel import call_each
from skfedmtl._tools.sklearn import Interval, StrOptions, _fit_context
from skfedmtl.attack._bound import (
    Clock,
    Injection,
    Setting,
    bound_of_times,
    damage_cap,
    regions,
    with_gap,
)
from skfedmtl.attack._poisoned_victim import WithVictim
from skfedmtl.attack._poisoner import BasePoisoner
from skfedmtl.attack._setting import (
    Parameters,
    Victim,
    node_shares,
    read_scenario,
    target_ranges,
)
from skfedmtl.attack._sought import CleanRows, Model
from skfedmtl.attack._unbounded import refuse_unbounded

__all__ = ["DamageBound"]

#: Times the rows that are asked for. What bounds the damage of more rows bounds that of fewer, and
#: a descent may end higher for fewer than for more.
_TIMES = (1.0, 1.5)

#: Parameters of the threat, which are what those of poisoners are.
_OF_POISONERS = (
    "estimator",
    "attack",
    "target_nodes",
    "source_nodes",
    "choose_sources",
    "budget",
    "radius",
    "node_column",
    "random_state",
)


class DamageBound(DocLinkMixin, WithVictim):
    """Certified damage: what no poisoning attack of a threat model exceeds.

    An attack that was found is a lower limit of the worst case. This is an upper one, of the
    objective H of `PoisoningAttacker`, the sum over the targets of their mean clean losses,
    whatever rows are injected. Let theta_l be the share of the clean rows of node l,
    rho_s = 1 - theta_s that of the injected ones of a source s, f_l the mean clean loss of a node
    and R the regulariser.
    Weights W that a victim learned from clean and injected rows obey, for any V::

        sum theta_l f_l(w_l) + R(W)  <=  K(V) = sum theta_l f_l(v_l) + R(V) + sum rho_s kappa(v_s)

    where kappa is the hardest that a row within `radius` may pull, by a formula of the loss [1]_.
    So for every tau of 1 / theta or more::

        H  <=  tau (K(V) - min over W of [sum (theta_l - [l is a target] / tau) f_l(w_l) + R(W)])

    The minimum is a weighted fit whose dual value lies below it, so that the bound holds wherever
    fits and descents among V and tau have stopped. Squared error adds a distance from V and halves
    the least tau, learned relationships a second inequality of the nodes that inject nothing (for
    losses of classes and hybrid attacks, of the targets), and given ones the exact response of the
    weights or, for losses whose slopes have a limit, how far they can move; the least of all is the
    result.

    Beside a common part, with `lambda0`, R is what the best parts cost: the least over u of
    ``lambda0 ||u||^2`` and R of what is left. That is convex, all that the inequality asks for, and
    a quadratic where R is one, all that the other two ask for. The second inequality moves u with
    the nodes that inject nothing; it is known for squared error. The cap and, of learned
    relationships, certified rows take each group of nodes by itself, which u, at which all of them
    pull, does not allow: none is known there.

    Parameters
    ----------
    estimator : FMTLClassifier, FMTLRegressor, Pipeline or fitted search
        The victim, without `class_weight`. A Pipeline ends in one of the two; its other steps are
        those that `PoisoningAttacker` allows. A fitted search stands for its `best_estimator_`.
    attack : {"direct", "indirect", "hybrid"}, default="direct"
        Through which nodes: the targets themselves, other nodes only, or any.
    target_nodes : float in (0, 1] or array-like of labels, default=0.5
        The nodes to be hurt: a share of the nodes, drawn as by `PoisoningAttacker`, or labels.
    source_nodes : array-like of labels or None, default=None
        The nodes that get injected rows; None draws them as `PoisoningAttacker` does.
    choose_sources : {"random", "influence"}, default="random"
        How sources are found where `source_nodes` is None and the attack is not direct: drawn, or
        those whose models have the largest covariances with the targets' in the clean victim.
    budget : float, default=0.2
        Injected rows of a source as a share of its clean rows: 0.1 is 10 %.
    radius : "max" or float, default="max"
        Euclidean norm that no injected row exceeds; ``"max"``: the largest norm of the clean
        rows of the same node.
    labels : {"range"}, default="range"
        Targets of the injected rows: any number of the source's clean range, or any class.
    max_iter : int, default=300
        Steps of each descent to a low bound. Fewer give a bound too, but a larger one.
    max_seconds : float or None, default=None
        Seconds after which no further step of a descent begins: the bound holds, but may be larger,
        and depends on the machine. None: steps end at `max_iter` only, and numbers are the same
        everywhere.
    tol : float, default=1e-5
        Relative duality gap to which the victims of attacks are solved, or the estimator's own
        `tol` if that is smaller, as `victim_tol` of `PoisoningAttacker`. What such a gap may add to
        H is a part of the bound.
    node_column : str, int or None, default=None
        Column of `X` that holds the nodes; None takes the victim's. It is taken off before a
        Pipeline, whose last step must have none of its own.
    n_jobs : int or None, default=None
        Descents that run at a time, as in joblib; without effect on the result.
    random_state : int, RandomState instance or None, default=None
        Draws the nodes: the same as attackers of the same `random_state`.

    Attributes
    ----------
    upper_bound_ : float
        What no attack's `objective_` exceeds, in the victim's loss.
    per_target_ : float
        Its mean over the targets.
    cap_ : float
        What no injection exceeds, of any number of rows, radius and targets: for learned
        relationships without a common part, of nodes that inject nothing. NaN where there is none.
    theorem_ : str or list of str
        Where the bound comes from: ``"T1"`` the inequality above, ``"T2"`` with that of some nodes
        by themselves, ``"cap"`` that alone, ``"T3"`` the exact response, ``"T4"`` how far weights
        move. A list with an entry a class where there are more than two.
    reference_coef_ : ndarray of shape (n_nodes, n_features) or (n_nodes, n_classes, n_features)
        V, as the victim sees features.
    stopped_early_ : bool
        Whether `max_seconds` left steps out.
    dual_gap_ : float
        What exact fits would take off the bound at most.
    clean_objective_ : float
        H of the victim that nobody poisoned.
    target_nodes_, source_nodes_ : ndarray
        Labels of the nodes that are hurt and that carry injected rows.
    clean_estimator_ : estimator
        The victim fitted on the clean rows.
    weight_centre_ : ndarray of shape (n_nodes, n_weights) or None
        Weights of every node, as the victim sees features, behind them that of its constant feature
        if it fits intercepts; for two classes, and no common part beside a relationship that is
        learned, else None.
    weight_radius_ : ndarray of shape (n_nodes,) or None
        How far from them those of no poisoned victim lie.

    Raises
    ------
    ValueError
        In `fit`, for a wrong parameter or wrong data, for a victim with `class_weight`, whose
        loss is not that of H, and for one that leaves rows out; the message names the argument.
    TypeError
        For sparse rows, and in `fit` for a Pipeline with other steps than those above.

    Notes
    -----
    Attacks that are limited further, in their features, by a `constraint` or in their targets, are
    within the bound as well, which knows nothing of such limits. It is about the clean rows that
    were fitted to, in the victim's loss: not held-out rows or wrong classes. A victim of more than
    two classes has a model a class, H and the bound are sums over them. The bound allows every
    category of a column that an encoder reads. A descent for half as many rows again may end lower,
    and what it has found is tried for `budget` as well: of all these bounds the least is taken.
    Along budgets they may still fall by what descents lack; `security_curve` takes that out.

    References
    ----------
    .. [1] J. Steinhardt, P. W. Koh, P. Liang, "Certified Defenses for Data Poisoning Attacks",
       NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl import FMTLRegressor, PoisoningAttacker
    >>> from skfedmtl.attack import DamageBound
    >>> rng = np.random.default_rng(0)
    >>> X, nodes = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
    >>> y = X @ [1.0, -1.0]
    >>> threat = {"target_nodes": ["a"], "budget": 0.1, "random_state": 0}
    >>> bound = DamageBound(FMTLRegressor(), **threat).fit(X, y, nodes=nodes)
    >>> attacker = PoisoningAttacker(FMTLRegressor(), **threat).fit(X, y, nodes=nodes)
    >>> bool(bound.clean_objective_ < attacker.objective_ < bound.upper_bound_)
    True
    """

    __metadata_request__fit = {"nodes": True}

    _parameter_constraints = {
        **{name: BasePoisoner._parameter_constraints[name] for name in _OF_POISONERS},
        "labels": [StrOptions({"range"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_seconds": [None, Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, 1, closed="neither")],
        "n_jobs": [None, Integral],
    }

    def __init__(
        self,
        estimator,
        *,
        attack="direct",
        target_nodes=0.5,
        source_nodes=None,
        choose_sources="random",
        budget=0.2,
        radius="max",
        labels="range",
        max_iter=300,
        max_seconds=None,
        tol=1e-5,
        node_column=None,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.attack = attack
        self.target_nodes = target_nodes
        self.source_nodes = source_nodes
        self.choose_sources = choose_sources
        self.budget = budget
        self.radius = radius
        self.labels = labels
        self.max_iter = max_iter
        self.max_seconds = max_seconds
        self.tol = tol
        self.node_column = node_column
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sample_weight=None, nodes=None):
        """Draw the threat model, fit the clean victim, and bound the damage.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows of all nodes.
        y : array-like of shape (n_samples,)
            Clean targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the clean rows within their node, in the victim's fit and in H.
            An injected row has the mean weight of the clean rows of its node.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.

        Returns
        -------
        self : DamageBound
            Fitted, the clean victim with it.
        """
        with whole_or_not_at_all(self):
            refuse_unbounded(self.estimator)
            given = X, y, nodes, sample_weight
            scenario = read_scenario(self._parameters(), copy(self), *given, judged=True)
            scenario = scenario.with_fitted_victim()
            settings = _settings_of(scenario)
            clocks = Clock.one_each(len(settings), self.max_seconds)
            settings = [one._replace(clock=c) for one, c in zip(settings, clocks, strict=True)]
            bounds, first = self._bounds(settings, scenario)
            self._record(scenario, bounds)
            caps = [_cap(setting, scenario.parameters.tol) for setting in settings]
            self.cap_ = float(sum(caps))
            self.clean_objective_ = _objective(scenario, settings)
            found = None
            if len(settings) == 1:
                V = first.V if first.theorem in ("T1", "T2") else None
                found = regions(settings[0], self.max_iter, scenario.parameters.tol, V)
            self.stopped_early_ = any(setting.clock.stopped for setting in settings)
            none = None, None, None
            self.weight_centre_, self.weight_radius_, self._costs = found or none
        return self

    def certify_rows(self, X, *, nodes=None):
        """Tell the rows whose predicted class no attack of the threat model changes.

        They are farther from the boundary of the clean victim, and of `weight_centre_`, than
        weights within `weight_radius_` can turn it; or, unless their relationship is given, weights
        that turn them would cost their node more than an attack can make it pay. Rows that are not
        certified may be safe too.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, held out or not.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.

        Returns
        -------
        certified : ndarray of bool of shape (n_samples,)
            Whether every poisoned victim predicts as `clean_estimator_` does; never for a row of a
            node that it does not know.

        Raises
        ------
        ValueError
            For a regressor, more than two classes, and a common part beside a relationship that is
            learned.

        Examples
        --------
        >>> import numpy as np
        >>> from skfedmtl import FMTLClassifier
        >>> from skfedmtl.attack import DamageBound
        >>> rng = np.random.default_rng(0)
        >>> X, nodes = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
        >>> y = X[:, 0] > 0
        >>> victim = FMTLClassifier(lambda1=0.03, lambda2=1.0)
        >>> bound = DamageBound(victim, target_nodes=["a"], budget=0.05, random_state=0)
        >>> bound.fit(X, y, nodes=nodes).certify_rows([[3.0, 0.0], [0.01, 0.0]], nodes=["b", "b"])
        array([ True, False])
        """
        check_is_fitted(self)
        if self.weight_centre_ is None:
            raise ValueError(
                "certify_rows needs a classifier of two classes, and lambda0=None where its "
                "relationship is 'learned'; nothing is known of the rows of other victims."
            )
        refuse_masked(X=X)
        victim = Victim(self.clean_estimator_)
        if victim.in_pipeline:
            X, nodes = take_nodes(self, X, nodes, reset=False, words=victim.encodes)
        model = victim.model
        X, codes = model._check_predict(victim.transform(X), nodes)
        predicted = model._decision(X, codes)
        if self.weight_centre_.shape[1] > X.shape[1]:
            X = np.column_stack([X, np.full(len(X), float(model.intercept_scaling))])
        f = np.einsum("ij,ij->i", X, self.weight_centre_[codes])
        turned = self.weight_radius_[codes] * np.linalg.norm(X, axis=1)
        is_same = (f > 0.0) == (predicted > 0.0)
        certified = (codes >= 0) & is_same & (np.abs(f) > turned)
        if self._costs is None:
            return certified
        open_ = np.flatnonzero((codes >= 0) & ~certified)
        sign = np.where(predicted[open_] > 0.0, 1.0, -1.0)
        certified[open_] = self._costs.stands(X[open_], codes[open_], sign)
        return certified

    def _parameters(self):
        """As those of a poisoner whose victims are solved to `tol`."""
        return Parameters.of(self, labels="auto", victim_tol=self.tol)

    def _bounds(self, settings, scenario):
        """The least bound of every model of the victim; of the first that of its own budget."""
        tol, widest = scenario.parameters.tol, scenario.parameters._replace(radius="max")
        norms = replace(scenario, parameters=widest).radii(settings[0].injection.codes)
        each = product(range(len(settings)), _TIMES)
        common = settings, norms, self.max_iter, tol
        done = call_each(bound_of_times, common, each, n_jobs=self.n_jobs)
        for at, (_, stopped) in enumerate(done):  # in other processes clocks were copies
            settings[at // len(_TIMES)].clock.stopped |= stopped
        found = [bound for bound, _ in done]
        starts = range(0, len(found), len(_TIMES))
        each = (found[start : start + len(_TIMES)] for start in starts)
        least = [min(bounds, key=lambda bound: bound.value) for bounds in each]
        return least, found[0]

    def _record(self, scenario, least):
        """Set the fitted attributes."""
        labels, targets = scenario.labels, scenario.threat.targets
        d = len(scenario.crafting.affine(scenario.clean.X.shape[1]).columns)
        self.clean_estimator_ = scenario.victim.estimator
        self.target_nodes_ = labels[targets]
        self.source_nodes_ = labels[scenario.threat.sources]
        self.upper_bound_ = float(sum(bound.value for bound in least))
        self.per_target_ = self.upper_bound_ / len(targets)
        self.dual_gap_ = max(float(sum(bound.lost for bound in least)), 0.0)
        theorems = [bound.theorem for bound in least]
        coef = np.stack([bound.V[:, :d] for bound in least], axis=1)
        one = len(least) == 1
        self.theorem_ = theorems[0] if one else theorems
        self.reference_coef_ = coef[:, 0] if one else coef
        validate_data(self, scenario.X, skip_check_array=True)
        if hasattr(scenario.victim.model, "classes_"):
            self.classes_ = scenario.victim.model.classes_


def _settings_of(scenario):
    """One a model of the victim, which has been fitted."""
    clean, victim = scenario.clean, scenario.crafting
    seen, weight = victim.forward(clean.X), clean.weight / clean.weight.max()
    injection = _injection(scenario)
    settings = []
    for part in victim.model._parts():
        y = part._solver_targets(clean.y)
        problem = part._problem(seen, y, clean.codes, part.nodes_, weight)
        rows = CleanRows(seen, y, clean.codes, weight)
        settings.append(Setting(rows, Model.of(problem), scenario.threat.targets, injection))
    return settings


def _injection(scenario):
    """What the sources may inject."""
    clean, threat = scenario.clean, scenario.threat
    injects = threat.counts > 0
    sources, counts = threat.sources[injects], threat.counts[injects]
    share = counts / (counts + np.bincount(clean.codes)[sources])
    low = high = np.zeros(len(sources))
    if not scenario.parameters.is_classification:
        low, high = target_ranges(clean, sources)
    seen, radii = scenario.crafting.affine(clean.X.shape[1]), scenario.radii(sources)
    return Injection(sources, share, radii, low, high, seen.shift, seen.scale)


def _cap(setting, tol):
    cap = damage_cap(setting)
    return np.nan if cap is None else with_gap(cap, setting, tol).value


def _objective(scenario, settings):
    """H of the clean victim."""
    clean = scenario.clean
    share = node_shares(clean.codes, scenario.threat.targets, clean.weight)
    total = 0.0
    for part, setting in zip(scenario.victim.model._parts(), settings, strict=True):
        f = part._decision(setting.rows.X, clean.codes)
        total += float(share @ setting.model.loss.value(setting.rows.y, f))
    return total
