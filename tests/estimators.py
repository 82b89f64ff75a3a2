"""One table of estimators, relationships and data sets for every test that cuts across them."""

from functools import partial

import numpy as np
import pytest

from oracles.losses import RECORD_OF
from profiles import IS_LONG
from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker
from skfedmtl._model.common import CommonQuadratic
from skfedmtl._model.common_learned import CommonLearned
from skfedmtl._model.learned import Learned
from skfedmtl._model.quadratic import Fixed, Independent, MeanTied
from skfedmtl._tools.sklearn import last_step
from skfedmtl.attack._bilevel.gradient_check import ExactBilevel
from skfedmtl.attack._bilevel.one_vs_rest import make_game
from skfedmtl.relationships import clustered, graph_laplacian, mean_regularized

#: Every estimator once.
ESTIMATORS = (FMTLRegressor, FMTLClassifier)

#: The estimator of each loss, with the scale that the oracles know.
ESTIMATOR_OF = {
    name: partial(FMTLRegressor, huber_delta=1.0) if record.is_regression else FMTLClassifier
    for name, record in RECORD_OF.items()
}
LOSSES = tuple(ESTIMATOR_OF)

#: How the estimator of each loss asks a `FederatedProblem` for an intercept.
INTERCEPT_OF = {
    name: "centred" if record.has_free_intercept else "feature"
    for name, record in RECORD_OF.items()
}

#: Every kind of relationship of the solver: learned, none, a given precision.
KINDS = ("learned", "none", "omega")

#: Those of the model, which knows one given precision by its closed form.
MODEL_KINDS = (*KINDS, "mean")

#: A given precision for three nodes.
OMEGA = np.array([[2.0, -0.8, 0.3], [-0.8, 1.5, -0.5], [0.3, -0.5, 1.0]])

#: Every builder of a precision matrix, called with the number of nodes.
BUILDERS = {
    "mean_regularized": mean_regularized,
    "graph_laplacian": lambda m: graph_laplacian(np.eye(m, k=1) + np.eye(m, k=-1)),
    "clustered": lambda m: clustered([l % 2 for l in range(m)]),
}

#: Everything `relationship=` may be, called with the number of nodes.
RELATIONSHIPS = {"learned": lambda m: "learned", "none": lambda m: "none", **BUILDERS}


def relationship_of(problem, kind):
    """The value of `relationship=` for a drawn problem; "omega" is the problem's own matrix."""
    return problem.Omega if kind == "omega" else kind


def make_relationship(kind, rng, m, lambda1, lambda2, *, ridge=0.0):
    """A drawn relationship of the solvers, and what the oracles call it.

    Without `ridge` a given precision may have almost any condition.
    """
    if kind == "none":
        return Independent(m, lambda2), "none"
    if kind == "learned":
        return Learned(m, lambda1, lambda2), "learned"
    if kind == "mean":
        return MeanTied(m, lambda1, lambda2), mean_regularized(m)
    half = rng.normal(size=(m, m))
    Omega = half @ half.T / m + ridge * np.eye(m)
    return Fixed(Omega, lambda1, lambda2), Omega


def with_common(tied, lambda0):
    """The same beside a common part."""
    return (CommonLearned if isinstance(tied, Learned) else CommonQuadratic)(tied, lambda0)


def estimator_of(problem, kind="learned", **params):
    """The estimator of a drawn `oracles.strategies.Problem`, its parameters set."""
    given = {
        "lambda1": problem.lambda1,
        "lambda2": problem.lambda2,
        "loss": problem.loss,
        "relationship": relationship_of(problem, kind),
        "fit_intercept": problem.fit_intercept,
        "random_state": 0,
    }
    if problem.lists_labels:
        given["node_labels"] = problem.node_labels
    if not RECORD_OF[problem.loss].has_free_intercept:
        given["intercept_scaling"] = problem.kappa
    return ESTIMATOR_OF[problem.loss](**{**given, **params})


def fit(problem, kind="learned", **params):
    """The estimator of a drawn problem, fitted to it."""
    estimator = estimator_of(problem, kind, **params)
    return estimator.fit(
        problem.X, problem.y, nodes=problem.nodes, sample_weight=problem.sample_weight
    )


def oracle_task(problem, kind="learned"):
    """Positional arguments of `oracles.objective.optimum`, and those of `primal` after W and b."""
    return (
        problem.X,
        problem.y,
        problem.codes,
        problem.weight,
        problem.lambda1,
        problem.lambda2,
        problem.loss,
        relationship_of(problem, kind),
    )


def make_rows(estimator, sizes=(12, 7, 9), n_features=3, seed=0, strings=False):
    """X, y, nodes of related nodes in shuffled rows; y are numbers or the classes 0 and 1.

    `estimator` is a class or an instance: what it is decides what y holds. Nodes are numbered
    from 0, or named "n0", "n1", ... with `strings`.
    """
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    X = rng.normal(size=(len(codes), n_features)) + 0.2
    truth = rng.normal(size=n_features) + 0.4 * rng.normal(size=(len(sizes), n_features))
    y = np.sum(X * truth[codes], axis=1) + 0.2 * rng.normal(size=len(codes))
    if estimator is FMTLClassifier or isinstance(estimator, FMTLClassifier):
        y = (y > np.median(y)).astype(int)
    nodes = np.array([f"n{code}" for code in codes]) if strings else codes
    return X, y, nodes


#: Of tests whose subject is not whether injected rows could exist: those of named tables warn.
any_range = pytest.mark.filterwarnings("ignore:Injected rows leave the range")


def climber(victim, **params):
    """An attack by an ascent from clean rows alone, judged by what it climbs."""
    given = {"init": "clean", "criterion": "loss", "max_iter": 50, **params}
    return PoisoningAttacker(victim, **given)


#: An attack where its start does not matter: under the long profile with the start that users get.
quick_attacker = PoisoningAttacker if IS_LONG else climber


class Watched(PoisoningAttacker):
    """Keeps what a restart of an attack would be given, and makes its game."""

    def _inject(self, scenario, task):
        self.scenario_, self.clean_, self.threat_ = scenario, scenario.clean, scenario.threat
        self.start_ = scenario.draw_start(scenario.rng)
        self.evaluation_ = scenario.evaluation
        self.objective_history_, self.n_iter_ = np.zeros(1), 0
        return scenario.lay_out(self.start_)

    def game(
        self, kind=ExactBilevel, start=None, seed=0, *, upper="victim", evaluation=None, **options
    ):
        aim, rows = self.scenario_.parameters.aim, evaluation or self.clean_
        classes = getattr(last_step(self.clean_estimator_), "classes_", None)
        own = evaluation is None
        judged = aim.judged(rows, self.threat_.targets, upper, classes, fitted=own)
        return make_game(
            kind,
            self.clean_estimator_,
            self.clean_,
            self.start_ if start is None else start,
            judged,
            tol=1e-13,
            rng=np.random.default_rng(seed),
            **options,
        )
