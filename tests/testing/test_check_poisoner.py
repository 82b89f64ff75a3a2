"""All poisoners keep to what is asked of them, and what does not is found out."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import ESTIMATORS, climber, make_rows
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack import BasePoisoner, DamageBound
from skfedmtl.metrics import compare
from skfedmtl.model_selection import security_curve
from skfedmtl.testing import check_poisoner


def _quick_climber(victim):
    return climber(victim, max_iter=2)


class Own(BasePoisoner):
    """The start, as far out as the radius allows."""

    def craft(self, setting):
        return 100.0 * setting.X_start, setting.y_start


@pytest.mark.parametrize("make", [RandomPoisoner, LabelFlipPoisoner, _quick_climber, Own])
@pytest.mark.parametrize("victim", ESTIMATORS)
def test_poisoners_keep_their_promises(make, victim):
    check_poisoner(make(victim()))


def test_a_victim_in_a_pipeline():
    check_poisoner(Own(make_pipeline(StandardScaler(), FMTLRegressor()), attack="indirect"))


# -- broken ones --------------------------------------------------------------------------


class CopiesParameters(Own):
    def __init__(self, estimator, *, attack="direct", target_nodes=0.5, budget=0.2, random_state=0):
        super().__init__(estimator, target_nodes=target_nodes, budget=budget)
        self.attack = "".join(list(attack))
        self.random_state = random_state


class ReturnsNothing(Own):
    def fit(self, X, y, **given):
        super().fit(X, y, **given)


class Afterwards(Own):
    """Does something more after its fit."""

    def fit(self, X, y, **given):
        super().fit(X, y, **given)
        self.spoil(X)
        return self


class ChangesParameters(Afterwards):
    def spoil(self, X):
        self.budget = 0.1


class StoresTooLittle(Afterwards):
    def spoil(self, X):
        del self.criterion_


class WeighsOtherwise(Afterwards):
    def spoil(self, X):
        self.poison_sample_weight_ = np.ones(len(self.poison_y_))


class StoresOtherRows(Own):
    def poison(self, X, y, **given):
        data = super().poison(X, y, **given)
        data.X[-1] *= 0.5
        return data


class KeepsTheCleanVictim(Afterwards):
    def spoil(self, X):
        self.estimator_ = self.clean_estimator_


class WritesIntoRows(Afterwards):
    def spoil(self, X):
        X[0] = 0.0


class FitsTheGivenVictim(Own):
    def fit(self, X, y, **given):
        super().fit(X, y, **given)
        self.estimator.fit(X, y, **given)
        return self


class HurtsTheSources(Afterwards):
    def spoil(self, X):
        if self.attack == "indirect":
            self.target_nodes_ = self.source_nodes_


class IgnoresNames(Own):
    def fit(self, X, y, **given):
        asked = self.target_nodes, self.source_nodes
        self.target_nodes, self.source_nodes = 0.4, None
        super().fit(X, y, **given)
        self.target_nodes, self.source_nodes = asked
        return self


class Injects(Own):
    """Alters what is injected."""

    def _inject(self, scenario, task):
        injected = super()._inject(scenario, task)
        return injected._replace(**self.altered(injected, scenario.parameters))


class InjectsElsewhere(Injects):
    def altered(self, injected, asked):
        return {"codes": (injected.codes + 1) % 5}


class InjectsTwice(Injects):
    def altered(self, injected, asked):
        return {name: np.concatenate([part, part]) for name, part in injected._asdict().items()}


class InjectsForNothing(Own):
    def _inject(self, scenario, task):
        if scenario.parameters.budget > 0:
            return super()._inject(scenario, task)
        return scenario.copies(np.zeros(1, dtype=int), scenario.clean.y[:1])


class LeavesTheBall(Injects):
    def altered(self, injected, asked):
        return {"X": 1.01 * injected.X, "features": 1.01 * injected.X}


class LeavesTheRange(Injects):
    def altered(self, injected, asked):
        return {"y": injected.y + 100.0}


class Ignores(Injects):
    def altered(self, injected, asked):
        given = getattr(asked, self.ignored)
        rows = 0.45 * injected.X if given is not None else injected.X
        if isinstance(given, tuple):
            rows = np.full_like(rows, 0.6)
        return {"X": rows, "features": rows}


class IgnoresFrozen(Ignores):
    ignored = "frozen_features"


class IgnoresWhole(Ignores):
    ignored = "integer_features"


class IgnoresGroups(Ignores):
    ignored = "one_hot_groups"


class IgnoresRanges(Ignores):
    ignored = "feature_range"


class DrawsFromTheGlobal(Own):
    def craft(self, setting):
        return np.random.normal(size=setting.X_start.shape), setting.y_start  # noqa: NPY002


class Remembers(Own):
    def craft(self, setting):
        return setting.X_start * (0.5 if hasattr(self, "poison_X_") else 1.0), setting.y_start


class CountsJobs(Own):
    def __init__(
        self,
        estimator,
        *,
        attack="direct",
        target_nodes=0.5,
        source_nodes=None,
        budget=0.2,
        n_jobs=None,
        random_state=None,
    ):
        super().__init__(
            estimator,
            attack=attack,
            target_nodes=target_nodes,
            source_nodes=source_nodes,
            budget=budget,
            random_state=random_state,
        )
        self.n_jobs = n_jobs

    def craft(self, setting):
        return setting.X_start / (self.n_jobs or 1), setting.y_start


class ReachesUntied(Afterwards):
    def spoil(self, X):
        if self.estimator.relationship == "none":
            self.estimator_.coef_ = 2.0 * self.estimator_.coef_


class TakesGaps(Own):
    def fit(self, X, y, **given):
        return super().fit(np.nan_to_num(X), y, **given)


class StaysFitted(Own):
    def fit(self, X, y, **given):
        self.estimator_ = None
        return super().fit(X, y, **given)


BROKEN = {
    CopiesParameters: "`__init__` must store `attack` as it is",
    ReturnsNothing: "`fit` must return the poisoner itself",
    ChangesParameters: "`fit` must not change parameters",
    StoresTooLittle: r"`fit` must set \['criterion_'\]",
    WeighsOtherwise: "`poison_sample_weight_` must be the mean weight",
    StoresOtherRows: "`poison` must return the rows that are stored",
    KeepsTheCleanVictim: "`estimator_` must be the victim fitted to clean and injected rows",
    WritesIntoRows: "`fit` must not change `X`",
    FitsTheGivenVictim: "`fit` must not fit the `estimator` that it is given",
    HurtsTheSources: "no source of an indirect attack may be a target",
    IgnoresNames: "named targets and sources must be those attacked",
    InjectsElsewhere: "injected rows must be in the sources",
    InjectsTwice: r"a source with \d+ clean rows must get 2 at budget=0.2, got 4",
    InjectsForNothing: "a budget of 0 must inject no row",
    LeavesTheBall: "no injected row may leave its radius",
    LeavesTheRange: "injected targets must lie in the clean range",
    IgnoresFrozen: "frozen features must keep the values",
    IgnoresWhole: "integer features must be whole",
    IgnoresGroups: "of a one-hot group exactly one feature must be 1",
    IgnoresRanges: "features must stay in `feature_range`",
    DrawsFromTheGlobal: "rows must follow from `random_state` and the data alone",
    Remembers: "a second fit must not depend on the one before",
    CountsJobs: "rows must not depend on `n_jobs`",
    ReachesUntied: "an indirect attack must not reach its targets",
    TakesGaps: "NaN in X must be refused by a ValueError",
    StaysFitted: "NaN in X must leave the poisoner unfitted",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_poisoner_is_found_out(broken):
    with pytest.raises(AssertionError, match=f"check_poisoner: .*{BROKEN[broken]}"):
        check_poisoner(broken(FMTLRegressor()))


class AsksAsUsers(Own):
    """Rows of the setting lack the node column that the victim wants."""

    def craft(self, setting):
        setting.victim.predict(setting.X, nodes=setting.nodes)
        return super().craft(setting)


class AsksTheWeights(Own):
    """A Pipeline has none."""

    def craft(self, setting):
        return setting.X_start * setting.victim.coef_.mean(), setting.y_start


class AsksTheSetting(Own):
    def craft(self, setting):
        decision = setting.decision_function(setting.X_start, setting.poison_nodes)
        predicted = setting.predict(setting.X_start, setting.poison_nodes)
        assert len(predicted) == len(decision)
        return setting.X_start * (1.0 + (decision[:, None] > 0)), setting.y_start


@pytest.mark.parametrize(
    ("kind", "what"),
    [(AsksAsUsers, "a victim with a node column"), (AsksTheWeights, "a Pipeline")],
)
def test_a_poisoner_that_fails_on_some_victims(kind, what):
    with pytest.raises(AssertionError, match=f"check_poisoner: {what} must be attacked like any"):
        check_poisoner(kind(FMTLRegressor()))


@pytest.mark.parametrize("victim", ESTIMATORS)
def test_a_poisoner_that_asks_the_setting(victim):
    check_poisoner(AsksTheSetting(victim()))


def test_what_is_no_poisoner():
    for what in (DamageBound(FMTLRegressor()), FMTLRegressor(), Own):
        with pytest.raises(TypeError, match=r"`poisoner` must be an instance .*BasePoisoner"):
            check_poisoner(what)


# -- a poisoner of one's own in the rest of the package -----------------------------------


def test_an_own_poisoner_in_curves_and_comparisons():
    X, y, nodes = make_rows(FMTLRegressor, sizes=(12, 9, 14))
    poisoner = Own(FMTLRegressor(), target_nodes=[0], random_state=0)
    curve = security_curve(
        poisoner,
        X,
        y,
        nodes=nodes,
        param_name="budget",
        param_range=[0.0, 0.3],
        n_repeats=1,
        bound=True,
    )
    assert curve.scores[1] > curve.clean_scores[1]
    assert np.all(curve.objectives <= curve.upper_bounds)
    errors = compare(poisoner, X, y, nodes=nodes)
    assert errors["optimised"][0] > errors["clean"][0]


def test_damage_is_that_of_the_final_rows():
    class Weighs(BasePoisoner):
        def craft(self, setting):
            pair = 3.0 * setting.X_start, setting.y_start
            self.foretold_ = setting.damage(*pair)
            return pair

    X, y, nodes = make_rows(FMTLRegressor)
    poisoner = Weighs(FMTLRegressor(), random_state=0).fit(X, y, nodes=nodes)
    assert poisoner.foretold_ == poisoner.objective_


def test_rows_start_where_the_random_attack_leaves_them():
    class Starts(BasePoisoner):
        def craft(self, setting):
            return setting.X_start, setting.y_start

    X, y, nodes = make_rows(FMTLRegressor)
    one, other = (
        make(FMTLRegressor(), random_state=0).fit(X, y, nodes=nodes)
        for make in (Starts, RandomPoisoner)
    )
    assert_array_equal(one.poison_X_, other.poison_X_)
    assert_array_equal(one.poison_y_, other.poison_y_)


def test_a_threat_of_one_s_own():
    class Largest(Own):
        def draw_threat(self, nodes, n_rows, rng, judged=None):
            largest = nodes[[np.argmax(n_rows)]]
            return largest, largest if self.attack == "direct" else nodes[n_rows < n_rows.max()]

    X, y, nodes = make_rows(FMTLRegressor, sizes=(8, 13, 9))
    for attack, sources in (("direct", [1]), ("indirect", [0, 2])):
        fitted = Largest(FMTLRegressor(), attack=attack, random_state=0).fit(X, y, nodes=nodes)
        assert_array_equal(fitted.target_nodes_, [1])
        assert_array_equal(fitted.source_nodes_, sources)
    check_poisoner(Largest(FMTLRegressor()))


def test_the_setting_cannot_be_written_to():
    class Writes(BasePoisoner):
        def craft(self, setting):
            for name in ("X", "y", "nodes", "sample_weight", "X_start", "y_start", "radius"):
                with pytest.raises(ValueError, match="read-only"):
                    getattr(setting, name)[0] = 0
            return setting.X_start, setting.y_start

    X, y, nodes = make_rows(FMTLRegressor)
    Writes(FMTLRegressor(), random_state=0).fit(X, y, nodes=nodes)


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda s: None, TypeError, "must return a pair, rows and targets; got a NoneType"),
        (lambda s: (s.X_start[1:], s.y_start), ValueError, r"of shape \(\d+, 3\), got shape"),
        (lambda s: (s.X_start * np.nan, s.y_start), ValueError, "rows must be finite"),
        (lambda s: (s.X_start, s.y_start[1:]), ValueError, r"targets must have shape"),
        (lambda s: (s.X_start, s.y_start * np.inf), ValueError, "targets must be finite"),
        (lambda s: (s.X_start, ["x"] * len(s.y_start)), ValueError, "targets must be numbers"),
    ],
)
def test_what_is_crafted_wrongly(made, error, message):
    class Wrong(BasePoisoner):
        def craft(self, setting):
            return made(setting)

    X, y, nodes = make_rows(FMTLRegressor)
    poisoner = Wrong(FMTLRegressor(), random_state=0)
    with pytest.raises(error, match=message):
        poisoner.fit(X, y, nodes=nodes)
    assert not hasattr(poisoner, "estimator_")


def test_classes_that_nobody_knows():
    class Wrong(BasePoisoner):
        def craft(self, setting):
            return setting.X_start, np.full(len(setting.y_start), 7)

    X, y, nodes = make_rows(FMTLClassifier)
    with pytest.raises(ValueError, match=r"must be classes of the victim, .*; got 7"):
        Wrong(FMTLClassifier(), random_state=0).fit(X, y, nodes=nodes)


def test_a_poisoner_without_crafting():
    X, y, nodes = make_rows(FMTLRegressor)
    with pytest.raises(TypeError, match=r"BasePoisoner must define `craft\(setting\)`"):
        BasePoisoner(FMTLRegressor()).fit(X, y, nodes=nodes)


class Crafts:
    def craft(self, setting):
        return setting.X_start, setting.y_start


@pytest.mark.parametrize("base", [PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner])
@pytest.mark.parametrize("mixed", [False, True])
def test_crafting_that_nobody_would_ask_for(base, mixed):
    own = {} if mixed else dict(vars(Crafts))
    message = (
        f"Mine defines `craft`, but {base.__name__} crafts rows itself and never calls it; "
        "derive from BasePoisoner to write `craft`"
    )
    with pytest.raises(TypeError, match=message):
        type("Mine", (Crafts, base) if mixed else (base,), own)


def test_crafting_beside_what_is_injected():
    class Nearer(Own):
        def craft(self, setting):
            rows, y = super().craft(setting)
            return 0.5 * setting.project(rows), y

    class Renamed(PoisoningAttacker):
        pass

    class Mixed(Crafts, BasePoisoner):
        pass

    X, y, nodes = make_rows(FMTLRegressor)
    whole, half = (
        kind(FMTLRegressor(), random_state=0).fit(X, y, nodes=nodes) for kind in (Own, Nearer)
    )
    assert_array_equal(half.poison_X_, 0.5 * whole.poison_X_)
    for kind in (Renamed, Mixed):
        assert issubclass(kind, BasePoisoner)


def test_a_source_that_no_row_has():
    class Nowhere(Own):
        def draw_threat(self, nodes, n_rows, rng, judged=None):
            return ["nowhere"], ["nowhere"]

    X, y, nodes = make_rows(FMTLRegressor, strings=True)
    with pytest.raises(ValueError, match=r"`source_nodes` holds labels that no row has"):
        Nowhere(FMTLRegressor()).fit(X, y, nodes=nodes)
