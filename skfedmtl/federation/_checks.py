"""What a node may be made of: rows, targets and weights, in memory or in a file, and its limits."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from skfedmtl._model import LOSSES
from skfedmtl._protocol import Intercept
from skfedmtl._tools.stored_tables import StoredTable, open_table
from skfedmtl._typing import Array
from skfedmtl.federation._messages import LOSS_NAMES

__all__ = [
    "Columns",
    "check_limits",
    "check_rows",
    "checked_rows",
    "columns_hash",
    "intercept_of",
    "seed_of",
    "stored_rows",
]


def intercept_of(loss: str, fit_intercept: bool, scaling: float | None) -> tuple[Intercept, float]:
    """Which kind of intercept there is, and the constant behind it."""
    is_free = scaling is None and LOSSES[loss].constant_curvature > 0.0
    kind: Intercept = "centred" if is_free else "feature"
    return kind if fit_intercept else "none", 1.0 if scaling is None else float(scaling)


def columns_hash(X: Any, names: Any, n_features: int) -> float:
    """A number that features of other names, or in another order, hardly share; 0 without names.

    `names` are those of the features; None: of the frame `X`, if all are strings.
    """
    if names is None:
        names = getattr(X, "columns", None)
        if names is None or not all(isinstance(name, str) for name in names):
            return 0.0
    said = [names] if isinstance(names, str) else list(names)
    if len(said) != n_features or not all(isinstance(name, str) for name in said):
        raise ValueError(
            f"feature_names must be None or {n_features} strings, one a feature, got {names!r}."
        )
    digest = hashlib.sha256("\0".join(said).encode()).digest()
    return 1.0 + int.from_bytes(digest[:6], "big")  # float64 holds it exactly


def seed_of(random_state: int | Sequence[int] | None) -> tuple[int, ...]:
    if random_state is None:
        return (secrets.randbits(63),)
    seed = tuple(np.atleast_1d(np.asarray(random_state, dtype=object)).tolist())
    if not seed or not all(isinstance(one, Integral) and int(one) >= 0 for one in seed):
        raise ValueError(
            f"random_state must be None or whole numbers of at least 0, got {random_state!r}."
        )
    return tuple(map(int, seed))


def check_limits(
    min_rows: Any,
    min_epochs: Any,
    max_exchanges: Any,
    max_row_norm: Any,
    intercept_scaling: Any,
) -> None:
    """Refuse what would be no limit: no number lies beyond NaN."""
    _check_number("min_rows", min_rows, 0, kind=Integral)
    _check_number("min_epochs", min_epochs, 0.0)
    if max_exchanges is not None:
        _check_number("max_exchanges", max_exchanges, 1, kind=Integral)
    if max_row_norm is not None:
        _check_number("max_row_norm", max_row_norm, 0.0)
    if intercept_scaling is not None:
        _check_number("intercept_scaling", intercept_scaling, np.nextafter(0.0, 1.0))


def _check_number(name: str, given: Any, least: float, kind: type = Real) -> None:
    if not isinstance(given, kind) or not least <= given < np.inf:  # type: ignore[operator]
        what = "whole number" if kind is Integral else "finite number"
        bound = f"of at least {least}" if least in (0, 1) else "above 0"
        raise ValueError(f"{name} must be a {what} {bound}, got {given!r}.")


def _check_loss(loss: str) -> None:
    if loss not in LOSS_NAMES:
        raise ValueError(f"loss must be one of {LOSS_NAMES}, got {loss!r}.")


def checked_rows(X: Any, y: Any, loss: str, sample_weight: Any, min_rows: int) -> tuple[Any, ...]:
    """Rows, targets and weights that a fit can take, of which there are enough."""
    X, y, weight = check_rows(X, y, loss, sample_weight)
    _check_enough("X", weight, min_rows)
    return X, y, weight


def _check_enough(name: str, weight: Array, min_rows: int) -> None:
    if np.count_nonzero(weight) < max(min_rows, 1):
        raise ValueError(
            f"{name} has {np.count_nonzero(weight)} rows of some weight, fewer than "
            f"min_rows={min_rows}: what they answer would give them away."
        )


def check_rows(
    X: Any, y: Any, loss: str, sample_weight: Any, *, copy: bool = True
) -> tuple[Any, ...]:
    """Rows, targets and weights that a fit can take."""
    _check_loss(loss)
    X, y = _real_numbers("X", X, copy), _real_numbers("y", y, copy)
    weight = np.ones(y.shape)
    if sample_weight is not None:
        weight = _real_numbers("sample_weight", sample_weight, copy)
    if X.ndim != 2 or y.shape != (len(X),) or weight.shape != y.shape:
        raise ValueError(
            "X must be of shape (n_samples, n_features), y and sample_weight of shape "
            f"(n_samples,), got {X.shape}, {y.shape} and {weight.shape}."
        )
    if X.shape[1] == 0:
        raise ValueError("X has no feature; one at least is needed.")
    _check_finite("X", X)
    _check_columns(("y", y), ("sample_weight", weight), loss)
    return X, y, weight


def _check_finite(name: str, values: Array) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinity; finite numbers are allowed.")


def _check_columns(targets: tuple[str, Array], weights: tuple[str, Array], loss: str) -> None:
    """Refuse targets or weights, each behind its name, that a loss does not take."""
    _check_finite(*targets)
    _check_finite(*weights)
    if (weights[1] < 0.0).any():
        raise ValueError(f"{weights[0]} must be at least 0.")
    if not LOSSES[loss].is_regression and not np.isin(targets[1], (-1.0, 1.0)).all():
        raise ValueError(f"{targets[0]} must hold -1 and +1 with loss={loss!r}.")


def _real_numbers(name: str, given: Any, copy: bool) -> Any:
    """In double precision, without what that would hide."""
    if hasattr(given, "toarray"):
        raise ValueError(f"{name} is sparse; a node takes dense rows: pass {name}.toarray().")
    if np.ma.is_masked(given):
        raise ValueError(f"{name} has masked entries; leave their rows out, or fill them.")
    try:
        if np.iscomplexobj(given):
            raise TypeError("these are complex")
        make = np.array if copy else np.asarray
        return make(given, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold real numbers in a dense array: {error}") from error


class Columns(NamedTuple):
    """Which columns of a file are what."""

    target: Any
    features: Any
    weight: Any
    positive: Any  #: the target that counts as +1, if not all are numbers


def stored_rows(
    path: Any, columns: Columns, loss: str, min_rows: int, chunk_rows: int | None
) -> tuple[StoredTable, Array, Array]:
    """A table in a file, its targets and weights; the rows themselves are not yet read."""
    _check_loss(loss)
    features = columns.features
    if features is not None and (isinstance(features, str) or not isinstance(features, Sequence)):
        raise ValueError(f"features must be None or a list of columns, got {features!r}.")
    if features is not None and not {columns.target, columns.weight}.isdisjoint(features):
        raise ValueError("features must name neither target_column nor weight_column.")
    others = {"target_column": columns.target, "weight_column": columns.weight}
    table = open_table(path, features, others, chunk_rows)
    n, d = table.shape
    if d == 0 or n == 0:
        raise ValueError(f"path must hold rows and features, got {n} rows of {d} features.")
    raw = table.column(columns.target, "target_column")
    if columns.positive is not None:
        raw = np.where(raw.astype(str) == str(columns.positive), 1.0, -1.0)
    y = _real_numbers("target_column", raw, copy=True)
    weight = np.ones(n)
    if columns.weight is not None:
        weight = _real_numbers(
            "weight_column", table.column(columns.weight, "weight_column"), copy=True
        )
    _check_columns(("target_column", y), ("weight_column", weight), loss)
    _check_enough("path", weight, min_rows)
    return table, y, weight
