"""Settings of certified damage, with victims to hold them to."""

import warnings
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from hypothesis import assume

from estimators import ESTIMATOR_OF, INTERCEPT_OF, make_relationship, with_common
from oracles.objective import row_weights
from skfedmtl._model import LOSSES as MODEL_LOSSES
from skfedmtl.attack._bound import Injection, Setting
from skfedmtl.attack._sought import CleanRows, Model

BESIDE = " + common"  #: behind a kind of relationship


class Case(NamedTuple):
    """A setting, and how its victims are fitted."""

    setting: Setting
    counts: np.ndarray  #: of injected rows, a source
    estimator: object

    def damage(self, X, y, codes):
        """The targets' losses once these rows are injected."""
        rows, setting = self.setting.rows, self.setting
        nodes = np.concatenate([rows.codes, codes])
        labels = np.concatenate([rows.y, y])
        if not setting.model.loss.is_regression:
            labels = labels.astype(int)
        victim = self.estimator.fit(np.vstack([rows.X, X]), labels, nodes=nodes)
        f = np.einsum("ij,ij->i", rows.X, victim.coef_[rows.codes]) + victim.intercept_[rows.codes]
        share = row_weights(rows.codes, rows.weight, setting.model.relationship.n_nodes)
        of_targets = np.isin(rows.codes, setting.targets)
        return (share * of_targets) @ setting.model.loss.value(rows.y, f)


def make_case(name, kind, intercept, attack, seed, *, m=4, d=2, budget=None):
    """Four related nodes of a few rows; the sources' balls are seen through a drawn scaler."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 12, size=m)
    codes = np.repeat(np.arange(m), sizes)
    X = rng.normal(size=(len(codes), d)) + 0.3
    truth = rng.normal(size=d) + 0.3 * rng.normal(size=(m, d))
    y = np.sum(X * truth[codes], axis=1) + 0.3 * rng.normal(size=len(codes))
    loss = MODEL_LOSSES[name]()
    if not loss.is_regression:
        y = np.where(y > np.median(y), 1.0, -1.0)
    lambda1, lambda2 = 10.0 ** rng.uniform(-2.0, 0.0), 10.0 ** rng.uniform(-2.0, -0.5)
    tied = kind.removesuffix(BESIDE)
    relationship, as_asked = make_relationship(tied, rng, m, lambda1, lambda2, ridge=0.1)
    lambda0 = None
    if kind != tied:
        lambda0 = 10.0 ** rng.uniform(-2.0, 0.0)
        relationship = with_common(relationship, lambda0)
    sources = {"direct": [0, 1], "indirect": [2, 3], "hybrid": [1, 2]}[attack]
    sources = np.array(sources[: m // 2])
    counts = rng.integers(1, 4, size=len(sources))
    shift, scale = rng.normal(size=d), rng.uniform(0.5, 1.5, size=d)
    inputs = X / scale + shift
    ends = [(y[codes == l].min(), y[codes == l].max()) for l in sources]
    injection = Injection(
        sources,
        counts / (sizes[sources] + counts),
        np.array([np.linalg.norm(inputs[codes == l], axis=1).max() for l in sources]),
        *np.array(ends).T,
        shift,
        scale,
    )
    place = INTERCEPT_OF[name]
    scaling = 1.0 if place == "centred" else rng.uniform(0.5, 2.0)
    model = Model(loss, relationship, place if intercept else "none", scaling)
    estimator = ESTIMATOR_OF[name](
        loss=name,
        lambda0=lambda0,
        lambda1=lambda1,
        lambda2=lambda2,
        relationship=as_asked,
        fit_intercept=intercept,
        tol=1e-9,
        max_iter=3000,
    )
    if place == "feature":
        estimator.set_params(intercept_scaling=scaling)
    rows = CleanRows(X, y, codes, np.ones(len(y)))
    return Case(Setting(rows, model, np.array([0, 1][: m // 2]), injection), counts, estimator)


EDGE = "along", "one"  #: ways to the edge of the balls


def injected(case, rng, how, W):
    """Rows in the balls, at random, along the weights or against them, with labels that hurt."""
    parts = []
    for code, count, radius, low, high in zip(
        case.setting.injection.codes, case.counts, *case.setting.injection[2:5], strict=True
    ):
        d = case.setting.rows.X.shape[1]
        z = rng.normal(size=(count, d))
        if how == "along":
            z = np.repeat(rng.choice([-1.0, 1.0]) * W[code][None] + 1e-9, count, axis=0)
        elif how == "one":
            z = np.repeat(z[:1], count, axis=0)
        z *= radius / np.linalg.norm(z, axis=1)[:, None]
        x = (z - case.setting.injection.shift) * case.setting.injection.scale
        f = x @ W[code]
        y = np.where(f > 0.5 * (low + high), low, high)
        if not case.setting.model.loss.is_regression:
            y = np.where(f > 0.0, -1.0, 1.0)
        parts.append((x, y, np.full(count, code)))
    X, y, codes = zip(*parts, strict=True)
    return np.vstack(X), np.concatenate(y), np.concatenate(codes)


def worst_found(case, seed, hows):
    rng = np.random.default_rng(seed)
    rows = case.setting.rows
    case.damage(rows.X[:0], rows.y[:0], rows.codes[:0])
    W = case.estimator.coef_
    return max(case.damage(*injected(case, rng, how, W)) for how in hows)


def solved(objective, constraints=()):
    """The optimum of a program, or none."""
    program = cp.Problem(cp.Minimize(objective), list(constraints))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the status says so too
        program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    assume(program.status == cp.OPTIMAL)
    return float(program.value)
