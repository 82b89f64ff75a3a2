"""Callbacks of scikit-learn: what they learn, what they may end, and that they change nothing."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import GridSearchCV

from estimators import ESTIMATORS, climber, make_rows
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl.metrics import make_node_scorer
from skfedmtl.model_selection import NodeKFold

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

estimators = pytest.mark.parametrize("estimator", ESTIMATORS)
solvers = pytest.mark.parametrize("solver", ["splitting", "mocha"])


def never(told):
    return False


class Watcher:
    """Keeps what it is told, and ends the level of a task of this name when `stop` says so."""

    def __init__(self, name="round", stop=never):
        self.name, self.stop, self.begun, self.told = name, stop, [], []

    def setup(self, estimator, context):
        self.begun.append("setup")

    def teardown(self, estimator, context):
        self.begun.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, metadata=None):
        told = context.task_name, fitted_estimator, metadata
        self.told.append(told)
        return context.task_name == self.name and self.stop(told)

    def names(self):
        return [name for name, _, _ in self.told]


@solvers
@estimators
def test_rounds(estimator, solver):
    X, y, nodes = make_rows(estimator)
    plain = estimator(solver=solver, tol=1e-6, random_state=0).fit(X, y, nodes=nodes)
    watcher = Watcher()
    model = estimator(solver=solver, tol=1e-6, random_state=0).set_callbacks(watcher)
    model.fit(X, y, nodes=nodes)
    for name in ("coef_", "intercept_", "dual_coef_"):
        assert_array_equal(getattr(model, name), getattr(plain, name))
    assert watcher.begun == ["setup", "fit"] + ["round"] * model.n_iter_ + ["teardown"]
    assert watcher.names() == ["round"] * model.n_iter_ + ["fit"]
    for count, (_, fitted, metadata) in enumerate(watcher.told[:-1], start=1):
        assert fitted.n_iter_ == count
        assert metadata.keys() == {"nodes"}
        assert_array_equal(fitted.objective_ - fitted.dual_objective_, fitted.dual_gap_)
        assert fitted.predict(X, nodes=nodes).shape == y.shape
        assert len(fitted.history_["round"]) == count + 1
        assert fitted.node_correlation().shape == (len(model.nodes_),) * 2
        missing = {name for name in vars(model) if name.endswith("_")} - vars(fitted).keys()
        assert not missing
    assert_array_equal(watcher.told[-2][1].coef_, model.coef_)


@pytest.mark.filterwarnings("error")
@solvers
@estimators
def test_an_early_stop(estimator, solver):
    """The fit ends after the round, certified, without a warning."""
    X, y, nodes = make_rows(estimator)
    watcher = Watcher(stop=lambda told: told[1].n_iter_ == 2)
    model = estimator(solver=solver, tol=1e-12, random_state=0).set_callbacks(watcher)
    model.fit(X, y, nodes=nodes)
    assert model.n_iter_ == 2
    assert watcher.names() == ["round", "round", "fit"]
    assert len(model.history_["round"]) == 3
    assert model.dual_gap_ == model.objective_ - model.dual_objective_
    short = estimator(solver=solver, tol=1e-12, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning):
        short.fit(X, y, nodes=nodes)
    assert_array_equal(model.coef_, short.coef_)


def test_classes_are_tasks_of_rounds():
    X, _, nodes = make_rows(FMTLRegressor)
    y = np.arange(len(X)) % 3
    watcher = Watcher(stop=lambda told: True)
    model = FMTLClassifier(tol=1e-12, random_state=0).set_callbacks(watcher).fit(X, y, nodes=nodes)
    assert model.n_iter_ == 1
    assert watcher.names() == ["round", "class"] * 3 + ["fit"]


def restarted(n_jobs, watcher):
    """An attack of two restarts, with and without a callback."""
    X, y, nodes = make_rows(FMTLRegressor)
    options = {"n_restarts": 2, "n_jobs": n_jobs, "max_iter": 4, "tol": 0, "random_state": 0}
    plain, watched = (climber(FMTLRegressor(), **options) for _ in range(2))
    plain.fit(X, y, nodes=nodes)
    watched.set_callbacks(watcher).fit(X, y, nodes=nodes)
    assert_array_equal(watched.poison_X_, plain.poison_X_)
    return watched


def test_steps_of_an_attack():
    watcher = Watcher()
    attacker = restarted(1, watcher)
    assert watcher.begun[0] == "setup"
    assert watcher.begun[-1] == "teardown"
    assert watcher.names() == (["step"] * 4 + ["restart"]) * 2 + ["fit"]
    values = [told[2]["objective"] for told in watcher.told if told[0] == "step"]
    assert attacker.objective_history_[1:].tolist() in (values[:4], values[4:])


def test_steps_in_other_processes(capsys):
    restarted(2, callback.ProgressBar())
    assert "PoisoningAttacker" in capsys.readouterr().out


def test_an_attack_ends_early():
    X, y, nodes = make_rows(FMTLRegressor)
    watcher = Watcher("step", stop=lambda told: True)
    attacker = climber(FMTLRegressor(), max_iter=9, random_state=0)
    attacker.set_callbacks(watcher).fit(X, y, nodes=nodes)
    assert attacker.n_iter_ == 1


def test_the_callbacks_of_scikit_learn(capsys):
    """A score a round by node, and a bar that a grid search hands down."""
    X, y, nodes = make_rows(FMTLRegressor)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_node_scorer(mean_absolute_error, greater_is_better=False)
        monitor = callback.ScoringMonitor(scoring={"score": scorer})
        model = FMTLRegressor(random_state=0).set_callbacks(monitor).fit(X, y, nodes=nodes)
        scores = [line["score"] for line in monitor.get_logs().data if "score" in line]
        assert len(scores) == model.n_iter_ + 1
        assert scores[-1] == scorer(model, X, y, nodes=nodes)
        search = GridSearchCV(
            FMTLRegressor(random_state=0), {"lambda1": [0.1, 1.0]}, cv=NodeKFold(2)
        )
        search.set_callbacks(callback.ProgressBar()).fit(X, y, nodes=nodes)
    assert "FMTLRegressor" in capsys.readouterr().out


def test_a_fit_that_fails_leaves_nothing():
    X, y, nodes = make_rows(FMTLRegressor)
    watcher = Watcher()
    attacker = climber(FMTLRegressor(), target_nodes=["nobody"], random_state=0)
    with pytest.raises(ValueError, match="target_nodes"):
        attacker.set_callbacks(watcher).fit(X, y, nodes=nodes)
    assert watcher.begun == ["setup", "fit", "teardown"]
    assert not hasattr(attacker, "_task")


def test_those_of_the_victim_do_not_end_its_fits():
    """An attack of a victim that is never done would be that of another model."""
    X, y, nodes = make_rows(FMTLRegressor)
    victim = FMTLRegressor(random_state=0)
    watcher = Watcher(stop=lambda told: True)
    options = {"max_iter": 3, "random_state": 0}
    plain = climber(victim, **options).fit(X, y, nodes=nodes)
    watched = climber(victim, **options)
    watched.set_params(estimator=FMTLRegressor(random_state=0).set_callbacks(watcher))
    watched.fit(X, y, nodes=nodes)
    assert not watcher.begun
    assert_array_equal(watched.poison_X_, plain.poison_X_)


@estimators
def test_a_fit_that_a_callback_breaks_keeps_the_former(estimator):
    X, y, nodes = make_rows(estimator)
    model = estimator(random_state=0).fit(X, y, nodes=nodes)
    before = dict(vars(model))

    def fail(told):
        raise RuntimeError("no more")

    model.set_callbacks(Watcher(stop=fail))
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(2.0 * X[:-3, :1], y[:-3], nodes=nodes[:-3])
    assert {name: vars(model)[name] for name in before} == before
    assert_array_equal(model.predict(X, nodes=nodes).shape, y.shape)
