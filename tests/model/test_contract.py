"""What solvers may ask of a regulariser: every member of its Protocols, against oracles."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from estimators import MODEL_KINDS, make_relationship
from oracles import regularisers
from oracles.objective import regulariser
from profiles import examples
from skfedmtl._model import Curved, ExactResponse, ProximalResponse, Relationship, Response
from skfedmtl._model import regulariser as contract

STEP = 1e-5  #: of finite differences, as a share of what is stepped from

lambdas = st.sampled_from([(0.1, 0.1), (1.0, 0.05), (1e-3, 1.0), (0.3, 1e-2)])
shapes = st.tuples(st.integers(1, 5), st.integers(1, 6))
seeds = st.integers(0, 2**32 - 1)


class Case:
    """A regulariser, its oracle, and a point and a direction of its space."""

    def __init__(self, kind, shape, lambdas, seed):
        self.rng = np.random.default_rng(seed)
        self.kind, self.shape, self.lambdas = kind, shape, lambdas
        m = shape[0]
        self.relationship, self.name = make_relationship(kind, self.rng, m, *lambdas)
        self.conjugate = regularisers.conjugate_of(self.name, *lambdas, m)
        self.V = self.draw() * 10.0 ** self.rng.uniform(-2, 1)
        self.D = self.draw()
        self.response = self.relationship.respond(self.V)
        self.is_learned = kind == "learned"

    def draw(self):
        """A matrix of singular values over two decades, so that all ranks of W occur."""
        U, nu, Zt = np.linalg.svd(self.rng.normal(size=self.shape), full_matrices=False)
        return (U * nu * 10.0 ** self.rng.uniform(-2, 0, size=len(nu))) @ Zt

    def penalty(self, W):
        return regulariser(W, *self.lambdas, self.name)

    def slope(self, function, at):
        """The derivative of a function of a matrix along D, by central differences."""
        size = np.linalg.norm(at) / np.linalg.norm(self.D)
        step = STEP * (size or 1.0)
        ahead, behind = (function(at + sign * step * self.D) for sign in (1, -1))
        return (ahead - behind) / (2.0 * step)

    def is_smooth(self):
        """Whether the derivative of W(V) is the same on both sides of V, well beyond a step."""
        return self.conjugate.kink(self.V) > 1e-2


# -- the relationship -------------------------------------------------------------------------


def check_n_nodes(case):
    assert case.relationship.n_nodes == case.shape[0]


def check_is_quadratic(case):
    """W is linear in V, that is; the learned W is not, unless there is but one singular value."""
    assert case.relationship.is_quadratic is not case.is_learned
    if case.relationship.is_quadratic:
        both = case.relationship.respond(case.V + case.D).W
        apart = case.response.W + case.relationship.respond(case.D).W
        assert_allclose(both, apart, atol=1e-9 * np.abs(apart).max())


def check_is_homogeneous(case):
    assert case.relationship.is_homogeneous
    twice = case.relationship.conjugate(2.0 * case.V)
    assert_allclose(twice, 4.0 * case.relationship.conjugate(case.V), rtol=1e-9)


def check_is_smoothable(case):
    """All of the package's own are."""
    assert case.relationship.is_smoothable


def check_own_rho(case):
    """Where the state tells the nodes nothing: every one is sent zero."""
    assert (case.relationship.own_rho is None) is (case.kind != "none")
    if case.relationship.own_rho is not None:
        Z = case.relationship.proximal(case.V, case.relationship.own_rho).W
        assert_allclose(2.0 * Z - case.V, 0.0, atol=1e-12 * np.abs(case.V).max())


def check_last(case):
    """Nothing is looked for without a common part."""
    proximal_of(case)
    assert case.relationship.last is None


def check_penalty(case):
    assert_allclose(case.relationship.penalty(case.D), case.penalty(case.D), rtol=1e-9)


def check_conjugate(case):
    """The oracle's, and no <V, W> - R(W) is larger."""
    value = case.relationship.conjugate(case.V)
    assert_allclose(value, case.conjugate.value(case.V), rtol=1e-8)
    W = case.response.W + 0.1 * np.linalg.norm(case.response.W) * case.D
    assert np.vdot(case.V, W) - case.penalty(W) <= value * (1.0 + 1e-9)


