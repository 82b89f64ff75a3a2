"""The adjoint's nodes all at once, against dense matrices and against the loop over nodes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfedmtl._model import Learned
from skfedmtl._model.losses import LOSSES
from skfedmtl._protocol.problem import FederatedProblem
from skfedmtl._solvers import adjoint
from skfedmtl._solvers.adjoint import Adjoint, Solved
from skfedmtl._solvers.many_parts import MANY, ManyCurved

M, D, RHO = MANY + 20, 7, 0.3


def table(seed=0):
    """Nodes of up to six rows, two of them without any, and a curvature a row, some of zero."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, D, size=M)
    sizes[:2], sizes[2] = 0, D - 1
    codes = np.repeat(np.arange(M), sizes)
    X, y = rng.normal(size=(len(codes), D)), rng.choice([-1.0, 1.0], size=len(codes))
    problem = FederatedProblem(
        X,
        y,
        codes,
        rng.uniform(0.5, 2.0, size=len(codes)),
        loss=LOSSES["logistic"](),
        relationship=Learned(M, 0.05, 0.1),
        intercept="none",
    )
    scale = rng.uniform(0.0, 3.0, size=len(codes)) * (rng.random(len(codes)) < 0.7)
    return problem, X, scale, rng


def test_every_node_is_solved_as_by_a_dense_matrix():
    problem, X, scale, rng = table()
    nodes, q = problem.nodes, rng.normal(size=(M, D))
    dW = ManyCurved(nodes, scale, RHO, scale > 0.0).solve(q)
    for l, part in enumerate(nodes.parts):
        H = X[part].T @ (np.square(scale[part])[:, None] * X[part])
        exact = np.linalg.solve(H + RHO * np.eye(D), q[l])
        assert_allclose(dW[l], exact, atol=3e-6 * np.linalg.norm(q[l]) / RHO)


@pytest.mark.parametrize("tol", [1e-2, 1e-6])
def test_an_adjoint_has_the_accuracy_it_is_asked_for(monkeypatch, tol):
    """All at once where single precision will do, and else by the loop."""
    problem, _, _, rng = table()
    nodes, relationship = problem.nodes, problem.server.relationship
    solved = Solved.at(nodes, rng.normal(size=(M, D)), RHO)
    G = rng.normal(size=(M, D))
    made = []
    monkeypatch.setattr(adjoint, "ManyCurved", lambda *args: made.append(1) or ManyCurved(*args))

    def solve(tol):
        return Adjoint(relationship, nodes).solve(solved, G, frozen=False, tol=tol, max_iter=500)

    (u, answers), (exact, still) = solve(tol), solve(1e-12)
    assert len(made) == (tol == 1e-2)
    assert np.linalg.norm(u - exact) <= 10.0 * tol * np.linalg.norm(exact)
    off = np.concatenate(answers) - np.concatenate(still)
    assert np.linalg.norm(off) <= 10.0 * tol * np.linalg.norm(np.concatenate(still))
