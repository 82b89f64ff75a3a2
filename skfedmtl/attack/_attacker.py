"""The bilevel attack as an estimator."""

from numbers import Integral, Real

import numpy as np

from skfedmtl._sklearn import Interval, StrOptions, _fit_context
from skfedmtl.attack._ascent import STEPS, ascend
from skfedmtl.attack._base import BasePoisoner
from skfedmtl.attack._bilevel import Bilevel
from skfedmtl.attack._gradients import GRADIENTS

__all__ = ["PoisoningAttacker"]


class PoisoningAttacker(BasePoisoner):
    """Optimised data poisoning of federated multi-task learning.

    Injects rows into the source nodes that maximise the loss of the target nodes over their
    clean rows, through a victim that is fitted on clean and injected rows [1]_::

        max over injected rows of  H = sum over targets t of (1/h_t) sum_j L(y_j, f_j)
        such that  (W, b, Omega) = the victim's optimum,  ||row|| <= radius,
                   and every row holds what its features may

    by projected gradient ascent. The victim is solved again to a duality gap after every step,
    and in the end a clone of `estimator` is fitted from scratch on clean and injected rows.

    Parameters
    ----------
    estimator : FMTLClassifier or FMTLRegressor
        The victim.
    attack : {"direct", "indirect", "hybrid"}, default="direct"
        Through which nodes: the targets themselves, other nodes only, or any.
    target_nodes : float in (0, 1] or array-like of labels, default=0.5
        The nodes to be hurt: a share of the nodes, drawn (rounded down, at least one), or labels.
    source_nodes : array-like of labels or None, default=None
        The nodes that get injected rows. None: the targets (direct); as many others, at most
        those there are (indirect); as many of all, some of both kinds when there are three nodes
        (hybrid). Given labels must equal the targets (direct) or avoid them (indirect).
    budget : float, default=0.2
        Injected rows of a source as a share of its clean rows, rounded half up, at least one
        unless 0.
    radius : "max" or float, default="max"
        Euclidean norm that no injected row exceeds; ``"max"``: the largest norm of the clean
        rows of the same node.
    feature_range : pair (low, high) or None, default=None
        Least and largest values of the features of injected rows. Each is a number for all
        features, an array of shape (n_columns,) with one entry a column of `X`, or a Series with
        one entry a feature name; -inf and inf stand for no bound.
    frozen_features : list of int or str, or boolean mask, or None, default=None
        Features that keep the value of the clean row that an injected row is drawn from.
    integer_features : list of int or str, or boolean mask, or None, default=None
        Features that hold whole numbers.
    one_hot_groups : list of lists of int or str, or None, default=None
        Groups of features of which exactly one is 1, the others 0. No feature is in two groups.
    labels : {"auto", "flip", "extreme", "random", "keep"}, default="auto"
        Targets of the injected rows, from the clean rows that they start from: another class
        (``"flip"``, classification), the farther end of the node's range (``"extreme"``,
        regression), drawn, or kept. ``"auto"`` is ``"flip"`` or ``"extreme"``.
    init : {"clean", "ball"}, default="clean"
        Rows start from clean rows of their node, drawn with replacement and set a millionth of
        a standard deviation apart, or uniformly in what `radius` and the features allow.
    gradient : {"total", "implicit", "dual"}, default="total"
        ``"total"``: the exact gradient; the victim's weights and a learned relationship respond.
        ``"implicit"``: the relationship is held. ``"dual"``: the dual variables are held too, the
        paper's gradient with its signs and scales corrected.
    eta : float, default=100.0
        Longest step. ``step="plain"``: the factor of the gradient; ``"adaptive"``: thousandths
        of the radius.
    step : {"adaptive", "plain"}, default="adaptive"
        Momentum with per-coordinate scaling, or Eq. 4 of [1]_.
    line_search : bool, default=True
        Shorten every step until the objective rises. Otherwise every step is taken, and the last
        rows are the result.
    max_iter : int, default=50
        Steps at most; 0 keeps the rows as drawn.
    victim_tol : float, default=1e-8
        Relative duality gap of the victim during the attack and in the final fits, if that is
        smaller than the estimator's own `tol`.
    tol : float, default=1e-4
        Stop when the objective rose by less than this, relative, over 5 steps.
    node_column : str, int or None, default=None
        Column of `X` that holds the nodes; None takes the victim's.
    random_state : int, RandomState instance or None, default=None
        Draws the nodes, the rows and their labels. In a search or a curve pass an int, or
        targets and sources as labels: with None every fit attacks other nodes.

    Attributes
    ----------
    target_nodes_, source_nodes_ : ndarray
        Labels of the nodes that are hurt and that carry injected rows.
    poison_X_ : array-like of shape (n_injected, n_features)
        Injected rows, in the layout of `X`.
    poison_y_ : ndarray of shape (n_injected,)
        Their targets.
    poison_nodes_ : ndarray of shape (n_injected,)
        Their nodes.
    clean_estimator_, estimator_ : estimator
        The victim fitted on the clean rows, and on clean and injected rows.
    objective_history_ : ndarray of shape (n_iter_ + 1,)
        H of the start and after every step.
    objective_ : float
        H of `estimator_`.
    n_iter_ : int
        Steps made.

    Raises
    ------
    ValueError
        In `fit`, for a wrong parameter or wrong data, or if no row can have what is asked of it;
        the message names the argument.

    Notes
    -----
    Features are given by their index in `X`, by their name if `X` is a DataFrame, or by a mask
    with one entry a column of `X`. Indices, masks and arrays count all columns of `X` as it is
    given, the node column among them; the node column itself is no feature, and naming it is an
    error (its entry in `feature_range` is not used). Radius, ranges and whole numbers are those
    of `X`, and hold for `poison_X_` as it is stored.

    During the ascent whole numbers move as reals and one-hot groups as shares that sum to 1. Only
    the final rows are rounded, so `objective_` may lie below the last of `objective_history_`.

    References
    ----------
    .. [1] G. Sun, Y. Cong, J. Dong, Q. Wang, J. Liu, "Data Poisoning Attacks on Federated
       Machine Learning", 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl import FMTLRegressor, PoisoningAttacker
    >>> rng = np.random.default_rng(0)
    >>> X, nodes = rng.normal(size=(60, 2)), np.repeat(["a", "b", "c"], 20)
    >>> y = X @ [1.0, -1.0]
    >>> attacker = PoisoningAttacker(FMTLRegressor(), target_nodes=["a"], random_state=0)
    >>> data = attacker.poison(X, y, nodes=nodes)
    >>> data.X.shape, int(data.is_poison.sum())
    ((64, 2), 4)
    >>> bool(attacker.objective_ > attacker.objective_history_[0])
    True

    Rows with whole numbers in the second column, none below -1 or above 2:

    >>> attacker.set_params(integer_features=[1], feature_range=(-1, 2)).fit(X, y, nodes=nodes)
    PoisoningAttacker(...)
    >>> sorted(set(attacker.poison_X_[:, 1].tolist()) - {-1.0, 0.0, 1.0, 2.0})
    []
    """

    _parameter_constraints = {
        **BasePoisoner._parameter_constraints,
        "gradient": [StrOptions(set(GRADIENTS))],
        "eta": [Interval(Real, 0, None, closed="neither")],
        "step": [StrOptions(set(STEPS))],
        "line_search": ["boolean"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        estimator,
        *,
        attack="direct",
        target_nodes=0.5,
        source_nodes=None,
        budget=0.2,
        radius="max",
        feature_range=None,
        frozen_features=None,
        integer_features=None,
        one_hot_groups=None,
        labels="auto",
        init="clean",
        gradient="total",
        eta=100.0,
        step="adaptive",
        line_search=True,
        max_iter=50,
        victim_tol=1e-8,
        tol=1e-4,
        node_column=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.attack = attack
        self.target_nodes = target_nodes
        self.source_nodes = source_nodes
        self.budget = budget
        self.radius = radius
        self.feature_range = feature_range
        self.frozen_features = frozen_features
        self.integer_features = integer_features
        self.one_hot_groups = one_hot_groups
        self.labels = labels
        self.init = init
        self.gradient = gradient
        self.eta = eta
        self.step = step
        self.line_search = line_search
        self.max_iter = max_iter
        self.victim_tol = victim_tol
        self.tol = tol
        self.node_column = node_column
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, nodes=None):
        """Draw the threat model, craft the rows, and refit the victim.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Clean rows of all nodes.
        y : array-like of shape (n_samples,)
            Clean targets.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.

        Returns
        -------
        self : PoisoningAttacker
        """
        return self._fit(X, y, nodes)

    def _craft(self, clean, start, threat, rng):
        game = Bilevel(
            self.clean_estimator_, clean, start, threat.targets, tol=self._tol(), rng=rng
        )
        rows, history = ascend(
            game,
            start.X,
            start.feasible,
            gradient=self.gradient,
            step=self.step,
            eta=float(self.eta),
            line_search=self.line_search,
            max_iter=self.max_iter,
            tol=float(self.tol),
        )
        self.objective_history_ = np.array(history)
        self.n_iter_ = len(history) - 1
        return rows