def check_respond(case):
    assert_allclose(case.relationship.respond(case.V).W, case.conjugate.grad(case.V), atol=1e-8)


def check_proximal(case):
    """Nothing near is lower, in any direction, by the oracle's R."""
    rho, T = 10.0 ** case.rng.uniform(-2, 2), case.V
    Z, penalty = case.relationship.proximal(T, rho)
    assert_allclose(penalty, case.penalty(Z), rtol=1e-8, atol=1e-12 * rho * np.vdot(T, T))

    def value(W):
        return case.penalty(W) + 0.5 * rho * np.sum(np.square(W - T))

    U, _, Zt = np.linalg.svd(T, full_matrices=False)
    ways = [case.D, T - Z, -Z, *(np.outer(u, z) for u, z in zip(U.T, Zt, strict=True))]
    for way in ways:
        for length in (1e-4, 1e-2, 1.0, -1e-4, -1e-2, -1.0):
            step = length * np.linalg.norm(T) / (np.linalg.norm(way) or 1.0) * way
            modulus = 0.5 * rho * np.vdot(step, step)
            assert value(Z + step) >= value(Z) + modulus - 1e-9 * value(np.zeros_like(T))


def check_proximal_response(case):
    assert_allclose(proximal_of(case).W, case.relationship.proximal(case.V, RHO).W, atol=1e-8)


def check_common_part(case):
    assert case.relationship.common_part(case.D) is None


def check_curved(case):
    """R itself where nothing is smoothed."""
    curved = case.relationship.curved(case.D, 1e-9 * np.linalg.norm(case.D))
    assert_allclose(curved.value, case.penalty(case.D), rtol=1e-6)


def check_majorant(case):
    M = case.relationship.majorant(case.D)
    assert (M is None) is case.relationship.is_quadratic
    if M is not None:
        assert_allclose(np.vdot(case.D @ M, case.D), case.penalty(case.D), rtol=0.02)
        for W in (case.D, case.V, case.draw()):
            assert np.vdot(W @ M, W) >= case.penalty(W) * (1.0 - 1e-9)


def check_stiffness(case):
    """The mean over directions that are alike: twice R over the square, R being of degree two."""
    m, d = case.shape
    stiffness = case.relationship.stiffness(d)
    if case.is_learned:
        W = np.eye(m, d)
        assert_allclose(2.0 * case.penalty(W) / min(m, d), stiffness)
        assert 2.0 * case.penalty(case.D) <= stiffness * np.vdot(case.D, case.D) * (1.0 + 1e-9)
    else:
        each = [2.0 * case.penalty(np.outer(row, np.eye(d)[0])) for row in np.eye(m)]
        assert_allclose(np.mean(each), stiffness)


def check_first_curvature(case):
    first = case.relationship.first_curvature()
    assert first.shape == case.shape[:1]
    if case.is_learned:
        most = 0.5 / case.lambdas[1]  # of R*, along any direction
        assert_allclose(first, 0.1 * most)
        assert np.all(case.response.curvature() <= most * (1.0 + 1e-9))
    else:
        assert_allclose(first, case.response.curvature())


def check_covariance_factor(case):
    m = case.shape[0]
    F = case.relationship.covariance_factor(case.D)
    if case.kind in ("none", "mean"):
        assert F.shape == (m, 0)
    elif case.kind == "omega":
        covariance = np.linalg.pinv(case.name, hermitian=True, rcond=m * np.finfo(float).eps)
        assert_allclose(F @ F.T, covariance, atol=1e-6 * np.abs(covariance).max())
    else:
        root = F @ F.T * np.linalg.svd(case.D, compute_uv=False).sum()
        assert_allclose(root @ root, case.D @ case.D.T, atol=1e-9 * np.vdot(case.D, case.D))
        assert case.relationship.covariance_factor(np.zeros(case.shape)).shape == (m, 0)


# -- the response -----------------------------------------------------------------------------


def check_value(case):
    assert_allclose(case.response.value, case.conjugate.value(case.V), rtol=1e-8)


