"""Extrapolation of a linear iteration, against its fixed point and in both precisions."""

import numpy as np
import pytest

from skfedmtl._solvers.anderson import Anderson

SHAPE = 40, 3


def steps_to_rest(tol, **options):
    """Iterations of ``T <- T + 1.6 (A T + B - T)`` to a residual of that share of B."""
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.normal(size=(SHAPE[0], SHAPE[0])))
    A = (Q * rng.uniform(0.0, 0.95, SHAPE[0])) @ Q.T
    B, T = rng.normal(size=SHAPE), np.zeros(SHAPE)
    anderson = Anderson(40, 1.6, 1e-14, longest=np.inf, **options)
    for number in range(200):
        residual = A @ T + B - T
        if np.linalg.norm(residual) <= tol * np.linalg.norm(B):
            exact = np.linalg.solve(np.eye(SHAPE[0]) - A, B)
            return number, np.linalg.norm(T - exact) / np.linalg.norm(exact), anderson
        T = anderson.advance(T, residual)
    raise AssertionError("no rest")


@pytest.mark.parametrize("tol", [1e-1, 1e-2, 1e-3])
def test_single_precision_takes_as_many_steps_where_it_is_used(tol):
    number, off, kept = steps_to_rest(tol, single=True)
    other, _, _ = steps_to_rest(tol)
    assert number == other
    assert off <= 20.0 * tol  # 1 / (1 - .95)
    differences = [*kept._steps, *kept._residuals]
    assert {one.dtype for one in differences} == {np.dtype(np.float32)}
    assert sum(one.nbytes for one in differences) == 2 * (number - 1) * 4 * SHAPE[0] * SHAPE[1]


def test_states_keep_double_precision():
    """What differences lose is a share of a step, which becomes small: rest is rest."""
    _, off, _ = steps_to_rest(1e-12, single=True)
    assert off <= 20.0 * 1e-12
