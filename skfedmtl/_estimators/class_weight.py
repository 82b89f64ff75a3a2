"""What the class of a row multiplies its weight by."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array

__all__ = ["class_weights"]


def class_weights(
    class_weight: dict[Any, float] | str | None,
    classes: NDArray[Any],
    position: NDArray[np.int64],
    sample_weight: Array,
) -> Array | float:
    """One factor a row, whose class is ``classes[position]``.

    ``"balanced"`` counts a row of weight 2 as two rows; scikit-learn's own function counts rows.
    """
    if class_weight is None:
        return 1.0
    if isinstance(class_weight, str):
        total = np.bincount(position, weights=sample_weight, minlength=len(classes))
        share = np.divide(
            total.sum(), len(classes) * total, out=np.zeros_like(total), where=total > 0
        )
        return share[position]
    known = classes.tolist()
    if unknown := [label for label in class_weight if label not in known]:
        raise ValueError(f"class_weight lists {unknown}; the classes are {known}.")
    for label, weight in class_weight.items():
        if not isinstance(weight, Real) or not 0 <= weight < np.inf:
            raise ValueError(
                "class_weight must hold finite numbers of at least 0, got "
                f"{weight!r} for the class {label!r}."
            )
    if not any(class_weight.get(label, 1.0) for label in known):
        raise ValueError("class_weight must not be 0 for all classes.")
    return np.array([float(class_weight.get(label, 1.0)) for label in known])[position]