def check_W(case):
    """The gradient of R*."""
    slope = case.slope(case.relationship.conjugate, case.V)
    size = np.linalg.norm(case.response.W) * np.linalg.norm(case.D)
    assert_allclose(np.vdot(case.response.W, case.D), slope, atol=1e-4 * size + 1e-12)


def check_product(case):
    """The derivative of W(V), of one direction or a stack."""
    assume(case.is_smooth())
    J = case.response.product(case.D)
    slope = case.slope(lambda V: case.relationship.respond(V).W, case.V)
    assert_allclose(J, slope, atol=1e-4 * np.linalg.norm(case.D) / case.lambdas[1])
    pair = case.response.product(np.array([case.D, case.V]))
    assert pair.shape == (2, *case.shape)
    assert_allclose(pair[0], J, atol=1e-10 * np.linalg.norm(case.D) / case.lambdas[1])


def check_spectral(case):
    form = case.response.spectral()
    assert (form is not None) is (case.is_learned and case.shape[0] >= case.shape[1])
    if form is not None:
        U, Zt, rho, inside = form
        M = U.T @ case.D @ Zt.T
        J = case.D @ (Zt.T * rho) @ Zt + U @ (inside(M) - M * rho) @ Zt
        scale = np.linalg.norm(case.D) / case.lambdas[1]
        assert_allclose(case.response.product(case.D), J, atol=1e-10 * scale)


def check_response_penalty(case):
    W = case.response.W
    assert_allclose(case.response.penalty, case.penalty(W), rtol=1e-7, atol=1e-300)


def check_rank(case):
    if case.is_learned:
        assert case.response.rank == case.conjugate.rank(case.V)
    else:
        assert case.response.rank == min(case.shape)


def held(case):
    """B where the covariance is held."""
    if not case.is_learned:
        return case.conjugate.B
    F = case.relationship.covariance_factor(case.response.W)
    return regularisers.conjugate_of(("sigma", F @ F.T), *case.lambdas, case.shape[0]).B


def check_frozen_product(case):
    assume(case.is_smooth() and case.response.W.any())
    expected = 0.5 * held(case) @ case.D
    scale = np.linalg.norm(case.D) / case.lambdas[1]
    assert_allclose(case.response.frozen_product(case.D), expected, atol=1e-8 * scale)


def check_curvature(case):
    assume(case.is_smooth() and case.response.W.any())
    expected = 0.5 * np.diag(held(case))
    assert_allclose(case.response.curvature(), expected, atol=1e-8 / case.lambdas[1])


def check_rounded(case):
    """A function of its own, whose slope and derivative are its W and its product."""
    excess = 10.0 ** case.rng.uniform(-2, 0)
    assert case.response.rounded(0.0) is case.response
    here = case.response.rounded(excess)

    def at(V):
        return case.relationship.respond(V).rounded(excess)

    if not case.is_learned:
        assert here is case.response
    size = np.linalg.norm(case.D) / case.lambdas[1]
    length = np.linalg.norm(case.V)
    slope = case.slope(lambda V: at(V).value, case.V)
    # the value of zero is not zero, and differences lose digits beside it
    noise = 1e-14 * here.value * np.linalg.norm(case.D) / (STEP * length)
    assert_allclose(np.vdot(here.W, case.D), slope, atol=1e-5 * size * length + noise)
    assert_allclose(here.product(case.D), case.slope(lambda V: at(V).W, case.V), atol=1e-4 * size)


# -- the proximal step as a response ----------------------------------------------------------


RHO = 1.4


def proximal_of(case):
    return case.relationship.proximal_response(case.V, RHO)


def ridged(case):
    """The oracle of the conjugate with rho/2 added to lambda2, and its point."""
    lambda1, lambda2 = case.lambdas
    other = regularisers.conjugate_of(case.name, lambda1, lambda2 + 0.5 * RHO, case.shape[0])
    return other, RHO * case.V


def check_proximal_W(case):
    conjugate, V = ridged(case)
    assert_allclose(proximal_of(case).W, conjugate.grad(V), atol=1e-8)


def check_proximal_rank(case):
    conjugate, V = ridged(case)
    assert proximal_of(case).rank == (conjugate.rank(V) if case.is_learned else min(case.shape))


