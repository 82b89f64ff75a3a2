"""Reports on attacks of one's own: set up, measured, bounded and named like the package's."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfedmtl import FMTLClassifier, FMTLRegressor, LabelFlipPoisoner, PoisoningAttacker
from skfedmtl._report import experiment
from skfedmtl._report.experiment import Settings, split_rows, split_seeds
from skfedmtl.attack import BasePoisoner, DamageBound, infer_constraints
from skfedmtl.report import attack_report

PENALTIES = {"lambda1": 0.1, "lambda2": 0.01}
QUICK = {"repeats": 1, "remedies": False, "bound_iter": 2, **PENALTIES}


class NearFlip(BasePoisoner):
    """Rows half way to the middle of all, with the targets that are farthest off."""

    def craft(self, setting):
        return 0.5 * (setting.X_start + setting.X.mean(axis=0)), setting.y_start


class Bare(BasePoisoner):
    """Has no limits of features."""

    def __init__(
        self,
        estimator,
        *,
        attack="direct",
        target_nodes=0.5,
        source_nodes=None,
        budget=0.2,
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

    def craft(self, setting):
        return setting.X_start, setting.y_start


class Fixed(BasePoisoner):
    """Attacks in one way."""

    def __init__(self, estimator, *, target_nodes=0.5, random_state=None):
        super().__init__(estimator, target_nodes=target_nodes, random_state=random_state)

    def craft(self, setting):
        return setting.X_start, setting.y_start


class Chooses(NearFlip):
    def draw_threat(self, nodes, n_rows, rng, judged=None):
        return nodes[:1], nodes[:1]


class Unfrozen(NearFlip):
    """Knows no frozen features, and keeps the range."""

    def __init__(
        self,
        estimator,
        *,
        attack="direct",
        target_nodes=0.5,
        source_nodes=None,
        budget=0.2,
        feature_range=None,
        one_hot_groups=None,
        random_state=None,
    ):
        super().__init__(
            estimator,
            attack=attack,
            target_nodes=target_nodes,
            source_nodes=source_nodes,
            budget=budget,
            feature_range=feature_range,
            one_hot_groups=one_hot_groups,
            random_state=random_state,
        )


def rows(seed=0):
    rng = np.random.default_rng(seed)
    X, nodes = rng.normal(size=(60, 2)) * [1.0, 5.0] + 3.0, np.repeat(["a", "b", "c"], 20)
    return X, X @ [1.0, -0.2] + 0.1 * rng.normal(size=60), nodes


def assert_same(one, other):
    for name in ("clean", "attacks", "nodes"):
        frames = [
            getattr(report, name).drop(columns="seconds", errors="ignore")
            for report in (one, other)
        ]
        assert frames[0].equals(frames[1]), name


def page_of(report, tmp_path):
    return report.to_html(tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_package_s_attacker_in_its_own_place_gives_the_same_bits():
    """Whatever it said of nodes, rows, columns and draws: all that is the report's to say."""
    said = {"attack": "hybrid", "target_nodes": ["x"], "source_nodes": ["y"], "budget": 0.9}
    said |= {"radius": 1e-3, "feature_range": (0.0, 1.0), "frozen_features": [1]}
    said |= {"node_column": 0, "random_state": 7}
    poisoner = PoisoningAttacker(FMTLClassifier(), max_iter=2, **said)
    before = repr(poisoner.get_params(deep=False))
    options = {**QUICK, "attack": "indirect", "repeats": 2}
    own = attack_report(*rows(), poisoner=poisoner, **options)
    assert repr(poisoner.get_params(deep=False)) == before
    assert_same(own, attack_report(*rows(), max_iter=2, **options))
    kinds = own.attacks["kind"].unique().tolist()
    assert kinds == ["random", "optimised", "found", "certified"]


