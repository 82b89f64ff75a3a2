"""Tools of scikit-learn see the nodes however they are given, or say that they do not."""

import inspect
import warnings

import numpy as np
import optuna
import pytest
import sklearn
from optuna.distributions import CategoricalDistribution
from optuna_integration import OptunaSearchCV
from packaging.version import Version
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mean_absolute_error
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import make_rows
from skfedmtl import FMTLClassifier, FMTLRegressor, RandomPoisoner
from skfedmtl.metrics import make_node_scorer
from skfedmtl.model_selection import NodeKFold

OLD = Version(sklearn.__version__) < Version("1.8")
D = 3
MODELS = {
    "regressor": lambda column: FMTLRegressor(node_column=column, random_state=0),
    "classifier": lambda column: FMTLClassifier(node_column=column, random_state=0),
    "poisoner": lambda column: RandomPoisoner(
        FMTLRegressor(random_state=0), node_column=column, random_state=0
    ),
}


class Case:
    """A model, its rows, and where the nodes are: routed, or a column."""

    def __init__(self, model, column):
        self.model = MODELS[model](D if column else None)
        X, self.y, nodes = make_rows(
            FMTLClassifier if model == "classifier" else FMTLRegressor, sizes=(24, 18, 21)
        )
        self.cv = list(NodeKFold(3).split(X, self.y, nodes=nodes))
        self.X = np.column_stack([X, nodes]) if column else X
        self.params = {} if column else {"nodes": nodes}
        self.measure = accuracy_score if is_classifier(self.model) else mean_absolute_error

    @property
    def string(self):
        return "accuracy" if is_classifier(self.model) else "neg_mean_absolute_error"


def scores_of(search, case):
    search.fit(case.X, case.y, **case.params)
    return search.cv_results_["mean_test_score"]


def grid_of(case):
    return {f"{'estimator__' * hasattr(case.model, 'estimator')}lambda1": [1e-3, 1.0]}


def pipeline_of(case):
    """Scaled columns before the model; a node column stays the last one."""
    front = make_column_transformer((StandardScaler(), slice(0, D)), remainder="passthrough")
    return make_pipeline(StandardScaler() if case.params else front, case.model)


def pipeline(case):
    pipe = pipeline_of(case).fit(case.X, case.y, **case.params)
    score = pipe.score(case.X, case.y, **case.params)
    return np.append(pipe.predict(case.X, **case.params), score)


def search_over_a_pipeline(case):
    pipe = pipeline_of(case)
    grid = {f"{pipe.steps[-1][0]}__{name}": values for name, values in grid_of(case).items()}
    return scores_of(GridSearchCV(pipe, grid, cv=case.cv, error_score="raise"), case)


def grid_search(case, **options):
    options = {"cv": case.cv, "error_score": "raise", **options}
    return scores_of(GridSearchCV(case.model, grid_of(case), **options), case)


def parallel_search(case):
    return grid_search(case, n_jobs=2)


def search_by_a_string(case):
    return grid_search(case, scoring=case.string)


def search_by_a_node_scorer(case):
    return grid_search(case, scoring=make_node_scorer(case.measure))


def randomised_search(case):
    options = {"n_iter": 2, "random_state": 0, "cv": case.cv, "error_score": "raise"}
    return scores_of(RandomizedSearchCV(case.model, grid_of(case), **options), case)


def halving_search(case):
    options = {"min_resources": 40, "cv": NodeKFold(2), "random_state": 0, "error_score": "raise"}
    if not case.params:  # here nobody routes the nodes to the splitter
        options["cv"] = 2
    return scores_of(HalvingGridSearchCV(case.model, grid_of(case), **options), case)