def check_proximal_product(case):
    conjugate, V = ridged(case)
    assume(conjugate.kink(V) > 1e-3)
    expected = (conjugate.derivative(V) @ case.D.ravel()).reshape(case.shape)
    assert_allclose(proximal_of(case).product(case.D), expected, atol=1e-7 * np.abs(case.D).max())


def check_proximal_frozen_product(case):
    """Of degree one in V, which holding Sigma does not change."""
    now = proximal_of(case)
    assert_allclose(now.frozen_product(RHO * case.V), now.W, atol=1e-8 * np.abs(case.V).max())


# -- the regulariser with a second derivative -------------------------------------------------


def curved(case):
    root = 0.1 * np.linalg.norm(case.V)
    return case.relationship.curved(case.V, root), lambda W: case.relationship.curved(W, root)


def check_curved_value(case):
    """No less than R, and for a quadratic R."""
    value = curved(case)[0].value
    assert value >= case.penalty(case.V) * (1.0 - 1e-9)
    if not case.is_learned:
        assert_allclose(value, case.penalty(case.V), rtol=1e-9)


def check_slope(case):
    here, at = curved(case)
    size = np.linalg.norm(here.slope) * np.linalg.norm(case.D)
    slope = case.slope(lambda W: at(W).value, case.V)
    assert_allclose(np.vdot(here.slope, case.D), slope, atol=1e-6 * size)


def check_hessian(case):
    here, at = curved(case)
    m, d = case.shape
    H = here.hessian()
    assert H.shape == (m * d, m * d)
    bend = case.slope(lambda W: at(W).slope, case.V)
    found = (H @ case.D.ravel()).reshape(case.shape)
    assert_allclose(found, bend, atol=1e-5 * np.linalg.norm(H) * np.linalg.norm(case.D))


# -- the table --------------------------------------------------------------------------------

CHECKS = {
    Relationship: {
        "n_nodes": check_n_nodes,
        "is_quadratic": check_is_quadratic,
        "is_homogeneous": check_is_homogeneous,
        "is_smoothable": check_is_smoothable,
        "own_rho": check_own_rho,
        "last": check_last,
        "penalty": check_penalty,
        "conjugate": check_conjugate,
        "respond": check_respond,
        "proximal": check_proximal,
        "proximal_response": check_proximal_response,
        "common_part": check_common_part,
        "curved": check_curved,
        "majorant": check_majorant,
        "stiffness": check_stiffness,
        "first_curvature": check_first_curvature,
        "covariance_factor": check_covariance_factor,
    },
    Response: {
        "value": check_value,
        "W": check_W,
        "product": check_product,
        "spectral": check_spectral,
    },
    ExactResponse: {
        "penalty": check_response_penalty,
        "rank": check_rank,
        "frozen_product": check_frozen_product,
        "curvature": check_curvature,
        "rounded": check_rounded,
    },
    ProximalResponse: {
        "W": check_proximal_W,
        "rank": check_proximal_rank,
        "product": check_proximal_product,
        "frozen_product": check_proximal_frozen_product,
    },
    Curved: {
        "value": check_curved_value,
        "slope": check_slope,
        "hessian": check_hessian,
    },
}


@pytest.mark.parametrize("protocol", CHECKS, ids=lambda protocol: protocol.__name__)
def test_docstring_protocol_and_checks_name_the_same(protocol):
    own = vars(protocol)
    members = {name for name in own if not name.startswith("_")} | set(own["__annotations__"])
    head = re.escape(f"`{protocol.__name__}`")
    table = re.search(rf"^of an? {head}.*\n=.*\n((?:[^=].*\n)+)=", contract.__doc__, re.MULTILINE)
    documented = re.findall(r"^(\w+)(?:\(.*?\))? ", table[1], re.MULTILINE)
    assert set(documented) == members == set(CHECKS[protocol])
    assert len(documented) == len(members)


@pytest.mark.parametrize("kind", MODEL_KINDS)
@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{protocol.__name__}.{name}")
        for protocol, checks in CHECKS.items()
        for name, check in checks.items()
    ],
)
@settings(max_examples=examples(1 / 2))
@given(shape=shapes, lambdas=lambdas, seed=seeds)
def test_every_member_keeps_its_promise(check, kind, shape, lambdas, seed):
    check(Case(kind, shape, lambdas, seed))
