"""The model: losses, regularisers, and the algebra of rows. It knows of no nodes and no solver."""

from skfedmtl._model import row_algebra
from skfedmtl._model.anchored import Anchored
from skfedmtl._model.common import CommonQuadratic, least_ridge
from skfedmtl._model.common_learned import CommonLearned, SmoothedSum
from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES, Huber, Loss, PrimalLoss, SmoothLoss, SquaredError
from skfedmtl._model.own_loss import REQUIRED, OwnLoss
from skfedmtl._model.own_relationship import REQUIRED as REQUIRED_OF_RELATIONSHIPS
from skfedmtl._model.own_relationship import OwnRelationship, is_own
from skfedmtl._model.quadratic import Fixed, Independent, MeanTied
from skfedmtl._model.regulariser import (
    Curved,
    ExactResponse,
    Proximal,
    ProximalResponse,
    Relationship,
    Response,
    Spectral,
)
from skfedmtl._model.stored_rows import StoredRows

__all__ = [
    "LOSSES",
    "REQUIRED",
    "REQUIRED_OF_RELATIONSHIPS",
    "Anchored",
    "CommonLearned",
    "CommonQuadratic",
    "Curved",
    "ExactResponse",
    "Fixed",
    "Huber",
    "Independent",
    "Learned",
    "Loss",
    "MeanTied",
    "OwnLoss",
    "OwnRelationship",
    "PrimalLoss",
    "Proximal",
    "ProximalResponse",
    "Relationship",
    "Response",
    "SmoothLoss",
    "SmoothedSum",
    "Spectral",
    "SquaredError",
    "StoredRows",
    "is_own",
    "least_ridge",
    "row_algebra",
]
