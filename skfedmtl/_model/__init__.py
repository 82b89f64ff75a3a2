"""The model: losses, regularisers, and the algebra of rows. It knows of no nodes and no solver."""

from skfedmtl._model import row_algebra
from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES, Huber, Loss, PrimalLoss, SmoothLoss, SquaredError
from skfedmtl._model.quadratic import Fixed, Independent
from skfedmtl._model.regulariser import (
    Curved,
    ExactResponse,
    Proximal,
    Relationship,
    Response,
    Spectral,
)

__all__ = [
    "LOSSES",
    "Curved",
    "ExactResponse",
    "Fixed",
    "Huber",
    "Independent",
    "Learned",
    "Loss",
    "PrimalLoss",
    "Proximal",
    "Relationship",
    "Response",
    "SmoothLoss",
    "Spectral",
    "SquaredError",
    "row_algebra",
]