def test_steps_are_those_of_the_poisoner():
    poisoner = PoisoningAttacker(FMTLRegressor(), init="clean", max_iter=0)
    options = {**QUICK, "attack": "direct", "bound": False}
    still = attack_report(*rows(), poisoner=poisoner, max_iter=9, **options)
    poisoner.set_params(max_iter=9)
    moved = attack_report(*rows(), poisoner=poisoner, max_iter=0, **options)
    first, last = (one.attacks.set_index("kind")["mean"]["optimised"] for one in (still, moved))
    assert first < last


def test_it_is_measured_as_by_hand():
    X, y, nodes = rows()
    options = {"attack": "indirect", "target_nodes": ["a", "b"], "source_nodes": ["c"]}
    report = attack_report(X, y, nodes, poisoner=NearFlip(None), bound=False, **options, **QUICK)
    seeds = split_seeds(Settings("X", 1, 0.2, 0, 15, **PENALTIES), 0)
    split = split_rows(X, y, nodes, seeds[0])
    victim = make_pipeline(StandardScaler(), FMTLRegressor(tol=1e-8, random_state=0, **PENALTIES))
    limits = {**infer_constraints(X, nodes), "radius": 1e3}
    poisoner = NearFlip(victim, budget=0.2, random_state=seeds[1], **options, **limits)
    poisoner.fit(split.raw, split.y, nodes=split.nodes)
    model = poisoner.estimator_[-1]
    errors = split.y_test - model.predict(split.X_test, nodes=split.nodes_test)
    each = [np.sqrt(np.mean(errors[split.nodes_test == node] ** 2)) for node in ("a", "b")]
    found = report.attacks.set_index("kind")["mean"]["optimised"]
    np.testing.assert_allclose(found, np.mean(each), rtol=1e-12)


def test_processes_change_nothing():
    class Local(BasePoisoner):  # workers can't import this file
        def craft(self, setting):
            return setting.project(setting.X_start + setting.rng.normal()), setting.y_start

    options = {**QUICK, "attack": "direct", "bound": False}
    one, two = (attack_report(*rows(), poisoner=Local(None), n_jobs=n, **options) for n in (1, 2))
    assert_same(one, two)


@pytest.mark.parametrize(
    ("poisoner", "classify"),
    [
        (NearFlip(None), True),
        (NearFlip(None), False),
        (Unfrozen(None), False),
        (LabelFlipPoisoner(None), True),
        (LabelFlipPoisoner(None), False),
        (PoisoningAttacker(None, init="ball", max_iter=2, victim_tol=1e-9), False),
    ],
)
def test_what_it_does_is_within_the_bound(poisoner, classify):
    X, y, nodes = rows()
    y = y > y.mean() if classify else y
    report = attack_report(X, y, nodes, attack="hybrid", poisoner=poisoner, **QUICK)
    losses = report.attacks[report.attacks["metric"] == ("loss" if classify else "root_loss")]
    losses = losses.set_index("kind")["mean"]
    assert losses["optimised"] <= losses["certified"]


def test_sources_of_influence_are_those_that_the_bound_is_about(monkeypatch):
    found = []

    class Spied(DamageBound):
        def fit(self, X, y, *, sample_weight=None, nodes=None):
            super().fit(X, y, nodes=nodes)
            found.append(set(self.source_nodes_))
            return self

    monkeypatch.setattr(experiment, "DamageBound", Spied)
    rng = np.random.default_rng(3)
    X, nodes = rng.normal(size=(96, 2)), np.repeat(list("abcdef"), 16)
    W = rng.normal(size=(6, 2)).repeat(16, axis=0)
    y = np.sum(X * W, axis=1)
    options = {**QUICK, "attack": "indirect", "target_nodes": ["a", "b"], "bounds_of": "all"}
    sources = []
    for choice in ("random", "influence"):
        poisoner = NearFlip(None, choose_sources=choice)
        report = attack_report(X, y, nodes, poisoner=poisoner, **options)
        (injected,) = (one.injected for one in report._made.results if one.injected is not None)
        sources.append(set(injected.nodes))
    assert found == sources
    assert sources[0] != sources[1]