def optuna_search(case):
    grid = {name: CategoricalDistribution(values) for name, values in grid_of(case).items()}
    options = {"n_trials": 2, "cv": case.cv, "random_state": 0}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", FutureWarning)  # of its own parts
        # scikit-learn 1.6 misses its tags
        warnings.filterwarnings("ignore", "The OptunaSearchCV", DeprecationWarning)
        search = OptunaSearchCV(case.model, grid, **options)
        search.fit(case.X, case.y, **case.params)
        return [trial.value for trial in search.trials_]


def search_predicts(case):
    search = GridSearchCV(case.model, grid_of(case), cv=case.cv, error_score="raise")
    return search.fit(case.X, case.y, **case.params).predict(case.X)


def scored(tool, case, **options):
    """What a tool without a `fit` returns; it hands on what `params` holds."""
    options |= {"cv": case.cv, "params": case.params or None, "error_score": "raise"}
    return tool(case.model, case.X, case.y, **options)


def cross_validation(case):
    return scored(cross_validate, case)["test_score"]


def cross_validation_score(case):
    return scored(cross_val_score, case)


def cross_validation_predicts(case):
    return cross_val_predict(case.model, case.X, case.y, cv=case.cv, params=case.params or None)


def learning(case):
    return scored(learning_curve, case, train_sizes=[0.6, 1.0], shuffle=True, random_state=0)[2]


def validation(case):
    ((name, values),) = grid_of(case).items()
    return scored(validation_curve, case, param_name=name, param_range=values)[1]


def calibration(case):
    model = CalibratedClassifierCV(case.model, cv=case.cv, ensemble=True)
    model.fit(case.X, case.y, **case.params)
    return model.predict_proba(case.X)


def importance(case):
    model = case.model.fit(case.X, case.y, **case.params)
    found = permutation_importance(model, case.X, case.y, n_repeats=2, random_state=0)
    return found.importances[:D]


def frozen(case):
    model = FrozenEstimator(clone(case.model).fit(case.X, case.y, **case.params))
    model.fit(case.X, case.y)
    return model.predict(case.X, **case.params)


# -- estimators around a model ------------------------------------------------------------


def fitted(model, case, y=None):
    """What the model predicts for the rows that it was fitted on, nodes routed to `fit` alone."""
    model.fit(case.X, case.y if y is None else y, **case.params)
    return model.predict(case.X)


def transformed_target(case):
    model = TransformedTargetRegressor(case.model, func=np.arcsinh, inverse_func=np.sinh)
    return model.fit(case.X, case.y, **case.params).predict(case.X, **case.params)


def bagging(case):
    """It draws rows by weights, and where metadata are routed only if weights are requested."""
    kind = BaggingClassifier if is_classifier(case.model) else BaggingRegressor
    if case.params:
        case.model.set_fit_request(sample_weight=True)
    model = kind(case.model, n_estimators=2, random_state=0)
    return model.fit(case.X, case.y, **case.params).predict(case.X, **case.params)


def voting(case):
    kind = VotingClassifier if is_classifier(case.model) else VotingRegressor
    return fitted(kind([("one", case.model), ("two", clone(case.model))]), case)


def stacking(case):
    if is_classifier(case.model):
        model = StackingClassifier([("one", case.model)], LogisticRegression(), cv=case.cv)
    else:
        model = StackingRegressor([("one", case.model)], Ridge(), cv=case.cv)
    return fitted(model, case)


def two_outputs(case, *kinds):
    y = case.y if is_classifier(case.model) else case.y - np.median(case.y)
    return fitted(kinds[is_classifier(case.model)](case.model), case, np.column_stack([y, -y]))


def several_outputs(case):
    return two_outputs(case, MultiOutputRegressor, MultiOutputClassifier)


def chain(case):
    """It appends columns: the node column is counted from the front."""
    return two_outputs(case, RegressorChain, ClassifierChain)


def boosting(case):
    return fitted(AdaBoostRegressor(case.model, n_estimators=2, random_state=0), case)


def three_classes(case):
    return np.digitize(case.X[:, 0], [-0.5, 0.5])


def one_against_the_rest(case):
    return fitted(OneVsRestClassifier(case.model), case, three_classes(case))


