"""Matrices of nodes: precisions of the caller that fit the nodes, and correlations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._input import (
    MAX_DENSE_NODES,
    in_order,
    is_labelled,
    refuse_half_labelled,
    refuse_masked,
)
from skfedmtl._typing import Array


def check_precision(relationship: Any, labels: NDArray[Any]) -> Array:
    """The given precision matrix in the order of the labels: square, symmetric, no less than 0."""
    m = len(labels)
    if m > MAX_DENSE_NODES:
        raise ValueError(
            f"relationship is a dense matrix of {m} nodes; at most {MAX_DENSE_NODES} nodes are "
            "allowed. 'learned', 'mean' and 'none' take any number."
        )
    refuse_half_labelled(relationship, "relationship")
    if is_labelled(relationship):
        relationship = _ordered_frame(relationship, labels)
    refuse_masked(relationship=relationship)
    try:
        Omega = np.asarray(relationship)
        Omega = Omega if Omega.dtype.kind == "c" else np.array(Omega, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "relationship must be 'learned', 'mean', 'none' or a matrix of real numbers, "
            f"got {type(relationship).__name__}."
        ) from error
    if Omega.dtype.kind == "c":
        raise ValueError("relationship holds complex numbers; real numbers are allowed.")
    if Omega.shape != (m, m):
        raise ValueError(
            f"relationship must be a precision matrix of shape ({m}, {m}), one row and column for "
            f"each of the {m} nodes, got shape {Omega.shape}."
        )
    if not np.isfinite(Omega).all():
        raise ValueError("relationship holds NaN or infinity; finite numbers are allowed.")
    scale = np.abs(Omega).max()
    if np.abs(Omega - Omega.T).max() > 1e-10 * scale:
        raise ValueError("relationship must be symmetric.")
    Omega = 0.5 * (Omega + Omega.T)
    smallest = np.linalg.eigvalsh(Omega)[0]
    if smallest < -1e-10 * scale:
        raise ValueError(
            "relationship must be positive semidefinite; its smallest eigenvalue is "
            f"{smallest:.3g}."
        )
    return Omega


def correlation(covariance: Array) -> Array:
    """A covariance scaled to a unit diagonal."""
    spread = np.sqrt(np.diag(covariance))
    floor = 1e-12 * spread.max(initial=0.0)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > floor)
    scaled = np.clip(covariance * scale[:, None] * scale, -1.0, 1.0)
    np.fill_diagonal(scaled, 1.0)
    return scaled


def _ordered_frame(frame: Any, labels: NDArray[Any]) -> Any:
    """The values of a square frame labelled by nodes on both axes, in the order of the labels."""
    wanted = set(labels.tolist())
    for axis, name in ((frame.index, "index"), (frame.columns, "columns")):
        found = list(axis)
        if len(found) != len(wanted) or set(found) != wanted:
            raise ValueError(
                f"The {name} of relationship must be the labels of the nodes, {sorted(wanted)}, "
                f"got {found}. A node without rows must be listed in node_labels."
            )
    return in_order(frame, labels.tolist())
