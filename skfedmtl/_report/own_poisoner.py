"""Poisoners of users in the place of the optimised attacks: what is asked of them, and set."""

from collections.abc import Collection
from typing import Any

from sklearn.base import clone

from skfedmtl._estimators import FMTLRegressor
from skfedmtl.attack import BasePoisoner, LabelFlipPoisoner, PoisoningAttacker

#: Parameters that a report sets in every repetition, to compare attacks on the same nodes.
THREAT = ("estimator", "attack", "target_nodes", "source_nodes", "budget", "random_state")
#: Parameters that keep rows to what the columns of the table hold, and the words for it.
LIMITS = {
    "feature_range": "every column keeps the clean range of its node",
    "integer_features": "whole numbers stay whole",
    "one_hot_groups": "a row has one of the categories",
}
FEATURES = (*LIMITS, "frozen_features")
#: Without these, rows may leave the ball that is bounded.
BOUNDED = ("feature_range", "one_hot_groups")


def check_own_poisoner(poisoner: Any, bound: bool) -> None:
    """Refuse what attacks otherwise than a report says, and with a bound, beyond what that holds.

    Parameters
    ----------
    poisoner : object
        What users have handed over; None is the package's.
    bound : bool
        Whether it is to be bounded.
    """
    if poisoner is None:
        return
    if not isinstance(poisoner, BasePoisoner):
        raise TypeError(
            f"`poisoner` must be a poisoner or None, got {poisoner!r}; allowed are objects of "
            "classes derived from skfedmtl.attack.BasePoisoner."
        )
    name, given = type(poisoner).__name__, poisoner.get_params(deep=False)
    if lacking := _lacking(THREAT, given):
        raise ValueError(
            f"`poisoner` must have the parameters that a report sets, {', '.join(THREAT)}; {name} "
            f"lacks {lacking}."
        )
    if type(poisoner).draw_threat is not BasePoisoner.draw_threat:
        raise ValueError(
            f"`poisoner`: {name} has a draw_threat of its own, and a report compares attacks on "
            "the same nodes. Allowed are poisoners without one; name the nodes by `target_nodes` "
            "and `source_nodes`."
        )
    goal = given.get("goal", "error")
    if not isinstance(goal, str) or goal != "error":
        raise ValueError(
            f"`poisoner` must have goal='error', as a report is of errors; got goal={goal!r}. "
            "skfedmtl.metrics.compare tells what attacks of other goals reach."
        )
    lacking = _lacking(BOUNDED, given)
    if bound and lacking and not _copies(poisoner):
        raise ValueError(
            f"`poisoner`: {name} lacks {lacking}, without which its rows may be any, and no bound "
            f"is known. bound=True needs {' and '.join(BOUNDED)}; give bound=False."
        )
    clone(poisoner).set_params(estimator=FMTLRegressor())._validate_params()


def set_up(poisoner: Any, victim: Any, options: dict[str, Any]) -> Any:
    """A clone of a poisoner of users that attacks as one of the package would with these options.

    Options that it lacks are left out, and so is the radius of one whose features have no range:
    that radius holds all ranges, and alone would be no limit.
    """
    own, package = clone(poisoner), PoisoningAttacker(victim, **options).get_params(deep=False)
    known = own.get_params(deep=False)
    names = [*THREAT, "node_column", *FEATURES]
    if "feature_range" in known:
        names.append("radius")
    return own.set_params(**{name: package[name] for name in names if name in known})


def shared(poisoner: Any) -> dict[str, Any]:
    """How sources are found, which random attacks and bounds are to do as the poisoner does."""
    chosen = getattr(poisoner, "choose_sources", None)
    return {} if chosen is None else {"choose_sources": chosen}


def limits_in_words(poisoner: Any) -> str:
    """What injected rows keep to, and what they may not, in sentences."""
    has_all = poisoner is None or _copies(poisoner)
    given = FEATURES if has_all else poisoner.get_params(deep=False)
    kept = [words for name, words in LIMITS.items() if name in given]
    *first, last = kept or ["columns have no limits of their own"]
    text = f"{', '.join(first)}, and {last}" if first else last
    if lacking := _lacking(FEATURES, given):
        text += f"; {type(poisoner).__name__} lacks {lacking}"
    return f"{text[0].upper()}{text[1:]}."


def _lacking(names: Collection[str], given: Collection[str]) -> str:
    return ", ".join(name for name in names if name not in given)


def _copies(poisoner: Any) -> bool:
    """Whether its rows are clean ones, which keep to every limit."""
    return isinstance(poisoner, LabelFlipPoisoner)
