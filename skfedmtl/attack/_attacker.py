"""The bilevel attack as an estimator."""

import os
from importlib.metadata import version
from numbers import Integral, Real

import numpy as np
from sklearn.base import is_classifier

from skfedmtl._tools.callbacks import CallbackSupportMixin, begin_fit
from skfedmtl._tools.parallel import call_each
from skfedmtl._tools.sklearn import Interval, StrOptions, _fit_context
from skfedmtl.attack._bilevel import GRADIENTS, STEPS, check_checkpoint, checkpoint_of
from skfedmtl.attack._contest import Case, Settings, craft, in_own_fit, records
from skfedmtl.attack._gradient_check import GradientCheckMixin
from skfedmtl.attack._poisoned_victim import with_chosen_victim
from skfedmtl.attack._poisoner import BasePoisoner
from skfedmtl.attack._setting import CRITERIA, GOALS, UPPER_LOSSES, chooses_labels
from skfedmtl.attack._target_rows import TargetRowsMixin, read_target_rows

__all__ = ["PoisoningAttacker"]


class PoisoningAttacker(TargetRowsMixin, GradientCheckMixin, CallbackSupportMixin, BasePoisoner):
    """Optimised data poisoning of federated multi-task learning.

    Injects rows into the source nodes that maximise the loss of the target nodes over their
    clean rows, through a victim that is fitted on clean and injected rows [1]_::

        max over injected rows of  H = sum over targets t of (1/h_t) sum_j s_j L(y_j, f_j)
        such that  (W, b, Omega) = the victim's optimum,  ||row|| <= radius,
                   and every row holds what its features may

    with the weights ``s_j`` of the clean rows, 1 if none are given, and their sums ``h_t``,
    by projected gradient ascent. The victim is solved again after every step, and in the end a
    clone of `estimator` is fitted from scratch, to a duality gap, on clean and injected rows.

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
        The nodes to be hurt: a share of the nodes, drawn (rounded down, at least one), or labels.
        Nodes of a single row are drawn only where all are such; at most the others are.
    source_nodes : array-like of labels or None, default=None
        The nodes that get injected rows. None: the targets (direct); as many others, at most
        those there are (indirect); as many of all, but at least one of both kinds if there are
        three nodes and not all are targets, so that a single target gets two sources, itself and
        another node (hybrid). Given labels must equal the targets (direct) or avoid them
        (indirect).
    choose_sources : {"random", "influence"}, default="random"
        How sources are found where `source_nodes` is None and the attack is not direct: drawn, or
        those whose models have the largest covariances with the targets' in the clean victim.
    budget : float, default=0.2
        Injected rows of a source as a share of its clean rows (0.1: 10 %), rounded half up, at
        least one unless 0.
    radius : "max" or float, default="max"
        Euclidean norm that no injected row exceeds; ``"max"``: the largest norm of the clean
        rows of the same node.
    feature_range : {"clean", "clean-all"}, pair (low, high) or None, default=None
        Least and largest values of the features of injected rows: those of the clean rows of the
        same node, of all clean rows, or a pair. Each of the two is a number for all features, an
        array of shape (n_columns,) with one entry a column of `X`, or a Series with one entry a
        feature name; -inf and inf stand for no bound. A DataFrame has the two as its rows. None is
        no bound, and a warning where `X` is a DataFrame whose columns have names and injected rows
        leave the range of all clean rows.
    frozen_features : list of int or str, or mask of bool, or None, default=None
        Features that keep the value of the clean row that an injected row is drawn from.
    integer_features : list of int or str, or mask of bool, or None, default=None
        Features that hold whole numbers.
    one_hot_groups : list of lists of int or str, or None, default=None
        Groups of features of which exactly one is 1, the others 0. No feature is in two groups.
    constraint : object or None, default=None
        A limit of your own, beside these: ``project(X)`` moves rows to the nearest of a convex set,
        as `skfedmtl.protocols.Constraint` says. It goes neither with `integer_features` or
        `one_hot_groups` nor with an encoder in the victim.
    labels : {"auto", "flip", "extreme", "random", "keep"}, default="auto"
        Targets of the injected rows, from the clean rows that they start from: another class
        (``"flip"``, classification), the farther end of the node's range (``"extreme"``,
        regression), drawn, or kept. ``"auto"`` is ``"flip"`` or ``"extreme"``.
    optimize_labels : bool, default=False
        Regression: move the targets of the injected rows, too, within the clean range of their
        node.
    init : {"auto", "weights", "clean", "ball"}, default="auto"
        Where rows come from. ``"clean"``: an ascent from clean rows of their node, drawn with
        replacement and set a millionth of a standard deviation apart; ``"ball"``: an ascent from
        rows drawn uniformly in what `radius` and the features allow. ``"weights"``: the victim's
        weights are sought that do most damage among those that the rows can bring about, then the
        rows, in closed form; with targets of either class, or at either end of their range. Where
        limits of features move such rows, and with `optimize_labels`, an ascent goes on from them.
        Where nothing can be sought (Huber loss; `node_weight`, or a `relationship` of your own;
        sources that are no targets of a regressor), an ascent begins with clean rows. Of at most 20
        injected and 1,000 clean rows, moves by chance that do more are kept, with any such target.
        ``"auto"``: both ``"weights"`` and ``"clean"``; with ``max_iter=0``, an `inner_iter`, or
        `labels` that are drawn or kept, ``"clean"`` alone. What is best by `criterion` is the
        result, and never worse than the rows that an ascent begins with.
    goal : {"error", "raise", "lower"} or pair (from_class, to_class), default="error"
        What the targets shall suffer: errors; for numbers forecasts that are too high or too low;
        for classes that rows of one are taken for another.
    criterion : {"auto", "loss", "error", "balanced_error"}, default="auto"
        By what attempts are judged, on the rows that H is of, each by a victim fitted to it: H; the
        mean over targets of the share of wrong rows; the same with every class of a node counting
        alike. Of a pair as `goal`, the share of rows of the one class that are taken for the other.
        H decides between equals. ``"auto"`` is ``"error"`` for classes and ``"loss"`` for numbers.
    gradient : {"total", "implicit", "dual"}, default="total"
        ``"total"``: the exact gradient; the victim's weights and a learned relationship respond.
        ``"implicit"``: the relationship is held. ``"dual"``: the dual variables are held too, the
        paper's gradient with its signs and scales corrected.
    upper_loss : {"auto", "victim", "ramp", "balanced"}, default="auto"
        L on the way. ``"ramp"``, for classes, is ``1 / (1 + exp(k y f))``, nearer to the error than
        the victim's own loss: k is 2 in an ascent and grows from 2 to 8 in a search among weights.
        ``"balanced"`` is the ramp with every class of a node counting alike. ``"auto"``: an ascent
        climbs the victim's loss, a search among weights the ramp for classes, unless `criterion` is
        ``"loss"``.
    smoothing : float, default=4.0
        Rows move against victims that follow them, each from where the last one was, to the
        accuracy that H needs; a hinge has its kink rounded off, ever less: it becomes a parabola
        where ``|1 - y f| < width / 2``, whose width falls from `smoothing` to 3 % of it over
        `max_iter` steps. Such ascents are faster, and on a hinge as a rule end much higher, than
        ascents on the victim itself, which stop where rows enter or leave the margin. 0: every step
        on the victim itself, solved to `victim_tol`.
    eta : float, default=100.0
        Longest step. ``step="plain"``: the factor of the gradient; ``"adaptive"``: thousandths
        of the radius, or of twice the root mean square of the node's rows as the model sees them
        if that is less, and against a smoothed hinge less, where `max_iter` such steps would be
        longer together than twice `eta` percent of it. Behind scalers of a Pipeline each feature's
        share of that is in proportion to its scale; without them every feature has the same, so
        scale features that differ by much.
    step : {"adaptive", "plain"}, default="adaptive"
        Momentum with per-coordinate scaling, every step a little shorter than the last, or Eq. 4
        of [1]_.
    line_search : bool, default=True
        Shorten a step, three times at most, until the objective exceeds the least of its last ten
        values, and return the best rows on the way, so that `objective_history_` never falls.
        Otherwise, and for a smoothed hinge, whose loss falls as it hardens, every step is taken and
        the last rows are the result; or those of the start, if the victim suffers more from them.
    max_iter : int or None, default=None
        Steps of an ascent at most; 0 keeps the rows as drawn. None: 20 from clean rows beside a
        search among weights that has found some, else 50. Where no source is a target, others from
        the same rows follow as long as the last added a twentieth to H: 500 on a smoothed hinge,
        else 200 of three tenths and 600 of the whole length, ten times that if 50 so led farther.
    inner_iter : int or None, default=None
        Iterations of the victim's solver, each one exchange with every node, after every step, from
        where it was before, and no smoothing; 1 is the single loop of [1]_, Algorithm 1. None: as
        many as it takes.
    victim_tol : float, default=1e-5
        Relative duality gap of the victim in the final fits and, with ``smoothing=0``, after every
        step, if that is smaller than the estimator's own `tol`. H of a victim at a gap of 1e-4
        differs from that of a solved one in the fifth digit.
    tol : float, default=1e-4
        Stop when the objective rose by less than this, relative, over twenty steps; not for a
        smoothed hinge, which hardens over all steps.
    n_restarts : int, default=1
        Attacks, each from rows and directions drawn anew; the best by `criterion` is the result.
    checkpoint : str, path-like or None, default=None
        Folder of files from which a killed fit goes on, to the same bits; it needs a whole number
        as `random_state`. A file belongs to one choice of data, parameters and restart.
    node_column : str, int or None, default=None
        Column of `X` that holds the nodes; None takes the victim's. It is taken off before a
        Pipeline, whose last step must have none of its own.
    n_jobs : int or None, default=None
        Restarts that run at a time, as in joblib, of no use for one; without effect on the result.
    random_state : int, RandomState instance or None, default=None
        Draws the nodes, the rows and their labels. In a search or a curve pass an int, or
        targets and sources as labels: with None every fit attacks other nodes.
    verbose : int or bool, default=0
        Whether the log line of every step, of the logger ``"skfedmtl.attack"``, has the level
        INFO, which ``logging.basicConfig(level="INFO")`` shows, rather than DEBUG.

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
    poison_sample_weight_ : ndarray of shape (n_injected,)
        Their weights.
    poison_origin_ : ndarray of shape (n_injected,)
        Positions in `X` of the clean rows they come from; -1: sought, drawn, copied or retold.
    clean_estimator_, estimator_ : estimator
        The victim fitted on the clean rows, and on clean and injected rows.
    objective_history_ : ndarray of shape (n_steps + 1,)
        H on the way to the result, in the loss that was climbed. Of an ascent: of the start and
        after every step, of the victim that the step was taken against, smoothed as much as it was,
        in its own loss; with `line_search`, but for a smoothed hinge, that of the best rows so far.
        Of rows sought among weights: H of clean rows and of these, each of a victim fitted to them.
    objective_ : float
        H of `estimator_`, which is not smoothed, in the victim's loss, whatever was climbed; with
        `goal` ``"raise"`` or ``"lower"`` by how far the mean forecast is beyond the mean target, in
        that direction, added up over the targets.
    clean_objective_ : float
        The same of `clean_estimator_`, before the attack.
    criterion_ : float
        The criterion of `estimator_`.
    attempts_ : list of dict
        What was tried: ``restart``, ``origin`` (``"start"``, ``"ascent"``, ``"weights"``,
        ``"polished"``, ``"selection"``, ``"mutated"``), ``slack`` (share of the rows that a search
        reckoned with, NaN for others), ``objective`` and ``criterion`` of a victim fitted to the
        rows, by its own `fit`, to a gap of 1e-4 or `victim_tol` where that decides, and ``kept``.
    n_iter_ : int
        Steps made on the way to the result; a search among weights counts as one.

    Raises
    ------
    ValueError
        In `fit`, for a wrong parameter or wrong data, or if no row can have what is asked of it;
        the message names the argument.
    TypeError
        For sparse rows, and in `fit` for a Pipeline with other steps than those above.

    Notes
    -----
    Features are given by their index in `X`, by their name if `X` is a DataFrame, or by a mask with
    one entry a column of `X`. All columns count, the node column among them, but that is no
    feature, and naming it is an error (its entry in `feature_range` is not used). Radius, ranges
    and whole numbers are those of `X`, and hold for `poison_X_` as it is stored.

    The steps of a Pipeline are fitted on the clean rows and then kept: injected rows move neither
    means nor scales, in the ascent and in `estimator_`. Radius, ranges and `poison_X_` are not
    scaled. Gaps count as what an imputer puts there; crafted rows have none. A fitted Pipeline that
    is called by itself takes rows without the node column, and their nodes as `nodes`; its
    `decision_function` and `score` need metadata routing.

    An injected row weighs as much as the clean rows of its node do on average, whatever row it was
    drawn from: `budget` is a share of the rows and of their weight alike, the unit of the weights
    has no effect, and weights are nothing that an attacker chooses. Classes weigh what the victim's
    `class_weight` says in its fits, but not in H. Steps of a Pipeline are fitted without weights
    unless they request them by ``set_fit_request(sample_weight=True)``.

    In an ascent whole numbers move as reals, one-hot groups as shares that sum to 1; rounded groups
    are ``"polished"``. Rounding may take `objective_` below the last of `objective_history_`. What
    an encoder reads is a group, of categories in clean rows; in a norm it counts 1.

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

    A victim that scales its rows:

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> victim = make_pipeline(StandardScaler(), FMTLRegressor())
    >>> attacker = PoisoningAttacker(victim, target_nodes=["a"], random_state=0)
    >>> attacker.fit(X, y, nodes=nodes).predict(X[:1], nodes=["a"]).shape
    (1,)
    """

    _parameter_constraints = {
        **BasePoisoner._parameter_constraints,
        "optimize_labels": ["boolean"],
        "init": [StrOptions({"auto", "weights", "clean", "ball"})],
        "goal": [StrOptions(set(GOALS)), "array-like"],
        "criterion": [StrOptions(set(CRITERIA))],
        "gradient": [StrOptions(set(GRADIENTS))],
        "upper_loss": [StrOptions(set(UPPER_LOSSES))],
        "smoothing": [Interval(Real, 0, None, closed="left")],
        "eta": [Interval(Real, 0, None, closed="neither")],
        "step": [StrOptions(set(STEPS))],
        "line_search": ["boolean"],
        "max_iter": [None, Interval(Integral, 0, None, closed="left")],
        "inner_iter": [None, Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "checkpoint": [None, str, os.PathLike],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
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
        optimize_labels=False,
        init="auto",
        goal="error",
        criterion="auto",
        gradient="total",
        upper_loss="auto",
        smoothing=4.0,
        eta=100.0,
        step="adaptive",
        line_search=True,
        max_iter=None,
        inner_iter=None,
        victim_tol=1e-5,
        tol=1e-4,
        n_restarts=1,
        checkpoint=None,
        node_column=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
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
        self.optimize_labels = optimize_labels
        self.init = init
        self.goal = goal
        self.criterion = criterion
        self.gradient = gradient
        self.upper_loss = upper_loss
        self.smoothing = smoothing
        self.eta = eta
        self.step = step
        self.line_search = line_search
        self.max_iter = max_iter
        self.inner_iter = inner_iter
        self.victim_tol = victim_tol
        self.tol = tol
        self.n_restarts = n_restarts
        self.checkpoint = checkpoint
        self.node_column = node_column
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X,
        y,
        *,
        sample_weight=None,
        nodes=None,
        X_target=None,
        y_target=None,
        nodes_target=None,
    ):
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
        X_target : array-like of shape (n_target_samples, n_features), default=None
            Rows whose loss is raised; None: the clean rows of the target nodes. Rows of other
            nodes are left aside; those of a target all weigh the same.
        y_target : array-like of shape (n_target_samples,), default=None
            Their targets.
        nodes_target : array-like of shape (n_target_samples,), default=None
            The node of each of them.

        Returns
        -------
        self : PoisoningAttacker
            Fitted, the victims and the injected rows with it.
        """
        judged = read_target_rows(X_target, y_target, nodes_target)
        check_checkpoint(self.checkpoint, self.random_state)
        self._check_kind()
        task = begin_fit(self, self.n_restarts, X, y, nodes=nodes, sample_weight=sample_weight)
        self._fit(X, y, nodes, sample_weight, judged, task)
        task.end(dict)
        return self

    def _check_kind(self):
        """Refuse what is asked of victims of the other kind, and a search without choices."""
        if self.optimize_labels and is_classifier(self.estimator):
            raise ValueError("optimize_labels=True is for regression; the victim is a classifier.")
        if self.init == "weights" and not chooses_labels(self.labels):
            raise ValueError(
                f"labels={self.labels!r} leaves init='weights' no choice of labels; it needs "
                "'auto', 'flip' or 'extreme'."
            )

    def _inject(self, scenario, task):
        rng = scenario.rng
        starts = [scenario.draw_start(rng)]
        seeds = rng.integers(2**63, size=self.n_restarts).tolist()
        starts += [scenario.draw_start(np.random.default_rng(seed)) for seed in seeds[1:]]
        settings, case = Settings.of(self.get_params(deep=False), scenario), Case.of(scenario)
        files = [self._checkpoint_of(scenario, start) for start in starts]
        restarts = (
            (start, seed, file, task.subtask("restart", settings.n_steps))
            for start, seed, file in zip(starts, seeds, files, strict=True)
        )
        found = call_each(craft, (case, settings), restarts, n_jobs=self.n_jobs)
        crafted = in_own_fit(found, scenario)
        best = max(range(len(crafted)), key=lambda number: crafted[number].verdict)
        self.objective_history_ = np.array(crafted[best].history)
        self.n_iter_ = len(self.objective_history_) - 1
        self.attempts_ = records([one.attempts for one in crafted], best)
        return scenario.lay_out(crafted[best].start)

    def _checkpoint_of(self, scenario, start):
        """The file of the restart that begins at `start`; None without `checkpoint`."""
        data = [*scenario.clean, *start[:3], *(scenario.evaluation or ())]
        return checkpoint_of(self.checkpoint, version("skfedmtl"), with_chosen_victim(self), *data)
