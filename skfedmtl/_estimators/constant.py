"""Which nodes' models are constant to within the certificate of their fit.

A gap ``g`` proves no more than ``||W - W*||_F <= sqrt(g / lambda2)``: ``P`` grows at least so fast
around its least value. Slopes ``w_l`` of that size or below may be zero at the optimum. The bound
is crude: informative slopes may lie below it, too. So a constant model's decisions must also be
spread over no more than ``2 sqrt(g / P)`` of what they stand beside, since a fit and a constant
model may both be that far from the optimum, on either side of it::

    regression       the root of the node's loss, of squares their root mean square residual
    classification   the decision of the mean row, intercept and all

For squared errors the variance of such decisions, which is what they can spare a node, is a share
of ``4 g / P`` of its loss. For a classifier whose intercept is penalised, ``sqrt(g / P)`` of that
is at most the bound above, as ``lambda2 b^2 <= P``. The spread is at least the standard deviation
over all training rows, as a node may have few; above a hundredth it is never called constant: the
wide gap of a fit that was stopped early shows nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import row_algebra
from skfedmtl._protocol import FederatedProblem, Solution
from skfedmtl._typing import Array

_SMALL = 1e-2  #: spread that is never called constant, relative
_ROUNDING = 2.0**-52  #: relative gap below which rounding has the say


def constant_models(
    problem: FederatedProblem, solution: Solution, X: Any, lambda2: float, *, classify: bool
) -> NDArray[np.bool_]:
    """Whether each node's model is constant, one entry a node.

    Parameters
    ----------
    problem : FederatedProblem
        The fit's problem.
    solution : Solution
        Its solution.
    X : ndarray or CSR matrix of shape (n, d)
        The rows of the fit, in any order.
    lambda2 : float
        Strength of the ridge penalty.
    classify : bool
        Whether the targets are classes.
    """
    coef, intercept = problem.coefficients(solution.W)
    objective = solution.certificate.objective
    gap = float(max(solution.certificate.gap, _ROUNDING * objective))
    constant: NDArray[np.bool_] = np.linalg.norm(coef, axis=1) <= np.sqrt(gap / lambda2)
    if not constant.any():
        return constant
    share = min(2.0 * np.sqrt(gap / objective), _SMALL) if objective > 0.0 else 0.0
    mean, deviation = _moments(X)
    spread = np.abs(coef) @ deviation
    if classify:
        level = np.abs(intercept + coef @ mean)
    else:
        # no node's loss is above the objective: most nodes need not be asked for theirs
        constant &= spread <= share * np.sqrt(objective / problem.nodes.totals)
        level = _root_losses(problem, solution.W, constant)
    return constant & (spread <= share * level)


def _moments(X: Any) -> tuple[Array, Array]:
    """Mean and standard deviation of every column."""
    n, d = X.shape
    mean = np.asarray(X.mean(axis=0)).ravel()
    if isinstance(X, np.ndarray):
        squares = np.zeros(d)
        for some in row_algebra.chunks(n, d):  # no second table
            part = X[some] - mean
            squares += np.einsum("ij,ij->j", part, part)
        return mean, np.sqrt(squares / n)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    squares = np.bincount(X.indices, np.square(X.data), minlength=d)
    return mean, np.sqrt(np.maximum(squares / n - np.square(mean), 0.0))


def _root_losses(problem: FederatedProblem, W: Array, which: NDArray[np.bool_]) -> Array:
    """Roots of the losses of these nodes."""
    nodes, out = problem.nodes, np.zeros(len(W))
    for l in np.flatnonzero(which).tolist():
        part = nodes.parts[l]
        losses = nodes.loss.value(nodes.y[part], nodes.rows(l) @ W[l])
        out[l] = np.sqrt(nodes.weight[part] @ losses / nodes.totals[l])
    return out
