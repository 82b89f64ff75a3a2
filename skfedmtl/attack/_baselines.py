"""Poisoners that do not optimise: what an attack must beat."""

from skfedmtl.attack._poisoner import BasePoisoner
from skfedmtl.attack._setting import draw_distinct_rows, start_labels

__all__ = ["LabelFlipPoisoner", "RandomPoisoner"]


class RandomPoisoner(BasePoisoner):
    """The random attack: the rows that `PoisoningAttacker` would start from, as drawn.

    With the same threat model and `random_state` as a `PoisoningAttacker` it injects the rows of
    that attack's start, the random attacks of [1]_.

    Parameters
    ----------
    estimator : FMTLClassifier, FMTLRegressor, Pipeline or fitted search
        The victim. A Pipeline ends in one of the two; its other steps are StandardScaler,
        MinMaxScaler and MaxAbsScaler with ``clip=False``, RobustScaler, SimpleImputer of NaN
        without indicators, OneHotEncoder, ``"passthrough"`` or None, or a Pipeline or
        ColumnTransformer of such that hands no column to two of its parts. A fitted search stands
        for its `best_estimator_`, which a clone of the attack holds in its place.
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
        Features that keep the value of the clean row; indices and masks count all columns of `X`,
        the node column among them.
    integer_features : list of int or str, or mask of bool, or None, default=None
        Features that hold whole numbers.
    one_hot_groups : list of lists of int or str, or None, default=None
        Groups of features of which exactly one is 1, the others 0.
    constraint : object or None, default=None
        A limit of your own, beside these: ``project(X)`` moves rows to the nearest of a convex set,
        as `skfedmtl.protocols.Constraint` says. It goes neither with `integer_features` or
        `one_hot_groups` nor with an encoder in the victim.
    labels : {"auto", "flip", "extreme", "random", "keep"}, default="auto"
        Targets of the injected rows, as in `PoisoningAttacker`.
    init : {"clean", "ball"}, default="clean"
        Clean rows of the node drawn with replacement, or rows uniform in what `radius` and the
        features allow.
    victim_tol : float, default=1e-5
        Relative duality gap of the fitted victims, if smaller than the estimator's own `tol`.
    node_column : str, int or None, default=None
        Column of `X` that holds the nodes; None takes the victim's. It is taken off before a
        Pipeline, whose last step must have none of its own.
    random_state : int, RandomState instance or None, default=None
        Draws the nodes, the rows and their labels.

    Attributes
    ----------
    target_nodes_, source_nodes_ : ndarray
        Labels of the nodes that are hurt and that carry injected rows.
    poison_X_, poison_y_, poison_nodes_, poison_sample_weight_ : array-like
        Injected rows in the layout of `X`, their targets, nodes and weights.
    poison_origin_ : ndarray of shape (n_injected,)
        Positions in `X` of the clean rows that they are drawn from; -1 for rows from the ball.
    clean_estimator_, estimator_ : estimator
        The victim fitted on the clean rows, and on clean and injected rows.
    objective_, clean_objective_ : float
        The attacker's objective H of `estimator_`, and of `clean_estimator_`.
    criterion_ : float
        What `PoisoningAttacker` judges attempts by, of `estimator_`: for classes the mean over
        targets of the share of wrong clean rows, for numbers H.

    Raises
    ------
    ValueError
        In `fit`, for a wrong parameter or wrong data; the message names the argument.
    TypeError
        For sparse rows, and in `fit` for a Pipeline with other steps than those above.

    Notes
    -----
    The steps of a Pipeline are fitted on the clean rows and then kept, as in
    `PoisoningAttacker`; radius, ranges and `poison_X_` are not scaled.

    References
    ----------
    .. [1] G. Sun, Y. Cong, J. Dong, Q. Wang, J. Liu, "Data Poisoning Attacks on Federated
       Machine Learning", 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl import FMTLRegressor, RandomPoisoner
    >>> rng = np.random.default_rng(0)
    >>> X, nodes = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
    >>> poisoner = RandomPoisoner(FMTLRegressor(), target_nodes=["a"], random_state=0)
    >>> poisoner.fit(X, X @ [1.0, -1.0], nodes=nodes).poison_X_.shape
    (4, 2)
    """

    def _inject(self, scenario, task):
        start = scenario.draw_start(scenario.rng)
        return scenario.lay_out(start)


