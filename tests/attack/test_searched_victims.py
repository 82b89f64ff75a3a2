"""Fitted searches as victims: attacks go by the estimator that they have chosen."""

import pickle

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from packaging.version import Version
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import ESTIMATORS, any_range
from pipelines import model, poisoner, uneven
from skfedmtl import (
    FMTLClassifier,
    FMTLClassifierCV,
    FMTLRegressor,
    FMTLRegressorCV,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack import DamageBound
from skfedmtl.metrics import compare
from skfedmtl.model_selection import NodeKFold, security_curve

pytestmark = any_range
PENALTIES = [0.01, 1.0]
NO_ROUTE = pytest.mark.skipif(
    Version(sklearn.__version__) < Version("1.8"),
    reason="a search's default scorer does not route to the score of a Pipeline before 1.8",
)
KINDS = ["own", "grid", "drawn", pytest.param("pipeline", marks=NO_ROUTE), "end"]
every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)
POISONERS = (PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner)
every_poisoner = pytest.mark.parametrize("make", POISONERS)


def rows(estimator=FMTLRegressor):
    return uneven(estimator, sizes=(20, 15, 18))


def searched(kind, estimator=FMTLRegressor):
    """A search, not yet fitted."""
    if kind == "own":
        search = FMTLClassifierCV if estimator is FMTLClassifier else FMTLRegressorCV
        return search(lambda1s=PENALTIES, lambda2s=[0.1], cv=2, random_state=0)
    if kind == "end":
        return make_pipeline(StandardScaler(), searched("own", estimator))
    if kind == "pipeline":
        victim = make_pipeline(StandardScaler(), model(estimator))
        name = f"{victim.steps[-1][0]}__lambda1"
    else:
        victim, name = model(estimator), "lambda1"
    search = RandomizedSearchCV if kind == "drawn" else GridSearchCV
    more = {"n_iter": 1, "random_state": 0} if kind == "drawn" else {}
    return search(victim, {name: PENALTIES}, cv=NodeKFold(2), **more)


def fitted(search, X, y, nodes):
    given = {"nodes": nodes}
    if hasattr(search, "steps"):
        given = {f"{search.steps[-1][0]}__nodes": nodes}
    with config_context(enable_metadata_routing="cv" in search.get_params(deep=False)):
        return search.fit(X, y, **given)


def chosen(search):
    if hasattr(search, "steps"):
        return make_pipeline(search[0], search[-1].best_estimator_)
    return search.best_estimator_


@pytest.mark.parametrize("kind", KINDS)
@every_victim
@every_poisoner
def test_the_attack_is_that_on_the_estimator_it_has_chosen(make, estimator, kind):
    X, y, nodes = rows(estimator)
    search = fitted(searched(kind, estimator), X, y, nodes)
    attack = poisoner(make, search).fit(X, y, nodes=nodes)
    plain = poisoner(make, chosen(search)).fit(X, y, nodes=nodes)
    assert_array_equal(attack.poison_X_, plain.poison_X_)
    assert_array_equal(attack.predict(X, nodes=nodes), plain.predict(X, nodes=nodes))
    assert attack.score(X, y, nodes=nodes) == plain.score(X, y, nodes=nodes)
    assert attack.estimator is search
    assert is_classifier(attack) == is_classifier(plain)
    assert hasattr(attack, "decision_function") == hasattr(plain, "decision_function")
    again = pickle.loads(pickle.dumps(attack))
    for copied in (clone(attack), clone(clone(again))):
        assert_array_equal(copied.fit(X, y, nodes=nodes).poison_X_, plain.poison_X_)


def test_a_clone_keeps_what_was_chosen_and_what_is_requested():
    X, y, nodes = rows()
    search = fitted(searched("own"), X, y, nodes)
    with config_context(enable_metadata_routing=True):
        attack = poisoner(RandomPoisoner, search).set_fit_request(sample_weight=True)
        copied = clone(attack)
        assert copied.get_metadata_routing().fit.requests["sample_weight"] is True
    assert isinstance(copied.estimator, FMTLRegressor)
    assert not hasattr(copied.estimator, "coef_")
    assert copied.estimator.lambda1 == search.lambda1_
    assert attack.estimator is search


def test_what_is_measured_goes_by_it_too():
    X, y, nodes = rows()
    search = fitted(searched("own"), X, y, nodes)
    best = search.best_estimator_
    attack, plain = (poisoner(RandomPoisoner, one) for one in (search, best))
    given = {"param_name": "estimator__lambda1", "param_range": PENALTIES, "n_repeats": 2}
    curves = [
        security_curve(one, X, y, nodes=nodes, bound=True, **given) for one in (attack, plain)
    ]
    assert_array_equal(curves[0].scores, curves[1].scores)
    assert_array_equal(curves[0].upper_bounds, curves[1].upper_bounds)
    tables = [compare(one, X, y, nodes=nodes, n_resamples=9) for one in (attack, plain)]
    assert tables[0].equals(tables[1])
    bounds = [DamageBound(one, max_iter=20, random_state=0) for one in (search, best)]
    for bound in (*bounds, clone(bounds[0])):
        bound.fit(X, y, nodes=nodes)
        assert bound.upper_bound_ == bounds[0].upper_bound_
    found = [
        poisoner(PoisoningAttacker, one).check_gradient(X, y, nodes=nodes, n_points=1)
        for one in (search, best)
    ]
    assert_array_equal(found[0].gradient, found[1].gradient)


def test_a_node_column_of_the_search(tmp_path):
    X, y, nodes = rows()
    table = np.insert(X, 0, nodes, axis=1)
    search = searched("own").set_params(node_column=0).fit(table, y)
    attack = poisoner(PoisoningAttacker, search, checkpoint=tmp_path, max_iter=1)
    assert attack.fit(table, y).poison_X_.shape[1] == 5
    other = searched("own").set_params(node_column=0, lambda1s=[0.5]).fit(table, y)
    other.lambda1s = search.lambda1s  # told apart by what they have chosen
    attack.set_params(estimator=other).fit(table, y)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "make", [PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner, DamageBound]
)
@pytest.mark.parametrize(
    "words, victim",
    [
        ("FMTLRegressorCV that has chosen nothing; fit it", searched("own")),
        ("GridSearchCV that has chosen nothing; fit it", searched("grid")),
        ("'fmtlregressorcv'.*chosen nothing; fit it", searched("end")),
    ],
)
def test_an_unfitted_search_is_refused(make, words, victim):
    X, y, nodes = rows()
    with pytest.raises(TypeError, match=f"`estimator`.*{words}"):
        make(victim).fit(X, y, nodes=nodes)


def test_a_search_for_something_else_is_refused():
    X, y, nodes = rows()
    search = GridSearchCV(LinearRegression(), {}, cv=2).fit(X, y)
    with pytest.raises(TypeError, match=r"`estimator` is a LinearRegression; it must be"):
        RandomPoisoner(search).fit(X, y, nodes=nodes)
