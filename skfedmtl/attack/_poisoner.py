"""What all poisoners share: the threat model, the injected rows, the refitted victim."""

from __future__ import annotations

from copy import copy
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import validate_data

from skfedmtl._estimators import whole_or_not_at_all
from skfedmtl._input import (
    from_polars,
    one_column,
    read_weights,
    to_polars,
)
from skfedmtl._tools.doc_link import DocLinkMixin
from skfedmtl._tools.frames import pack_frame, unpack_frame
from skfedmtl._tools.sklearn import HasMethods, Instance, Interval, Search, StrOptions, _fit_context
from skfedmtl._tools.task import NO_TASK
from skfedmtl._victim import FEDERATED_VICTIM, FederatedVictim
from skfedmtl.attack._attack_setting import crafted_rows
from skfedmtl.attack._poisoned_victim import PoisonedVictim
from skfedmtl.attack._setting import (
    ATTACKS,
    Parameters,
    as_given,
    check_victim,
    in_frame,
    poisoned_data,
    read_scenario,
    warn_of_departures,
)

VICTIMS = f"{FEDERATED_VICTIM}, alone or at the end of a Pipeline, or a fitted search of such"


class BasePoisoner(DocLinkMixin, PoisonedVictim):
    """The base of all poisoners, to write one of your own: it crafts rows, the rest is done here.

    A fit draws who is attacked through whom, fits the victim to the clean rows, asks for the rows
    to inject, stores them within every limit, and refits the victim to all rows. What a subclass
    defines:

    ``craft(setting)``
        Gets an `AttackSetting` and returns a pair: rows (k, d) in the units of
        ``setting.X``, row i for the node ``setting.poison_nodes[i]``, and their k targets.
        Rows that break a limit are moved to the nearest that keep it, numbers into the
        range of the clean targets of their node, the range that `DamageBound` speaks of; other
        shapes, NaN and unknown classes are refused. All draws come from ``setting.rng``. It may set
        attributes of the poisoner that end in an underscore.
    ``draw_threat(nodes, n_rows, rng, judged)``
        Only to choose targets or sources otherwise than `attack`, `target_nodes` and
        `source_nodes` do.
    ``__init__``
        Only to add parameters: an explicit signature that stores each as it is, as everywhere in
        scikit-learn, and hands the others on. `craft` checks its own parameters.

    The poisoners of this package are of this class, too, but define no ``craft``.

    Parameters
    ----------
    estimator : FMTLClassifier, FMTLRegressor, Pipeline or fitted search
        The victim, as in `PoisoningAttacker`.
    attack : {"direct", "indirect", "hybrid"}, default="direct"
        Through which nodes: the targets themselves, other nodes only, or any.
    target_nodes : float in (0, 1] or array-like of labels, default=0.5
        The nodes to be hurt: a share of the nodes, drawn as by `PoisoningAttacker`, or labels.
    source_nodes : array-like of labels or None, default=None
        The nodes that get injected rows; None draws them as `PoisoningAttacker` does.
    choose_sources : {"random", "influence"}, default="random"
        How they are found where `source_nodes` is None, as in `PoisoningAttacker`.
    budget : float, default=0.2
        Injected rows of a source as a share of its clean rows: 0.1 is 10 %.
    radius : "max" or float, default="max"
        Euclidean norm that no injected row exceeds; ``"max"``: the largest norm of the clean
        rows of the same node.
    feature_range : {"clean", "clean-all"}, pair (low, high) or None, default=None
        Least and largest values of the features, as in `PoisoningAttacker`.
    frozen_features : list of int or str, or mask of bool, or None, default=None
        Features that keep the value of the clean row that an injected one starts from.
    integer_features : list of int or str, or mask of bool, or None, default=None
        Features that hold whole numbers.
    one_hot_groups : list of lists of int or str, or None, default=None
        Groups of features of which exactly one is 1, the others 0.
    constraint : object or None, default=None
        A limit of your own, beside these: ``project(X)`` moves rows to the nearest of a convex set,
        as `skfedmtl.protocols.Constraint` says. It goes neither with `integer_features` or
        `one_hot_groups` nor with an encoder in the victim.
    labels : {"auto", "flip", "extreme", "random", "keep"}, default="auto"
        The targets to start from, as in `PoisoningAttacker`.
    init : {"clean", "ball"}, default="clean"
        The rows to start from, as in `RandomPoisoner`.
    victim_tol : float, default=1e-5
        Relative duality gap of the fitted victims, if smaller than the estimator's own `tol`.
    node_column : str, int or None, default=None
        Column of `X` that holds the nodes; None takes the victim's.
    random_state : int, RandomState instance or None, default=None
        Draws the nodes, and seeds ``setting.rng``.

    Attributes
    ----------
    target_nodes_, source_nodes_ : ndarray
        Labels of the nodes that are hurt and that carry injected rows.
    poison_X_, poison_y_, poison_nodes_, poison_sample_weight_ : array-like
        Injected rows in the layout of `X`, their targets, nodes and weights.
    poison_origin_ : ndarray of shape (n_injected,)
        Positions in `X` of the clean rows that they start from; -1 for rows from the ball.
    clean_estimator_, estimator_ : estimator
        The victim fitted on the clean rows, and on clean and injected rows.
    objective_, clean_objective_ : float
        The attacker's objective H of `estimator_`, and of `clean_estimator_`.
    criterion_ : float
        For classes the mean over targets of the share of wrong clean rows, for numbers H.

    See Also
    --------
    skfedmtl.testing.check_poisoner : Tells whether a poisoner keeps to what is asked of it.

    Examples
    --------
    Rows as far out as the radius allows, of the direction that the victim heeds most:

    >>> import numpy as np
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.attack import BasePoisoner
    >>> class AlongTheWeights(BasePoisoner):
    ...     def craft(self, setting):
    ...         w = setting.victim.coef_.mean(axis=0)
    ...         X = np.outer(setting.radius / np.linalg.norm(w), w)
    ...         low = setting.y.min()  # moved into the range of the node
    ...         return X, np.full(len(X), low)
    >>> rng = np.random.default_rng(0)
    >>> X, nodes = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
    >>> poisoner = AlongTheWeights(FMTLRegressor(), target_nodes=["a"], random_state=0)
    >>> poisoner.fit(X, X @ [1.0, -1.0], nodes=nodes).poison_X_.shape
    (4, 2)
    """

    __metadata_request__fit = {"nodes": True}
    __metadata_request__predict = {"nodes": True}
    __metadata_request__decision_function = {"nodes": True}
    __metadata_request__predict_proba = {"nodes": True}
    __metadata_request__score = {"nodes": True}

    _parameter_constraints: dict[str, list[Any]] = {
        "estimator": [Instance((FederatedVictim, Pipeline, Search), VICTIMS)],
        "attack": [StrOptions(set(ATTACKS))],
        "target_nodes": [Interval(Real, 0, 1, closed="right"), "array-like"],
        "source_nodes": [None, "array-like"],
        "choose_sources": [StrOptions({"random", "influence"})],
        "budget": [Interval(Real, 0, None, closed="left")],
        "radius": [StrOptions({"max"}), Interval(Real, 0, None, closed="neither")],
        "feature_range": [None, StrOptions({"clean", "clean-all"}), "array-like"],
        "frozen_features": [None, "array-like"],
        "integer_features": [None, "array-like"],
        "one_hot_groups": [None, "array-like"],
        "constraint": [None, HasMethods("project")],
        "labels": [StrOptions({"auto", "flip", "extreme", "random", "keep"})],
        "init": [StrOptions({"clean", "ball"})],
        "victim_tol": [Interval(Real, 0, None, closed="neither")],
        "node_column": [None, Integral, str],
        "random_state": ["random_state"],
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
        feature_range=None,
        frozen_features=None,
        integer_features=None,
        one_hot_groups=None,
        constraint=None,
        labels="auto",
        init="clean",
        victim_tol=1e-5,
        node_column=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.attack = attack
        self.target_nodes = target_nodes
        self.source_nodes = source_nodes
        self.choose_sources = choose_sources
        self.budget = budget
        self.radius = radius
        self.feature_range = feature_range
        self.frozen_features = frozen_features
        self.integer_features = integer_features
        self.one_hot_groups = one_hot_groups
        self.constraint = constraint
        self.labels = labels
        self.init = init
        self.victim_tol = victim_tol
        self.node_column = node_column
        self.random_state = random_state

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        _refuse_unheeded_crafting(cls)

    # -- fit ------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sample_weight=None, nodes=None):
        """Draw the threat model, craft the rows, and refit the victim.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows of all nodes.
        y : array-like of shape (n_samples,)
            Clean targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the clean rows within their node, in the victim's fit and in H.
            An injected row gets the mean weight of the clean rows of its node.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.

        Returns
        -------
        self : BasePoisoner
            Fitted, the victims and the injected rows with it.
        """
        return self._fit(X, y, nodes, sample_weight)

    def draw_threat(self, nodes, n_rows, rng, judged=None):
        """Choose the nodes to be hurt and those that inject; a subclass may choose others.

        Parameters
        ----------
        nodes : ndarray of shape (n_nodes,)
            Labels of the nodes.
        n_rows : ndarray of shape (n_nodes,)
            Their clean rows.
        rng : numpy.random.Generator
            Draws what is drawn.
        judged : ndarray of bool of shape (n_nodes,) or None, default=None
            The nodes that targets are to be drawn from; None: of two rows or more where there are.

        Returns
        -------
        target_nodes, source_nodes : ndarray
            Labels of nodes that have rows. They must suit `attack`: the same in a direct attack,
            none in common in an indirect one.
        """
        threat = Parameters.of(self).draw_threat(nodes, n_rows, rng, judged)
        return nodes[threat.targets], nodes[threat.sources]

    def _fit(self, X, y, nodes, sample_weight=None, evaluation=(None, None, None), task=NO_TASK):
        """Fit the clean victim, craft the rows, refit the victim on clean and injected rows.

        `evaluation` are rows to be judged, their targets and nodes; what is crafted step by step
        is a part of `task`.
        """
        with whole_or_not_at_all(self):
            judged = evaluation[0] is None
            scenario = self._read(X, y, nodes, sample_weight, judged=judged)
            scenario = scenario.with_fitted_victim(evaluation)
            injected = self._inject(scenario, task)
            warn_of_departures(scenario, injected)
            poisoned = scenario.poisoned_victim(injected)
            self._record(scenario, injected, poisoned)
        return self

    def _read(self, X, y, nodes, sample_weight, *, judged=True):
        """The setting of an attack on these rows; reading leaves no mark on the poisoner."""
        given = X, y, nodes, sample_weight
        return read_scenario(
            Parameters.of(self), copy(self), *given, judged=judged, draw_threat=self.draw_threat
        )

    def _inject(self, scenario, task):
        """The injected rows, as `craft` of a subclass makes them."""
        return crafted_rows(self, scenario)

    def _record(self, scenario, injected, poisoned):
        """Set the fitted attributes."""
        labels, targets = scenario.labels, scenario.threat.targets
        self.clean_estimator_ = scenario.victim.estimator
        self.estimator_ = poisoned.estimator
        self.target_nodes_ = labels[targets]
        self.source_nodes_ = labels[scenario.threat.sources]
        self.poison_X_ = injected.X
        self.poison_y_ = injected.y
        self.poison_nodes_ = labels[injected.codes]
        self.poison_origin_ = injected.origin
        self.poison_sample_weight_ = scenario.weights_of(injected)
        self.criterion_, self.objective_ = scenario.damage_of(self.estimator_)
        self.clean_objective_ = scenario.damage_of(self.clean_estimator_).objective
        validate_data(self, scenario.X, skip_check_array=True)
        model = scenario.victim.model
        if hasattr(model, "classes_"):
            self.classes_ = model.classes_

    # -- files ----------------------------------------------------------------------------

    def __getstate__(self):
        """Arrays, strings and numbers, injected rows of a frame among them: skops keeps them."""
        state = dict(super().__getstate__())
        if hasattr(state.get("poison_X_"), "iloc"):
            state["poison_X_"] = pack_frame(state["poison_X_"])
        return state

    def __setstate__(self, state):
        if isinstance(state.get("poison_X_"), dict):
            state = {**state, "poison_X_": unpack_frame(state["poison_X_"])}
        super().__setstate__(state)

    # -- poisoned data --------------------------------------------------------------------

    def _poisoned(self, X, y, nodes, sample_weight=None):
        """The data, and behind them the injected rows."""
        injected = self.poison_X_, self.poison_y_, self.poison_nodes_
        if sample_weight is not None:
            weight = read_weights(sample_weight, X)
            sample_weight = np.concatenate([weight, self.poison_sample_weight_])
        return poisoned_data((X, y, nodes), injected, sample_weight)

    def poison(self, X, y, *, sample_weight=None, nodes=None):
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

        Returns
        -------
        data : Bunch
            ``X``, ``y``, ``nodes`` (None if none were given): the clean rows first, in their
            order, container and dtype, then the injected ones; ``sample_weight``, an array of
            their weights (None if none were given), in which an injected row has the mean of the
            clean rows of its node; ``is_poison``, a boolean mask. All have n_samples + n_injected
            entries.

        Examples
        --------
        Rows crafted against one model may hurt others; any estimator can be fitted to them:

        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> from skfedmtl import FMTLRegressor, PoisoningAttacker
        >>> rng = np.random.default_rng(0)
        >>> X, nodes = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
        >>> y, a = X @ [1.0, -1.0], nodes == "a"
        >>> attacker = PoisoningAttacker(FMTLRegressor(), target_nodes=["a"], random_state=0)
        >>> data = attacker.poison(X, y, nodes=nodes)
        >>> local = Ridge().fit(data.X[data.nodes == "a"], data.y[data.nodes == "a"])
        >>> local.score(X[a], y[a]) < Ridge().fit(X[a], y[a]).score(X[a], y[a])
        True
        """
        self.fit(X, y, sample_weight=sample_weight, nodes=nodes)
        return self._poisoned_as_given(X, y, nodes, sample_weight)

    def _poisoned_as_given(self, X, y, nodes, sample_weight):
        """What `poison` returns, in the containers that came."""
        given = X, one_column(y), nodes
        data = self._poisoned(*map(from_polars, given), sample_weight)
        for name, one in zip(("X", "y", "nodes"), given, strict=True):
            data[name] = to_polars(data[name], one)
        data.y = in_frame(data.y, y)
        return data

    def fit_resample(self, X, y):
        """Fit, and return the poisoned rows and targets (imbalanced-learn's protocol).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows; the nodes are the column `node_column`.
        y : array-like of shape (n_samples,)
            Clean targets.

        Returns
        -------
        X : array-like of shape (n_samples + n_injected, n_features)
            Clean rows, then injected ones.
        y : array-like of shape (n_samples + n_injected,)
            Their targets.

        Examples
        --------
        >>> import numpy as np
        >>> from skfedmtl import FMTLRegressor, RandomPoisoner
        >>> table = np.column_stack([np.linspace(0.0, 1.0, 40), np.repeat([0, 1], 20)])
        >>> poisoner = RandomPoisoner(FMTLRegressor(node_column=1), random_state=0)
        >>> X, y = poisoner.fit_resample(table, table[:, 0])
        >>> X.shape, y.shape
        ((44, 2), (44,))
        """
        data = self.poison(X, y)
        return as_given(data.X, X), as_given(data.y, y)


def _refuse_unheeded_crafting(kind):
    """Refuse a class whose `craft` nobody would call: a poisoner above it makes its rows itself."""
    line = kind.__mro__
    crafting, injecting = (
        next((place for place, one in enumerate(line) if name in vars(one)), len(line))
        for name in ("craft", "_inject")
    )
    if crafting < injecting < line.index(BasePoisoner):
        raise TypeError(
            f"{kind.__name__} defines `craft`, but {line[injecting].__name__} crafts rows itself "
            "and never calls it; derive from BasePoisoner to write `craft`."
        )


def clean_twin(poisoner):
    """The fitted poisoner before its attack: it predicts and scores by the clean victim."""
    twin = copy(poisoner)
    twin.estimator_ = poisoner.clean_estimator_
    return twin


def draw_nodes(poisoner, nodes, judged):
    """Labels of the targets and sources as `fit` draws them, but targets are `judged` nodes.

    Sources are None where `fit` chooses them. `nodes` are the labels of the rows to be fitted to,
    as they have been read.
    """
    poisoner._validate_params()
    parameters = Parameters.of(poisoner)
    check_victim(parameters.estimator, type(poisoner).__name__)
    labels, codes = parameters.model._encode(nodes, len(nodes))
    rng = np.random.default_rng(parameters.draw_seed())
    counts = np.bincount(codes, minlength=len(labels))
    targets, sources = poisoner.draw_threat(labels, counts, rng, np.isin(labels, judged))
    return targets, None if parameters.sources_follow_influence else sources
