"""Federated multi-task learning with certified optima, and how poisoned nodes can hurt it.

Names are looked up when they are first asked for: a node of a federation loads no scikit-learn.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from skfedmtl._tools.lazy import finder

if TYPE_CHECKING:
    from skfedmtl._estimators import FMTLClassifier, FMTLRegressor
    from skfedmtl._input import from_nodes
    from skfedmtl.attack import LabelFlipPoisoner, PoisoningAttacker, RandomPoisoner
    from skfedmtl.model_selection import FMTLClassifierCV, FMTLRegressorCV

__version__ = version("skfedmtl")

__all__ = [
    "FMTLClassifier",
    "FMTLClassifierCV",
    "FMTLRegressor",
    "FMTLRegressorCV",
    "LabelFlipPoisoner",
    "PoisoningAttacker",
    "RandomPoisoner",
    "from_nodes",
]

_ROOM_OF = {
    "FMTLClassifier": "_estimators",
    "FMTLClassifierCV": "model_selection",
    "FMTLRegressor": "_estimators",
    "FMTLRegressorCV": "model_selection",
    "LabelFlipPoisoner": "attack",
    "PoisoningAttacker": "attack",
    "RandomPoisoner": "attack",
    "from_nodes": "_input",
}
_ROOMS = {"attack", "datasets", "defense", "federation", "inspection", "metrics", "model_selection"}
_ROOMS |= {"protocols", "relationships", "report", "testing"}


_find = finder(__name__, _ROOM_OF)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"skfedmtl.{name}")
    return _find(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
