"""Victims of which no bound is known."""

from skfedmtl._input import with_article
from skfedmtl._model import is_own
from skfedmtl._tools.sklearn import last_step
from skfedmtl._victim import has_own_fit

__all__ = ["refuse_unbounded"]


def refuse_unbounded(estimator):
    """Refuse victims that do not minimise the loss that H sums over all rows."""
    model = last_step(estimator)
    kind = type(model)
    if not getattr(model, "_goes_by_all", True):
        raise ValueError(
            f"`estimator` is {with_article(kind.__name__)}, which leaves rows out: no bound is "
            "known. DamageBound needs a victim that goes by all."
        )
    if has_own_fit(model):
        raise ValueError(f"`estimator`: {kind.__name__} has a fit of its own; no bound is known.")
    loss = getattr(model, "loss", "")
    if not isinstance(loss, str) and not hasattr(loss, "kappa"):
        raise ValueError(
            f"`estimator` has a loss of your own, {type(loss).__name__}, without `kappa`: how hard "
            "an injected row may pull is not known, and no bound; see skfedmtl.protocols."
        )
    if is_own(getattr(model, "relationship", "")):
        raise ValueError(
            f"`estimator` has a `relationship` of your own, {type(model.relationship).__name__}: "
            "no bound is known. DamageBound needs one of the package's."
        )
    for name in ("class_weight", "node_weight"):
        weight = getattr(model, name, None)
        if weight is not None:
            raise ValueError(
                f"`estimator` has {name}={weight!r}: its loss is not the one that H sums, and no "
                f"bound is known. DamageBound needs {name}=None."
            )