def one_against_one(case):
    return fitted(OneVsOneClassifier(case.model), case, three_classes(case))


def fixed_threshold(case):
    model = FixedThresholdClassifier(case.model, threshold=0.1, pos_label=case.y.max())
    return fitted(model, case)


def tuned_threshold(case):
    return fitted(TunedThresholdClassifierCV(case.model, cv=case.cv), case)


#: where both spellings give the same numbers
BOTH = [
    pipeline,
    grid_search,
    parallel_search,
    search_by_a_node_scorer,
    randomised_search,
    optuna_search,
    cross_validation,
    cross_validation_score,
    learning,
    validation,
    frozen,
]
#: where nothing is passed on: the column only
COLUMN = [
    search_by_a_string,
    search_predicts,
    cross_validation_predicts,
    importance,
]
#: where nothing is passed on, and not every model fits
SOME = [
    (calibration, "classifier"),
    *((tool, model) for tool in (voting, stacking, several_outputs, chain) for model in MODELS),
    (boosting, "regressor"),
    (boosting, "poisoner"),
    (one_against_the_rest, "classifier"),
    (one_against_one, "classifier"),
    (fixed_threshold, "classifier"),
    (tuned_threshold, "classifier"),
]
models = pytest.mark.parametrize("model", MODELS)


def run(tool, model, column):
    with config_context(enable_metadata_routing=not column):
        return tool(Case(model, column))


@models
@pytest.mark.parametrize("tool", BOTH, ids=lambda tool: tool.__name__)
def test_both_spellings_give_the_same_bits(tool, model):
    routed, column = (run(tool, model, column) for column in (False, True))
    assert np.isfinite(routed).all()
    np.testing.assert_array_equal(routed, column)


@pytest.mark.parametrize("model", ["regressor", "classifier"])
def test_a_search_over_a_pipeline(model):
    column = run(search_over_a_pipeline, model, True)
    assert np.isfinite(column).all()
    if OLD:  # its default scorer passes nothing on to the pipeline
        with pytest.raises(ValueError, match="`nodes` is missing"):
            run(search_over_a_pipeline, model, False)
    else:
        np.testing.assert_array_equal(run(search_over_a_pipeline, model, False), column)


@pytest.mark.parametrize(
    ("tool", "model"),
    [(tool, model) for tool in COLUMN for model in MODELS] + SOME,
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_passes_nothing_on_needs_the_column(tool, model):
    assert np.isfinite(run(tool, model, True)).all()
    with pytest.raises((ValueError, TypeError), match="nodes"):
        run(tool, model, False)


@pytest.mark.parametrize("model", ["regressor", "poisoner"])
def test_transformed_targets(model):
    routed, column = (run(transformed_target, model, column) for column in (False, True))
    assert np.isfinite(routed).all()
    np.testing.assert_array_equal(routed, column)


@models
def test_bagging(model):
    column = run(bagging, model, True)
    assert np.isfinite(column).all()
    if "params" in inspect.signature(BaggingRegressor.predict).parameters:
        # it copies the columns, and sums over copies run in another order
        np.testing.assert_allclose(run(bagging, model, False), column, rtol=1e-9, atol=1e-11)
    else:  # a version that passes nothing on to predict
        with pytest.raises(TypeError, match="nodes"):
            run(bagging, model, False)


@models
def test_a_halving_search(model):
    for column in (False, True):
        assert np.isfinite(run(halving_search, model, column)).all()


def test_a_failed_score_is_no_number():
    """Without error_score="raise" the scores are NaN, and a warning names the nodes."""
    case = Case("regressor", column=False)
    search = GridSearchCV(case.model, grid_of(case), cv=case.cv, scoring=case.string)
    with (
        config_context(enable_metadata_routing=True),
        pytest.warns(UserWarning, match="`nodes` is missing"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        scores = scores_of(search, case)
    assert np.isnan(scores).all()
