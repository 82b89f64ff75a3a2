"""The oracles against each other and against brute force: whoever tests the tests."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from oracles import kernels
from oracles.gradients import dense_gradient
from oracles.losses import LOSSES, RECORD_OF, SMOOTH_LOSSES, SQUARES
from oracles.objective import covariance_root, loss_values, optimum, primal, row_weights
from oracles.regularisers import Learned
from oracles.strategies import problems
from oracles.system import build_system, slopes
from oracles.victim import fd_gradient, solve_victim
from profiles import examples

MODES = ("dual", "implicit", "total")
KINDS = ("learned", "none", "omega", "laplacian", "singular")
more = settings(max_examples=examples(8 / 5), suppress_health_check=list(HealthCheck))


def example(loss, kind, intercept, seed=0, m=4, d=3, lambdas=(0.05, 0.1)):
    """Arguments (positional, keyword) of a solve; the last three rows are the injected ones."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 9, size=m)
    codes = np.append(np.repeat(np.arange(m), sizes), [0, 1, m - 1])
    X = rng.normal(size=(len(codes), d)) + 0.3
    truth = rng.normal(size=d) + 0.6 * rng.normal(size=(m, d))
    y = np.sum(X * truth[codes], axis=1) + 0.5 * rng.normal(size=len(codes)) + 0.4
    y = RECORD_OF[loss].targets(y)
    weight = 10.0 ** rng.uniform(-1, 1, size=len(codes))
    M = rng.normal(size=(m, m))
    if isinstance(kind, np.ndarray):
        pass
    elif kind == "omega":
        kind = M @ M.T / m + 0.2 * np.eye(m)
    elif kind == "laplacian":  # positive semidefinite only: no Sigma, but a B
        kind = np.eye(m) - 1 / m
    elif kind == "singular":
        kind = ("sigma", M[:, :2] @ M[:, :2].T / m)
    args = (X, y, codes, weight, *lambdas, loss, kind)
    return args, {"m": m, "fit_intercept": intercept, "kappa": 0.7}


