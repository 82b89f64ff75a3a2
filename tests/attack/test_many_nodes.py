"""Attacks on few of many nodes: rows move at some, and the victim follows from where it was."""

import numpy as np
import pytest

from estimators import ESTIMATOR_OF, LOSSES, Watched, make_rows
from oracles.losses import RECORD_OF
from skfedmtl.attack._bilevel.continuation import FollowedBilevel
from skfedmtl.attack._bilevel.lower_level import Bilevel

N_NODES, N_ROWS, N_FEATURES, LAMBDA2 = 300, 4, 5, 0.05
TARGETS, SOURCES = np.arange(3), np.arange(3, 9)
GAMES = {Bilevel: {}, FollowedBilevel: {"smoothing": 1.0}}


def most(loss, y, f, off):
    """The largest mean loss of rows whose decision values may be off by so much."""
    value = RECORD_OF[loss].value
    return float(np.maximum(value(y, f - off), value(y, f + off)).mean())


@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("loss", LOSSES)
def test_H_is_that_of_a_fit_from_scratch_within_the_certificate(loss, kind):
    """A gap g leaves weights within sqrt(g / lambda2) of the optimum, and H with them."""
    estimator = ESTIMATOR_OF[loss](
        loss=loss, lambda1=0.05, lambda2=LAMBDA2, fit_intercept=False, tol=1e-10, random_state=0
    )
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], (N_ROWS,) * N_NODES, N_FEATURES)
    poisoner = Watched(
        estimator,
        attack="indirect",
        target_nodes=TARGETS,
        source_nodes=SOURCES,
        budget=0.5,
        random_state=0,
    ).fit(X, y, nodes=nodes)
    game, start = poisoner.game(kind, **GAMES[kind]), poisoner.start_
    rng, rows = np.random.default_rng(1), start.X
    if kind is Bilevel:
        game.harden(1e-4)
    for _ in range(3):
        rows = rows + rng.normal(size=rows.shape)
        game.value(rows)
    if kind is not Bilevel:
        game.harden(1e-4)
    H = game.value(rows)
    certificate = game._problem.solution.certificate
    assert certificate.gap <= 1e-4 * certificate.objective

    full = estimator.fit(
        np.vstack([X, rows]),
        np.concatenate([y, start.y]),
        nodes=np.concatenate([nodes, start.codes]),
    )
    off = np.sqrt(certificate.gap / LAMBDA2) + np.sqrt(max(full.dual_gap_, 0.0) / LAMBDA2)
    assert np.linalg.norm(game._solved.W - full.coef_) <= off
    expected, upper, lower = 0.0, 0.0, 0.0
    for target in TARGETS:
        mine = nodes == target
        signed = full._solver_targets(y[mine])
        reach = off * np.linalg.norm(X[mine], axis=1)
        exact, found = X[mine] @ full.coef_[target], X[mine] @ game._solved.W[target]
        expected += most(loss, signed, exact, 0.0)
        upper += most(loss, signed, exact, reach) - most(loss, signed, exact, 0.0)
        lower += most(loss, signed, found, reach) - most(loss, signed, found, 0.0)
    assert expected - lower - 1e-12 <= H <= expected + upper + 1e-12
    clean = poisoner.game(Bilevel).value(start.X)
    assert abs(expected - clean) > 1e-9  # rows have moved H