class LabelFlipPoisoner(BasePoisoner):
    """The label flip attack: clean rows injected once more, with wrong targets.

    Copies of clean rows of the source nodes are added, to the last bit as they are; classes become
    another class, real targets the end of their node's clean range that is farther away. No clean
    row is changed or removed, unlike where labels are flipped in place [1]_. So injected rows keep
    to every limit of the features that clean rows keep to.

    Parameters
    ----------
    estimator : FMTLClassifier, FMTLRegressor, Pipeline or fitted search
        The victim. A Pipeline ends in one of the two; its other steps are StandardScaler,
        MinMaxScaler and MaxAbsScaler with ``clip=False``, RobustScaler, SimpleImputer of NaN
        without indicators, OneHotEncoder, ``"passthrough"`` or None, or a Pipeline or
        ColumnTransformer of such that hands no column to two of its parts. A fitted search stands
        for its `best_estimator_`, which a clone of the attack holds in its place.
    attack : {"direct", "indirect", "hybrid"}, default="direct"
        Through which nodes: the targets themselves, other nodes only, or any.
    target_nodes : float in (0, 1] or array-like of labels, default=0.5
        The nodes to be hurt: a share of the nodes, drawn as by `PoisoningAttacker`, or labels.
    source_nodes : array-like of labels or None, default=None
        The nodes that get injected rows; None draws them as `PoisoningAttacker` does.
    choose_sources : {"random", "influence"}, default="random"
        How they are found where `source_nodes` is None, as in `PoisoningAttacker`.
    budget : float, default=0.2
        Injected rows of a source as a share of its clean rows: 0.1 is 10 %. Above 1 every row
        is injected before one is injected again.
    victim_tol : float, default=1e-5
        Relative duality gap of the fitted victims, if smaller than the estimator's own `tol`.
    node_column : str, int or None, default=None
        Column of `X` that holds the nodes; None takes the victim's. It is taken off before a
        Pipeline, whose last step must have none of its own.
    random_state : int, RandomState instance or None, default=None
        Draws the nodes and the rows.

    Attributes
    ----------
    target_nodes_, source_nodes_ : ndarray
        Labels of the nodes that are hurt and that carry injected rows.
    poison_X_, poison_y_, poison_nodes_, poison_sample_weight_ : array-like
        Injected rows in the layout of `X`, their targets, nodes and weights.
    poison_origin_ : ndarray of shape (n_injected,)
        Positions in `X` of the clean rows that they copy.
    clean_estimator_, estimator_ : estimator
        The victim fitted on the clean rows, and on clean and injected rows.
    objective_, clean_objective_ : float
        The attacker's objective H of `estimator_`, and of `clean_estimator_`.
    criterion_ : float
        What `PoisoningAttacker` judges attempts by, of `estimator_`: for classes the mean over
        targets of the share of wrong clean rows, for numbers H.

    Raises
    ------
    ValueError
        In `fit`, for a wrong parameter or wrong data; the message names the argument.
    TypeError
        For sparse rows, and in `fit` for a Pipeline with other steps than those above.

    Notes
    -----
    The scalers of a Pipeline are fitted on the clean rows and then kept, as in
    `PoisoningAttacker`; `poison_X_` is not scaled.

    References
    ----------
    .. [1] B. Biggio, B. Nelson, P. Laskov, "Support Vector Machines Under Adversarial Label
       Noise", ACML 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl import FMTLClassifier, LabelFlipPoisoner
    >>> rng = np.random.default_rng(0)
    >>> X, nodes = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
    >>> y = np.where(X[:, 0] > 0, "yes", "no")
    >>> poisoner = LabelFlipPoisoner(FMTLClassifier(), target_nodes=["a"], random_state=0)
    >>> data = poisoner.poison(X, y, nodes=nodes)
    >>> [y[np.all(X == row, axis=1)].item() for row in data.X[data.is_poison]]
    ['no', 'no', 'no', 'yes']
    >>> data.y[data.is_poison].tolist()
    ['yes', 'yes', 'yes', 'no']
    """

    _parameter_constraints = {
        name: BasePoisoner._parameter_constraints[name]
        for name in (
            "estimator",
            "attack",
            "target_nodes",
            "source_nodes",
            "choose_sources",
            "budget",
            "victim_tol",
            "node_column",
            "random_state",
        )
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
        self.victim_tol = victim_tol
        self.node_column = node_column
        self.random_state = random_state

    def _inject(self, scenario, task):
        clean, rng = scenario.clean, scenario.rng
        drawn = draw_distinct_rows(clean.codes, scenario.threat, rng)
        y = start_labels("auto", scenario.victim.model, clean, drawn, rng)
        return scenario.copies(drawn, y)