def test_the_page_says_whose_attack_it_is(tmp_path):
    odd = type("Near<i>Flip", (NearFlip,), {})
    options = {**QUICK, "attack": "direct"}
    report = attack_report(*rows(), poisoner=odd(FMTLRegressor()), **options)
    assert "optimised attacks: by the given poisoner, Near<i>Flip" in repr(report)
    assert "steps (max-iter)" not in repr(report)
    page = page_of(report, tmp_path)
    assert "<i>" not in page
    for words in [
        "optimised attacks: by the given poisoner, Near&lt;i&gt;Flip",
        "by Near&lt;i&gt;Flip or at random",
        "what was found is by Near&lt;i&gt;Flip, or random",
        "Optimised: as Near&lt;i&gt;Flip makes them.",
        "poisoner=Near&lt;i&gt;Flip(estimator=FMTLRegressor())",
        "moved most. Every column keeps the clean range of its node, whole numbers stay whole, "
        "and a row has one of the categories.",
    ]:
        assert words in page
    assert "at most 15 steps" not in page
    plain = page_of(attack_report(*rows(), max_iter=1, bound=False, **options), tmp_path)
    assert "of at most 1 steps" in plain and "poisoner" not in plain


def test_the_page_says_which_limits_it_lacks(tmp_path):
    options = {**QUICK, "attack": "direct", "bound": False}
    page = page_of(attack_report(*rows(), poisoner=Bare(None), **options), tmp_path)
    lacks = "feature_range, integer_features, one_hot_groups, frozen_features"
    assert f"Columns have no limits of their own; Bare lacks {lacks}." in page
    page = page_of(attack_report(*rows(), poisoner=Unfrozen(None), **options), tmp_path)
    kept = "Every column keeps the clean range of its node, and a row has one of the categories"
    assert f"{kept}; Unfrozen lacks integer_features, frozen_features." in page
    page = page_of(attack_report(*rows(), poisoner=LabelFlipPoisoner(None), **options), tmp_path)
    assert "lacks" not in page


@pytest.mark.parametrize(
    ("poisoner", "error", "message"),
    [
        ("hybrid", TypeError, "`poisoner` must be a poisoner or None, got 'hybrid'; allowed are"),
        (NearFlip, TypeError, "`poisoner` must be a poisoner or None, got <class .*NearFlip"),
        (FMTLRegressor(), TypeError, "derived from skfedmtl.attack.BasePoisoner"),
        (Fixed(None), ValueError, "Fixed lacks attack, source_nodes, budget"),
        (Chooses(None), ValueError, "`poisoner`: Chooses has a draw_threat of its own"),
        (
            PoisoningAttacker(None, goal="raise"),
            ValueError,
            "`poisoner` must have goal='error', as a report is of errors; got goal='raise'",
        ),
        (
            PoisoningAttacker(None, goal=("a", "b")),
            ValueError,
            r"got goal=\('a', 'b'\)",
        ),
        (
            Bare(None),
            ValueError,
            "`poisoner`: Bare lacks feature_range, one_hot_groups, without which its rows",
        ),
        (NearFlip(None, labels="none"), ValueError, "The 'labels' parameter of NearFlip must be"),
    ],
)
def test_bad_poisoners(poisoner, error, message):
    """Refused before anything else is read."""
    with pytest.raises(error, match=message):
        attack_report(None, None, None, poisoner=poisoner)


def test_rows_without_limits_are_measured_where_nothing_is_certified():
    X, y, nodes = rows()
    options = {**QUICK, "attack": "direct", "bound": False, "remedies": True}
    report = attack_report(X, y, nodes, poisoner=Bare(None), **options)
    assert_array_equal(report.attacks["kind"], ["random", "optimised"])
    assert np.isfinite(report.attacks[["mean", "ratio"]]).all(axis=None)
