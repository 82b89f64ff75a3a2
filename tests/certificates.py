"""What a fitted model promises, reckoned again from its public attributes by the oracles."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose

from estimators import oracle_task
from oracles import kernels
from oracles.common import SumConjugate
from oracles.losses import RECORD_OF
from oracles.objective import loss_values, primal
from oracles.system import build_system


def dual(problem, kind, alpha, lambda0=None):
    """The dual objective of `alpha`, computed from the rows by the oracle."""
    system = build_system(
        *oracle_task(problem, kind), problem.m, problem.fit_intercept, problem.kappa
    )
    y, X = system.y, system.X
    if len(system.free_nodes):  # an unpenalised intercept: on rows centred in their node
        y, X = y.copy(), X.copy()
        for node in system.free_nodes:
            mine = system.codes == node
            X[mine] -= system.p[mine] @ X[mine]
            y[mine] -= system.p[mine] @ y[mine]
    centred = replace(system, X=X, y=y)
    conjugates = [kernels.conjugate(problem.loss, *row) for row in zip(y, alpha, strict=True)]
    tied = centred.conjugate
    conjugate = tied if lambda0 is None else SumConjugate(tied, lambda0)
    return float(-(centred.p @ conjugates) - conjugate.value(centred.V(alpha)))


def check_primal(model, problem, kind):
    """`objective_` is P at the public coefficients."""
    b = model.intercept_ if problem.fit_intercept else None
    P = primal(model.coef_, b, *oracle_task(problem, kind), kappa=problem.kappa)
    assert_allclose(model.objective_, P, rtol=1e-9, atol=1e-12)


def check_certificate(model, problem, kind):
    """Both objectives are those of the public attributes, and they do not cross."""
    check_primal(model, problem, kind)
    bound = dual(problem, kind, model.dual_coef_)
    assert_allclose(model.dual_objective_, bound, rtol=1e-8, atol=1e-9)
    assert model.dual_gap_ == model.objective_ - model.dual_objective_
    assert model.dual_gap_ >= 0.0


def worth_of_nothing(problem):
    """P at weights of zero: with free intercepts, what their best values leave."""
    total = np.bincount(problem.codes, problem.weight, problem.m)
    share = problem.weight / np.where(total > 0.0, total, 1.0)[problem.codes]
    if problem.is_classification:
        return float(share.sum() * loss_values(problem.loss, 1.0, 0.0))
    y = problem.y
    if problem.fit_intercept and RECORD_OF[problem.loss].has_free_intercept:
        y = y - np.bincount(problem.codes, share * y, problem.m)[problem.codes]
    return float(share @ loss_values(problem.loss, y, np.zeros_like(y)))