def numerical_gradient(function, point, step=1e-6):
    """Central differences, entry by entry."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(*point.shape):
        move = np.zeros_like(point)
        move[index] = step
        gradient[index] = (function(point + move) - function(point - move)) / (2 * step)
    return gradient


# ---- losses, conjugates, coordinate steps


@pytest.mark.parametrize("loss", LOSSES)
def test_conjugate_is_the_supremum(loss):
    """L*(-a) = sup_f -a f - L(y, f)."""
    for y in RECORD_OF[loss].targets(np.array([1.7, -0.4])):
        for u in (0.03, 0.4, 0.9):
            a = y * u
            f = np.linspace(-8, 8, 160_001)
            supremum = np.max(-a * f - loss_values(loss, y, f))
            assert kernels.conjugate(loss, y, a) == pytest.approx(supremum, abs=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_slopes_are_derivatives(loss):
    """L' and L'' away from the kinks."""
    f = np.array([-2.3, -0.4, 0.2, 0.7, 1.9])
    for sign in (1.0, -1.0):
        y, h = np.full(5, sign), 1e-6
        first, second = slopes(loss, y, f)
        np.testing.assert_allclose(
            first, (loss_values(loss, y, f + h) - loss_values(loss, y, f - h)) / (2 * h), atol=1e-8
        )
        up, down = slopes(loss, y, f + h)[0], slopes(loss, y, f - h)[0]
        np.testing.assert_allclose(second, (up - down) / (2 * h), atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_coordinate_step_maximises_the_gain(loss):
    """No grid point is better, and a bounded scalar search finds the same maximiser."""
    rng, record = np.random.default_rng(3), RECORD_OF[loss]
    for _ in range(60):
        y = record.draw_targets(rng, 1)
        a = record.draw_dual(rng, y)
        y, a, sign = y[0], a[0], record.sign(y)[0]
        f, q = 3 * rng.normal(), 10.0 ** rng.uniform(-3, 3)
        new = kernels.coordinate_step(loss, y, f, a, q)
        low, high = np.clip(record.bounds, -20, 20)

        def lost(v, point=(y, f, a, q), sign=sign):
            return -kernels.gain(loss, *point, sign * v)

        found = minimize_scalar(lost, bounds=(low, high), options={"xatol": 1e-10})
        value = kernels.gain(loss, y, f, a, q, new)
        best = max(-found.fun, *(-lost(v) for v in np.linspace(low, high, 101)))
        assert value >= best - 1e-9 * (1 + abs(best))
        assert new == pytest.approx(sign * found.x, abs=1e-4)


@more
@given(problems(), st.sampled_from([0.0, 0.05, 1.0, 300.0]))
def test_epoch_climbs_its_local_problem(problem, kappa_l):
    """The local value never falls, rows without weight stay, and the box holds."""
    node = problem.codes[0]
    mine = problem.codes == node
    X, y = problem.X[mine], problem.y[mine]
    share = row_weights(problem.codes, problem.weight, problem.m)[mine]
    rng = np.random.default_rng(0)
    record = RECORD_OF[problem.loss]
    w, start = rng.normal(size=X.shape[1]), record.start * record.sign(y)
    order = rng.permutation(len(y))
    rest = (w, kappa_l, problem.loss)
    before = kernels.local_objective(X, y, share, start, start, *rest)
    alpha, view, dv = kernels.epoch(X, y, share, start, w, kappa_l, order, problem.loss)
    after = kernels.local_objective(X, y, share, start, alpha, *rest)
    assert after >= before - 1e-9 * (1 + abs(before))
    assert np.array_equal(alpha[share == 0], start[share == 0])
    np.testing.assert_allclose(view - w, kappa_l * dv, atol=1e-9 * (1 + kappa_l))


# ---- regulariser


def closed_form(V, lambda1, lambda2):
    """W = grad R*(V), R*(V), Sigma and k by the formula on sorted singular values."""
    U, nu, Zt = np.linalg.svd(V, full_matrices=False)
    k, T = 0, 0.0
    for i in range(1, len(nu) + 1):
        T_i = nu[:i].sum() / (2 * lambda2 + 2 * lambda1 * i)
        if nu[i - 1] > 2 * lambda1 * T_i:
            k, T = i, T_i
    om = np.maximum(0, nu - 2 * lambda1 * T) / (2 * lambda2)
    value = nu @ om - lambda1 * T**2 - lambda2 * om @ om
    return (U * om) @ Zt, value, (U * (om / T)) @ U.T, k


def hessian_product(V, dV, lambda1, lambda2):
    """The derivative of grad R* at V in direction dV, written with the thin SVD of V alone."""
    U, nu, Zt = np.linalg.svd(V, full_matrices=False)
    Z, k = Zt.T, closed_form(V, lambda1, lambda2)[3]
    T = nu[:k].sum() / (2 * lambda2 + 2 * lambda1 * k)
    om = np.maximum(0, nu - 2 * lambda1 * T) / (2 * lambda2)
    M, p = U.T @ dV @ Z, len(nu)
    Y = np.zeros((p, p))
    for i in range(p):
        for j in range(p):
            if min(i, j) >= k:
                continue
            if i == j:
                shift = lambda1 / lambda2 * np.trace(M[:k, :k]) / (2 * lambda2 + 2 * lambda1 * k)
                Y[i, i] = M[i, i] / (2 * lambda2) - shift
                continue
            even = 1 / (2 * lambda2)
            if max(i, j) >= k:
                even = om[min(i, j)] / (nu[min(i, j)] - nu[max(i, j)])
            odd = (om[i] + om[j]) / (nu[i] + nu[j])
            Y[i, j] = even * (M[i, j] + M[j, i]) / 2 + odd * (M[i, j] - M[j, i]) / 2
    r = np.zeros(p)
    r[:k] = om[:k] / nu[:k]
    return U @ Y @ Zt + (dV @ Z - U @ M) * r @ Zt + U @ (r[:, None] * (U.T @ dV - M @ Zt))


SHAPES = [(4, 3), (3, 5), (4, 4), (1, 3), (3, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lambdas", [(0.02, 0.3), (0.5, 0.1), (1.0, 1e-3)])
def test_learned_conjugate(shape, lambdas):
    """Bisection = closed form = max <V, W> - R(W) = max over Sigma; its gradient is W."""
    rng = np.random.default_rng(sum(shape))
    V = rng.normal(size=shape)
    learned = Learned(*lambdas)
    W, value, Sigma, k = closed_form(V, *lambdas)
    np.testing.assert_allclose(learned.grad(V), W, atol=1e-11 * np.abs(W).max())
    assert learned.value(V) == pytest.approx(value, rel=1e-11)
    assert learned.rank(V) == k
    np.testing.assert_allclose(learned.covariance(V), Sigma, atol=1e-11)
    assert np.trace(Sigma) == pytest.approx(1.0)
    np.testing.assert_allclose(
        numerical_gradient(learned.value, V), W, atol=1e-6 * (1 + np.abs(W).max())
    )

    def R(A):
        return lambdas[0] * np.linalg.norm(A, "nuc") ** 2 + lambdas[1] * np.sum(A**2)

    def quarter_trace(S):
        root = covariance_root(S, *lambdas)
        return np.sum((root.T @ V) ** 2) / 4

    assert np.sum(V * W) - R(W) == pytest.approx(value, rel=1e-10)
    assert quarter_trace(Sigma) == pytest.approx(value, rel=1e-10)
    for scale in (1e-3, 0.1, 1.0, 10.0):
        for _ in range(30):
            other = W + scale * np.abs(W).max() * rng.normal(size=shape)
            assert np.sum(V * other) - R(other) <= value * (1 + 1e-10)
            F = np.linalg.cholesky(Sigma + 1e-9 * np.eye(len(Sigma)))
            F = F + scale * rng.normal(size=F.shape)
            assert quarter_trace(F @ F.T / np.sum(F**2)) <= value * (1 + 1e-10)


def test_learned_conjugate_is_the_maximum_over_sigma():
    """The matrix (lambda1 Sigma^-1 + lambda2 I)^-1 is (I - lambda1 (lambda1 I + lambda2 Sigma)^-1)
    / lambda2, so the maximum over Sigma is a minimum of tr V^T (lambda1 I + lambda2 Sigma)^-1 V.
    """
    rng = np.random.default_rng(5)
    V, lambda1, lambda2 = rng.normal(size=(4, 3)), 0.2, 0.3
    Sigma = cp.Variable((4, 4), PSD=True)
    inner = cp.matrix_frac(V, lambda1 * np.eye(4) + lambda2 * Sigma)
    smallest = cp.Problem(cp.Minimize(inner), [cp.trace(Sigma) == 1]).solve(solver=cp.CLARABEL)
    value = (np.sum(V**2) - lambda1 * smallest) / (4 * lambda2)
    assert Learned(lambda1, lambda2).value(V) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lambdas", [(0.02, 0.3), (0.3, 0.1)])
def test_learned_derivative(shape, lambdas):
    """Dilation = thin-SVD formula = finite differences; symmetric, positive semidefinite."""
    rng = np.random.default_rng(7)
    V, dV, learned = rng.normal(size=shape), rng.normal(size=shape), Learned(*lambdas)
    J = learned.derivative(V)
    product = (J @ dV.ravel()).reshape(shape)
    np.testing.assert_allclose(product, hessian_product(V, dV, *lambdas), atol=1e-11)
    h = 1e-6
    change = (learned.grad(V + h * dV) - learned.grad(V - h * dV)) / (2 * h)
    np.testing.assert_allclose(product, change, atol=1e-7)
    np.testing.assert_allclose(J, J.T, atol=1e-12)
    assert np.linalg.eigvalsh(J).min() > -1e-12


# ---- optimum and victims


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_victim_is_the_optimum(loss, kind, intercept):
    """The interior point agrees with the stationary point, from above."""
    args, model = example(loss, kind, intercept)
    best, W, _ = optimum(*args, **model)
    v = solve_victim(*args, **model)
    value = primal(v.W, v.b if intercept else None, *args, kappa=model["kappa"])
    assert -1e-9 <= best - value <= 1e-7 * (1 + value)
    np.testing.assert_allclose(v.W, W, atol=1e-3)
    assert v.residual < 1e-12


@pytest.mark.parametrize("kind", ["learned", "omega", "singular"])
@pytest.mark.parametrize("loss", LOSSES)
def test_duality_gap_closes(loss, kind):
    """P + sum p L*(-a) + R*(V) = 0 to rounding."""
    args, model = example(loss, kind, True)
    v = solve_victim(*args, **model)
    y, codes, weight = args[1:4]
    share = row_weights(codes, weight, model["m"])
    conjugate = build_system(*args, *model.values()).conjugate
    rows = share @ [kernels.conjugate(loss, t, a) for t, a in zip(y, v.alpha, strict=True)]
    gap = primal(v.W, v.b, *args, kappa=model["kappa"]) + rows + conjugate.value(v.V)
    assert abs(gap) < 1e-12 * (1 + abs(rows))


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("loss", SMOOTH_LOSSES)
def test_primal_gradient_vanishes(loss, intercept):
    """The derivative of the printed P is 0 at the victim, for a fixed Omega."""
    args, model = example(loss, "omega", intercept)
    v = solve_victim(*args, **model)

    def P(Wb):
        return primal(Wb[:, :-1], Wb[:, -1] * intercept, *args, kappa=model["kappa"])

    gradient = numerical_gradient(P, np.column_stack([v.W, v.b]))
    np.testing.assert_allclose(gradient, 0, atol=1e-8)


@pytest.mark.parametrize("loss", SQUARES)
@pytest.mark.parametrize("kind", ["omega", "singular"])
def test_normal_equations_of_squares(kind, loss):
    """W = S Z and b jointly by one least-squares problem: rows sqrt(p) (f - y), then Z."""
    args, model = example(loss, kind, True)
    X, y, codes, weight, lambda1, lambda2, _, relationship = args
    Sigma = relationship[1] if kind == "singular" else np.linalg.inv(relationship)
    S = covariance_root(Sigma, lambda1, lambda2)
    share, m, d = row_weights(codes, weight, model["m"]), model["m"], X.shape[1]
    size = S.shape[1] * d
    design = np.hstack([(S[codes][:, :, None] * X[:, None]).reshape(-1, size), np.eye(m)[codes]])
    design = np.vstack([np.sqrt(share)[:, None] * design, np.eye(size, size + m)])
    target = np.append(np.sqrt(share) * y, np.zeros(size))
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    v = solve_victim(*args, **model)
    np.testing.assert_allclose(v.W, S @ solution[:size].reshape(-1, d), atol=1e-11)
    np.testing.assert_allclose(v.b, solution[size:], atol=1e-11)


# ---- gradients of H


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("kind", ["learned", "omega"])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_against_finite_differences(loss, kind, intercept, mode):
    """Direct (row of node 0) and indirect (nodes 1, m - 1) injected rows at once."""
    compared = 0
    for seed in range(6):
        args, model = example(loss, kind, intercept, seed)
        n = len(args[1])
        task = (mode, *args[:4], [n - 3, n - 2, n - 1], [0, 2], *args[4:])
        closed, differenced = dense_gradient(*task, **model), fd_gradient(*task, **model)
        if closed is None or differenced is None:
            continue
        size = np.linalg.norm(differenced)
        assert np.linalg.norm(closed - differenced) < 1e-6 * size + 1e-9
        compared += size > 1e-6  # margin rows can pin W completely: then both are 0
        if compared == 2:
            break
    assert compared


@pytest.mark.parametrize("loss", LOSSES)
def test_adjoint_with_the_explicit_hessian(loss):
    """The solves with J equal those with Hess_f + 2 A (x) I, for a fixed Omega."""
    args, model = example(loss, "omega", False, seed=2)
    X, y, codes, weight, lambda1, lambda2, _, Omega = args
    n, m, d = len(y), model["m"], X.shape[1]
    v = solve_victim(*args, **model)
    share = row_weights(codes, weight, m)
    first, second = slopes(loss, y, np.sum(X * v.W[codes], axis=1))
    E = build_system(*args, *model.values()).E
    A = np.kron(2 * (lambda1 * Omega + lambda2 * np.eye(m)), np.eye(d))
    target = (codes == 0) & (np.arange(n) < n - 3)
    held = v.margin & (not RECORD_OF[loss].is_smooth)
    G = E.T @ np.where(target & ~held, weight * first, 0)
    G /= weight[target].sum()
    N, b = E[held].T, np.zeros(n)
    system = np.block([[A + E.T * (share * second) @ E, N], [N.T, np.zeros((N.shape[1],) * 2)]])
    solution = np.linalg.solve(system, np.append(G, np.zeros(N.shape[1])))
    u = solution[: m * d].reshape(m, d)[codes]
    b[held] = solution[m * d :]
    bend = share * second * np.sum(X * u, axis=1) + b
    expected = ((share * v.alpha)[:, None] * u - bend[:, None] * v.W[codes])[-3:]
    task = ("implicit", *args[:4], [n - 3, n - 2, n - 1], [0], *args[4:])
    np.testing.assert_allclose(dense_gradient(*task, **model), expected, atol=1e-11)


def test_many_margin_rows_pin_more_than_a_fixed_sigma_leaves_free():
    """Sigma of rank k leaves k d dimensions: with more margin rows "implicit" is undefined."""
    for seed in range(30):
        args, model = example("hinge", "learned", False, seed, m=6, lambdas=(0.03, 0.01))
        v, n = solve_victim(*args, **model), len(args[1])
        if v is None or v.margin.sum() <= v.rank * args[0].shape[1]:
            continue
        task = (*args[:4], [n - 3, n - 2, n - 1], [0, 2], *args[4:])
        assert dense_gradient("implicit", *task, **model) is None
        closed, differenced = (g("total", *task, **model) for g in (dense_gradient, fd_gradient))
        if differenced is not None and np.abs(differenced).max() > 1e-3:
            np.testing.assert_allclose(closed, differenced, atol=1e-8)
            return
    pytest.fail("no such victim among the draws")


@pytest.mark.parametrize("mode", MODES)
def test_a_diagonal_precision_has_no_indirect_gradient(mode):
    """Nodes that are not related cannot be poisoned through each other."""
    args, model = example("logistic", np.diag([1.0, 0.3, 2.0, 0.7]), True)
    n = len(args[1])
    task = (mode, *args[:4], [n - 3, n - 2, n - 1], [2], *args[4:])
    assert not dense_gradient(*task, **model).any()


# ---- strategies


@more
@given(problems())
def test_problems_keep_their_promises(problem):
    """What the docstring of `problems` says."""
    assert problem.X.shape == (len(problem.y), problem.X.shape[1])
    assert len(set(problem.node_labels)) == problem.m
    totals = np.bincount(problem.codes, weights=problem.weight, minlength=problem.m)
    assert np.all(totals[np.unique(problem.codes)] > 0)
    if problem.is_classification:
        assert set(problem.y) == {-1.0, 1.0}
    if not problem.lists_labels:
        assert np.unique(problem.nodes).tolist() == problem.node_labels
    assert np.linalg.eigvalsh(problem.Omega).min() > 0
